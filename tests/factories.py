"""The cast of the demo, and invitations in any state. Say only what matters to the test."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import select

from inviter import clock, contacts, invitations, team
from inviter.db import db
from inviter.demo import CLINICS, PEOPLE
from inviter.invitations import Recipient
from inviter.keys import Keys
from inviter.models import Clinic, Invitation, User
from inviter.web import auth

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Cast:
    northside: Clinic
    lakeview: Clinic
    southside: Clinic
    ana: User
    osei: User
    tallgrass: User
    sam: User
    lind: User


def make_cast() -> Cast:
    began = datetime(2026, 1, 5, tzinfo=UTC)
    made: dict[str, Any] = {}
    for slug, name, phone in CLINICS:
        made[slug] = Clinic(
            slug=slug, name=name, phone=phone, time_zone="America/Regina", created_at=began
        )
    db.session.add_all(made.values())
    db.session.flush()
    for person in PEOPLE:
        user = account(person.address, name=person.name)
        made[person.address.partition("@")[0]] = user
        for slug in {*person.admin_at, *person.provider_at}:
            admin, provider = slug in person.admin_at, slug in person.provider_at
            team.add(made[slug], user, admin=admin, provider=provider, now=began)
    db.session.commit()
    return Cast(**made)


def account(email: str | None = None, *, phone: str | None = None, name: str = "") -> User:
    user = User(
        name=name,
        email=email,
        phone=phone,
        password=hashed_password(),
        fs_uniquifier=auth.new_uniquifier(),
        created_at=datetime(2026, 1, 5, tzinfo=UTC),
    )
    db.session.add(user)
    db.session.flush()
    return user


@cache
def hashed_password() -> str:
    return auth.hash_password(PASSWORD)


def recipient(
    name: str = "Ada Fixture", *, email: str | None = None, phone: str | None = None
) -> Recipient:
    first, _, last = name.partition(" ")
    number = contacts.phone(phone, ("CA", "US")) if phone else None
    return Recipient(first, last, contacts.name_key(first, last), email, number)


def invite(
    clinic: Clinic,
    who: Recipient,
    *,
    provider: User,
    by: User,
    keys: Keys,
    now: datetime | None = None,
    key: str = "",
) -> Invitation:
    """One invitation, made as staff make it, and committed."""
    confirmation = invitations.invite(
        clinic,
        [who],
        provider=provider,
        by=by,
        key=key or auth.new_uniquifier()[:22],
        keys=keys,
        sms=True,
        now=now or clock.now(),
    )
    db.session.commit()
    found = db.session.scalar(
        select(Invitation).where(
            Invitation.clinic_id == clinic.id, Invitation.id == confirmation.outcome[0][1]
        )
    )
    assert found is not None
    return found
