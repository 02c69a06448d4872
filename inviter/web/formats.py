"""Facts put into words: days and moments at the clinic, statuses, what became of a message."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g
from flask_babel import format_date, get_locale, ngettext
from flask_babel import format_datetime as _format_datetime
from flask_babel import gettext as _
from markupsafe import Markup, escape

from inviter import contacts, daily_texts, holding
from inviter.conditions import ACCEPTED_STAY, SOON, Attention
from inviter.contacts import N_, Problem
from inviter.daily_texts import OF_CLINIC, TO_BLOCK, TO_NUMBER
from inviter.listing import InvitedRow, Page, Sent
from inviter.models import MOST_CODE_TRIES, Channel, Clinic, How
from inviter.quotas import TooMany
from inviter.reports import EXPIRED, OPTED_OUT
from inviter.status import DeliveryState, Status

BREAK_AT, BREAK_DOT = Markup("@<wbr>"), Markup(".<wbr>")


def init(app: Flask) -> None:
    app.jinja_env.install_gettext_callables(word, ngettext, newstyle=True)  # type: ignore[attr-defined]
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


STATUSES = {
    Status.PENDING: N_("Pending"),
    Status.ACCEPTED: N_("Accepted"),
    Status.EXPIRED: N_("Expired"),
    Status.ERROR_SENDING: N_("Error Sending"),
    Status.REMOVED: N_("Removed"),
}
CHANNELS = {Channel.EMAIL: N_("Email"), Channel.SMS: N_("Text")}
STATES = {
    DeliveryState.SENT: N_("Sent"),
    DeliveryState.DELIVERED: N_("Delivered"),
}
SINCE = {
    DeliveryState.SENT: N_("Sent; opted out since"),
    DeliveryState.DELIVERED: N_("Delivered; opted out since"),
}
"""What is said where no more messages are wanted."""
REASONS = {
    "refused": N_("The address was refused: check it"),
    "no-such-address": N_("This address does not exist: check it"),
    "no-texts": N_("This number cannot get texts: it may be a landline"),
    "region-off": N_("Texts to this number's country are not allowed: tell your administrator"),
    "too-large": N_("The message was too large"),
    "busy": N_("The service that sends messages was busy for too long"),
    "unreachable": N_("The service that sends messages could not be reached"),
    "not-permitted": N_("The service that sends messages refuses us: tell your administrator"),
    EXPIRED: N_("The invitation expired before it could be sent"),
    "channel-off": N_("Texts are switched off"),
    "mailbox-full": N_("The mailbox is full or closed"),
    "turned-away": N_("The patient’s mail service turned the email away"),
    "came-back": N_("The email came back: check the address"),
    "came-back-before": N_("Earlier email to this address came back: check it"),
    "dropped": N_("The service that sends email did not send it"),
    "no-such-number": N_("This number does not exist or is out of service: check it"),
    "phone-off": N_("The phone was off or out of reach"),
    "texts-blocked": N_("The phone company blocked the text"),
    "text-lost": N_("The text did not arrive"),
    OPTED_OUT: N_("Opted out of messages"),
}
WAITS = {
    daily_texts.REASONS[TO_NUMBER]: N_("Waits for the next day, as 3 texts a day go to one number"),
    daily_texts.REASONS[TO_BLOCK]: N_(
        "Waits for the next day, as many texts went to numbers that begin like this one"
    ),
    daily_texts.REASONS[OF_CLINIC]: N_(
        "Waits for the next day, as the clinic has sent its texts of the day"
    ),
}
"""Why a text that is queued does not leave today."""


ATTENTION = {
    Attention.CODE: (N_("Code to be given"), N_("%(number)s to be given the code")),
    Attention.BLOCKED: (N_("Code tried too often"), N_("%(number)s with a code tried too often")),
    Attention.ERROR: (N_("Could not be delivered"), N_("%(number)s could not be delivered")),
    Attention.SOON: (N_("Expires within 3 days"), N_("%(number)s expiring within 3 days")),
    Attention.EXPIRED: (N_("Expired"), N_("%(number)s expired")),
    Attention.DISOWNED: (N_("Not for this person"), N_("%(number)s not for this person")),
}


def word(text: str) -> str:
    """A fixed text in the reader's language; the same few stand in every row of every list."""
    return _word(text, language())


@cache
def _word(text: str, language: str) -> str:
    return _(text)


def status(value: Status) -> str:
    return word(STATUSES[value])


def details(sent: Sequence[Sent], under: Status, *, has_contact: bool) -> list[str]:
    """The small lines under a status: what became of the messages; by channel where it differs."""
    if under in (Status.ACCEPTED, Status.EXPIRED):
        return []
    words = [message(each, under) for each in sent] or [unsent(has_contact=has_contact)]
    if len(set(words)) == 1:
        return words[:1]
    return [f"{channel(each.channel)}: {said}" for each, said in zip(sent, words, strict=True)]


