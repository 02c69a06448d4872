"""The patients of a confirmed file are invited: batch by batch, each whole or not at all.

What takes time is made ready while only reading (`next_batch`). Writing a batch and what it did to
its rows is one short transaction (`invite`): killed at any moment, the next one goes on where the
last that was committed ended. Someone invited meanwhile, by whatever way, is not invited again: the
row says so.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from inviter import activity, codes, duplicates, imports, invitations, outbox, roster
from inviter.activity import Action
from inviter.bulk import Reader
from inviter.contacts import Problem
from inviter.db import across_clinics, any_of, change, db, has_grown, locked, new_ids
from inviter.duplicates import in_line
from inviter.imports import TO_INVITE
from inviter.keys import Keys, new_link_ids
from inviter.many_rows import bulk
from inviter.models import (
    Channel,
    Delivery,
    Import,
    ImportRow,
    ImportState,
    Invitation,
    Kind,
    User,
)
from inviter.readdressing import MOST_DRAWS, OutOfCodes
from inviter.roster import Fate, Recipient
from inviter.spreadsheets import Row
from inviter.status import DeliveryState, Sending

BATCH = {"sqlite": 500, "postgresql": 4000}
"""SQLite has one writer: so many that whoever writes meanwhile waits some 50 ms at the most."""
TABLES: Any = {model: model.__table__ for model in (Invitation, Delivery)}
ROW: Any = ImportRow.__table__.c


class Overtaken(Exception):
    """Someone else has confirmed or cancelled it, or its time is over; of a batch: it can't be
    written as it was made ready, and is to be made ready anew."""


def confirm(made: Import, *, key: str, by: User, now: datetime) -> None:
    """Have the worker invite all that are ready. The key makes it happen once: pressed again it
    changes nothing. Raises Overtaken."""
    confirmed = change(
        update(Import)
        .where(
            Import.clinic_id == made.clinic_id,
            Import.id == made.id,
            Import.state == ImportState.OPEN,
            Import.confirm_key.is_distinct_from(key),
            Import.erased_at.is_(None),
            Import.uploaded_at > now - imports.KEEP_FOR,
        )
        .values(
            state=ImportState.INVITING, confirm_key=key, confirmed_by_id=by.id, confirmed_at=now
        )
    )
    db.session.refresh(made, ["state", "confirm_key", "confirmed_by_id", "confirmed_at"])
    if not confirmed and made.confirm_key != key:
        raise Overtaken


def cancel(made: Import, *, by: User, now: datetime) -> int:
    """Stop what is not yet invited; how many that were. A batch under way is waited for."""
    _hold(made)
    if made.state != ImportState.INVITING:
        return 0
    stopped = change(
        update(ImportRow)
        .where(*_rows_of(made), ImportRow.fate.in_(TO_INVITE))
        .values(fate=Fate.SKIPPED)
    )
    made.state = ImportState.OPEN
    known = {"clinic_id": made.clinic_id, "import_id": made.id}
    activity.record(Action.IMPORT_CANCELLED, by=by, now=now, **known)
    db.session.flush()
    return stopped


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a confirmed file, as they were read, with all that inviting them needs."""

    clinic_id: int
    import_id: int
    ids_to: int
    confirmed: tuple[str | None, datetime | None]
    """By which press: after another one the rows may say something else."""
    people: Sequence["_One"]
    alike: Mapping[str, Any]
    """What their invitations have in common."""
    to_fix: Mapping[int, Mapping[str, Problem]]
    """What can no longer be read, since a setting has changed; by row number."""


class _One(NamedTuple):
    """A row, who it is, how they are reached, and what is their invitation's own but for `twin`."""

    number: int
    recipient: Recipient
    ways: Sequence[Channel]
    invitation: tuple[Any, ...]


