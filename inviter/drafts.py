"""Drafts: rows typed on Invite Patients and not sent, one a person and clinic, for a day.

What was sent is never offered again: a draft whose form has confirmed counts for nothing.
"""

import json
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from inviter import contacts, inviting
from inviter.db import db, insert
from inviter.keys import Keys, Unreadable
from inviter.models import Clinic, Draft, User
from inviter.scope import across_clinics

KEPT_FOR = timedelta(days=1)
FIRST, LAST = "first_name", "last_name"
"""How fields end that name someone; before that they say in which row."""

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


def kept_at(clinic: Clinic, *, by: User) -> datetime:
    """When this person last typed it, where something is kept."""
    query = select(Draft.kept_at).where(Draft.clinic_id == clinic.id, Draft.user_id == by.id)
    return db.session.scalars(query).one()


def erase(clinic: Clinic, *, by: User, key: str | None = None) -> None:
    """All of this person's here, or what was typed in the form with this key."""
    mine = delete(Draft).where(Draft.clinic_id == clinic.id, Draft.user_id == by.id)
    db.session.execute(mine if key is None else mine.where(Draft.key == key))


def erase_rows_of(clinic: Clinic, name_key: str, *, keys: Keys) -> None:
    """What anyone has typed here of who has this folded name; the other rows stay."""
    for draft in db.session.scalars(select(Draft).where(Draft.clinic_id == clinic.id)).all():
        purpose = purpose_of(clinic.id, draft.user_id)
        try:
            fields = [
                (name, value) for name, value in json.loads(keys.unseal(purpose, draft.sealed))
            ]
        except Unreadable:
            continue
        if left := _without(fields, name_key):
            draft.sealed = keys.seal(purpose, json.dumps(left))
    db.session.flush()


@across_clinics()
def erase_old(*, now: datetime) -> None:
    """Everyone's, at whatever clinic."""
    db.session.execute(delete(Draft).where(Draft.kept_at <= now - KEPT_FOR))


def _without(fields: Fields, name_key: str) -> Fields | None:
    """Their rows blank; None where there is none."""
    typed = dict(fields)
    places = tuple(
        place
        for place in (each.removesuffix(FIRST) for each in typed if each.endswith(FIRST))
        if contacts.name_key(typed[place + FIRST], typed.get(place + LAST, "")) == name_key
    )
    if not places:
        return None
    return [(name, "" if name.startswith(places) else value) for name, value in fields]


def _purpose(clinic: Clinic, user: User) -> str:
    return purpose_of(clinic.id, user.id)


def purpose_of(clinic_id: int, user_id: int) -> str:
    return f"draft {clinic_id}/{user_id}"
