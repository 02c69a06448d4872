"""Who is the same patient: what inviting someone would do, seen against who is known.

Same clinic, same folded name, and the same email or phone; or the same name where one side has no
contact at all. Families share addresses: same contact under another name is another patient.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from inviter.contacts import Phone
from inviter.db import db
from inviter.models import Clinic, Invitation, Patient


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person to invite, checked and in canonical form (`contacts`)."""

    first_name: str
    last_name: str
    name_key: str
    email: str | None
    phone: Phone | None
    is_different: bool = False
    """Staff have said that this is another person than the one of the same name."""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def number(self) -> str | None:
        return self.phone.e164 if self.phone else None

    @property
    def can_text(self) -> bool:
        return bool(self.phone and self.phone.can_text)


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
    by_name_only: bool = False
    """Only the name says so: staff may say that it is a different person."""
    same_contact: tuple[str, ...] = ()
    """Names of others at the clinic with this email or number: families share them."""


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


def _check_one(
    recipient: Recipient,
    earlier: Sequence[Recipient],
    invitations: Iterable[Invitation],
    patients: Sequence[Patient],
    sharing: Iterable[Invitation],
) -> Checked:
    """The rule of who is the same patient, over what is known."""
    for place, other in enumerate(earlier):
        if likeness := _likeness(recipient, other.name_key, other.email, other.number):
            by_name = likeness == Likeness.NAME
            return Checked(recipient, Fate.REPEATED, repeats=place, by_name_only=by_name)
    for patient in patients:
        if likeness := _likeness(recipient, patient.name_key, patient.email, patient.phone):
            by_name = likeness == Likeness.NAME
            return Checked(recipient, Fate.ALREADY_PATIENT, patient=patient, by_name_only=by_name)
    for invitation in invitations:
        mine = invitation.name_key, invitation.email, invitation.phone
        if likeness := _likeness(recipient, *mine):
            joined = next((each for each in patients if each.invitation_id == invitation.id), None)
            fate = Fate.ALREADY_PATIENT if joined else Fate.ALREADY_INVITED
            by_name = likeness == Likeness.NAME
            return Checked(recipient, fate, invitation, joined, by_name_only=by_name)
    names = {each.name for each in sharing if _shares_contact(recipient, each)}
    return Checked(recipient, Fate.INVITED, same_contact=tuple(sorted(names)))


class Likeness(StrEnum):
    """Why two are the same patient."""

    CONTACT = "name and contact"
    NAME = "name alone"


def _likeness(
    one: Recipient, name_key: str, email: str | None, phone: str | None
) -> Likeness | None:
    """Same folded name and the same email or phone, or no contact at all on one side."""
    if one.name_key != name_key:
        return None
    if (email and one.email == email) or (phone and one.number == phone):
        return Likeness.CONTACT
    is_bare = not (one.email or one.number) or not (email or phone)
    return Likeness.NAME if is_bare and not one.is_different else None


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
