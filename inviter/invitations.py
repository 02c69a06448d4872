"""What staff do with an invitation that exists: send it again, take it back, put it right.

Each is decided by one UPDATE that names the state it needs, so that of two people at once one is
refused. Who acts on many does so in the order of ids, or two such would wait for each other; who
restores many, in the order in which they are invited (`duplicates.in_line`).
"""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.orm import joinedload

from inviter import activity, codes, outbox, readdressing
from inviter.activity import Action
from inviter.contacts import Phone
from inviter.db import change, db
from inviter.duplicates import InvitedAnew as InvitedAnew
from inviter.duplicates import as_nobody_else, in_line, one_at_a_time
from inviter.keys import Keys
from inviter.models import Channel, Clinic, Invitation, User
from inviter.refusals import Closed as Closed
from inviter.refusals import Disowned as Disowned
from inviter.refusals import JustSent as JustSent
from inviter.refusals import NoMessage as NoMessage
from inviter.refusals import Overtaken as Overtaken
from inviter.refusals import TooLate as TooLate
from inviter.status import Removal, Sending, Status
from inviter.team import Provider

END_OF_DAY = time(23, 59, 59)
RESEND_PAUSE = timedelta(minutes=15)
UNDO_FOR = timedelta(hours=24)
MOST_AT_ONCE = 1000


class GivenHow(StrEnum):
    """How a code was handed over."""

    IN_PERSON = "in person"
    BY_PHONE = "by phone"
    ON_PAPER = "on paper"


class GivenTo(StrEnum):
    """Who was handed the code."""

    PATIENT = "patient"
    RELATIVE = "relative"
    OTHER = "other"


def channels(*, email: str | None, can_text: bool, sms: bool) -> list[Channel]:
    """How a patient is reached; none means by the code alone."""
    found = [Channel.EMAIL] if email else []
    return [*found, Channel.SMS] if sms and can_text else found


def expiry(clinic: Clinic, now: datetime) -> datetime:
    """The end of the day, at the clinic, on which an invitation made now expires."""
    zone = ZoneInfo(clinic.time_zone)
    last_day = now.astimezone(zone).date() + timedelta(days=clinic.expiry_days)
    return datetime.combine(last_day, END_OF_DAY, zone)


def of(clinic: Clinic, invitation_id: int) -> Invitation | None:
    """One of this clinic's, removed ones too, as it stands now with the people it names."""
    return db.session.scalar(_with_people(clinic.id).where(Invitation.id == invitation_id))


def these(clinic: Clinic, ids: Iterable[int]) -> list[Invitation]:
    """Those of this clinic, as `of` gives one, in the order of ids."""
    query = _with_people(clinic.id).where(Invitation.id.in_(ids))
    return list(db.session.scalars(query.order_by(Invitation.id)))


def check_resend(
    invitation: Invitation, *, sms: bool, now: datetime, seen: int | None = None, sure: bool = False
) -> list[Channel]:
    """By which channels `resend` would send; raises what it would. Changes nothing."""
    _refuse_closed(invitation)
    if seen not in (None, invitation.generation):
        raise Overtaken
    ways = channels(email=invitation.email, can_text=invitation.can_text, sms=sms)
    if not ways:
        raise NoMessage
    if invitation.disowned_at and not sure:
        raise Disowned(invitation.disowned_at)
    at = just_sent(invitation, now)
    if at and not sure:
        raise JustSent(at)
    return ways


def just_sent(invitation: Invitation, now: datetime) -> datetime | None:
    """When, if the present send is so new that one is asked before the next."""
    at = invitation.resent_at or invitation.invited_at
    was_sent = invitation.sending not in (Sending.NONE, Sending.FAILED)
    return at if was_sent and now - at < RESEND_PAUSE else None


