"""Text with commas, semicolons or tabs -> rows of cells. Pure; holds a piece of the file at a time.

What the file is, is decided by rules and not guessed: the encoding by its bytes, the separator by
row 1, or by a line `sep=;` above it, which Excel writes and obeys. Numbers are those that Excel
shows: a row is one row however many lines its quoted cells have, and `sep=;` is none.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, BinaryIO

from inviter.contacts import N_
from inviter.spreadsheets.unreadable import HEAD, OTHER, PIECE, Refused

SEPARATORS = ",;\t"
LONGEST_LINE = 4096
LONGEST_CELL = 32_767  # as one of Excel's: in a row that takes more, a quotation mark is not closed
MOST_LINES = 1_048_576  # as a sheet of Excel has, the blank ones too

BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SEP_LINE = re.compile(r'"?sep=([,;\t|])"? *', re.IGNORECASE)
CONTROL = re.compile(r"[^\t\n\x20-\x7e\x80-\U0010ffff]")


LONG = ("long-row", N_("Row %(row)s is too long. Keep only names, email and phone number in it"))
UNSHOWN = ("control", N_("Row %(row)s has a character that cannot be shown. Type that row again"))
OPEN = ("quote", N_("Row %(row)s has a quotation mark that is not closed in that row. Take it out"))

Unfit = tuple[str, str]
"""Why a row is not read: a code and a text that names the row."""


def rows(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row, blank ones too; raises Refused."""
    number, begun, by = 0, list[str](), ""
    for piece, unfit in _pieces(file):
        lines = [*begun, *piece]
        if not by and lines:
            by = _said(lines) or separator(lines)
        found, begun, open_quote = _records(lines, by or SEPARATORS[0])
        yield from enumerate(found, number + 1)
        number += len(found)
        if refusal := open_quote or unfit:
            raise Refused(*refusal, row=number + 1)
    if begun:
        raise Refused(*OPEN, row=number + 1)


def separator(lines: Iterable[str], of: str = SEPARATORS) -> str:
    """That which parts row 1 into the most cells."""
    ended = [f"{line}\n" for line in lines]
    return max(of, key=lambda each: len(next(_reader(ended, each), ())))


def _said(lines: list[str]) -> str:
    """What a line above row 1 says, which is taken out."""
    said = SEP_LINE.fullmatch(lines[0])
    if said:
        del lines[0]
    return said[1] if said else ""


def _records(lines: list[str], by: str) -> tuple[list[list[str]], list[str], Unfit | None]:
    """The rows; the lines of the last one where it may go on in the next piece; and what is wrong
    with the row after those."""
    # A quotation mark left open takes in the next line, and after the last one the blank one.
    found = list(_reader([*lines, ""], by))
    if len(found) > len(lines):
        found.pop()
        return found, [], None
    return _of_several_lines(lines, by)


def _of_several_lines(lines: list[str], by: str) -> tuple[list[list[str]], list[str], Unfit | None]:
    """As `_records`, where a cell goes on to the next line.

    What closes it has to stand at its end, or it is the next quotation mark after one that was
    left open.
    """
    ended = [*(f"{line}\n" for line in lines), ""]
    reader, found, start = _reader(ended, by), list[list[str]](), 0
    for cells in reader:
        end = reader.line_num
        if end > start + 1:
            if sum(map(len, ended[start:end])) > LONGEST_CELL:
                return found, [], OPEN
            if end == len(ended):
                return found, lines[start:], None
            if not _is_strict(ended[start:end], by):
                return found, [], OPEN
        if start < len(lines):
            found.append(cells)
        start = end
    return found, [], None


def _is_strict(lines: list[str], by: str) -> bool:
    try:
        return bool(list(_reader(lines, by, strict=True)))
    except csv.Error:
        return False


def _reader(lines: Iterable[str], by: str, *, strict: bool = False) -> Any:
    return csv.reader(lines, delimiter=by, skipinitialspace=True, strict=strict)


def _pieces(file: BinaryIO) -> Iterator[tuple[list[str], Unfit | None]]:
    """The lines, without their ends, some at a time; and what is wrong with the one after them,
    which is then the last."""
    encoding = _encoding(file)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    file.seek(0)
    number, rest, data = 0, "", b"-"
    while data:
        data = file.read(PIECE)
        text = rest + _decode(decoder, data)
        lines = text.split("\n")
        if number + len(lines) > MOST_LINES + 1:
            raise too_many_rows(MOST_LINES)
        if found := _first_unfit(text, lines):
            index, unfit = found
            yield lines[:index], unfit
            return
        rest = lines.pop() if data else ""
        number += len(lines)
        if lines:
            yield lines, None


def _encoding(file: BinaryIO) -> str:
    file.seek(0)
    head = file.read(HEAD)
    for bom, encoding in BOMS.items():
        if head.startswith(bom):
            return encoding
    if b"\0" in head:
        return _utf_16(head)
    return "utf-8" if _is_utf_8(file) else "cp1252"


def _utf_16(head: bytes) -> str:
    """Text has its NULs in every second place, and there only."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd * 4 > len(head) and not even:
        return "utf-16-le"
    if even * 4 > len(head) and not odd:
        return "utf-16-be"
    raise Refused("other", OTHER)


def _is_utf_8(file: BinaryIO) -> bool:
    """Read to its end: the first accent may be in the last row."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while data := file.read(PIECE):
            decoder.decode(data)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _decode(decoder: io.IncrementalNewlineDecoder, data: bytes) -> str:
    try:
        return decoder.decode(data, final=not data)
    except UnicodeDecodeError:
        text = N_("This file has letters that cannot be read. Save it as “CSV UTF-8”")
        raise Refused("letters", text) from None


def _first_unfit(text: str, lines: list[str]) -> tuple[int, Unfit] | None:
    found: list[tuple[int, Unfit]] = []
    if max(map(len, lines)) > LONGEST_LINE:
        found.append((next(n for n, line in enumerate(lines) if len(line) > LONGEST_LINE), LONG))
    if control := CONTROL.search(text):
        found.append((text.count("\n", 0, control.start()), UNSHOWN))
    return min(found, key=itemgetter(0), default=None)


def too_many_rows(most: int) -> Refused:
    text = N_("This file has more than %(most)s rows. Split it into smaller files")
    return Refused("too-many-rows", text, most=f"{most:,}")
