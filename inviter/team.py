"""The care team: who works at which clinic, and for whom one may invite."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, bindparam, select
from sqlalchemy.orm import InstrumentedAttribute, contains_eager

from inviter.db import db
from inviter.models import Clinic, Membership, User

PERSON = bindparam("person", type_=BigInteger)
MEMBERSHIP = (
    select(Membership)
    .join(Membership.clinic)
    .options(contains_eager(Membership.clinic))
    .where(
        Membership.user_id == PERSON,
        Membership.removed_at.is_(None),
        Clinic.slug == bindparam("slug"),
    )
)
CLINICS = (
    select(Clinic)
    .join(Membership, Membership.clinic_id == Clinic.id)
    .where(Membership.user_id == PERSON, Membership.removed_at.is_(None))
    .order_by(Clinic.name, Clinic.id)
)
"""Asked with every page, so built once."""


def membership(user: User, slug: str) -> Membership | None:
    """This person's place at the clinic with this address; its clinic is loaded with it."""
    return db.session.scalar(MEMBERSHIP, {"person": user.id, "slug": slug})


def clinics_of(user: User) -> list[Clinic]:
    """By name; empty for a patient."""
    return list(db.session.scalars(CLINICS, {"person": user.id}))


def is_staff(user: User) -> bool:
    query = select(Membership.clinic_id).where(
        Membership.user_id == user.id, Membership.removed_at.is_(None)
    )
    return db.session.scalar(query.limit(1)) is not None


def providers(clinic: Clinic) -> list[User]:
    """Everyone one may invite for at this clinic, by name."""
    return _members(clinic, Membership.is_provider)


def admins(clinic: Clinic) -> list[User]:
    return _members(clinic, Membership.is_admin)


def providers_for(member: Membership) -> list[User]:
    """Whom this member may invite for: a provider in their own name, a Clinic Admin for anyone.

    Who is both finds themselves first.
    """
    if not member.is_admin:
        return [each for each in providers(member.clinic) if each.id == member.user_id]
    return sorted(providers(member.clinic), key=lambda each: each.id != member.user_id)


def add(clinic: Clinic, user: User, *, admin: bool, provider: bool, now: datetime) -> Membership:
    member = Membership(
        clinic_id=clinic.id, user_id=user.id, is_admin=admin, is_provider=provider, joined_at=now
    )
    db.session.add(member)
    db.session.flush()
    return member


def keep_columns(user: User, columns: Sequence[str]) -> None:
    """Of Invited Patients, for this person at every clinic; none means those of everyone."""
    user.columns = ",".join(columns) or None
    db.session.flush()


def clinic_at(slug: str) -> Clinic | None:
    return db.session.scalar(select(Clinic).where(Clinic.slug == slug))


def user_with(email: str) -> User | None:
    return db.session.scalar(select(User).where(User.email == email))


def _members(clinic: Clinic, role: InstrumentedAttribute[bool]) -> list[User]:
    return list(
        db.session.scalars(
            select(User)
            .join(Membership, Membership.user_id == User.id)
            .where(Membership.clinic_id == clinic.id, role, Membership.removed_at.is_(None))
            .order_by(User.name, User.id)
        )
    )