def row_details(row: InvitedRow, clinic: Clinic, *, now: datetime) -> list[str]:
    """The small lines under a status in the list."""
    if row.status == Status.REMOVED:
        return []
    if row.status == Status.ACCEPTED and row.accepted_at:
        leaves = _leaves(row.accepted_at + ACCEPTED_STAY, clinic, now)
        return [*marks(row), leaves]
    if row.status == Status.EXPIRED:
        return [*marks(row), day(row.expires_at, clinic)]
    found = details(row.sent, row.status, has_contact=bool(row.email or row.phone))
    found = [*marks(row), *found]
    if row.code_given_at and is_code_needed(row.sent):
        given = _("Code given %(day)s", day=day(row.code_given_at, clinic))
        found = [*found, given] if row.sent else [given]
    if row.code_tries >= MOST_CODE_TRIES:
        found.append(_("Wrong codes came with this name: send or give it again"))
    if row.status == Status.PENDING and row.expires_at <= now + SOON:
        found.append(_("Expires %(day)s", day=day(row.expires_at, clinic)))
    return found


def marks(row: Any) -> list[str]:
    """What someone should look at, whatever became of the messages."""
    if row.accepted_at and row.disowned_at:
        return [word(N_("Joined after someone said that it is not for them: check who it is"))]
    if row.accepted_at:
        return [word(N_("Joined with other contact details"))] if row.has_other_contact else []
    return [attention(Attention.DISOWNED)] if row.disowned_at else []


def is_code_needed(sent: Sequence[Sent]) -> bool:
    """Whether no message brings it: those that did not fail were not wanted."""
    is_unwanted = any(each.state == DeliveryState.SUPPRESSED for each in sent)
    in_vain = (DeliveryState.SUPPRESSED, DeliveryState.FAILED)
    return not sent or (is_unwanted and all(each.state in in_vain for each in sent))


def _leaves(at: datetime, clinic: Clinic, now: datetime) -> str:
    zone = ZoneInfo(clinic.time_zone)
    days = (at.astimezone(zone).date() - now.astimezone(zone).date()).days
    if days < 1:
        return _("Leaves this list today")
    if days == 1:
        return _("Leaves this list tomorrow")
    return _("Leaves this list %(day)s", day=day(at, clinic))


def attention(kind: Attention, number: str = "") -> str:
    """What needs doing; with a number, for how many."""
    alone, counted = ATTENTION[kind]
    return word(counted) % {"number": number} if number else word(alone)


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


def unsent(*, has_contact: bool) -> str:
    """Where nothing is sent; a number abroad is a contact that gets no texts."""
    return _("No message: give the code") if has_contact else _("No contact: give the code")


def channel(value: Channel) -> str:
    return word(CHANNELS[value])


def message(sent: Sent, under: Status) -> str:
    """What became of one message; doubt is told once the status tells it."""
    if sent.state == DeliveryState.IN_DOUBT and under == Status.ERROR_SENDING:
        return _("May have arrived")
    if sent.state == DeliveryState.FAILED:
        return reason(sent.reason)
    if sent.state == DeliveryState.SUPPRESSED:
        return reason(OPTED_OUT) if sent.opted_out else _("No longer opted out: resend")
    if sent.opted_out and sent.state in SINCE:
        return word(SINCE[sent.state])
    if is_put_off(sent):
        return word(WAITS[sent.reason or ""])
    return word(STATES.get(sent.state, N_("Sending")))


def is_put_off(sent: Sent) -> bool:
    """Whether it leaves on another day."""
    return sent.state == DeliveryState.QUEUED and sent.reason in WAITS


def phone(e164: str | None) -> str:
    """As one dials it; empty where none is given."""
    return contacts.show_phone(e164, current_app.extensions["settings"].sms_regions) if e164 else ""


def reason(code: str | None) -> str:
    """Why a message did not leave, so that someone at a front desk can act on it."""
    return word(REASONS.get(code or "", N_("The message could not be sent")))


def how_sent(sent: Sequence[Sent], *, has_contact: bool) -> str:
    ways = {each.channel for each in sent}
    if ways == {Channel.EMAIL, Channel.SMS}:
        return _("Email and text")
    return channel(ways.pop()) if ways else unsent(has_contact=has_contact)


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
        "Only %(num)d more patient can be invited now.",
        "Only %(num)d more patients can be invited now.",
        room,
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
    return ngettext("%(num)d invited patient", "%(num)d invited patients", page.total)


def count_patients(page: Page[Any]) -> str:
    if page.is_capped:
        return _("%(number)s+ patients", number=f"{page.limit:,}")
    return ngettext("%(num)d patient", "%(num)d patients", page.total)


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
