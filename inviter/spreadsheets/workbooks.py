"""The first visible sheet of an .xlsx -> rows of text. Pure; holds the shared texts, never a sheet.

Read here and not by a library: those keep a sheet as a full rectangle, and a shared text once for
each cell that shows it, so that two kilobytes of a hostile file ask for gigabytes. What is counted
here is bounded before it is kept.
"""

import posixpath
import re
import struct
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from string import digits as DIGITS
from typing import BinaryIO, cast
from xml.parsers.expat import ExpatError

from inviter.contacts import N_
from inviter.spreadsheets import cell_formats, xml_parts
from inviter.spreadsheets.unreadable import OTHER, Refused

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
MOST_UNPACKED = 100_000_000
MOST_SHARED = 32_000_000  # bytes, besides 4 for each
MOST_COLUMNS = 500  # what stands farther to the right is not looked at
MOST_ROWS = 1_048_576
LONGEST_CELL = 1000  # no name, email or number is as long: `contacts` refuses what is left
MOST_BESIDES = 2_000_000  # unpacked, of a part that is neither the sheet nor the shared texts
LONGEST_READ = 1 << 20  # the directory of 10,000 parts; a list has a dozen

ESCAPED = re.compile("_x000[9AD]_", re.IGNORECASE)  # how line ends are kept in a cell

BROKEN = N_("This file is damaged. Open it in Excel and save it as CSV")
TOO_LARGE = N_("This file holds too much. Save the sheet with the list as CSV")

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ExpatError,
    EOFError,
    LookupError,
    NotImplementedError,  # packed in a way that zipfile does not know
    OSError,
    RuntimeError,  # a part behind a password
    ValueError,
)


