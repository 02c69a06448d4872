"""Rows of a file as they are put right on its page: inputs for what is wrong, and nothing else."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, Form, StringField

from inviter import contacts
from inviter.mending import CELLS, TICKS, Cells, shown
from inviter.models import ImportRow
from inviter.web import addresses
from inviter.web.forms import Required

WHOLE_ROW = "row"
"""Under which a problem of the whole row stands."""
SHOWN = "-shown"
"""Ends the name under which a form tells what stood in a cell or a tick before."""
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

    def __init__(
        self,
        row: ImportRow,
        posted: MultiDict[str, str] | None = None,
        *,
        is_whole: bool = False,
    ) -> None:
        """`posted`: what was typed and could not be saved. `is_whole`: all of it may be typed."""
        self.number = row.number
        self._row = row
        self._is_whole = is_whole
        self._problems = row.problems or {}
        self._form = form_of(row, posted)
        for cell in self.cells:
            problem = self._problems.get(cell.short_name)
            texts = [said(problem) if problem else "", _overtaken(row, cell, posted)]
            cell.errors = [*filter(None, texts)]

    @cached_property
    def cells(self) -> Sequence[Field]:
        return [self._form[name] for name in CELLS]

    def is_wrong(self, cell: Field) -> bool:
        """Or may be, or was typed: it is to be typed anew."""
        stands = shown(getattr(self._row, cell.short_name))
        is_any = self._is_whole or WHOLE_ROW in self._problems
        return is_any or bool(cell.errors or _hint(cell, stands)) or cell.data != stands

    def hint(self, cell: Field) -> str:
        return _hint(cell, cell.data or "")

    def stood(self, field: Field) -> tuple[str, str]:
        """What is posted along, for what is typed over it."""
        value = getattr(self._row, field.short_name)
        return field.name + SHOWN, ("y" if value else "") if field.short_name in TICKS else shown(
            value
        )

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
    def is_different(self) -> Field | None:
        """The tick, where it is set: to be taken back."""
        field: Field = self._form.is_different
        return field if self._row.is_different else None

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
    data: dict[str, Any] = {name: shown(getattr(row, name)) for name in CELLS}
    data |= {name: getattr(row, name) for name in TICKS}
    if posted is not None:
        data |= _cells(row.number, posted).typed
    return MendForm(data=data, prefix=_prefix(row.number))


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


def _hint(cell: Field, text: str) -> str:
    """What may have been meant."""
    meant = contacts.email_hint(text) if cell.short_name == "email" else None
    return _("Did you mean %(address)s?", address=meant) if meant else ""


def _overtaken(row: ImportRow, cell: Field, posted: MultiDict[str, str] | None) -> str:
    """Why what was typed into a cell could not be saved."""
    stands = shown(getattr(row, cell.short_name))
    was = shown(posted.get(cell.name + SHOWN, stands)) if posted is not None else stands
    if stands in (was, cell.data):
        return ""
    return _("Someone has changed this meanwhile, to “%(text)s”.", text=stands)


def _cells(number: int, posted: MultiDict[str, str]) -> Cells:
    """What was typed over what stood there."""
    prefix = _prefix(number)
    typed: dict[str, Any] = {}
    stood: dict[str, Any] = {}
    for name in (*CELLS, *TICKS):
        was: Any = posted.get(prefix + name + SHOWN)
        now: Any = posted.get(prefix + name)
        if was is not None:
            stood[name] = bool(was) if name in TICKS else was
        if name in TICKS and (now is not None) != bool(was):  # what is not ticked is not posted
            typed[name] = now is not None
        elif name in CELLS and now is not None and now != was:
            typed[name] = now.replace("\0", "")
    return Cells(number, **typed, shown=stood)


def _prefix(number: int) -> str:
    return f"row-{number}-"
