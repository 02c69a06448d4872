"""The patients of a confirmed file are invited: batch by batch, each whole or not at all.

What takes time is made ready while only reading (`batches`). Writing a batch and what it did to
its rows is one short transaction (`invite`): killed at any moment, the next one goes on where the
last that was committed ended. Someone invited meanwhile, by whatever way, is not invited again: the
row says so.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.exc import IntegrityError

from inviter import activity, duplicates, imports, known, outbox, quotas
from inviter.activity import Action
from inviter.batches import Batch, One
from inviter.db import change, db, has_grown, locked, new_ids
from inviter.imports import TO_INVITE, stored
from inviter.known import Met
from inviter.many_rows import bulk
from inviter.models import (
    Delivery,
    Import,
    ImportRow,
    ImportState,
    Invitation,
    Kind,
    User,
)
from inviter.roster import Fate, Recipient, Seen
from inviter.status import DeliveryState

IsMet = Callable[[Import, Mapping[int, Recipient]], Mapping[int, Met]]
TABLES: Any = {model: model.__table__ for model in (Invitation, Delivery, ImportRow)}
ROW = TABLES[ImportRow].c
DECIDE = (
    update(TABLES[ImportRow])
    .where(
        ROW.clinic_id == bindparam("clinic"),
        ROW.import_id == bindparam("file"),
        ROW.number == bindparam("row"),
        or_(*(ROW.fate == fate for fate in TO_INVITE)),  # many at once take no IN
    )
    .values(
        fate=bindparam("becomes"), invitation_id=bindparam("known_as"), problems=bindparam("wrong")
    )
)


class Overtaken(Exception):
    """Someone else has confirmed or cancelled it, or its time is over; of a batch: it can't be
    written as it was made ready, and is to be made ready anew."""


def confirm(
    made: Import,
    *,
    key: str,
    by: User,
    now: datetime,
    seen: int | None = None,
    most: int = quotas.FROM_FILES_PER_DAY,
) -> None:
    """Have the worker invite all that are ready. The key makes it happen once: pressed again it
    changes nothing. `seen` is the revision of the rows that were shown to who asks. Raises
    Overtaken, also where they are others now, or TooMany where the clinic would have invited more
    than `most` from files in a day; then nothing of it may be committed."""
    confirmed = change(
        update(Import)
        .where(
            Import.clinic_id == made.clinic_id,
            Import.id == made.id,
            Import.state == ImportState.OPEN,
            Import.confirm_key.is_distinct_from(key),
            Import.erased_at.is_(None),
            Import.uploaded_at > now - imports.KEEP_FOR,
            *([] if seen is None else [Import.revision == seen]),
        )
        .values(
            state=ImportState.INVITING, confirm_key=key, confirmed_by_id=by.id, confirmed_at=now
        )
    )
    db.session.refresh(made, ["state", "confirm_key", "confirmed_by_id", "confirmed_at"])
    if not confirmed and made.confirm_key != key:
        raise Overtaken
    if confirmed:
        many = imports.ready(made)
        quotas.count(quotas.FROM_FILES, made.clinic_id, many, most=most, now=now)


def cancel(made: Import, *, by: User, now: datetime) -> int:
    """Stop what is not yet invited, and is ready as before; how many that are. A batch under way is
    waited for. Raises Overtaken where nothing is under way any more."""
    _hold(made)
    if made.state != ImportState.INVITING:
        raise Overtaken
    stopped = imports.ready(made)
    made.revision += 1  # fewer are left than were shown to who is about to confirm
    quotas.give_back(quotas.FROM_FILES, made.clinic_id, stopped)
    made.state = ImportState.OPEN
    known = {"clinic_id": made.clinic_id, "import_id": made.id}
    activity.record(Action.IMPORT_CANCELLED, by=by, now=now, **known)
    db.session.flush()
    return stopped


def invite(batch: Batch, *, now: datetime) -> int:
    """Write it; how many rows were decided. The caller commits, and may have nothing else in the
    transaction: it is begun anew where an index refuses someone who was not looked for.

    A file of which nothing is left is open again, for what needs fixing. Raises Overtaken, or
    IntegrityError where a code was drawn elsewhere at this very moment; then nothing of it may be
    committed.
    """
    with suppress(IntegrityError):
        return _write(batch, now, is_met=known.by_name_of_rows)
    db.session.rollback()
    return _write(batch, now, is_met=_known_or_repeated)


def _write(batch: Batch, now: datetime, *, is_met: IsMet) -> int:
    made = _hold_for(batch)
    if batch.is_end:
        made.state = ImportState.OPEN
        db.session.flush()
        return 0
    met = is_met(made, {each.number: each.recipient for each in batch.people})
    new = [each for each in batch.people if each.number not in met]
    if _decide(made, batch, met) + _mark(made, new) != batch.count:
        raise Overtaken
    if new:
        _insert(made, new, batch.alike)
        _queue(made, new, now)
    if len(new) < batch.count:
        quotas.give_back(quotas.FROM_FILES, made.clinic_id, batch.count - len(new))
    _record(made, len(new), now)
    has_grown(Invitation, Delivery)
    return batch.count


def _known_or_repeated(made: Import, people: Mapping[int, Recipient]) -> dict[int, Met]:
    """Whomever the indexes would refuse; also the same person twice, where a setting has changed
    how rows are read since the file was."""
    seen, repeated = Seen(), {}
    for number in sorted(people):
        if earlier := seen.add(people[number], number):
            invited = duplicates.Fate.ALREADY_INVITED, made.ids_to - earlier.number
            repeated[number] = Met(*invited, earlier.by_name_only)
    return repeated | known.of_rows(made, people)


INVITATION = (
    *("id", "first_name", "last_name", "name_key", "email", "phone", "phone_typed", "can_text"),
    *("code_sealed", "code_mac", "link_id", "sending", "twin"),
)
DELIVERY = ("id", "channel", "invitation_id", "turn")


def _hold_for(batch: Batch) -> Import:
    """Its file, if it stands as it did, until the transaction ends. Raises Overtaken, also where
    another worker holds it."""
    query = locked(
        select(Import).where(
            Import.clinic_id == batch.clinic_id,
            Import.id == batch.import_id,
            Import.state == ImportState.INVITING,
        )
    )
    made = db.session.scalar(query.execution_options(populate_existing=True))
    if made is None or batch.confirmed != (made.confirm_key, made.confirmed_at):
        raise Overtaken
    duplicates.one_at_a_time(made.clinic_id)
    return made


def _decide(made: Import, batch: Batch, met: Mapping[int, Met]) -> int:
    """Who is not invited: of whom it is known, and whose row needs fixing. How many were still to
    be invited."""
    decided: list[dict[str, Any]] = [
        {"row": number, "becomes": Fate(each.fate), "known_as": each.invitation_id, "wrong": None}
        for number, each in met.items()
    ]
    decided += [
        {"row": number, "becomes": Fate.NEEDS_FIXING, "known_as": None, "wrong": stored(problems)}
        for number, problems in batch.to_fix.items()
    ]
    here = {"clinic": made.clinic_id, "file": made.id}
    return change(DECIDE, [here | each for each in decided]) if decided else 0


def _mark(made: Import, people: Sequence[One]) -> int:
    """Their rows, which are all that are left of the batch, as invited; how many were."""
    if not people:
        return 0
    numbers = [each.number for each in people]
    return change(
        update(ImportRow)
        .where(
            *(ROW.clinic_id == made.clinic_id, ROW.import_id == made.id),
            ROW.number.between(min(numbers), max(numbers)),
            ROW.fate.in_(TO_INVITE),
        )
        .values(fate=Fate.INVITED, invitation_id=made.ids_to - ROW.number)
    )


def _insert(made: Import, people: Sequence[One], alike: Mapping[str, Any]) -> None:
    twins = duplicates.Twins(made.clinic_id)
    rows = [(*each.invitation, twins.next(each.recipient)) for each in people]
    bulk(db.session.connection(), TABLES[Invitation], INVITATION, rows, alike=alike)


def _queue(made: Import, people: Sequence[One], now: datetime) -> None:
    """Their messages, in turns that leave room for others."""
    first_id = new_ids(2 * len(people))
    in_order = sorted(people, reverse=True)  # of their ids: so their index has them
    messages = ((each.number, way) for each in in_order for way in each.ways)
    rows = [
        (first_id + place, way, made.ids_to - number, outbox.turn(now, number))
        for place, (number, way) in enumerate(messages)
    ]
    alike = {"clinic_id": made.clinic_id, "kind": Kind.INVITATION, "generation": 1}
    alike |= {"state": DeliveryState.QUEUED, "queued_at": now, "attempts": 0}
    bulk(db.session.connection(), TABLES[Delivery], DELIVERY, rows, alike=alike)


def _record(made: Import, count: int, now: datetime) -> None:
    """One line for a batch."""
    line = {"clinic_id": made.clinic_id, "at": now, "by_id": made.confirmed_by_id}
    details = {"import_id": made.id, "count": count}
    activity.record_all([line | {"action": Action.IMPORTED, "details": details}])


def _hold(made: Import) -> None:
    """As it stands now, until the transaction ends."""
    query = select(Import).where(Import.clinic_id == made.clinic_id, Import.id == made.id)
    db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).one()
