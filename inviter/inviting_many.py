"""The patients of a confirmed file are invited: batch by batch, each whole or not at all.

A batch and what it did to its rows are one transaction: killed at any moment, the next one goes on
where the last that was committed ended. Whoever works on a file holds its row, so that two workers
take turns. Someone invited meanwhile, by whatever way, is not invited again: the row says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from inviter import activity, codes, duplicates, imports, invitations, outbox, roster
from inviter.activity import Action
from inviter.bulk import Reader
from inviter.db import bulk, change, db, locked, new_ids
from inviter.duplicates import in_line
from inviter.imports import TO_INVITE
from inviter.keys import Keys, new_link_id
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
from inviter.status import DeliveryState, Sending

BATCH = 250
"""So many that whoever writes meanwhile hardly waits: SQLite has one writer."""
TABLES: Any = {model: model.__table__ for model in (Invitation, Delivery)}


class Overtaken(Exception):
    """Someone else has confirmed or cancelled it, or its time is over."""


def confirm(made: Import, *, key: str, by: User, now: datetime) -> None:
    """Have the worker invite all that are ready. The key makes it happen once: pressed again it
    changes nothing. Raises Overtaken."""
    confirmed = change(
        update(Import)
        .where(
            Import.clinic_id == made.clinic_id,
            Import.id == made.id,
            Import.state == ImportState.OPEN,
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


def is_waiting() -> bool:
    """Whether any file is to be worked on; only reads."""
    query = select(Import.id).where(Import.state == ImportState.INVITING).limit(1)
    return db.session.scalar(query) is not None


def invite_batch(
    *,
    keys: Keys,
    regions: Sequence[str],
    sms: bool,
    now: datetime,
    new_code: Callable[[], str] = codes.random_code,
    size: int = BATCH,
) -> int:
    """The next batch of some file that nobody else works on; how many rows were decided.

    The caller commits. A file of which nothing is left is open again, for what needs fixing.
    """
    made = _next()
    if made is None:
        return 0
    rows = _to_invite(made, size)
    if not rows:
        made.state = ImportState.OPEN
        db.session.flush()
        return 0
    press = _Press(made, keys, tuple(regions), sms, now, new_code)
    while not _invite(press, rows):
        pass  # someone was invited at this very moment: who it was is known by now
    return len(rows)


@dataclass(frozen=True, slots=True)
class _Press:
    """What all invitations of one file have in common."""

    made: Import
    keys: Keys
    regions: tuple[str, ...]
    sms: bool
    now: datetime
    new_code: Callable[[], str]

    @property
    def at(self) -> datetime:
        """All were invited when it was confirmed: so they stand in the list as in the file."""
        return self.made.confirmed_at or self.now


class _One(NamedTuple):
    """A row and who it is."""

    number: int
    recipient: Recipient


def _next() -> Import | None:
    """The one that was confirmed first, held until the transaction ends."""
    waiting = select(Import).where(Import.state == ImportState.INVITING)
    first = waiting.order_by(Import.confirmed_at).limit(1).options(joinedload(Import.clinic))
    return db.session.scalars(
        locked(first, of=Import).execution_options(populate_existing=True)
    ).one_or_none()


def _to_invite(made: Import, size: int) -> Sequence[Any]:
    row = ImportRow.__table__.c
    return db.session.execute(
        select(
            *(row.number, row.first_name, row.last_name, row.email, row.phone, row.extra),
            *(row.one_name, row.is_different),
        )
        .where(row.clinic_id == made.clinic_id, row.import_id == made.id, row.fate.in_(TO_INVITE))
        .order_by(row.number)
        .limit(size)
    ).all()


def _invite(press: _Press, rows: Sequence[Any]) -> bool:
    """All of these, or False and nothing, where a unique index refused one of them."""
    people = _people(press, rows)
    known = duplicates.known(press.made.clinic_id, [each.recipient for each in people])
    new = [each for each, met in zip(people, known, strict=True) if met is None]
    with db.session.begin_nested() as attempt:
        if not _insert(press, new):
            attempt.rollback()
            return False
    for each, met in zip(people, known, strict=True):
        if met:
            fate, by = Fate(met.fate), met.invitation_id
            _set(press.made, [each.number], fate=fate, invitation_id=by)
    _set(
        press.made,
        [each.number for each in rows],
        fate=Fate.INVITED,
        invitation_id=press.made.ids_to - ImportRow.number,
    )
    _record(press, len(new))
    return True


def _people(press: _Press, rows: Sequence[Any]) -> list[_One]:
    """Who the rows are, read again from what was typed. What no longer can be read, since a
    setting has changed, is to be fixed."""
    reader, people = Reader(press.regions), []
    for row in rows:
        ticks = {"one_name": row.one_name, "is_different": row.is_different}
        checked = roster.check_row(row, reader, **ticks)
        if checked.recipient:
            people.append(_One(row.number, checked.recipient))
        else:
            problems = imports.stored(checked.problems)
            _set(press.made, [row.number], fate=Fate.NEEDS_FIXING, problems=problems)
    return people


INVITATION = (
    *("clinic_id", "id", "first_name", "last_name", "name_key", "email", "phone", "phone_typed"),
    *("can_text", "twin", "provider_id", "invited_by_id", "invited_at", "expires_at"),
    *("code_sealed", "code_mac", "link_id", "link_version", "generation", "sending"),
)
DELIVERY = (
    *("clinic_id", "id", "kind", "channel", "invitation_id", "generation", "state"),
    *("queued_at", "turn", "attempts"),
)


def _insert(press: _Press, new: Sequence[_One]) -> bool:
    """In one order for everyone (`duplicates.in_line`), or two would wait for each other."""
    people = sorted(new, key=lambda each: in_line(each.recipient))
    drawn = _draw(press, len(people))
    expires_at = invitations.expiry(press.made.clinic, press.at)
    ways = [
        invitations.channels(
            email=each.recipient.email, can_text=each.recipient.can_text, sms=press.sms
        )
        for each in people
    ]
    inserted = bulk(
        db.session.connection(),
        TABLES[Invitation],
        INVITATION,
        (
            _invitation(press, each, code, expires_at, has_message=bool(way))
            for each, code, way in zip(people, drawn, ways, strict=True)
        ),
        unless_there=True,
    )
    if inserted < len(people):
        return False
    _queue(press, people, ways)
    return True


def _queue(press: _Press, people: Sequence[_One], ways: Sequence[Sequence[Channel]]) -> None:
    """Their messages, in turns that leave room for others."""
    clinic_id, first_id = press.made.clinic_id, new_ids(2 * len(people))
    messages = ((each, way) for each, some in zip(people, ways, strict=True) for way in some)
    bulk(
        db.session.connection(),
        TABLES[Delivery],
        DELIVERY,
        (
            (
                *(clinic_id, first_id + place, Kind.INVITATION, way),
                *(press.made.ids_to - each.number, 1, DeliveryState.QUEUED, press.now),
                *(outbox.turn(press.now, each.number), 0),
            )
            for place, (each, way) in enumerate(messages)
        ),
    )


def _invitation(
    press: _Press, each: _One, code: str, expires_at: datetime, *, has_message: bool
) -> tuple[Any, ...]:
    """In the order of INVITATION."""
    made, who, keys = press.made, each.recipient, press.keys
    clinic_id, invitation_id = made.clinic_id, made.ids_to - each.number
    return (
        *(clinic_id, invitation_id, who.first_name, who.last_name, who.name_key, who.email),
        *(who.number, who.phone.typed if who.phone else None, who.can_text),
        duplicates.next_twin(clinic_id, who),
        *(made.provider_id, made.confirmed_by_id, press.at, expires_at),
        keys.seal_code(code, clinic_id=clinic_id, invitation_id=invitation_id),
        keys.code_mac(code, clinic_id=clinic_id),
        *(new_link_id(), 1, 1, Sending.UNDER_WAY if has_message else Sending.NONE),
    )


def _draw(press: _Press, count: int) -> list[str]:
    """So many codes that the clinic does not hold. Raises OutOfCodes."""
    clinic_id, drawn = press.made.clinic_id, dict[str, str]()
    for _ in range(MOST_DRAWS):
        while len(drawn) < count:
            code = press.new_code()
            drawn[press.keys.code_mac(code, clinic_id=clinic_id)] = code
        held = select(Invitation.code_mac).where(
            Invitation.clinic_id == clinic_id, Invitation.code_mac.in_(drawn)
        )
        taken = db.session.scalars(held).all()
        if not taken:
            return list(drawn.values())
        for mac in taken:
            del drawn[str(mac)]
    raise OutOfCodes(clinic_id)


def _set(made: Import, numbers: Sequence[int], **values: Any) -> None:
    """Of rows that are still to be invited."""
    change(
        update(ImportRow)
        .where(
            *_rows_of(made),
            ImportRow.number.between(numbers[0], numbers[-1]),
            ImportRow.fate.in_(TO_INVITE),
        )
        .values(**values)
    )


def _record(press: _Press, count: int) -> None:
    """One line for a batch."""
    by = db.session.get(User, press.made.confirmed_by_id)
    activity.record(
        Action.IMPORTED,
        clinic_id=press.made.clinic_id,
        by=by,
        now=press.now,
        import_id=press.made.id,
        count=count,
    )
    db.session.flush()


def _hold(made: Import) -> None:
    """As it stands now, until the transaction ends."""
    query = select(Import).where(Import.clinic_id == made.clinic_id, Import.id == made.id)
    db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).one()


def _rows_of(made: Import) -> tuple[Any, ...]:
    return ImportRow.clinic_id == made.clinic_id, ImportRow.import_id == made.id
