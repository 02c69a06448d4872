"""What is kept only so long after an invitation's end: where it was sent, and its Invite Code.

Email and number of who was removed or let it expire are erased when the clinic's days are over,
here and wherever else a clinic keeps them. Names stay, and what was done. `opt_out` keeps an
address on purpose: or whoever said stop would be written to again. A code may be drawn anew by
others once it has rested; whoever is sent the invitation later gets another.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, text, update

from inviter import activity
from inviter.activity import Action
from inviter.db import change, db, locked, reading
from inviter.models import (
    EXPIRING,
    RESTING,
    Attempt,
    Clinic,
    Delivery,
    Invitation,
    MailboxMessage,
    Patient,
)

CODE_RESTS = timedelta(days=30)
BATCH = 250
"""So many at once that who writes meanwhile waits no longer than for a batch of a file."""
NO_CONTACT: dict[str, Any] = {"email": None, "phone": None, "phone_typed": None, "can_text": False}
NO_CODE: dict[str, Any] = {"code_sealed": None, "code_mac": None}

HAS_CONTACT = or_(Invitation.email.is_not(None), Invitation.phone.is_not(None))
HAS_CODE = Invitation.code_mac.is_not(None)
IS_OPEN = and_(Invitation.accepted_at.is_(None), Invitation.removed_at.is_(None))


def erase_old(*, now: datetime, size: int = BATCH) -> Iterator[None]:
    """Everything whose time is over, clinic by clinic. The caller commits each part.

    What is due is looked up while only reading, and asked again when it is erased: whoever has
    resent it meanwhile keeps it.
    """
    with reading():
        clinics = db.session.execute(select(Clinic.id, Clinic.keep_contacts_days)).all()
    for clinic_id, days in clinics:
        long_ago = now - timedelta(days=days)
        for some in _found(clinic_id, _came_to_nothing(long_ago), HAS_CONTACT, size):
            held = _held(clinic_id, some, _has_come_to_nothing(long_ago), HAS_CONTACT)
            if held:
                erase_contacts(clinic_id, held, now=now)
                activity.record(
                    Action.CONTACTS_ERASED, clinic_id=clinic_id, now=now, count=len(held)
                )
                db.session.flush()
            yield
        rested = now - CODE_RESTS
        accepted = (text(RESTING), Invitation.accepted_at <= rested)
        for some in _found(clinic_id, [*_came_to_nothing(rested), accepted], HAS_CODE, size):
            ended = or_(_has_come_to_nothing(rested), Invitation.accepted_at <= rested)
            if held := _held(clinic_id, some, ended, HAS_CODE):
                _change(clinic_id, held, **NO_CODE)
            yield


def erase_contacts(clinic_id: int, ids: Sequence[int], *, now: datetime) -> None:
    """Of these invitations, of who had joined by one and is removed, and of messages that are
    kept instead of sent."""
    _change(clinic_id, ids, erased_at=now, **NO_CONTACT)
    gone = (
        Patient.clinic_id == clinic_id,
        Patient.invitation_id.in_(ids),
        Patient.removed_at.is_not(None),
    )
    change(update(Patient).where(*gone).values(email=None, phone=None))
    of_delivery = and_(Attempt.clinic_id == Delivery.clinic_id, Attempt.delivery_id == Delivery.id)
    sent = (
        select(Attempt.id)
        .join(Delivery, of_delivery)
        .where(Delivery.clinic_id == clinic_id, Delivery.invitation_id.in_(ids))
    )
    change(delete(MailboxMessage).where(MailboxMessage.attempt_id.in_(sent)))


def _came_to_nothing(before: datetime) -> list[tuple[Any, ...]]:
    """Removed or expired by then: each says the words of its index."""
    return [
        (Invitation.removed_at <= before,),
        (text(EXPIRING), Invitation.expires_at <= before),
    ]


def _has_come_to_nothing(before: datetime) -> ColumnElement[bool]:
    return or_(Invitation.removed_at <= before, and_(IS_OPEN, Invitation.expires_at <= before))


def _found(
    clinic_id: int, ways: Iterable[tuple[Any, ...]], has: ColumnElement[bool], size: int
) -> Iterator[list[int]]:
    """Ids of a clinic's invitations that ended in one of these ways and still have that."""
    here = Invitation.clinic_id == clinic_id
    with reading():
        ids = {
            each
            for ended in ways
            for each in db.session.scalars(select(Invitation.id).where(here, *ended, has))
        }
    ordered = sorted(ids)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def _held(clinic_id: int, ids: Iterable[int], *due: ColumnElement[bool]) -> Sequence[int]:
    """Those that are due, until the transaction ends; who is being worked on has time until the
    next pass."""
    here = (Invitation.clinic_id == clinic_id, Invitation.id.in_(ids))
    query = select(Invitation.id).where(*here, *due).order_by(Invitation.id)
    return db.session.scalars(locked(query)).all()


def _change(clinic_id: int, ids: Iterable[int], **values: Any) -> None:
    here = (Invitation.clinic_id == clinic_id, Invitation.id.in_(ids))
    change(update(Invitation).where(*here).values(**values))
