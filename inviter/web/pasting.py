"""Lines pasted from a spreadsheet -> rows of the form, in the order of the template."""

import csv
from typing import Any

from inviter.spreadsheets import HEADINGS
from inviter.web.forms import InviteForm, with_rows_pasted

FIELDS = ("first_name", "last_name", "email", "mobile")


def into(form: InviteForm, name: str, text: str) -> dict[str, Any]:
    """What the form holds then. `name`: of the field in which the lines were pasted."""
    names = [row.form.first_name.name for row in form.rows]
    place = names.index(name) if name in names else len(names) - 1
    return with_rows_pasted(form, place, people(text))


def people(text: str) -> list[dict[str, str]]:
    """Blank lines are no one, and neither is a row of headings."""
    delimiter = "\t" if "\t" in text else ","
    lines = text.replace("\0", "").splitlines(keepends=True)
    try:
        found = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    except csv.Error:
        return []
    rows = (row for row in found if any(row) and row[0].casefold() != HEADINGS[0].casefold())
    return [dict(zip(FIELDS, row, strict=False)) for row in rows]
