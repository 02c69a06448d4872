"""Text with commas, semicolons or tabs -> rows of cells. Pure; holds a piece of the file at a time.

What the file is, is decided by rules and not guessed: the encoding by its bytes, the separator by
row 1. A row is a line, so numbers are those of the spreadsheet: no cell goes on to the next line.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from inviter.contacts import N_
from inviter.spreadsheets.unreadable import HEAD, OTHER, PIECE, Refused

SEPARATORS = ",;\t"
LONGEST_LINE = 4096
MOST_LINES = 1_048_576  # as a sheet of Excel has, the blank ones too

BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CONTROL = re.compile(r"[^\t\n\x20-\x7e\x80-\U0010ffff]")


def rows(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row, blank ones too; raises Refused."""
    number = 0
    separator = ""
    for lines in _pieces(file):
        separator = separator or _separator(lines[0])
        # A quotation mark left open takes in the next line, and after the last one the blank one.
        found = list(csv.reader([*lines, ""], delimiter=separator, skipinitialspace=True))
        if len(found) <= len(lines):
            raise _open_quote(lines, separator, number)
        found.pop()
        yield from enumerate(found, number + 1)
        number += len(lines)


def _separator(line: str) -> str:
    """That which parts row 1 into the most cells."""
    return max(SEPARATORS, key=lambda each: len(next(csv.reader([line], delimiter=each), ())))


def _open_quote(lines: list[str], separator: str, number: int) -> Refused:
    reader = csv.reader([*lines, ""], delimiter=separator, skipinitialspace=True)
    row = next(index for index, _ in enumerate(reader, 1) if reader.line_num > index)
    text = N_("Row %(row)s has a quotation mark that is not closed in that row. Take it out")
    return Refused("quote", text, row=number + row)


def _pieces(file: BinaryIO) -> Iterator[list[str]]:
    """The lines, without their ends, some at a time."""
    encoding = _encoding(file)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    file.seek(0)
    number, rest, data = 0, "", b"-"
    while data:
        data = file.read(PIECE)
        text = rest + _decode(decoder, data)
        lines = text.split("\n")
        _refuse_lines(text, lines, number)
        rest = lines.pop() if data else ""
        number += len(lines)
        if lines:
            yield lines


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


def _refuse_lines(text: str, lines: list[str], number: int) -> None:
    if number + len(lines) > MOST_LINES + 1:
        raise too_many_rows(MOST_LINES)
    if max(map(len, lines)) > LONGEST_LINE:
        row = next(index for index, line in enumerate(lines, 1) if len(line) > LONGEST_LINE)
        message = N_("Row %(row)s is too long. Keep only names, email and phone number in it")
        raise Refused("long-row", message, row=number + row)
    if found := CONTROL.search(text):
        row = text.count("\n", 0, found.start()) + 1
        message = N_("Row %(row)s has a character that cannot be shown. Type that row again")
        raise Refused("control", message, row=number + row)


def too_many_rows(most: int) -> Refused:
    text = N_("This file has more than %(most)s rows. Split it into smaller files")
    return Refused("too-many-rows", text, most=f"{most:,}")