def resend(
    invitation: Invitation,
    *,
    seen: int,
    by: User | None,
    keys: Keys,
    sms: bool,
    now: datetime,
    sure: bool = False,
    place: int = 0,
    new_code: Callable[[], str] = codes.random_code,
    action: Action = Action.RESENT,
) -> None:
    """Queue the messages again and renew the expiry; code and link stay. Only a code that has
    rested (`keeping`) is drawn anew.

    `seen` is the generation that was shown to who asks; `place` is the one among many. What is
    still queued of earlier sends is not sent. Raises Closed, Overtaken, NoMessage, or JustSent or
    Disowned unless `sure`. `action` is what the record calls it.
    """
    ways = check_resend(invitation, seen=seen, sms=sms, sure=sure, now=now)
    clinic = db.session.get_one(Clinic, invitation.clinic_id)
    _change_or_refuse(
        invitation,
        Invitation.generation == seen,
        Invitation.email.is_not_distinct_from(invitation.email),
        Invitation.can_text == invitation.can_text,
        Invitation.disowned_at.is_not_distinct_from(invitation.disowned_at),
        generation=seen + 1,
        disowned_at=None,
        resent_at=now,
        expires_at=expiry(clinic, now),
        code_tries=0,
    )
    outbox.withdraw(invitation, because=Action.RESENT)
    _reload(invitation)
    if invitation.code_mac is None:
        readdressing.draw(invitation, keys=keys, new_code=new_code)
        _reload(invitation)
    outbox.put(invitation, ways, place=place, now=now)
    _record(action, invitation, by, now)


def remove(invitation: Invitation, *, by: User, now: datetime) -> None:
    """Take it back: link and code open nothing, what is queued is not sent. Raises Closed."""
    _change_or_refuse(invitation, removed_at=now)
    outbox.withdraw(invitation, because=Action.REMOVED)
    _record(Action.REMOVED, invitation, by, now)
    _reload(invitation)


def restore(invitation: Invitation, *, by: User, now: datetime) -> None:
    """Undo the removal: same code, link and expiry; what it withdrew is sent, unless it expired.

    Nothing to do where someone else has. Raises Closed where the patient had accepted, TooLate,
    or InvitedAnew.
    """
    one_at_a_time(invitation.clinic_id)
    if not _can_be_restored(invitation, now):
        return
    contacts = (invitation.email, invitation.phone)
    is_known = invitation.erased_at is None  # else it stands in nobody's way
    with as_nobody_else(invitation, *contacts) if is_known else nullcontext():
        restored = _change(
            invitation,
            Invitation.removed_at >= now - UNDO_FOR,
            Invitation.accepted_at.is_(None),
            Invitation.first_name != "",
            removed_at=None,
        )
    _reload(invitation)
    if not restored:
        _can_be_restored(invitation, now)
        return
    if invitation.expires_at > now:
        outbox.requeue(invitation)
    _record(Action.RESTORED, invitation, by, now)
    _reload(invitation)


def can_undo(facts: Removal, now: datetime) -> bool:
    """Whether it was removed, and so short a time ago that the removal can be undone; no patient
    who was erased comes back."""
    at = facts.removed_at
    if at is None or facts.accepted_at is not None or not facts.name:
        return False
    return now - at <= UNDO_FOR


def removed_at_once(clinic: Clinic, at: datetime) -> list[Invitation]:
    """Those that were removed together, at exactly this instant, to be restored in this order."""
    together = (
        Invitation.removed_at == at,
        Invitation.accepted_at.is_(None),
        Invitation.first_name != "",
    )
    query = _with_people(clinic.id).where(*together).order_by(Invitation.id)
    return sorted(db.session.scalars(query.limit(MOST_AT_ONCE)), key=in_line)


