"""What became of an invitation's messages, put into words for who can do something about it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from inviter import daily_texts
from inviter.conditions import ACCEPTED_STAY, SOON, Attention
from inviter.contacts import N_
from inviter.daily_texts import OF_CLINIC, TO_BLOCK, TO_NUMBER
from inviter.listing import InvitedRow, Sent
from inviter.models import MOST_CODE_TRIES, Channel, Clinic
from inviter.reports import EXPIRED, OPTED_OUT
from inviter.status import DeliveryState, Status
from inviter.web.formats import day, word

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


def reason(code: str | None) -> str:
    """Why a message did not leave, so that someone at a front desk can act on it."""
    return word(REASONS.get(code or "", N_("The message could not be sent")))


def how_sent(sent: Sequence[Sent], *, has_contact: bool) -> str:
    ways = {each.channel for each in sent}
    if ways == {Channel.EMAIL, Channel.SMS}:
        return _("Email and text")
    return channel(ways.pop()) if ways else unsent(has_contact=has_contact)
