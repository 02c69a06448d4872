"""A patient joins: found by link or by code and name, then one statement decides who accepted.

Nothing about an invitation is told before everything that must match has matched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.orm import joinedload

from inviter import activity, outbox
from inviter.activity import Action
from inviter.contacts import name_key
from inviter.db import change, db, insert, new_id
from inviter.keys import Keys, link_id_in
from inviter.models import MOST_CODE_TRIES, Clinic, How, Invitation, Patient, User
from inviter.scope import across_clinics
from inviter.status import Status

WHAT_STAFF_CHANGE = (
    *("accepted_at", "removed_at", "expires_at"),
    *("provider_id", "email", "phone", "generation"),
)
"""Columns that may have changed since the invitation was read; a patient gets the newest."""


@dataclass(frozen=True, slots=True)
class Closed(Exception):
    """The invitation can't be accepted: removed, accepted by another account, or expired."""

    status: Status


@across_clinics()
def by_link(token: str, *, keys: Keys) -> Invitation | None:
    """The invitation that a genuine link leads to, whatever its state."""
    link_id = link_id_in(token)
    if link_id is None:
        return None
    invitation = db.session.scalar(_with_people().where(Invitation.link_id == link_id))
    if invitation is None:
        return None
    version = invitation.link_version
    genuine = keys.is_link_token(token, link_id=link_id, version=version)
    return invitation if genuine else None


@across_clinics()
def clinic_of_old_link(token: str, *, keys: Keys) -> Clinic | None:
    """Whose link it was, if it was one before it was replaced."""
    link_id = link_id_in(token)
    if link_id is None:
        return None
    invitation = db.session.scalar(_with_people().where(Invitation.link_id == link_id))
    if invitation is None:
        return None
    earlier = range(1, invitation.link_version)
    was = any(keys.is_link_token(token, link_id=link_id, version=each) for each in earlier)
    return invitation.clinic if was else None


def by_code(
    clinic: Clinic, code: str, first: str, last: str, *, keys: Keys, now: datetime
) -> Invitation | None:
    """The open invitation with this code and this name; None for every kind of mismatch, also
    where wrong codes came with the name too often."""
    invitation = db.session.scalar(
        _with_people().where(
            Invitation.clinic_id == clinic.id,
            Invitation.code_mac.in_(keys.code_macs(code, clinic_id=clinic.id)),
            Invitation.name_key == name_key(first, last),
            Invitation.code_tries <= MOST_CODE_TRIES,
        )
    )
    return invitation if invitation and closed_by(invitation, now=now) is None else None


def has_name(invitation: Invitation, first: str, last: str) -> bool:
    """Whether this is the name by which the clinic knows the patient, but for case and marks."""
    return invitation.name_key == name_key(first, last)


def has_contact(invitation: Invitation, email: str | None, number: str | None) -> bool:
    """Whether the clinic has this email or number for the patient."""
    has_email = email is not None and invitation.email == email
    return has_email or (number is not None and invitation.phone == number)


def closed_by(invitation: Invitation, *, now: datetime) -> Status | None:
    """Why it can't be accepted any more; None while it can."""
    if invitation.removed_at is not None:
        return Status.REMOVED
    if invitation.accepted_at is not None:
        return Status.ACCEPTED
    return Status.EXPIRED if invitation.expires_at <= now else None


def still_open(invitation: Invitation, *, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """What the row has to meet for its link to count, whatever happened since it was read."""
    return (
        Invitation.clinic_id == invitation.clinic_id,
        Invitation.id == invitation.id,
        Invitation.link_version == invitation.link_version,
        Invitation.accepted_at.is_(None),
        Invitation.removed_at.is_(None),
        Invitation.expires_at > now,
    )


def open_account(
    *, email: str | None, phone: str | None, password: str, uniquifier: str, now: datetime
) -> User | None:
    """A new account with this hashed password; None where the address has one already."""
    user_id = new_id()
    inserted = change(
        insert(User)
        .values(
            id=user_id,
            name="",
            email=email,
            phone=phone,
            password=password,
            is_active=True,
            fs_uniquifier=uniquifier,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    return db.session.get(User, user_id) if inserted else None


def accept(invitation: Invitation, *, account: User, how: How, now: datetime) -> Patient:
    """Make the patient; pressed again by the same account, the same patient.

    One UPDATE decides. What is still queued for the invitation is not sent any more; whom it was
    sent to is told. Raises Closed where another was first, or the invitation is removed or expired.
    """
    accepted = change(
        update(Invitation).where(*still_open(invitation, now=now)).values(accepted_at=now)
    )
    db.session.refresh(invitation, [*WHAT_STAFF_CHANGE, "disowned_at"])
    if not accepted:
        return _joined_already(invitation, account, now)
    outbox.put_joined(invitation, now=now)
    outbox.withdraw(invitation, because=Action.ACCEPTED)
    invitation.has_other_contact = _has_other_contact(invitation, account)
    patient = Patient(
        clinic_id=invitation.clinic_id,
        user_id=account.id,
        invitation_id=invitation.id,
        provider_id=invitation.provider_id,
        first_name=invitation.first_name,
        last_name=invitation.last_name,
        name_key=invitation.name_key,
        email=invitation.email or account.email,
        phone=invitation.phone or account.phone,
        joined_at=now,
        how=how,
    )
    db.session.add(patient)
    activity.record(
        Action.ACCEPTED,
        clinic_id=invitation.clinic_id,
        invitation_id=invitation.id,
        by=account,
        now=now,
        how=how,
        has_other_contact=invitation.has_other_contact,
    )
    db.session.flush()
    return patient


def patient_of(invitation: Invitation) -> Patient | None:
    """Who joined by it; None again once removed from the clinic."""
    return db.session.scalar(
        select(Patient).where(
            Patient.clinic_id == invitation.clinic_id,
            Patient.invitation_id == invitation.id,
            Patient.removed_at.is_(None),
        )
    )


@across_clinics()
def patients_of(account: User) -> list[tuple[Patient, str]]:
    """Whom this account holds, each with the name of the clinic."""
    found = db.session.execute(
        select(Patient, Clinic.name)
        .join(Clinic, Clinic.id == Patient.clinic_id)
        .where(Patient.user_id == account.id, Patient.removed_at.is_(None))
        .order_by(Clinic.name, Patient.id)
    )
    return [(patient, name) for patient, name in found]


def clinics_named(text: str, *, most: int = 10) -> Sequence[Clinic]:
    """Clinics whose name holds this text, or whose short name it is."""
    wanted = text.strip().lower()
    if not wanted:
        return []
    return db.session.scalars(
        select(Clinic)
        .where(
            or_(
                func.lower(Clinic.name).contains(wanted, autoescape=True),
                Clinic.slug == wanted,
            )
        )
        .order_by(Clinic.name, Clinic.id)
        .limit(most)
    ).all()


def _with_people() -> Select[Invitation]:
    return select(Invitation).options(
        joinedload(Invitation.clinic), joinedload(Invitation.provider)
    )


def _has_other_contact(invitation: Invitation, account: User) -> bool:
    """Whether the account has none of the contacts that were invited, where there are any."""
    invited = {invitation.email, invitation.phone} - {None}
    return bool(invited) and invited.isdisjoint({account.email, account.phone})


def _joined_already(invitation: Invitation, account: User, now: datetime) -> Patient:
    patient = patient_of(invitation)
    if patient is not None and patient.user_id == account.id:
        return patient
    raise Closed(closed_by(invitation, now=now) or Status.REMOVED)
