"""What a clinic says of itself, and how long things last there: for its Clinic Admins to choose."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from inviter import activity, contacts
from inviter.activity import Action
from inviter.contacts import BIDI, N_, NAME_LIMIT, PHONE_LIMIT, Problem
from inviter.db import db
from inviter.models import Clinic, User

LIMITS = {"expiry_days": (1, 90), "keep_contacts_days": (3, 90), "idle_minutes": (15, 480)}
"""The least and the most, as the table's checks have them."""
LINK = re.compile(r"//|\d(\.\d+){3}|\w:\S")
"""Beside what `contacts` refuses in names of people, which have no digits or slashes."""
PHONE_EXAMPLE = "306 555 0142 x4"


def name(text: str) -> str:
    """As patients read it in messages, where it may lead nowhere. Raises Problem."""
    line = contacts.one_line(text, NAME_LIMIT)
    if not any(character.isalnum() for character in line):
        raise Problem("clinic-name-missing", N_("Enter the name of the clinic"))
    plain = unicodedata.normalize("NFKC", line).replace("。", ".")  # as browsers read addresses
    contacts.refuse_link(plain)
    if LINK.search(plain):
        raise Problem("link", N_("Enter only a name, not a web or email address"))
    if "<" in line or ">" in line:
        raise Problem("symbol", N_("Take out < and >"))
    return line


def phone(text: str, regions: Sequence[str]) -> str | None:
    """As it was typed, for patients to call: a switchboard has extensions. None for a blank.
    Raises Problem."""
    line = contacts.one_line(text.translate(BIDI), PHONE_LIMIT)
    number = contacts.without_extension(line)
    try:
        found = contacts.phone(number, regions)
    except Problem:
        template = N_("Enter the number of the clinic, such as %(example)s, or leave it blank")
        raise Problem("clinic-phone", template, example=PHONE_EXAMPLE) from None
    return found.typed + line[len(number) :] if found else None


def time_zone(name: str) -> str:
    """As the zones of the world are called. Raises Problem."""
    if name not in available_timezones():
        template = N_("There is no time zone %(name)s; try America/Regina")
        raise Problem("no-time-zone", template, name=name)
    return name


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
