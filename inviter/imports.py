"""An uploaded file at a clinic: its rows, with what the database knows of them, until they are
confirmed.

Rows come checked by what the file alone tells (`roster`). They are written in batches that the
caller commits one by one, so that nobody waits long to write; a file that was cut off meanwhile
stays in the state READING and counts for nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.orm import joinedload

from inviter import activity, known
from inviter.activity import Action
from inviter.contacts import Problem
from inviter.db import change, db, has_grown, new_ids
from inviter.listing import LAST, MOST_PAGES
from inviter.many_rows import bulk
from inviter.models import Clinic, Import, ImportRow, ImportState, Invitation, User
from inviter.roster import Change, Checked, Fate
from inviter.scope import across_clinics
from inviter.team import Provider

KEEP_FOR = timedelta(days=7)
"""So long rows may be mended and confirmed; then they are erased."""
BATCH = 4000
PER_PAGE = 50
TO_INVITE = (Fate.READY, Fate.CHANGED)
DONE = (Fate.INVITED, Fate.SKIPPED)
"""Such rows are not checked again, unless someone asks for it."""

TABLE: Any = ImportRow.__table__
ROW = TABLE.c
COLUMNS = (
    *("number", "first_name", "last_name", "email", "phone", "extra", "fate", "name_key"),
    *("beyond", "problems", "changes", "duplicate_of", "by_name_only"),
)
ALIKE = {"one_name": False, "is_different": False, "invitation_id": None}
"""What no row of a file says yet."""
KNOWN = (
    update(TABLE)
    .where(
        ROW.clinic_id == bindparam("clinic"),
        ROW.import_id == bindparam("file"),
        ROW.number == bindparam("row"),
    )
    .values({name: bindparam(name) for name in known.Met._fields})
)


def begin(
    clinic: Clinic,
    *,
    provider: Provider,
    by: User,
    file_name: str,
    content_mac: str,
    ignored: Sequence[str],
    now: datetime,
) -> Import:
    """A file whose rows are about to be written down."""
    made = Import(
        clinic_id=clinic.id,
        provider_id=provider.id,
        uploaded_by_id=by.id,
        uploaded_at=now,
        file_name=file_name[-200:],
        content_mac=content_mac,
        ignored=list(ignored),
        state=ImportState.READING,
    )
    db.session.add(made)
    db.session.flush()
    return made


def write(made: Import, rows: Sequence[Checked]) -> None:
    """One batch, each row with what the database knows of who it is."""
    connection = db.session.connection()
    its = {"clinic_id": made.clinic_id, "import_id": made.id}
    bulk(connection, TABLE, COLUMNS, map(_values, rows), alike=its | ALIKE)
    people = {each.row.number: each.recipient for each in rows if each.recipient}
    met = known.of_rows(made, people)
    if met:
        here = {"clinic": made.clinic_id, "file": made.id}
        connection.execute(
            KNOWN, [here | {"row": row} | each._asdict() for row, each in met.items()]
        )


def batches(rows: Iterable[Checked]) -> Iterator[list[Checked]]:
    """As many as are written at a time."""
    going = iter(rows)
    while batch := list(islice(going, BATCH)):
        yield batch


def open_up(made: Import, *, by: User, now: datetime) -> None:
    """All rows are written: from now on it is everyone's at the clinic."""
    last = db.session.scalar(select(func.max(ImportRow.number)).where(*_of(made))) or 0
    has_grown(ImportRow)
    made.state, made.ids_to = ImportState.OPEN, new_ids(last + 1) + last
    activity.record(Action.UPLOADED, clinic_id=made.clinic_id, by=by, now=now, import_id=made.id)
    db.session.flush()


def drop(made: Import) -> Iterator[None]:
    """Keep nothing of a file that was refused in the middle. The caller commits each part."""
    yield from erase_rows(made)
    db.session.execute(delete(Import).where(*_is(made)))
    yield


def of(clinic: Clinic, import_id: int) -> Import | None:
    """One of this clinic's, as it stands now, with the people it names."""
    query = _with_people(clinic).where(Import.id == import_id)
    return db.session.scalar(query.execution_options(populate_existing=True))


def page(clinic: Clinic, number: int) -> list[Import]:
    """A page of this clinic's files, the newest first, and one more where there are more."""
    start = (number - 1) * PER_PAGE
    newest = _with_people(clinic).order_by(Import.uploaded_at.desc(), Import.id.desc())
    return list(db.session.scalars(newest.offset(start).limit(PER_PAGE + 1)))


def earlier(made: Import) -> Import | None:
    """The last upload of the same content before this one."""
    clinic = db.session.get_one(Clinic, made.clinic_id)
    return db.session.scalar(
        _with_people(clinic)
        .where(Import.content_mac == made.content_mac, Import.id < made.id)
        .order_by(Import.id.desc())
        .limit(1)
    )


def counts(imports: Iterable[Import]) -> dict[int, dict[Fate, int]]:
    """How many rows of each have which fate; by import id. Erased rows are counted as they were."""
    found: dict[int, dict[Fate, int]] = {}
    asked: dict[int, list[int]] = {}
    for each in imports:
        outcome = each.outcome or {}
        found[each.id] = {Fate(fate): many for fate, many in outcome.items()}
        if each.erased_at is None:
            asked.setdefault(each.clinic_id, []).append(each.id)
    for clinic_id, ids in asked.items():
        here = (ROW.clinic_id == clinic_id, ROW.import_id.in_(ids))
        query = select(ROW.import_id, ROW.fate, func.count()).where(*here)
        for import_id, fate, many in db.session.execute(query.group_by(ROW.import_id, ROW.fate)):
            found[import_id][fate] = many
    return found


