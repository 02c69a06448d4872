"""Facts put into words: days and moments at the clinic, addresses, statuses, counts."""

import unicodedata
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g
from flask_babel import format_date, get_locale, ngettext
from flask_babel import format_datetime as _format_datetime
from flask_babel import gettext as _
from markupsafe import Markup, escape

from inviter import contacts, holding
from inviter.contacts import N_, Problem
from inviter.listing import Page
from inviter.models import Clinic, How
from inviter.quotas import TooMany
from inviter.status import Status

BREAK_AT, BREAK_DOT = Markup("@<wbr>"), Markup(".<wbr>")


def init(app: Flask) -> None:
    app.jinja_env.install_gettext_callables(word, counted, newstyle=True)  # type: ignore[attr-defined]
    app.add_template_filter(day)
    app.add_template_filter(moment)
    app.add_template_filter(breakable)
    app.add_template_filter(dialled)


def day(at: datetime, clinic: Clinic) -> str:
    """22 Nov 2026, by the clinic's calendar."""
    return _day(at.astimezone(ZoneInfo(clinic.time_zone)).date(), language())


@lru_cache(maxsize=4096)
def _day(date: date, language: str) -> str:
    """The same few hundred days stand in every list. `language` is that of the reader."""
    return format_date(date, "d MMM y", rebase=False)


def moment(at: datetime, clinic: Clinic) -> str:
    """22 Nov 2026, 4:05 pm, by the clinic's clock."""
    local = at.astimezone(ZoneInfo(clinic.time_zone))
    clock = _format_datetime(local, "h:mm a", rebase=False).replace("AM", "am").replace("PM", "pm")
    return f"{day(at, clinic)}, {clock}"


def moment_utc(at: datetime) -> str:
    """22 Nov 2026, 10:05 pm UTC: where there is no clinic whose clock counts."""
    local = at.astimezone(UTC)
    clock = _format_datetime(local, "h:mm a", rebase=False).replace("AM", "am").replace("PM", "pm")
    return f"{_day(local.date(), language())}, {clock} UTC"


def dialled(number: str) -> str:
    """For a link that calls it."""
    plain = unicodedata.normalize("NFKC", contacts.without_extension(number))
    return "".join(str(int(c)) if c.isdecimal() else c for c in plain if c.isdecimal() or c == "+")


def breakable(email: str) -> Markup:
    """An address that may go on in the next line after an @ or a dot."""
    return Markup(escape(email).replace("@", BREAK_AT).replace(".", BREAK_DOT))  # noqa: S704


def problem(refused: Problem) -> str:
    """What `contacts` refused, in the reader's language."""
    return _(refused.template, **refused.values)


def counted(singular: str, plural: str, num: int) -> str:
    """`ngettext` of templates: %(number)s is the number as people read it, 1,200."""
    return ngettext(singular, plural, num, number=f"{num:,}")


STATUSES = {
    Status.PENDING: N_("Pending"),
    Status.ACCEPTED: N_("Accepted"),
    Status.EXPIRED: N_("Expired"),
    Status.ERROR_SENDING: N_("Error Sending"),
    Status.REMOVED: N_("Removed"),
}


def word(text: str) -> str:
    """A fixed text in the reader's language; the same few stand in every row of every list."""
    return _word(text, language())


@cache
def _word(text: str, language: str) -> str:
    return _(text)


def status(value: Status) -> str:
    return word(STATUSES[value])


def ago(passed: timedelta) -> str:
    minutes = int(passed.total_seconds() // 60)
    if minutes < 1:
        return _("less than a minute ago")
    return ngettext("%(num)d minute ago", "%(num)d minutes ago", minutes)


def asks(name: str, passed: timedelta | None) -> str:
    """Whether to send it again: to who disowned it, or so soon after it was sent."""
    if passed is None:
        return _(
            "Whoever got the invitation for %(name)s said that it is not for them. Send it to the"
            " same email or mobile number again?",
            name=name,
        )
    return _(
        "An invitation was sent to %(name)s %(ago)s. Send it again?", name=name, ago=ago(passed)
    )


def phone(e164: str | None) -> str:
    """As one dials it; empty where none is given."""
    return contacts.show_phone(e164, current_app.extensions["settings"].sms_regions) if e164 else ""


def no_room(room: int) -> str:
    """Why a clinic can't invite as many."""
    why = _(
        "This clinic holds %(most)s Invite Codes at most, so that none is easily guessed. They are"
        " free again 30 days after an invite was accepted, removed or expired.",
        most=f"{holding.MOST:,}",
    )
    if not room:
        return _("No more patients can be invited now. %(why)s", why=why)
    left = ngettext(
        "Only %(number)s more patient can be invited now.",
        "Only %(number)s more patients can be invited now.",
        room,
        number=f"{room:,}",
    )
    return f"{left} {why}"


def no_name() -> str:
    """In the place of the name of who was erased."""
    return _("Erased patient")


def how_joined(how: How) -> str:
    return {How.LINK: _("By link"), How.CODE: _("By Invite Code")}[how]


def count_invited(page: Page[Any]) -> str:
    if page.is_capped:
        return _("%(number)s+ invited patients", number=f"{page.limit:,}")
    number = f"{page.total:,}"
    return ngettext(
        "%(number)s invited patient", "%(number)s invited patients", page.total, number=number
    )


def count_patients(page: Page[Any]) -> str:
    if page.is_capped:
        return _("%(number)s+ patients", number=f"{page.limit:,}")
    number = f"{page.total:,}"
    return ngettext("%(number)s patient", "%(number)s patients", page.total, number=number)


def too_many_typed(refused: TooMany, clinic: Clinic) -> str:
    return _(
        "Nobody was invited: your clinic may invite %(most)s patients an hour here, and %(left)s"
        " more until %(when)s. What you typed stays: confirm after that. Your administrator can"
        " allow more.",
        most=f"{refused.most:,}",
        left=f"{refused.left:,}",
        when=moment(refused.until, clinic),
    )


def too_many_from_files(refused: TooMany, clinic: Clinic) -> str:
    if refused.left == refused.most:
        return _(
            "Your clinic may invite %(most)s patients from files in a day. Upload smaller files, or"
            " ask your administrator to allow more.",
            most=f"{refused.most:,}",
        )
    return _(
        "Your clinic may invite %(most)s patients from files in a day, and %(left)s more until"
        " %(when)s. Confirm after that: the rows stay here. Your administrator can allow more.",
        most=f"{refused.most:,}",
        left=f"{refused.left:,}",
        when=moment(refused.until, clinic),
    )


def language() -> str:
    """Asked for with every word: found once a request."""
    try:
        found: str = g.language
    except AttributeError:
        found = g.language = str(get_locale())
    return found
