"""Drafts: rows typed on Invite Patients and not sent, one a person and clinic, for a day.

What was sent is never offered again: a draft whose form has confirmed counts for nothing.
"""

import json
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from inviter import inviting
from inviter.db import db, insert
from inviter.keys import Keys, Unreadable
from inviter.models import Clinic, Draft, User
from inviter.scope import across_clinics

KEPT_FOR = timedelta(days=1)

Fields = list[tuple[str, str]]
"""As a form posts them: names and values."""


def keep(clinic: Clinic, fields: Fields, *, key: str, by: User, keys: Keys, now: datetime) -> None:
    """In the place of what this person typed here before; `key` is that of their form."""
    sealed = keys.seal(_purpose(clinic, by), json.dumps(fields))
    kept = {"key": key, "sealed": sealed, "kept_at": now}
    statement = insert(Draft).values(clinic_id=clinic.id, user_id=by.id, **kept)
    db.session.execute(
        statement.on_conflict_do_update(index_elements=["clinic_id", "user_id"], set_=kept)
    )


def kept(clinic: Clinic, *, by: User, keys: Keys, now: datetime) -> Fields | None:
    """What this person has typed here and not sent."""
    query = select(Draft).where(
        Draft.clinic_id == clinic.id, Draft.user_id == by.id, Draft.kept_at > now - KEPT_FOR
    )
    draft = db.session.scalar(query)
    if draft is None or inviting.confirmation(clinic, draft.key):
        return None
    try:
        fields = json.loads(keys.unseal(_purpose(clinic, by), draft.sealed))
    except Unreadable:
        return None
    return [(name, value) for name, value in fields]


def erase(clinic: Clinic, *, by: User, key: str | None = None) -> None:
    """All of this person's here, or what was typed in the form with this key."""
    mine = delete(Draft).where(Draft.clinic_id == clinic.id, Draft.user_id == by.id)
    db.session.execute(mine if key is None else mine.where(Draft.key == key))


@across_clinics()
def erase_old(*, now: datetime) -> None:
    """Everyone's, at whatever clinic."""
    db.session.execute(delete(Draft).where(Draft.kept_at <= now - KEPT_FOR))


def _purpose(clinic: Clinic, user: User) -> str:
    return f"draft {clinic.id}/{user.id}"
