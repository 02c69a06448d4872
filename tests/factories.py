"""The cast of the demo, and invitations in any state. Say only what matters to the test."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import select

from inviter import (
    batches,
    claiming,
    clock,
    contacts,
    demo,
    doubt,
    inviting,
    inviting_many,
)
from inviter.batches import Batch
from inviter.bulk import Reader
from inviter.claiming import Claimed
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Channel, Clinic, Invitation, User
from inviter.roster import Recipient
from inviter.web import auth

PASSWORD = "correct horse battery staple"
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)


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
    """Committed; nobody is invited yet."""
    clinics = demo.add_clinics(
        password=hashed_password(), new_uniquifier=auth.new_uniquifier, now=BEGAN
    )
    db.session.commit()
    users = db.session.scalars(select(User))
    return Cast(
        **{each.slug: each for each in clinics},
        **{(each.email or "").partition("@")[0]: each for each in users},
    )


def account(email: str | None = None, *, phone: str | None = None, name: str = "") -> User:
    user = User(
        name=name,
        email=email,
        phone=phone,
        password=hashed_password(),
        fs_uniquifier=auth.new_uniquifier(),
        created_at=BEGAN,
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
    confirmation = inviting.invite(
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


def next_batch(keys: Keys, now: datetime, **more: Any) -> Batch | None:
    """Of the rows of a confirmed file, made ready to be invited."""
    reader = Reader(("CA", "US"))
    return batches.prepare(keys=keys, reader=reader, sms=True, now=now, **more)


def invite_batch(keys: Keys, now: datetime, **more: Any) -> Batch | None:
    """The next one, if there is any; not committed."""
    batch = next_batch(keys, now, **more)
    if batch:
        inviting_many.invite(batch, now=now)
    return batch


def is_waiting(now: datetime) -> bool:
    """Whether a worker would find anything to do."""
    return bool(claiming.waiting(now)) or doubt.has_lapsed(now)


def claim(limit: int, *, now: datetime, channel: Channel | None = None) -> list[Claimed]:
    """As a worker without daily limits does: up to `limit`, of one channel or of all."""
    return claiming.begin(claiming.take(limit, now=now, channel=channel), now=now)
