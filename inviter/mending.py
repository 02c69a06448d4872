"""One row of an uploaded file put right: its cells typed anew, left out, or told apart; or the
whole file given up.

A row that changes is checked by the same rules as the whole file; so are those that were duplicates
of it. Refused once the file is confirmed or too old: the caller shows how it stands now.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from inviter import activity, duplicates, imports, roster
from inviter.activity import Action
from inviter.bulk import Reader
from inviter.db import db
from inviter.models import Import, ImportRow, User
from inviter.roster import Checked, Fate, Seen


class Finished(Exception):
    """The file is confirmed, cancelled or too old: its rows stay as they are."""


class Cells(NamedTuple):
    """What staff typed into one row; None leaves a cell or a tick as it is."""

    number: int
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    one_name: bool | None = None
    is_different: bool | None = None


def mend(
    made: Import,
    rows: Sequence[Cells],
    *,
    regions: Sequence[str],
    now: datetime,
    saved: int | None = None,
) -> None:
    """Check these anew as they were typed. Raises Finished.

    A number that is not in the file, and a row that is invited already or of which a patient's
    wish has left nothing, are passed over: pages that were opened before still show it. `saved` is
    the row that staff saved by itself: with more cells than headings it is right as it stands.
    """
    _hold(made, now)
    reader = Reader(regions)
    touched: set[str] = set()
    for cells in rows:
        before = imports.row(made, cells.number)
        if before is None or before.fate == Fate.INVITED or _is_erased(before):
            continue
        touched.add(before.name_key)
        if cells.number == saved or _differ(cells, before):
            before.extra = False  # someone has seen its cells
        for name, value in cells._asdict().items():
            if value is not None:
                setattr(before, name, value)
        checked = _check(before, reader)
        _keep(before, checked)
        touched.add(before.name_key)
    db.session.flush()
    for name_key in touched - {""}:
        _compare(made, name_key, reader)
    db.session.flush()


def changed(made: Import, rows: Sequence[Cells]) -> list[Cells]:
    """Those which say something else than what stands."""
    found = db.session.scalars(
        select(ImportRow).where(
            ImportRow.clinic_id == made.clinic_id,
            ImportRow.import_id == made.id,
            ImportRow.number.in_([each.number for each in rows]),
        )
    )
    stand = {each.number: each for each in found}
    return [each for each in rows if each.number in stand and _differ(each, stand[each.number])]


def leave_out(made: Import, number: int, *, regions: Sequence[str], now: datetime) -> None:
    """Not invited; who was a duplicate of it may be now. Raises Finished."""
    _hold(made, now)
    found = imports.row(made, number)
    if found is None or found.fate == Fate.INVITED:
        return
    found.fate = Fate.SKIPPED
    db.session.flush()
    if found.name_key:
        _compare(made, found.name_key, Reader(regions))
        db.session.flush()


def put_back(made: Import, number: int, *, regions: Sequence[str], now: datetime) -> None:
    """Undo of `leave_out`: checked anew as it was typed. Raises Finished."""
    found = imports.row(made, number)
    if found is not None and found.fate == Fate.SKIPPED:
        mend(made, [Cells(number)], regions=regions, now=now)


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
    typed = {name: value for name, value in cells._asdict().items() if value is not None}
    return any(getattr(row, name) != value for name, value in typed.items())


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
    met = duplicates.known(made.clinic_id, [who for _, who in fit])
    for (row, _), known in zip(fit, met, strict=True):
        if known:
            row.fate, row.invitation_id = Fate(known.fate), known.invitation_id
            row.by_name_only = known.by_name_only


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