def ready(made: Import) -> int:
    """How many rows would be invited."""
    found = counts([made])[made.id]
    return sum(found.get(fate, 0) for fate in TO_INVITE)


def ready_with_phone(made: Import) -> int:
    """To how many of these a text may go; a number that takes none counts too."""
    query = select(func.count()).where(*_of(made), ImportRow.fate.in_(TO_INVITE))
    return db.session.scalar(query.where(func.trim(ImportRow.phone) != "")) or 0


def rows(made: Import, fates: Sequence[Fate], *, number: int) -> list[ImportRow]:
    """A page of rows in the order of the file."""
    last = number == LAST or number > MOST_PAGES
    start = 0 if last else (number - 1) * PER_PAGE
    query = select(ImportRow).where(*_of(made), ImportRow.fate.in_(fates))
    query = query.order_by(ImportRow.number.desc() if last else ImportRow.number)
    found = list(db.session.scalars(query.offset(start).limit(PER_PAGE)))
    return found[::-1] if last else found


def rows_after(made: Import, number: int, fates: Sequence[Fate]) -> list[ImportRow]:
    """The next ones, for who goes through all of them."""
    query = select(ImportRow).where(*_of(made), ImportRow.fate.in_(fates))
    after = query.where(ImportRow.number > number).order_by(ImportRow.number)
    return list(db.session.scalars(after.limit(BATCH)))


def row(made: Import, number: int) -> ImportRow | None:
    query = select(ImportRow).where(*_of(made), ImportRow.number == number)
    return db.session.scalar(query.execution_options(populate_existing=True))


def known_invitations(found: Iterable[ImportRow]) -> dict[int, Invitation]:
    """By which the people in these rows were invited, or joined; by invitation id."""
    asked: dict[int, set[int]] = {}
    for each in found:
        if each.invitation_id is not None:
            asked.setdefault(each.clinic_id, set()).add(each.invitation_id)
    made = (
        select(Invitation)
        .where(Invitation.clinic_id == clinic_id, Invitation.id.in_(ids))
        .options(joinedload(Invitation.invited_by))
        for clinic_id, ids in asked.items()
    )
    return {each.id: each for query in made for each in db.session.scalars(query)}


def can_be_finished(made: Import, now: datetime) -> bool:
    """Whether its rows may be mended and confirmed."""
    return made.state == ImportState.OPEN and made.erased_at is None and now < until(made)


def until(made: Import) -> datetime:
    return made.uploaded_at + KEEP_FOR


def erase_old(*, now: datetime) -> Iterator[None]:
    """Erase the rows of what is older than KEEP_FOR, also of what was cut off while it was read,
    and what is left where erasing was cut off.

    How many had which fate stays. The caller commits each part.
    """
    old = select(Import).where(
        Import.erased_at.is_(None),
        Import.uploaded_at <= now - KEEP_FOR,
        Import.state != ImportState.INVITING,
    )
    theirs = (ROW.clinic_id == Import.clinic_id) & (ROW.import_id == Import.id)
    cut_off = select(Import).where(Import.erased_at.is_not(None), exists().where(theirs))
    with across_clinics():
        every_old, every_cut_off = (db.session.scalars(each).all() for each in (old, cut_off))
    for each in every_old:
        still_old = old.where(*_is(each)).with_for_update()
        made = db.session.scalar(still_old.execution_options(populate_existing=True))
        if made:  # nobody has confirmed it while others were erased
            give_up(made, now=now)
            yield from erase_rows(made)
    for made in every_cut_off:
        yield from erase_rows(made)


def give_up(made: Import, *, now: datetime) -> None:
    """From now on there are only counts to be seen; the caller erases the rows."""
    made.outcome = {str(fate): many for fate, many in counts([made])[made.id].items()}
    made.erased_at = now


def erase_rows(made: Import) -> Iterator[None]:
    """Some at a time. The caller commits each part."""
    last = db.session.scalar(select(func.max(ImportRow.number)).where(*_of(made))) or 0
    for start in range(0, last + 1, BATCH):
        some = ImportRow.number.between(start, start + BATCH - 1)
        change(delete(ImportRow).where(*_of(made), some))
        yield


def stored(problems: Mapping[str, Problem]) -> dict[str, Any] | None:
    """Problems as a row keeps them: templates, which are translated where they are shown."""
    return {cell: [one.code, one.template, one.values] for cell, one in problems.items()} or None


def stored_changes(changes: Mapping[str, Change]) -> dict[str, Any] | None:
    return {cell: [each.template, each.typed] for cell, each in changes.items()} or None


def _values(checked: Checked) -> tuple[Any, ...]:
    """In the order of COLUMNS."""
    typed, fate, who, problems, changes, duplicate_of, by_name_only = checked
    return (
        *(typed.number, typed.first_name, typed.last_name, typed.email, typed.phone, typed.extra),
        *(fate, who.name_key if who else "", typed.beyond),
        stored(problems) if problems else None,
        stored_changes(changes) if changes else None,
        *(duplicate_of, by_name_only),
    )


def _with_people(clinic: Clinic) -> Any:
    return (
        select(Import)
        .where(Import.clinic_id == clinic.id, Import.state != ImportState.READING)
        .options(
            joinedload(Import.clinic), joinedload(Import.provider), joinedload(Import.uploaded_by)
        )
    )


def _is(made: Import) -> tuple[Any, ...]:
    return Import.clinic_id == made.clinic_id, Import.id == made.id


def _of(made: Import) -> tuple[Any, ...]:
    return ImportRow.clinic_id == made.clinic_id, ImportRow.import_id == made.id
