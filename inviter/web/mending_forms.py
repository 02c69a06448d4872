"""Rows of a file as they are put right on its page: inputs for what is wrong, and nothing else."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, Form, StringField

from inviter.mending import Cells
from inviter.models import ImportRow
from inviter.web import addresses
from inviter.web.forms import Required

CELLS = ("first_name", "last_name", "email", "phone")
WHOLE_ROW = "row"
"""Under which a problem of the whole row stands."""
LONGEST_SHOWN = 260
"""Longer cells are cut: they are wrong anyway, and a page of them must be small enough to post."""
MOST_ROWS = 200
"""More are on no page of ours."""


class MendForm(Form):
    """The cells of one row. Their names begin with its number."""

    first_name = StringField(_l("First Name"), [Required()])
    last_name = StringField(_l("Last Name"), [Required()])
    one_name = BooleanField(_l("Has one name only"))
    email = StringField(_l("Email"))
    phone = StringField(_l("Phone Number"))
    is_different = BooleanField(_l("This is a different person"))


class RowToFix:
    """A row that needs fixing: what is wrong is typed anew, what is right is shown."""

    def __init__(self, row: ImportRow, posted: MultiDict[str, str] | None = None) -> None:
        """`posted`: what was typed and could not be saved."""
        self.number = row.number
        self._problems = row.problems or {}
        self._form = form_of(row, posted)
        for name in CELLS:
            if name in self._problems:
                self._form[name].errors = [said(self._problems[name])]

    @cached_property
    def cells(self) -> Sequence[Field]:
        return [self._form[name] for name in CELLS]

    def is_wrong(self, cell: Field) -> bool:
        return bool(cell.errors) or WHOLE_ROW in self._problems

    @property
    def problem(self) -> str:
        """Of the whole row."""
        return said(self._problems[WHOLE_ROW]) if WHOLE_ROW in self._problems else ""

    @property
    def one_name(self) -> Field | None:
        """The tick, where a last name is missing."""
        code = self._problems.get("last_name", [""])[0]
        field: Field = self._form.one_name
        return field if code == "last-name-missing" or field.data else None

    @property
    def first_wrong(self) -> str:
        """The id of the first cell to be typed."""
        return next((str(each.id) for each in self.cells if self.is_wrong(each)), "")

    @property
    def all_problems(self) -> str:
        """For a file, where they stand in one cell."""
        texts = [each.errors[0] for each in self.cells if each.errors]
        return ". ".join(filter(None, [self.problem, *texts]))


def form_of(row: ImportRow, posted: MultiDict[str, str] | None = None) -> MendForm:
    data: dict[str, Any] = {name: getattr(row, name)[:LONGEST_SHOWN] for name in CELLS}
    data |= {"one_name": row.one_name, "is_different": row.is_different}
    prefix = _prefix(row.number)
    if posted is not None:
        typed = {name: posted[f"{prefix}{name}"] for name in CELLS if f"{prefix}{name}" in posted}
        data |= {**typed, "one_name": f"{prefix}one_name" in posted}
    return MendForm(data=data, prefix=prefix)


def read(posted: MultiDict[str, str]) -> list[Cells]:
    """What was typed into the rows of a page. A cell that was no input there stays as it is."""
    numbers = (addresses.identity(each) for each in posted.getlist("row")[:MOST_ROWS])
    return [_cells(number, posted) for number in numbers if number]


def said(problem: Sequence[Any]) -> str:
    """As a row keeps it: a code, a template and its values."""
    _code, template, values = problem
    return _(template, **values)


def changed(changes: Mapping[str, Sequence[str]] | None) -> list[str]:
    """Why cells read otherwise than in the file."""
    return [_(template, typed=typed) for template, typed in (changes or {}).values()]


def _cells(number: int, posted: MultiDict[str, str]) -> Cells:
    def typed(name: str) -> str | None:
        text = posted.get(f"{_prefix(number)}{name}")
        return None if text is None else text.replace("\0", "")

    def is_ticked(name: str) -> bool:
        return f"{_prefix(number)}{name}" in posted

    return Cells(
        number,
        first_name=typed("first_name"),
        last_name=typed("last_name"),
        email=typed("email"),
        phone=typed("phone"),
        one_name=is_ticked("one_name") if typed("last_name") is not None else None,
        is_different=is_ticked("is_different") or None,
    )


def _prefix(number: int) -> str:
    return f"row-{number}-"
