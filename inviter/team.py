"""The care team: who works at which clinic, and for whom one may invite."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, bindparam, select

from inviter import contacts
from inviter.db import db
from inviter.models import Clinic, Membership, User
from inviter.scope import across_clinics


@dataclass(frozen=True, slots=True)
class Provider:
    """Someone for whom patients may be invited at a clinic, or were until they left."""

    id: int
    name: str
    has_left: bool = False


USERS, MEMBERS = User.__table__.c, Membership.__table__.c
PROVIDERS = (
    select(USERS.id, USERS.name, MEMBERS.removed_at.is_not(None))
    .join_from(User.__table__, Membership.__table__, MEMBERS.user_id == USERS.id)
    .where(MEMBERS.clinic_id == bindparam("clinic", type_=BigInteger), MEMBERS.is_provider)
)
"""Asked with every page, so built once."""


def memberships(user: User) -> list[Membership]:
    """Where someone who is signed in works, by the clinics' names."""
    return sorted(user.memberships, key=lambda each: (each.clinic.name, each.clinic_id))


@across_clinics()
def clinics_of(user: User) -> list[int]:
    """Their ids, however the row of this person was loaded."""
    query = select(Membership.clinic_id).where(
        Membership.user_id == user.id, Membership.removed_at.is_(None)
    )
    return list(db.session.scalars(query.order_by(Membership.clinic_id)))


def is_staff(user: User) -> bool:
    return bool(clinics_of(user))


def providers(clinic: Clinic) -> tuple[Provider, ...]:
    """By name; also those who left, whose invitations are still listed."""
    found = (Provider(*each) for each in db.session.execute(PROVIDERS, {"clinic": clinic.id}))
    return tuple(sorted(found, key=lambda each: (contacts.fold(each.name), each.name, each.id)))


def people(clinic: Clinic) -> dict[int, str]:
    """The names of all who work here or did, in their order."""
    query = (
        select(USERS.id, USERS.name)
        .join_from(User.__table__, Membership.__table__, MEMBERS.user_id == USERS.id)
        .where(MEMBERS.clinic_id == clinic.id)
    )
    found = db.session.execute(query).all()
    return dict(tuple(each) for each in sorted(found, key=lambda each: contacts.fold(each.name)))


def providers_for(member: Membership, everyone: Sequence[Provider]) -> list[Provider]:
    """Whom this member may invite for: a provider in their own name, a Clinic Admin for anyone.

    Who is both finds themselves first.
    """
    here = (each for each in everyone if not each.has_left)
    if not member.is_admin:
        return [each for each in here if each.id == member.user_id]
    return sorted(here, key=lambda each: each.id != member.user_id)


def can_be_invited_for(provider_id: int, everyone: Sequence[Provider]) -> bool:
    """Whether they still are a provider here."""
    return any(each.id == provider_id and not each.has_left for each in everyone)


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


def admins(clinic: Clinic) -> list[User]:
    return list(
        db.session.scalars(
            select(User)
            .join(Membership, Membership.user_id == User.id)
            .where(
                Membership.clinic_id == clinic.id,
                Membership.is_admin,
                Membership.removed_at.is_(None),
            )
            .order_by(User.name, User.id)
        )
    )
