"""Who is the same patient: what inviting someone would do, seen against who is known.

Same clinic, same folded name, and the same email or phone; or the same name where one side has no
contact at all. Families share addresses: same contact under another name is another patient.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import and_, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from inviter.contacts import Phone
from inviter.db import db
from inviter.models import Clinic, Invitation, Patient
from inviter.roster import Recipient

MOST_SHARING = 1000


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


@dataclass(eq=False)
class InvitedAnew(Exception):
    """The same patient is invited, or a patient, without this invitation."""

    known: Invitation | Patient | None
    """None where we can't say which."""


def check(
    clinic: Clinic, recipients: Sequence[Recipient], *, but: Invitation | None = None
) -> list[Checked]:
    """What inviting these would do, in their order. Changes nothing; a fixed number of queries.

    `but` is the invitation that the recipient stands on: it does not count, nor does the name
    alone of those whom staff told apart from it, who have another twin. Who shares a contact with
    it is not asked for.
    """
    names = {each.name_key for each in recipients}
    invitations = _invitations_named(clinic, names, but)
    patients = _patients_named(clinic, names)
    sharing = _sharing_contact(clinic.id, recipients) if but is None else []
    apart = {each.id for each in invitations if but is not None and each.twin != but.twin}
    return [
        _check_one(recipient, recipients[:place], invitations, patients, sharing, apart)
        for place, recipient in enumerate(recipients)
    ]


def same_contact(clinic_id: int, recipients: Sequence[Recipient]) -> list[tuple[str, ...]]:
    """As `check` says it of each who would be invited, and with the others of these; one query."""
    sharing: list[Invitation | Recipient] = [*_sharing_contact(clinic_id, recipients), *recipients]
    return [_sharing(each, sharing) for each in recipients]


def same_as(
    invitation: Invitation, email: str | None, number: str | None
) -> Invitation | Patient | None:
    """Who else an invitation's patient would be under these contacts, if anyone."""
    clinic = db.session.get_one(Clinic, invitation.clinic_id)
    names = invitation.first_name, invitation.last_name, invitation.name_key
    phone = Phone(number, number, can_text=False) if number else None
    checked = check(clinic, [Recipient(*names, email, phone)], but=invitation)[0]
    return None if checked.fate == Fate.INVITED else checked.patient or checked.invitation


def one_at_a_time(clinic_id: int) -> None:
    """Before anything else of a transaction that adds patients at a clinic, or changes who they
    are: no index tells someone without contact from a namesake with one.

    Waits for whoever else does, on PostgreSQL; SQLite has one writer anyway.
    """
    held = select(Clinic.id).where(Clinic.id == clinic_id).with_for_update(key_share=True)
    db.session.execute(held)


def in_line(one: Recipient | Invitation) -> tuple[str, str, str]:
    """Many are invited, and restored, in this order: in opposite ones two people would each wait
    at a unique index for the other."""
    number = one.number if isinstance(one, Recipient) else one.phone
    return one.name_key, one.email or "", number or ""


def next_twin(clinic_id: int, recipient: Recipient) -> int:
    """Namesakes without contact are told apart by a number, where staff said they differ."""
    return Twins(clinic_id).next(recipient)


class Twins:
    """The same for many who are about to be invited together, in any order.

    0 is for who was not told apart: a namesake with a contact may come after the one without.
    """

    def __init__(self, clinic_id: int) -> None:
        self._clinic_id = clinic_id
        self._last: dict[str, int] = {}

    def next(self, recipient: Recipient) -> int:
        if not recipient.is_different:
            return 0
        key = recipient.name_key
        self._last[key] = max(self._last.get(key, 0), self._known(key)) + 1
        return self._last[key]

    def _known(self, name_key: str) -> int:
        query = select(func.max(Invitation.twin)).where(
            Invitation.clinic_id == self._clinic_id, Invitation.name_key == name_key
        )
        return db.session.scalar(query) or 0


@contextmanager
def as_nobody_else(invitation: Invitation, email: str | None, number: str | None) -> Iterator[None]:
    """A change that may meet the same patient, in the rule or at the same moment in an index.

    Raises InvitedAnew then, with all as it was.
    """
    if known := same_as(invitation, email, number):
        raise InvitedAnew(known)
    try:
        with db.session.begin_nested():
            yield
    except IntegrityError:
        raise InvitedAnew(same_as(invitation, email, number)) from None