def is_one(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(4) in ZIP


def rows(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row that has some; raises Refused."""
    try:
        with zipfile.ZipFile(cast("BinaryIO", _Careful(file))) as archive:
            yield from _Workbook(archive).rows()
    except Refused:
        raise
    except xml_parts.TooLarge:
        raise Refused("too-large", TOO_LARGE) from None
    except DAMAGE:
        raise Refused("damaged", BROKEN) from None


class _Careful:
    """The file, but never much of it at once: zipfile reads the directory whole."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, lambda: True

    def read(self, size: int = -1) -> bytes:
        if size > LONGEST_READ:
            raise zipfile.BadZipFile
        return self._file.read(size if size >= 0 else LONGEST_READ)


class _Workbook:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        parts = archive.infolist()
        # Nothing is unpacked beyond the size that is stated, so this needs no trying.
        if sum(part.file_size for part in parts) > MOST_UNPACKED:
            raise Refused("too-large", TOO_LARGE)
        self.parts = {part.filename.replace("\\", "/").lower(): part for part in parts}

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        path = self._main_part()
        contents = _Contents()
        self._parse(path, contents, MOST_BESIDES)
        related = self._related(path)
        if not contents.is_workbook:
            raise Refused("other", OTHER)
        sheet = _first_visible(contents, related)
        texts, formats = _Texts(), cell_formats.Formats(contents.from_1904)
        besides = dict(related.values())  # one of a kind: each is parsed once
        if "sharedStrings" in besides:
            self._parse(besides["sharedStrings"], texts, MOST_UNPACKED)
        if "styles" in besides:
            self._parse(besides["styles"], formats, MOST_BESIDES)
        cells = _Cells(texts, formats)
        for _ in self._pieces(sheet, cells):
            yield from cells.taken()

    def _main_part(self) -> str:
        related = self._related("") if "_rels/.rels" in self.parts else {}
        for kind, target in related.values():
            if kind == "officeDocument":
                return target
        raise Refused("other", OTHER)

    def _related(self, path: str) -> dict[str, tuple[str, str]]:
        """By their id: what a part needs, as kind and path."""
        folder, name = posixpath.split(path)
        relations = _Relations(folder)
        self._parse(posixpath.join(folder, "_rels", f"{name}.rels"), relations, MOST_BESIDES)
        return relations.targets

    def _parse(self, path: str, part: xml_parts.Part, most: int) -> None:
        if self.parts[path.lower()].file_size > most:
            raise xml_parts.TooLarge
        for _ in self._pieces(path, part):
            pass

    def _pieces(self, path: str, part: xml_parts.Part) -> Iterator[None]:
        info = self.parts[path.lower()]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile  # others take as much memory as the file asks for
        with self.archive.open(info) as stream, closing(part.read(stream)) as pieces:
            yield from pieces


class _Relations(xml_parts.Part):
    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder
        self.targets: dict[str, tuple[str, str]] = {}

    def open_Relationship(self, attributes: dict[str, str]) -> None:
        kind = posixpath.basename(attributes["Type"])
        target = posixpath.normpath(posixpath.join("/", self.folder, attributes["Target"]))
        self.targets[attributes["Id"]] = kind, target.lstrip("/")


class _Contents(xml_parts.Part):
    """Which sheets there are."""

    def __init__(self) -> None:
        super().__init__()
        self.is_workbook = False
        self.visible: list[str] = []
        self.from_1904 = False

    def open_workbook(self, _attributes: dict[str, str]) -> None:
        self.is_workbook = True

    def open_workbookPr(self, attributes: dict[str, str]) -> None:
        self.from_1904 = attributes.get("date1904") in ("1", "true")

    def open_sheet(self, attributes: dict[str, str]) -> None:
        if attributes.get("state", "visible") == "visible":
            self.visible += (value for key, value in attributes.items() if key.endswith(":id"))


def _first_visible(contents: _Contents, related: dict[str, tuple[str, str]]) -> str:
    for each in contents.visible:
        kind, target = related[each]
        if kind == "worksheet":
            return target
    text = N_("All sheets of this file are hidden. Show the one with the list, and save it as CSV")
    raise Refused("no-sheet", text)


class _Texts(xml_parts.Part):
    """The shared texts, end to end; as objects they would take four times as much."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = bytearray()
        self.ends = array("I", [0])
        self.is_reading_aid = False

    def open_t(self, _attributes: dict[str, str]) -> None:
        self.collects = not self.is_reading_aid

    def close_t(self) -> None:
        self.collects = False

    def open_rPh(self, _attributes: dict[str, str]) -> None:
        self.is_reading_aid = True

    def close_rPh(self) -> None:
        self.is_reading_aid = False

    def close_si(self) -> None:
        if self.text:
            self.joined += self.text[:LONGEST_CELL].encode()
            self.text = ""
            if len(self.joined) > MOST_SHARED:
                raise xml_parts.TooLarge
        self.ends.append(len(self.joined))

    def __getitem__(self, index: int) -> str:
        return self.joined[self.ends[index] : self.ends[index + 1]].decode()


class _Cells(xml_parts.Part):
    """The rows of the sheet, as far as they have been read and not been taken."""

    def __init__(self, texts: _Texts, formats: cell_formats.Formats) -> None:
        super().__init__()
        self.texts, self.formats = texts, formats
        self.done: list[tuple[int, list[str]]] = []
        self.number, self.column = 0, -1
        self.kind, self.style = "", ""
        self.row: list[str] = []
        self.width = MOST_COLUMNS

    def taken(self) -> list[tuple[int, list[str]]]:
        done, self.done = self.done, []
        return done

    def open_row(self, attributes: dict[str, str]) -> None:
        self.number = int(attributes.get("r", self.number + 1))
        self.column, self.row = -1, []
        if not 0 < self.number <= MOST_ROWS:
            raise ValueError("Excel has no such row")

    def open_c(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r")
        self.column = _column_of(place.rstrip(DIGITS)) if place else self.column + 1
        self.kind, self.style = attributes.get("t", "n"), attributes.get("s", "")
        self.text = ""

    def open_v(self, _attributes: dict[str, str]) -> None:
        self.collects = True

    def close_v(self) -> None:
        self.collects = False

    open_t, close_t = open_v, close_v

    def close_c(self) -> None:
        if self.text and self.column < self.width:
            self._put(self._shown(self.text[:LONGEST_CELL]))

    def close_row(self) -> None:
        if self.row:
            self.done.append((self.number, self.row))
        if self.number == 1:
            self.width = len(self.row)  # beyond row 1 nothing has a heading

    def _put(self, text: str) -> None:
        row, column = self.row, self.column
        if column == len(row):
            row.append(text)
        else:
            row.extend([""] * (column + 1 - len(row)))
            row[column] = text

    def _shown(self, value: str) -> str:
        if self.kind == "n":
            return self.formats.show(value, self.style)
        if self.kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        text = self.texts[int(value)] if self.kind == "s" else value
        return ESCAPED.sub(" ", text) if "_x" in text else text


@lru_cache(MOST_COLUMNS)
def _column_of(letters: str) -> int:
    """AB -> 27"""
    if not re.fullmatch("[A-Z]{1,3}", letters):
        raise ValueError
    return sum((ord(letter) - 64) * 26**place for place, letter in enumerate(letters[::-1])) - 1
