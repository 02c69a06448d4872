"""Inviting patients: who is the same patient, and each invited once, whatever is pressed twice."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from inviter import activity, codes, outbox
from inviter.activity import Action
from inviter.contacts import Phone
from inviter.db import change, db, insert, new_id
from inviter.keys import Keys, new_link_id
from inviter.models import Channel, Clinic, Confirmation, Invitation, Patient, User

END_OF_DAY = time(23, 59, 59)
MOST_DRAWS = 100


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person to invite, checked and in canonical form (`contacts`)."""

    first_name: str
    last_name: str
    name_key: str
    email: str | None
    phone: Phone | None

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def number(self) -> str | None:
        return self.phone.e164 if self.phone else None


class Fate(StrEnum):
    """What becomes of a recipient."""

    INVITED = "invited"
    ALREADY_INVITED = "already invited"
    ALREADY_PATIENT = "already a patient"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Checked:
    """A recipient, what becomes of them, and whom they are the same as."""

    recipient: Recipient
    fate: Fate
    invitation: Invitation | None = None
    patient: Patient | None = None
    repeats: int | None = None
    """The place, from 0, of the earlier recipient who is the same person."""
    same_contact: tuple[str, ...] = ()
    """Names of others at the clinic with this email or number: families share them."""


class KeyUsed(Exception):
    """This key confirmed something else."""


class OutOfCodes(Exception):
    """No free code was drawn: the clinic holds too many."""


def check(clinic: Clinic, recipients: Sequence[Recipient]) -> list[Checked]:
    """What inviting these would do, in their order. Changes nothing; a fixed number of queries."""
    names = {each.name_key for each in recipients}
    invitations = _invitations_named(clinic, names)
    patients = _patients_named(clinic, names)
    sharing = _sharing_contact(clinic, recipients)
    return [
        _check_one(recipient, recipients[:place], invitations, patients, sharing)
        for place, recipient in enumerate(recipients)
    ]


def invite(
    clinic: Clinic,
    recipients: Sequence[Recipient],
    *,
    provider: User,
    by: User,
    key: str,
    keys: Keys,
    sms: bool,
    now: datetime,
    new_code: Callable[[], str] = codes.random_code,
) -> Confirmation:
    """Make the invitations that `check` promised, their deliveries and the record of it.

    The key makes it happen once: pressed again, at the same moment or later, it gives the same
    answer. Two people who invite the same patient at once leave one invitation, and both are told.
    Raises KeyUsed where the key confirmed other content.
    """
    content = keys.mac("confirmation", _content(recipients, provider, by))
    confirmation = _begin(clinic, key, content, by, now)
    if confirmation is None:
        return _earlier(clinic, key, content)

    def invite_one(place: int) -> Checked:
        recipient = recipients[place]
        for _ in range(MOST_DRAWS):
            invitation = _insert(clinic, recipient, provider, by, keys, new_code(), now)
            if invitation:
                outbox.put(invitation, channels(recipient, sms=sms), place=place, now=now)
                activity.record(
                    Action.INVITED, clinic_id=clinic.id, invitation_id=invitation.id, by=by, now=now
                )
                return Checked(recipient, Fate.INVITED, invitation)
            met = check(clinic, [recipient])[0]
            if met.fate != Fate.INVITED:
                return met
        raise OutOfCodes(clinic.slug)

    checked = check(clinic, recipients)
    for place in _in_order_of_keys(recipients):
        if checked[place].fate == Fate.INVITED:
            checked[place] = invite_one(place)
    confirmation.outcome = [[each.fate, _id_of(each, checked)] for each in checked]
    db.session.flush()
    return confirmation


def confirmation(clinic: Clinic, key: str) -> Confirmation | None:
    return db.session.get(Confirmation, (clinic.id, key))


def has_confirmed_other(
    clinic: Clinic,
    key: str,
    recipients: Sequence[Recipient],
    *,
    provider: User,
    by: User,
    keys: Keys,
) -> bool:
    """Whether this key is spent on other content, so that a new check needs a new key."""
    earlier = confirmation(clinic, key)
    content = keys.mac("confirmation", _content(recipients, provider, by))
    return earlier is not None and earlier.content_mac != content


def channels(recipient: Recipient, *, sms: bool) -> list[Channel]:
    """How a recipient is reached; none means by the code alone."""
    found = [Channel.EMAIL] if recipient.email else []
    if sms and recipient.phone and recipient.phone.can_text:
        found.append(Channel.SMS)
    return found


def expiry(clinic: Clinic, now: datetime) -> datetime:
    """The end of the day, at the clinic, on which an invitation made now expires."""
    zone = ZoneInfo(clinic.time_zone)
    last_day = now.astimezone(zone).date() + timedelta(days=clinic.expiry_days)
    return datetime.combine(last_day, END_OF_DAY, zone)


