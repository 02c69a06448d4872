"""What a clinic says of itself, and how long things last there: for its Clinic Admins to choose."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from inviter import activity, contacts
from inviter.activity import Action
from inviter.contacts import N_, NAME_LIMIT, Problem
from inviter.db import db
from inviter.models import Clinic, User

LIMITS = {"expiry_days": (1, 90), "keep_contacts_days": (3, 90), "idle_minutes": (15, 480)}
"""The least and the most, as the table's checks have them."""


def name(text: str) -> str:
    """As patients read it in messages, where it may lead nowhere. Raises Problem."""
    line = contacts.one_line(text, NAME_LIMIT)
    if not any(character.isalnum() for character in line):
        raise Problem("clinic-name-missing", N_("Enter the name of the clinic"))
    contacts.refuse_link(line)
    if "<" in line or ">" in line:
        raise Problem("symbol", N_("Take out < and >"))
    return line


def whole(text: str, setting: str) -> int:
    """A number within the limits of this setting. Raises Problem."""
    least, most = LIMITS[setting]
    typed = text.strip()
    number = int(typed) if typed.isdecimal() and len(typed) <= len(str(most)) else 0
    if not least <= number <= most:
        template = N_("Enter a whole number from %(least)s to %(most)s")
        raise Problem("out-of-range", template, least=least, most=most)
    return number


def change(
    clinic: Clinic, wanted: Mapping[str, Any], *, by: User | None, now: datetime
) -> list[str]:
    """Which settings are not as they were, by the names of the columns."""
    changed = [each for each, value in wanted.items() if getattr(clinic, each) != value]
    for each in changed:
        setattr(clinic, each, wanted[each])
    if changed:
        what = Action.SETTINGS_CHANGED
        activity.record(what, clinic_id=clinic.id, by=by, now=now, settings=changed)
    db.session.flush()
    return changed
