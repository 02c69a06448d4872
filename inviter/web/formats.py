"""Facts put into words: days and moments at the clinic, statuses, what became of a message."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, current_app
from flask_babel import format_date, get_locale, ngettext
from flask_babel import format_datetime as _format_datetime
from flask_babel import gettext as _

from inviter import contacts
from inviter.contacts import Problem
from inviter.listing import Page, Sent
from inviter.models import Channel, Clinic, How
from inviter.status import DeliveryState, Status


def init(app: Flask) -> None:
    app.add_template_filter(day)
    app.add_template_filter(moment)


def day(at: datetime, clinic: Clinic) -> str:
    """22 Nov 2026, by the clinic's calendar."""
    return format_date(at.astimezone(ZoneInfo(clinic.time_zone)), "d MMM y", rebase=False)


def moment(at: datetime, clinic: Clinic) -> str:
    """22 Nov 2026, 4:05 pm, by the clinic's clock."""
    local = at.astimezone(ZoneInfo(clinic.time_zone))
    clock = _format_datetime(local, "h:mm a", rebase=False).replace("AM", "am").replace("PM", "pm")
    return f"{day(at, clinic)}, {clock}"


def problem(refused: Problem) -> str:
    """What `contacts` refused, in the reader's language."""
    return _(refused.template, **refused.values)


def status(value: Status) -> str:
    return {
        Status.PENDING: _("Pending"),
        Status.ACCEPTED: _("Accepted"),
        Status.EXPIRED: _("Expired"),
        Status.ERROR_SENDING: _("Error Sending"),
        Status.REMOVED: _("Removed"),
    }[value]


def details(sent: Sequence[Sent], under: Status, *, has_contact: bool) -> list[str]:
    """The small lines under a status: what became of the messages; by channel where it differs."""
    if under in (Status.ACCEPTED, Status.EXPIRED):
        return []
    words = [message(each, under) for each in sent] or [unsent(has_contact=has_contact)]
    if len(set(words)) == 1:
        return words[:1]
    return [f"{channel(each.channel)}: {said}" for each, said in zip(sent, words, strict=True)]


def unsent(*, has_contact: bool) -> str:
    """Where nothing is sent; a number abroad is a contact that gets no texts."""
    return _("No message: give the code") if has_contact else _("No contact: give the code")


def channel(value: Channel) -> str:
    return {Channel.EMAIL: _("Email"), Channel.SMS: _("Text")}[value]


def message(sent: Sent, under: Status) -> str:
    """What became of one message; doubt is told once the status tells it."""
    if sent.state == DeliveryState.IN_DOUBT and under == Status.ERROR_SENDING:
        return _("May have arrived")
    if sent.state == DeliveryState.FAILED:
        return reason(sent.reason)
    return {
        DeliveryState.SENT: _("Sent"),
        DeliveryState.DELIVERED: _("Delivered"),
        DeliveryState.SUPPRESSED: _("Opted out of messages"),
    }.get(sent.state, _("Sending"))


def phone(e164: str | None) -> str:
    """As one dials it; empty where none is given."""
    return contacts.show_phone(e164, current_app.extensions["settings"].sms_regions) if e164 else ""


def reason(code: str | None) -> str:
    """Why a message did not leave, so that someone at a front desk can act on it."""
    return {
        "refused": _("The address was refused: check it"),
        "no-such-address": _("This address does not exist: check it"),
        "too-large": _("The message was too large"),
        "busy": _("The service that sends messages was busy for too long"),
        "unreachable": _("The service that sends messages could not be reached"),
        "not-permitted": _("The service that sends messages refuses us: tell your administrator"),
        "channel-off": _("Texts are switched off"),
    }.get(code or "", _("The message could not be sent"))


def how_sent(sent: Sequence[Sent], *, has_contact: bool) -> str:
    ways = {each.channel for each in sent}
    if ways == {Channel.EMAIL, Channel.SMS}:
        return _("Email and text")
    return channel(ways.pop()) if ways else unsent(has_contact=has_contact)


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


def language() -> str:
    return str(get_locale())