def next_batch(
    *,
    keys: Keys,
    reader: Reader,
    sms: bool,
    now: datetime,
    new_code: Callable[[], str] = codes.random_code,
    size: int | None = None,
) -> Batch | None:
    """Of any confirmed file, so that none waits for all of another; None where there is none.

    Only reads. Without people and without what is to be fixed the file is done.
    """
    waiting = select(Import).where(Import.state == ImportState.INVITING)
    waiting = waiting.options(joinedload(Import.clinic)).execution_options(populate_existing=True)
    with across_clinics():
        found = db.session.scalars(waiting).all()
    if not found:
        return None
    made = secrets.choice(found)
    people, to_fix = _read(_to_invite(made, size or BATCH[db.engine.dialect.name]), reader)
    drawn = _draw(made.clinic_id, len(people), keys, new_code).items()
    links = new_link_ids(len(people))
    at = made.confirmed_at or now
    common = _Common(made, keys, at, invitations.expiry(made.clinic, at), sms)
    return Batch(
        made.clinic_id,
        made.id,
        made.ids_to,
        (made.confirm_key, made.confirmed_at),
        [
            common.one(*each, *code, link)
            for each, code, link in zip(people, drawn, links, strict=True)
        ],
        common.alike(),
        to_fix,
    )


def invite(batch: Batch, *, now: datetime) -> int:
    """Write it, in a transaction that the caller commits; how many rows were decided.

    A file of which nothing is left is open again, for what needs fixing. Raises Overtaken; then
    nothing of it may be committed.
    """
    made = _hold_for(batch)
    if not (batch.people or batch.to_fix):
        made.state = ImportState.OPEN
        db.session.flush()
        return 0
    for number, problems in batch.to_fix.items():
        _set(made, [number], fate=Fate.NEEDS_FIXING, problems=imports.stored(problems))
    if new := _invite_unknown(made, batch):
        _queue(made, new, now)
        numbers = [each.number for each in new]
        ids = made.ids_to - ImportRow.number
        if _set(made, numbers, fate=Fate.INVITED, invitation_id=ids) != len(new):
            raise Overtaken
    _record(made, len(new), now)
    has_grown(Invitation, Delivery)
    return len(batch.people) + len(batch.to_fix)


@dataclass(frozen=True, slots=True)
class _Common:
    """What all invitations of one file share."""

    made: Import
    keys: Keys
    at: datetime
    """All were invited when it was confirmed: so they stand in the list as in the file."""
    expires_at: datetime
    sms: bool

    def one(self, number: int, who: Recipient, mac: str, code: str, link_id: str) -> _One:
        clinic_id, invitation_id = self.made.clinic_id, self.made.ids_to - number
        first, last, name_key, email, phone, _ = who
        ways = invitations.channels(email=email, can_text=who.can_text, sms=self.sms)
        values = (
            *(invitation_id, first, last, name_key, email),
            *(phone or NO_PHONE),
            self.keys.seal_code(code, clinic_id=clinic_id, invitation_id=invitation_id),
            *(mac, link_id, Sending.UNDER_WAY if ways else Sending.NONE),
        )
        return _One(number, who, ways, values)

    def alike(self) -> dict[str, Any]:
        return {
            "clinic_id": self.made.clinic_id,
            "provider_id": self.made.provider_id,
            "invited_by_id": self.made.confirmed_by_id,
            "invited_at": self.at,
            "expires_at": self.expires_at,
            "link_version": 1,
            "generation": 1,
        }


NO_PHONE = (None, None, False)
INVITATION = (
    *("id", "first_name", "last_name", "name_key", "email", "phone", "phone_typed", "can_text"),
    *("code_sealed", "code_mac", "link_id", "sending", "twin"),
)
DELIVERY = ("id", "channel", "invitation_id", "turn")


def _to_invite(made: Import, size: int) -> list[Any]:
    """The first of them in the order of the file: each fate by itself, as their index has them."""
    columns = (ROW.number, ROW.first_name, ROW.last_name, ROW.email, ROW.phone, ROW.extra)
    found: list[Any] = []
    for fate in TO_INVITE:
        query = select(*columns, ROW.one_name, ROW.is_different).where(
            ROW.clinic_id == made.clinic_id, ROW.import_id == made.id, ROW.fate == fate
        )
        found += db.session.execute(query.order_by(ROW.number).limit(size)).all()
    return sorted(found, key=lambda row: row.number)[:size]


