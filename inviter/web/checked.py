"""What the check before sending and "Invitations Sent" show: outcomes put into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for
from flask_babel import gettext as _

from inviter import invitations, listing, status
from inviter.invitations import Checked, Fate
from inviter.keys import Keys
from inviter.listing import Sent
from inviter.models import Clinic, Confirmation, Invitation, Patient, User
from inviter.status import DeliveryState, Status
from inviter.web import formats

LOOKS = (2, 4, 8, 15, 30, 60)
"""Seconds between looks at what is being sent; after the last one a person reloads."""


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    email: str | None
    phone: str | None
    note: str


@dataclass(frozen=True, slots=True)
class CheckPage:
    provider: str
    to_invite: Sequence[Person]
    already_invited: Sequence[Person]
    already_patients: Sequence[Person]
    message: str


@dataclass(frozen=True, slots=True)
class SentRow:
    name: str
    how: str
    state: str
    reason: str
    code: str


@dataclass(frozen=True, slots=True)
class NotInvited:
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class SentPage:
    """`polling`: seconds until the next look; 0 stops."""

    invited: Sequence[SentRow]
    not_invited: Sequence[NotInvited]
    polling: int
    poll_url: str


def check_page(
    found: Sequence[Checked],
    clinic: Clinic,
    *,
    provider: User,
    hints: Sequence[str],
    message: str,
    sms: bool,
    doubt_after: timedelta,
    now: datetime,
) -> CheckPage:
    """The recipients in three groups, each with what staff should know about them."""
    groups: dict[Fate, list[Person]] = {fate: [] for fate in Fate}
    for one, hint in zip(found, hints, strict=True):
        person = one.recipient
        note = _note(one, hint, clinic, sms=sms, doubt_after=doubt_after, now=now)
        typed = person.phone.typed if person.phone else None
        groups[one.fate].append(Person(person.name, person.email, typed, note))
    return CheckPage(
        provider=provider.name,
        to_invite=groups[Fate.INVITED],
        already_invited=groups[Fate.ALREADY_INVITED] + groups[Fate.REPEATED],
        already_patients=groups[Fate.ALREADY_PATIENT],
        message=message,
    )


def sent_page(confirmation: Confirmation, clinic: Clinic, *, look: int, keys: Keys) -> SentPage:
    """What became of everyone that was confirmed, in the order typed."""
    ids = [each for _fate, each in confirmation.outcome]
    invited = {each.id: each for each in listing.these(clinic, ids)}
    patients = {each.id: each for each in listing.patients_by_id(clinic, ids)}
    messages = listing.messages_of(clinic, list(invited.values()))
    rows: list[SentRow] = []
    others: list[NotInvited] = []
    for fate, each in confirmation.outcome:
        if fate == Fate.INVITED:
            rows.append(_sent_row(invited[each], messages.get(each, ()), keys))
        else:
            known = patients.get(each) or invited[each]
            others.append(NotInvited(known.name, _fate(fate, known, clinic)))
    moving = any(_is_moving(each) for sent in messages.values() for each in sent)
    return SentPage(
        invited=rows,
        not_invited=others,
        polling=LOOKS[look] if moving and 0 <= look < len(LOOKS) else 0,
        poll_url=url_for(
            "invite.sent", slug=clinic.slug, key=confirmation.key, look=max(look, 0) + 1
        ),
    )


def _note(
    one: Checked, hint: str, clinic: Clinic, *, sms: bool, doubt_after: timedelta, now: datetime
) -> str:
    if one.repeats is not None:
        return _("Entered twice: the same as patient %(number)s", number=one.repeats + 1)
    if one.patient is not None:
        return _fate(one.fate, one.patient, clinic)
    if one.invitation is not None:
        word = formats.status(status.of(one.invitation, now=now, doubt_after=doubt_after))
        return _already(one.invitation, word, clinic)
    notes = [hint] if hint else []
    if not invitations.channels(one.recipient, sms=sms):
        notes.append(_unreached(one))
    elif one.recipient.phone and not one.recipient.phone.can_text:
        notes.append(_("No text can be sent to this number."))
    if one.same_contact:
        names = ", ".join(one.same_contact)
        notes.append(_("Same email or mobile number as %(names)s.", names=names))
    return " ".join(notes)


def _unreached(one: Checked) -> str:
    if one.recipient.phone:
        return _("No text can be sent to this number: share the Invite Code")
    return _("No email or mobile number: share the Invite Code")


def _already(invitation: Invitation, word: str, clinic: Clinic) -> str:
    return _(
        "Already invited %(day)s by %(name)s, %(status)s, expires %(expires)s",
        day=formats.day(invitation.invited_at, clinic),
        name=invitation.invited_by.name,
        status=word,
        expires=formats.day(invitation.expires_at, clinic),
    )


def _fate(fate: Fate, known: Invitation | Patient, clinic: Clinic) -> str:
    if isinstance(known, Patient):
        return _("Joined %(day)s", day=formats.day(known.joined_at, clinic))
    if fate == Fate.REPEATED:
        return _("Entered twice: invited once")
    return _(
        "Already invited %(day)s, expires %(expires)s",
        day=formats.day(known.invited_at, clinic),
        expires=formats.day(known.expires_at, clinic),
    )


def _sent_row(invitation: Invitation, sent: Sequence[Sent], keys: Keys) -> SentRow:
    failed = [each for each in sent if each.state == DeliveryState.FAILED]
    return SentRow(
        name=invitation.name,
        how=formats.how_sent(sent),
        state=_state(sent),
        reason=" ".join(formats.reason(each.reason) for each in failed),
        code=listing.code_of(invitation, keys=keys) or "",
    )


def _state(sent: Sequence[Sent]) -> str:
    """One word for all messages of an invitation: trouble first, then what still moves."""
    if not sent:
        return ""
    if any(each.state == DeliveryState.FAILED for each in sent):
        return formats.status(Status.ERROR_SENDING)
    slowest = next((each for each in sent if _is_moving(each)), sent[0])
    return formats.message(slowest, Status.PENDING)


def _is_moving(sent: Sent) -> bool:
    return sent.state in (DeliveryState.QUEUED, DeliveryState.SENDING)