def change_contact(
    invitation: Invitation,
    *,
    email: str | None,
    phone: Phone | None,
    by: User,
    keys: Keys,
    now: datetime,
    seen: int | None = None,
    shown: tuple[str | None, str | None] | None = None,
    new_code: Callable[[], str] = codes.random_code,
) -> bool:
    """Put email and phone right; whether code and link changed with it. Nothing is sent.

    They change where whoever was written to before may hold them: a contact is replaced or taken
    away, and a message to it did not fail for certain, or it was disowned. What is queued for it is
    not sent. With another code what was sent amounts to nothing: a generation begins that has no
    messages. Who gives a contact to one whose own was erased opens it anew, and renews the expiry.

    `seen` and `shown` are the generation and the contacts (email, number) that were shown to who
    asks: where they are others now it raises Overtaken, unless nothing is left to change. Raises
    Closed, or InvitedAnew where it is then someone who is invited already.
    """
    one_at_a_time(invitation.clinic_id)
    _reload(invitation, lock=True)
    _refuse_closed(invitation)
    fields = readdressing.fields_changed(invitation, email, phone)
    if not fields:
        return False
    contacts = (invitation.email, invitation.phone)
    if seen not in (None, invitation.generation) or shown not in (None, contacts):
        raise Overtaken
    was_erased = invitation.erased_at is not None
    with as_nobody_else(invitation, email, phone.e164 if phone else None):
        changed = readdressing.readdress(invitation, email, phone, keys=keys, new_code=new_code)
    if was_erased:
        _change(invitation, expires_at=expiry(invitation.clinic, now))
    _record(Action.CONTACT_CHANGED, invitation, by, now, fields=fields, code_changed=changed)
    _reload(invitation)
    return changed


def change_provider(invitation: Invitation, provider: Provider, *, by: User, now: datetime) -> None:
    """Invite on behalf of someone else on the care team. Raises Closed."""
    _refuse_closed(invitation)
    if provider.id == invitation.provider_id:
        return
    _change_or_refuse(invitation, provider_id=provider.id)
    _record(Action.PROVIDER_CHANGED, invitation, by, now)
    _reload(invitation)


def show_code(invitation: Invitation, *, by: User, now: datetime) -> None:
    """Only keeps who looked."""
    _record(Action.CODE_SHOWN, invitation, by, now)


def give_code(
    invitation: Invitation, *, how: GivenHow, to: GivenTo, by: User, now: datetime
) -> None:
    """Note that the code was handed over. Raises Closed."""
    _change_or_refuse(invitation, code_given_at=now, code_tries=0)
    _record(Action.CODE_GIVEN, invitation, by, now, how=how, to=to)
    _reload(invitation)


def _with_people(clinic_id: int) -> Select[Invitation]:
    return (
        select(Invitation)
        .where(Invitation.clinic_id == clinic_id)
        .options(
            joinedload(Invitation.clinic),
            joinedload(Invitation.provider),
            joinedload(Invitation.invited_by),
        )
        .execution_options(populate_existing=True)
    )


def _reload(invitation: Invitation, *, lock: bool = False) -> None:
    """As it stands now; with `lock` it stays so to the end of the transaction."""
    query = _with_people(invitation.clinic_id).where(Invitation.id == invitation.id)
    db.session.scalars(query.with_for_update(of=Invitation) if lock else query).one()


def _record(
    action: Action, invitation: Invitation, by: User | None, now: datetime, **details: object
) -> None:
    clinic_id, invitation_id = invitation.clinic_id, invitation.id
    activity.record(
        action, clinic_id=clinic_id, invitation_id=invitation_id, by=by, now=now, **details
    )
    db.session.flush()


def _change(invitation: Invitation, *where: ColumnElement[bool], **values: Any) -> int:
    """How many rows met the condition: 1 or 0."""
    here = (Invitation.clinic_id == invitation.clinic_id, Invitation.id == invitation.id)
    return change(update(Invitation).where(*here, *where).values(**values))


def _change_or_refuse(invitation: Invitation, *where: ColumnElement[bool], **values: Any) -> None:
    """Only while it is neither accepted nor removed. Raises Closed, or else Overtaken."""
    is_open = (Invitation.accepted_at.is_(None), Invitation.removed_at.is_(None))
    if not _change(invitation, *is_open, *where, **values):
        _reload(invitation)
        _refuse_closed(invitation)
        raise Overtaken


def _refuse_closed(invitation: Invitation) -> None:
    if invitation.removed_at is not None:
        raise Closed(Status.REMOVED)
    if invitation.accepted_at is not None:
        raise Closed(Status.ACCEPTED)


def _can_be_restored(invitation: Invitation, now: datetime) -> bool:
    """False where there is nothing to undo. Raises Closed or TooLate."""
    if invitation.accepted_at is not None:
        raise Closed(Status.ACCEPTED)
    if invitation.removed_at is None:
        return False
    if not can_undo(invitation, now):
        raise TooLate
    return True
