"""Lines pasted from a spreadsheet -> rows of the form, in the order of their headings, if any."""

import csv
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from inviter import spreadsheets
from inviter.spreadsheets import HEADINGS, delimited
from inviter.web.forms import InviteForm, with_rows_pasted

FIELDS = dict(zip(HEADINGS, ("first_name", "last_name", "email", "mobile"), strict=True))
IN_ORDER = {heading: place for place, heading in enumerate(HEADINGS)}


def into(form: InviteForm, name: str, text: str) -> dict[str, Any]:
    """What the form holds then. `name`: of the field in which the lines were pasted."""
    names = [row.form.first_name.name for row in form.rows]
    place = names.index(name) if name in names else len(names) - 1
    return with_rows_pasted(form, place, people(text))


def people(text: str) -> list[dict[str, str]]:
    """Blank lines are no one, and neither is a row of headings, which says where each cell is."""
    lines = text.replace("\0", "").splitlines(keepends=True)
    try:
        found = list(csv.reader(lines, delimiter=_separator(lines), skipinitialspace=True))
    except csv.Error:
        return []
    rows = [[" ".join(cell.split()) for cell in row] for row in found if any(map(str.strip, row))]
    places = _places(rows[0]) if rows else {}
    patients = rows[1:] if places else rows
    return [_patient(row, places or IN_ORDER) for row in patients]


def _separator(lines: list[str]) -> str:
    """Spreadsheets put tabs between cells; other lines are parted as in a file."""
    if any("\t" in line for line in lines):
        return "\t"
    filled = (line for line in lines if line.strip())
    return delimited.separator(list(islice(filled, 1)), of=",;")


def _places(row: Sequence[str]) -> dict[str, int]:
    """Where each heading is; nothing where these are a patient's cells."""
    found = [spreadsheets.meant(cell) for cell in row]
    are_all = all(heading for heading, cell in zip(found, row, strict=True) if cell)
    if not (are_all or spreadsheets.are_row_1(found)):
        return {}
    return {heading: found.index(heading) for heading in HEADINGS if heading in found}


def _patient(row: Sequence[str], places: Mapping[str, int]) -> dict[str, str]:
    return {FIELDS[each]: row[place] for each, place in places.items() if place < len(row)}