def _check_one(
    recipient: Recipient,
    earlier: Sequence[Recipient],
    invitations: Iterable[Invitation],
    patients: Sequence[Patient],
    sharing: Iterable[Invitation],
    apart: Set[int],
) -> Checked:
    """The rule of who is the same patient, over what is known."""
    for place, other in enumerate(earlier):
        if likeness := likeness_of(recipient, other.name_key, other.email, other.number):
            by_name = likeness == Likeness.NAME
            return Checked(recipient, Fate.REPEATED, repeats=place, by_name_only=by_name)
    for patient in patients:
        theirs = patient.name_key, patient.email, patient.phone
        if likeness := likeness_of(recipient, *theirs, is_apart=patient.invitation_id in apart):
            by_name = likeness == Likeness.NAME
            return Checked(recipient, Fate.ALREADY_PATIENT, patient=patient, by_name_only=by_name)
    for invitation in invitations:
        mine = invitation.name_key, invitation.email, invitation.phone
        if likeness := likeness_of(recipient, *mine, is_apart=invitation.id in apart):
            joined = next((each for each in patients if each.invitation_id == invitation.id), None)
            fate = Fate.ALREADY_PATIENT if joined else Fate.ALREADY_INVITED
            by_name = likeness == Likeness.NAME
            return Checked(recipient, fate, invitation, joined, by_name_only=by_name)
    return Checked(recipient, Fate.INVITED, same_contact=_sharing(recipient, sharing))


class Likeness(StrEnum):
    """Why two are the same patient."""

    CONTACT = "name and contact"
    NAME = "name alone"


def likeness_of(
    one: Recipient, name_key: str, email: str | None, phone: str | None, *, is_apart: bool = False
) -> Likeness | None:
    """Same folded name and the same email or phone, or no contact at all on one side."""
    if one.name_key != name_key:
        return None
    if (email and one.email == email) or (phone and one.number == phone):
        return Likeness.CONTACT
    is_bare = not (one.email or one.number) or not (email or phone)
    return Likeness.NAME if is_bare and not (one.is_different or is_apart) else None


def _sharing(one: Recipient, others: Iterable[Invitation | Recipient]) -> tuple[str, ...]:
    """The names of those with this email or number, but for namesakes."""
    return tuple(sorted({each.name for each in others if _shares_contact(one, each)}))


def _shares_contact(one: Recipient, other: Invitation | Recipient) -> bool:
    if one.name_key == other.name_key:
        return False
    number = other.number if isinstance(other, Recipient) else other.phone
    return bool((one.email and one.email == other.email) or (one.number and one.number == number))


LIVE = (Invitation.removed_at.is_(None), Invitation.erased_at.is_(None))


def _invitations_named(
    clinic: Clinic, names: Iterable[str], but: Invitation | None
) -> list[Invitation]:
    """The newest first; sorted here, or SQLite would go through the whole list in its order."""
    query = select(Invitation).where(
        Invitation.clinic_id == clinic.id, Invitation.name_key.in_(names), *LIVE
    )
    if but is not None:
        query = query.where(Invitation.id != but.id)
    found = db.session.scalars(query.options(joinedload(Invitation.invited_by)))
    return sorted(found, key=lambda each: (each.invited_at, each.id), reverse=True)


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


def _sharing_contact(clinic_id: int, recipients: Iterable[Recipient]) -> list[Invitation]:
    """Each side of the OR says all that its index does, or SQLite would read the whole clinic.

    Some of them, where many are written down with one contact that means none.
    """
    emails = {each.email for each in recipients if each.email}
    numbers = {each.number for each in recipients if each.number}
    here = (Invitation.clinic_id == clinic_id, *LIVE)
    by_email = and_(*here, Invitation.email.in_(emails))
    by_phone = and_(*here, Invitation.phone.in_(numbers))
    query = select(Invitation).where(or_(by_email, by_phone)).limit(MOST_SHARING)
    return list(db.session.scalars(query))
