"""An uploaded file -> the rows of a list of patients, as they were typed.

Pure and streaming: never holds the file, only a piece of it. What the file is shows in its bytes;
its name is not asked. Values are not checked here, see `contacts`.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import BinaryIO, NamedTuple

from inviter.contacts import N_, fold
from inviter.spreadsheets import delimited, unreadable, workbooks
from inviter.spreadsheets.unreadable import Refused

__all__ = ["HEADINGS", "MOST_ROWS", "Refused", "Row", "Sheet", "are_row_1", "meant", "read"]

MOST_ROWS = 100_000
HEADINGS = ("First Name", "Last Name", "Email", "Phone Number")
"""Row 1 of the template; English in every language."""

OTHER_NAMES = {
    "First Name": "first, given name, given names, forename, prénom, prénoms",
    "Last Name": "last, surname, family name, nom, nom de famille, noms de famille",
    "Email": "email address, courriel, adresse courriel, adresse email, adresse électronique",
    "Phone Number": (
        "phone, telephone, telephone number, tel, mobile, mobile number, mobile phone,"
        "mobile phone number, cell, cell number, cell phone, cell phone number, cellular,"
        "numéro de téléphone, téléphone cellulaire, téléphone mobile, cellulaire,"
        "numéro de cellulaire, numéro de mobile, no de téléphone, portable"
    ),
}
MEANT = {
    fold(name): heading
    for heading, others in OTHER_NAMES.items()
    for name in (heading, *others.split(","))
}
"""By their letters alone: what each heading may be called."""
MOST_SHOWN = 6
LONGEST_SHOWN = 24
LONGEST_BEYOND = 500
"""Letters, of all cells beyond the headings: what has slipped is shorter."""


class Row(NamedTuple):
    """The cells as typed, "" where there is none. `number` is that of the spreadsheet, from 2.

    `extra`: there are more cells than in row 1, so a cell may have slipped: a comma in a name
    without quotation marks does that. It needs fixing, and what had no place is `beyond`. In a
    workbook no cell slips.
    """

    number: int
    first_name: str
    last_name: str
    email: str
    phone: str
    extra: bool = False
    beyond: Sequence[str] | None = None


@dataclass(frozen=True)
class Sheet:
    """Names of the columns as the file has them, and its rows, to be gone through once."""

    headings: tuple[str, ...]
    ignored: tuple[str, ...]
    rows: Iterator[Row]


def read(file: BinaryIO, *, most_rows: int = MOST_ROWS) -> Sheet:
    """What is wrong at the start is Refused here, what comes later while going through the rows.

    The file has to be seekable and stay open until then.
    """
    unreadable.refuse(file)
    found = (workbooks if workbooks.is_one(file) else delimited).rows(file)
    names = _row_1(found)
    columns = _columns(names)
    rows = _rows(found, columns, len(names), most=most_rows)
    first = next(rows, None)
    if first is None:
        text = N_("There are no patients below row 1. Add a row for each of them")
        raise Refused("no-rows", text)
    used = [columns[heading] for heading in HEADINGS if heading in columns]
    ignored = (_shown(name) for column, name in enumerate(names) if column not in used)
    return Sheet(
        headings=tuple(_shown(names[column]) for column in used),
        ignored=tuple(name for name in ignored if name),
        rows=chain([first], rows),
    )


def are_row_1(headings: Container[str]) -> bool:
    """Whether they are those of a list of patients."""
    return "First Name" in headings and "Last Name" in headings


def meant(name: str) -> str:
    """The heading that this is in row 1, or "".

    Case, accents, blanks and signs do not matter; "Phone 2" is another column than "Phone".
    """
    return "" if any(map(str.isdecimal, name)) else MEANT.get(fold(name), "")


def _row_1(found: Iterator[tuple[int, list[str]]]) -> list[str]:
    number, names = next(found, (1, []))
    if number == 1 and any(map(str.strip, names)):
        return names
    text = N_("Row 1 is blank. It should be %(expected)s")
    raise Refused("row-1-blank", text, expected=_expected())


def _columns(names: list[str]) -> dict[str, int]:
    """Where each heading is."""
    columns: dict[str, int] = {}
    for column, name in enumerate(names):
        heading = meant(name)
        if heading in columns:
            both = _listed([names[columns[heading]], name])
            text = N_("Row 1 has two columns for %(heading)s: %(found)s. Take one out")
            raise Refused("heading-twice", text, heading=heading, found=both)
        if heading:
            columns[heading] = column
    if not are_row_1(columns):
        text = N_("Row 1 should be %(expected)s. Your file has: %(found)s")
        raise Refused("row-1", text, expected=_expected(), found=_listed(names))
    return columns


def _rows(
    found: Iterator[tuple[int, list[str]]],
    columns: dict[str, int],
    width: int,
    *,
    most: int,
) -> Iterator[Row]:
    """Written for speed: each row of each file comes through here."""
    pick = itemgetter(*(columns.get(heading, -1) for heading in HEADINGS))
    has_all, count = len(columns) == len(HEADINGS), 0
    for number, cells in found:
        if not cells:
            continue
        beyond = _cut(cells, width) if len(cells) > width else None
        if len(cells) < width or not has_all:  # the last one stands for missing columns
            cells.extend([""] * (width - len(cells) + 1))
        first, last, email, phone = pick(cells)
        if not first.strip() and not beyond and not "".join(cells).strip():
            continue
        count += 1
        if count > most:
            raise delimited.too_many_rows(most)
        if beyond:
            yield Row(number, first, last, email, phone, True, beyond)
        else:
            yield Row(number, first, last, email, phone)


def _cut(cells: list[str], width: int) -> list[str]:
    """Take off the cells beyond `width`: those which are not blank, up to LONGEST_BEYOND."""
    beyond, room = [], LONGEST_BEYOND
    for cell in filter(None, map(str.strip, cells[width:])):
        beyond.append(cell if len(cell) <= room else cell[: room - 1] + "…")
        room -= len(cell)
        if room <= 0:
            break
    del cells[width:]
    return beyond


def _expected() -> str:
    return ", ".join(HEADINGS)


def _listed(names: list[str]) -> str:
    shown = [name for name in map(_shown, names) if name]
    return ", ".join(shown[:MOST_SHOWN]) + (", …" if len(shown) > MOST_SHOWN else "")


def _shown(name: str) -> str:
    """A name of a column, fit to be shown: short, and nothing unseen in it."""
    seen = " ".join("".join(c if c.isprintable() else " " for c in name[:200]).split())
    return seen if len(seen) <= LONGEST_SHOWN else seen[: LONGEST_SHOWN - 1] + "…"