def _check_one(
    recipient: Recipient,
    earlier: Sequence[Recipient],
    invitations: Iterable[Invitation],
    patients: Sequence[Patient],
    sharing: Iterable[Invitation],
) -> Checked:
    """The rule of who is the same patient, over what is known."""
    for place, other in enumerate(earlier):
        if _is_same(recipient, other.name_key, other.email, other.number):
            return Checked(recipient, Fate.REPEATED, repeats=place)
    for patient in patients:
        if _is_same(recipient, patient.name_key, patient.email, patient.phone):
            return Checked(recipient, Fate.ALREADY_PATIENT, patient=patient)
    for invitation in invitations:
        if _is_same(recipient, invitation.name_key, invitation.email, invitation.phone):
            joined = next((each for each in patients if each.invitation_id == invitation.id), None)
            fate = Fate.ALREADY_PATIENT if joined else Fate.ALREADY_INVITED
            return Checked(recipient, fate, invitation, joined)
    names = {each.name for each in sharing if _shares_contact(recipient, each)}
    return Checked(recipient, Fate.INVITED, same_contact=tuple(sorted(names)))


def _is_same(one: Recipient, name_key: str, email: str | None, phone: str | None) -> bool:
    """Same folded name and the same email or phone, or no contact at all on one side."""
    if one.name_key != name_key:
        return False
    if not (one.email or one.number) or not (email or phone):
        return True
    return bool((email and one.email == email) or (phone and one.number == phone))


def _shares_contact(one: Recipient, other: Invitation) -> bool:
    if one.name_key == other.name_key:
        return False
    return bool(
        (one.email and one.email == other.email) or (one.number and one.number == other.phone)
    )


LIVE = (Invitation.removed_at.is_(None), Invitation.erased_at.is_(None))


def _invitations_named(clinic: Clinic, names: Iterable[str]) -> list[Invitation]:
    return list(
        db.session.scalars(
            select(Invitation)
            .where(Invitation.clinic_id == clinic.id, Invitation.name_key.in_(names), *LIVE)
            .options(joinedload(Invitation.invited_by))
            .order_by(Invitation.invited_at.desc(), Invitation.id.desc())
        )
    )


def _patients_named(clinic: Clinic, names: Iterable[str]) -> list[Patient]:
    return list(
        db.session.scalars(
            select(Patient).where(
                Patient.clinic_id == clinic.id,
                Patient.name_key.in_(names),
                Patient.removed_at.is_(None),
            )
        )
    )


def _sharing_contact(clinic: Clinic, recipients: Iterable[Recipient]) -> list[Invitation]:
    emails = {each.email for each in recipients if each.email}
    numbers = {each.number for each in recipients if each.number}
    return list(
        db.session.scalars(
            select(Invitation).where(
                Invitation.clinic_id == clinic.id,
                or_(Invitation.email.in_(emails), Invitation.phone.in_(numbers)),
                *LIVE,
            )
        )
    )


def _content(recipients: Iterable[Recipient], provider: User, by: User) -> str:
    people = [[each.first_name, each.last_name, each.email, each.number] for each in recipients]
    return json.dumps([provider.id, by.id, people])


def _begin(clinic: Clinic, key: str, content: str, by: User, now: datetime) -> Confirmation | None:
    """The one who inserts the key goes on; everyone else waits here for that one's answer."""
    inserted = change(
        insert(Confirmation)
        .values(
            clinic_id=clinic.id,
            key=key,
            content_mac=content,
            confirmed_by_id=by.id,
            confirmed_at=now,
            outcome=[],
        )
        .on_conflict_do_nothing()
    )
    return confirmation(clinic, key) if inserted else None


def _earlier(clinic: Clinic, key: str, content: str) -> Confirmation:
    earlier = confirmation(clinic, key)
    if earlier is None or earlier.content_mac != content:
        raise KeyUsed(key)
    return earlier


def _in_order_of_keys(recipients: Sequence[Recipient]) -> list[int]:
    """Two people who confirm the same patients in opposite order would wait for each other."""
    return sorted(range(len(recipients)), key=lambda place: recipients[place].name_key)


def _insert(
    clinic: Clinic,
    recipient: Recipient,
    provider: User,
    by: User,
    keys: Keys,
    code: str,
    now: datetime,
) -> Invitation | None:
    """None where a unique index refused it: the patient is invited already, or the code taken."""
    invitation_id = new_id()
    inserted = change(
        insert(Invitation)
        .values(
            clinic_id=clinic.id,
            id=invitation_id,
            first_name=recipient.first_name,
            last_name=recipient.last_name,
            name_key=recipient.name_key,
            email=recipient.email,
            phone=recipient.number,
            phone_typed=recipient.phone.typed if recipient.phone else None,
            can_text=bool(recipient.phone and recipient.phone.can_text),
            twin=0,
            provider_id=provider.id,
            invited_by_id=by.id,
            invited_at=now,
            expires_at=expiry(clinic, now),
            code_sealed=keys.seal_code(code, clinic_id=clinic.id, invitation_id=invitation_id),
            code_mac=keys.code_mac(code, clinic_id=clinic.id),
            link_id=new_link_id(),
        )
        .on_conflict_do_nothing()
    )
    return db.session.get(Invitation, (clinic.id, invitation_id)) if inserted else None


def _id_of(one: Checked, checked: Sequence[Checked]) -> int:
    """The invitation or patient that a fate speaks of."""
    if one.repeats is not None:
        return _id_of(checked[one.repeats], checked)
    known = one.patient or one.invitation
    assert known is not None  # noqa: S101  (every fate but REPEATED names one)
    return known.id
