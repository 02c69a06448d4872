"""Patients: who has joined a clinic, and who is removed from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import joinedload

from inviter import activity, conditions, listing
from inviter.activity import Action
from inviter.db import change, db
from inviter.listing import COUNT_LIMIT, LAST, PER_PAGE, Page
from inviter.models import Clinic, How, Invitation, Patient, User
from inviter.team import Provider

PATIENT = Patient.__table__.c


class Gone(Exception):
    """The patient is not at the clinic any more: someone else was first."""


@dataclass(frozen=True, slots=True)
class PatientRow:
    id: int
    invitation_id: int
    name: str
    provider: str
    joined_at: datetime
    phone: str | None
    email: str | None
    how: How


def page(clinic: Clinic, providers: Sequence[Provider], who: str, number: int) -> Page[PatientRow]:
    """Those who have joined, the latest first; `who` is looked for as in Invited Patients."""
    ids = _matching(clinic, providers, who)
    if number == LAST and len(ids) > COUNT_LIMIT:
        ends = _matching(clinic, providers, who, limit=PER_PAGE, backwards=True)
        return Page(_rows(clinic, ends[::-1], providers), LAST, len(ids))
    number, shown = listing.cut(ids, number)
    return Page(_rows(clinic, shown, providers), number, len(ids))


def these(clinic: Clinic, ids: Sequence[int]) -> list[Patient]:
    """Patients of this clinic by id, in no particular order."""
    return list(
        db.session.scalars(
            select(Patient).where(Patient.clinic_id == clinic.id, Patient.id.in_(ids))
        )
    )


def _matching(
    clinic: Clinic,
    providers: Sequence[Provider],
    who: str,
    *,
    limit: int = COUNT_LIMIT + 1,
    backwards: bool = False,
) -> list[int]:
    typed, words = conditions.words(who, providers)
    newest: list[ColumnElement[Any]] = [PATIENT.joined_at.desc(), PATIENT.id.desc()]
    oldest: list[ColumnElement[Any]] = [PATIENT.joined_at.asc(), PATIENT.id.asc()]
    query = (
        select(PATIENT.id)
        .where(
            PATIENT.clinic_id == clinic.id,
            PATIENT.removed_at.is_(None),
            *conditions.has_words(PATIENT, typed),
        )
        .order_by(*(oldest if backwards else newest))
        .limit(limit)
    )
    return list(db.session.scalars(query, words))


def _rows(clinic: Clinic, ids: Sequence[int], providers: Sequence[Provider]) -> list[PatientRow]:
    names = {each.id: each.name for each in providers}
    found = {each.id: each for each in these(clinic, ids)}
    return [
        PatientRow(
            id=each.id,
            invitation_id=each.invitation_id,
            name=each.name,
            provider=names.get(each.provider_id, ""),
            joined_at=each.joined_at,
            phone=each.phone,
            email=each.email,
            how=each.how,
        )
        for each in (found[one] for one in ids)
    ]


def of(clinic: Clinic, patient_id: int, *, removed_too: bool = False) -> Patient | None:
    """One of this clinic's, as it stands now, with the provider; None once removed."""
    query = select(Patient).where(Patient.clinic_id == clinic.id, Patient.id == patient_id)
    if not removed_too:
        query = query.where(Patient.removed_at.is_(None))
    return db.session.scalar(
        query.options(joinedload(Patient.provider)).execution_options(populate_existing=True)
    )


def remove(patient: Patient, *, by: User, now: datetime) -> None:
    """Remove from the clinic; the account stays. There is no Undo: inviting anew is the way back.

    The invitation goes too, so that it neither opens nor stands in the way of a new one. Raises
    Gone.
    """
    its = (Invitation.clinic_id == patient.clinic_id, Invitation.id == patient.invitation_id)
    # Before the patient, as who joins and who erases: two at once wait, and never in a circle.
    db.session.execute(select(Invitation.id).where(*its).with_for_update())
    removed = change(
        update(Patient)
        .where(
            Patient.clinic_id == patient.clinic_id,
            Patient.id == patient.id,
            Patient.removed_at.is_(None),
        )
        .values(removed_at=now)
    )
    db.session.refresh(patient, ["removed_at"])
    if not removed:
        raise Gone(patient.id)
    change(update(Invitation).where(*its, Invitation.removed_at.is_(None)).values(removed_at=now))
    activity.record(
        Action.PATIENT_REMOVED,
        clinic_id=patient.clinic_id,
        invitation_id=patient.invitation_id,
        by=by,
        now=now,
    )
    db.session.flush()
