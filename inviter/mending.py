"""One row of an uploaded file put right: its cells typed anew, left out, or told apart; or the
whole file given up.

A row that changes is checked by the same rules as the whole file; so are those that were duplicates
of it. Refused once the file is confirmed or too old: the caller shows how it stands now.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import select

from inviter import activity, duplicates, imports, known, roster
from inviter.activity import Action
from inviter.bulk import Reader
from inviter.contacts import N_, Problem
from inviter.db import db
from inviter.models import Import, ImportRow, User
from inviter.roster import Checked, Fate, Seen


class Finished(Exception):
    """The file is confirmed, cancelled or too old, or the row is invited: it stays as it is."""


class Cells(NamedTuple):
    """What staff typed into one row; None leaves a cell or a tick as it is."""

    number: int
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    one_name: bool | None = None
    is_different: bool | None = None
    shown: Mapping[str, Any] = MappingProxyType({})
    """What stood in the cells and ticks that could be typed over."""

    @property
    def typed(self) -> dict[str, Any]:
        values = self._asdict()
        return {name: values[name] for name in (*CELLS, *TICKS) if values[name] is not None}


CELLS = ("first_name", "last_name", "email", "phone")
TICKS = ("one_name", "is_different")
UNCHECKED = Problem("unchecked", N_("Not checked yet: save the row"))
LINE_BREAK = " ↵ "
LONGEST_SHOWN = 260
"""Longer cells are cut: they are wrong anyway, and a page of them must be small enough to post."""


def shown(text: str) -> str:
    """As an input shows a cell. It drops line breaks, and two addresses would become one: a sign
    stands for them, with which the cell is wrong until it is typed anew."""
    lines = text.strip().splitlines()
    seen = LINE_BREAK.join(lines) if len(lines) > 1 else text
    return re.sub(r"[\r\n\0]", "", seen)[:LONGEST_SHOWN]


def mend(
    made: Import,
    rows: Iterable[Cells],
    *,
    regions: Sequence[str],
    now: datetime,
    saved: int | None = None,
) -> list[int]:
    """Check these anew as they were typed; the numbers of those that were not.

    What someone else has changed since it was shown is neither typed over nor checked unseen, and
    no row is changed that was left out or invited since. Raises Finished.

    A number that is not in the file, and a row of which a patient's wish has left nothing, are
    passed over: pages that were opened before still show it. `saved` is the row that staff saved
    by itself: with more cells than headings it is right as it stands.
    """
    _hold(made, now)
    reader = Reader(regions)
    refused: list[int] = []
    touched: list[ImportRow] = []
    names: set[str] = set()
    for cells in rows:
        row = imports.row(made, cells.number)
        if row is None or _is_erased(row):
            continue
        is_changed = _differ(cells, row)
        if _is_overtaken(cells, row):
            refused += [cells.number] if is_changed or cells.number == saved else []
        elif row.fate not in imports.DONE:
            if cells.number == saved or is_changed:
                row.extra = False  # someone has seen its cells
            names.add(row.name_key)
            _type(cells, row)
            made.revision += is_changed
            touched.append(row)
    _check_anew(made, touched, names, reader)
    return refused


def keep(made: Import, rows: Iterable[Cells], *, now: datetime) -> bool:
    """What is typed so far into rows that need fixing: nothing is checked, and nothing is lost.
    Whether all of it was kept, as nobody else has changed those rows. Raises Finished."""
    _hold(made, now)
    is_all = True
    for cells in rows:
        row = imports.row(made, cells.number) if cells.typed else None
        if row is None or not _differ(cells, row):
            continue
        if row.fate == Fate.NEEDS_FIXING and not _is_overtaken(cells, row):
            _type(cells, row)
            row.extra = False  # someone has seen its cells
            unchecked = imports.stored({name: UNCHECKED for name in CELLS if name in cells.typed})
            row.problems = {**(row.problems or {}), **(unchecked or {})}
        else:
            is_all = False
    db.session.flush()
    return is_all


def leave_out(made: Import, number: int, *, regions: Sequence[str], now: datetime) -> list[int]:
    """Not invited; the numbers of the rows that are instead, for they are the same patient. Raises
    Finished."""
    _hold(made, now)
    found = imports.row(made, number)
    if found is None or found.fate == Fate.INVITED:
        raise Finished
    found.fate = Fate.SKIPPED
    made.revision += 1
    db.session.flush()
    if not found.name_key:
        return []
    waiting = [row for row in _named(made, found.name_key) if row.fate not in imports.TO_INVITE]
    _compare(made, found.name_key, Reader(regions))
    db.session.flush()
    return [row.number for row in waiting if row.fate in imports.TO_INVITE]


def put_back(made: Import, number: int, *, regions: Sequence[str], now: datetime) -> None:
    """Undo of `leave_out`: checked anew as it was typed. Raises Finished."""
    _hold(made, now)
    found = imports.row(made, number)
    if found is not None and found.fate == Fate.SKIPPED and not _is_erased(found):
        _check_anew(made, [found], {found.name_key}, Reader(regions))


def discard(made: Import, *, by: User, now: datetime) -> None:
    """Cancel a file that nobody has confirmed: nobody is invited by it any more. Raises Finished.

    Its rows are for the caller to erase, some at a time (`imports.erase_rows`).
    """
    _hold(made, now)
    if made.confirmed_at is not None:
        raise Finished
    imports.give_up(made, now=now)
    known = {"clinic_id": made.clinic_id, "import_id": made.id}
    activity.record(Action.IMPORT_CANCELLED, by=by, now=now, **known)
    db.session.flush()


def _hold(made: Import, now: datetime) -> None:
    """Two people at one file take turns, and nobody confirms it, or forgets who is in it,
    meanwhile."""
    query = select(Import).where(Import.clinic_id == made.clinic_id, Import.id == made.id)
    db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).one()
    duplicates.one_at_a_time(made.clinic_id)
    if not imports.can_be_finished(made, now):
        raise Finished


def _differ(cells: Cells, row: ImportRow) -> bool:
    return any(getattr(row, name) != value for name, value in cells.typed.items())


def _is_overtaken(cells: Cells, row: ImportRow) -> bool:
    """Whether what stands was neither shown nor typed by who asks, or the row is decided."""
    if row.fate in imports.DONE:
        return _differ(cells, row)
    seen = ((name, was, cells.typed.get(name, was)) for name, was in cells.shown.items())
    return any(
        _shown(getattr(row, name)) not in (_shown(was), _shown(typed)) for name, was, typed in seen
    )


def _shown(value: Any) -> Any:
    return shown(value) if isinstance(value, str) else value


def _type(cells: Cells, row: ImportRow) -> None:
    for name, value in cells.typed.items():
        setattr(row, name, value)


def _check_anew(made: Import, rows: Sequence[ImportRow], names: set[str], reader: Reader) -> None:
    """These, and all who have one of the names that they had and have."""
    before = [row.fate for row in rows]
    for row in rows:
        _keep(row, _check(row, reader))
        names.add(row.name_key)
    db.session.flush()
    for name_key in names - {""}:
        _compare(made, name_key, reader)
    made.revision += before != [row.fate for row in rows]
    db.session.flush()


def _is_erased(row: ImportRow) -> bool:
    is_empty = not (row.first_name or row.last_name or row.email or row.phone)
    return row.fate == Fate.SKIPPED and is_empty


def _check(row: ImportRow, reader: Reader) -> Checked:
    return roster.check_row(row, reader, one_name=row.one_name, is_different=row.is_different)


def _keep(row: ImportRow, checked: Checked) -> None:
    row.fate = checked.fate
    row.name_key = checked.recipient.name_key if checked.recipient else ""
    row.problems = imports.stored(checked.problems)
    row.changes = imports.stored_changes(checked.changes)
    row.duplicate_of, row.by_name_only = checked.duplicate_of, checked.by_name_only
    row.invitation_id = None


def _compare(made: Import, name_key: str, reader: Reader) -> None:
    """All rows of one name again: with each other in the order of the file, then with whom the
    clinic knows."""
    seen, fit = Seen(), []
    for row in _named(made, name_key):
        checked = roster.unless_repeated(_check(row, reader), seen)
        _keep(row, checked)
        if checked.recipient and checked.fate in imports.TO_INVITE:
            fit.append((row, checked.recipient))
    found = known.of(made.clinic_id, [who for _, who in fit])
    for (row, _), met in zip(fit, found, strict=True):
        if met:
            row.fate, row.invitation_id = Fate(met.fate), met.invitation_id
            row.by_name_only = met.by_name_only


def _named(made: Import, name_key: str) -> Sequence[ImportRow]:
    """Those that are still to be decided."""
    return db.session.scalars(
        select(ImportRow)
        .where(
            ImportRow.clinic_id == made.clinic_id,
            ImportRow.import_id == made.id,
            ImportRow.name_key == name_key,
            ImportRow.fate.not_in(imports.DONE),
        )
        .order_by(ImportRow.number)
    ).all()