def _read(
    rows: Sequence[Any], reader: Reader
) -> tuple[list[tuple[int, Recipient]], dict[int, Mapping[str, Problem]]]:
    """Who the rows are, read again from what was typed, and what is wrong where nobody is."""
    people, to_fix = [], {}
    for *typed, one_name, is_different in rows:
        row = Row(*typed)
        checked = roster.check_row(row, reader, one_name=one_name, is_different=is_different)
        if checked.recipient:
            people.append((row.number, checked.recipient))
        else:
            to_fix[row.number] = checked.problems
    return people, to_fix


def _draw(clinic_id: int, count: int, keys: Keys, new_code: Callable[[], str]) -> dict[str, str]:
    """So many codes that the clinic does not hold, by what they are found by. Raises OutOfCodes."""
    drawn: dict[str, str] = {}
    for _ in range(MOST_DRAWS):
        while len(drawn) < count:
            code = new_code()
            drawn[keys.code_mac(code, clinic_id=clinic_id)] = code
        held = select(Invitation.code_mac).where(
            Invitation.clinic_id == clinic_id, any_of(Invitation.code_mac, drawn)
        )
        taken = db.session.scalars(held).all()
        if not taken:
            return drawn
        for mac in taken:
            del drawn[str(mac)]
    raise OutOfCodes(clinic_id)


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


def _invite_unknown(made: Import, batch: Batch) -> list[_One]:
    """Those whom the clinic does not know; the rows of the others say who they are.

    In one order for everyone (`duplicates.in_line`), or two would wait for each other. Raises
    Overtaken where someone was invited, or a code drawn, at this very moment.
    """
    new = sorted(
        batch.people, key=lambda each: (in_line(each.recipient), each.recipient.is_different)
    )
    for but_by_contact in (True, False):
        new = _unknown(made, new, but_by_contact=but_by_contact)
        twins = duplicates.Twins(made.clinic_id)
        rows = [(*each.invitation, twins.next(each.recipient)) for each in new]
        with db.session.begin_nested() as attempt:
            connection = db.session.connection()  # only asked for here does it set a savepoint
            into = connection, TABLES[Invitation], INVITATION
            if bulk(*into, rows, alike=batch.alike, unless_there=True) == len(new):
                return new
            attempt.rollback()
    raise Overtaken


def _unknown(made: Import, people: Sequence[_One], *, but_by_contact: bool) -> list[_One]:
    known = duplicates.known_of_rows(
        made.clinic_id,
        made.id,
        {each.number: each.recipient for each in people},
        but_by_contact=but_by_contact,
    )
    for number, met in known.items():
        _set(made, [number], fate=Fate(met.fate), invitation_id=met.invitation_id)
    return [each for each in people if each.number not in known]


def _queue(made: Import, people: Sequence[_One], now: datetime) -> None:
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


def _set(made: Import, numbers: Sequence[int], **values: Any) -> int:
    """Of rows that are still to be invited; how many were."""
    return change(
        update(ImportRow)
        .where(
            *_rows_of(made),
            ImportRow.number.between(min(numbers), max(numbers)),
            ImportRow.fate.in_(TO_INVITE),
        )
        .values(**values)
    )


def _record(made: Import, count: int, now: datetime) -> None:
    """One line for a batch."""
    by = db.session.get(User, made.confirmed_by_id)
    known = {"clinic_id": made.clinic_id, "import_id": made.id}
    activity.record(Action.IMPORTED, by=by, now=now, count=count, **known)
    db.session.flush()


def _hold(made: Import) -> None:
    """As it stands now, until the transaction ends."""
    query = select(Import).where(Import.clinic_id == made.clinic_id, Import.id == made.id)
    db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).one()


def _rows_of(made: Import) -> tuple[Any, ...]:
    return ImportRow.clinic_id == made.clinic_id, ImportRow.import_id == made.id
