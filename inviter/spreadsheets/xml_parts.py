"""One XML file inside an .xlsx, told to its reader element by element. Pure.

Whatever a hostile file can grow while it is parsed (depth, names, entities, one huge tag, sheer
number) is bounded.
"""

from collections.abc import Callable, Generator
from typing import IO, Any
from xml.parsers import expat

from inviter.spreadsheets.unreadable import PIECE

MOST_ELEMENTS = 3_000_000  # 100,000 rows of 15 numbers
MOST_NAMES = 10_000
DEEPEST = 100
LONGEST_TAG = 1 << 18
LONGEST_TEXT = 1 << 16


class TooLarge(Exception):
    """There is more in it than a list has."""


class Part:
    """A reader has methods for the elements it knows: `open_row(attributes)`, `close_row()`.

    While it `collects`, text is added to `text`.
    """

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.collects = False
        self.text = ""

    def read(self, stream: IO[bytes]) -> Generator[None, None, None]:
        """Stop after each piece, so that what it held can be taken away."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._opener(_Methods(self, "open_"))
        parser.EndElementHandler = self._closer(_Methods(self, "close_"))
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse  # before an entity could be declared
        given = 0
        while piece := stream.read(PIECE):
            parser.Parse(piece)
            given += len(piece)
            self._refuse_hostile(len(parser.intern), given - parser.CurrentByteIndex)
            yield
        parser.Parse(b"", True)

    def _refuse_hostile(self, names: int, waiting: int) -> None:
        if self.opened > MOST_ELEMENTS or self.opened - self.closed > DEEPEST:
            raise TooLarge
        if names > MOST_NAMES or waiting > LONGEST_TAG:
            raise TooLarge

    def _opener(self, methods: dict[str, Any]) -> Callable[[str, dict[str, str]], None]:
        def opener(name: str, attributes: dict[str, str]) -> None:
            self.opened += 1
            if method := methods[name]:
                method(attributes)

        return opener

    def _closer(self, methods: dict[str, Any]) -> Callable[[str], None]:
        def closer(name: str) -> None:
            self.closed += 1
            if method := methods[name]:
                method()

        return closer

    def _characters(self, text: str) -> None:
        if self.collects and len(self.text) < LONGEST_TEXT:
            self.text += text


class _Methods(dict[str, Any]):
    """By the name of an element, with its prefix: some programs write x:row for row."""

    def __init__(self, part: Part, kind: str) -> None:
        self.part, self.kind = part, kind

    def __missing__(self, name: str) -> Any:
        self[name] = getattr(self.part, self.kind + name.rpartition(":")[2], None)
        return self[name]


def _refuse(*_declared: object) -> None:
    raise ValueError("a document type is declared")
