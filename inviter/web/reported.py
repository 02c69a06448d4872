"""What SendGrid and Twilio post, once it is known to be theirs -> events in words of ours.

What is not understood is left out: they add kinds of events, and fields, when they like.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from inviter import contacts
from inviter.events import Event
from inviter.models import Channel
from inviter.reports import OPTED_OUT, Report

SENDGRID, TWILIO = "sendgrid", "twilio"
ID_LIMIT, ADDRESS_LIMIT = 100, 254

MAIL = {
    "processed": Report.TAKEN,
    "deferred": Report.DEFERRED,
    "delivered": Report.DELIVERED,
    "bounce": Report.BOUNCED,
    "dropped": Report.DROPPED,
    "spamreport": Report.COMPLAINED,
    "unsubscribe": Report.UNSUBSCRIBED,
    "group_unsubscribe": Report.UNSUBSCRIBED,
    "group_resubscribe": Report.STARTED,
}
DROPS = {
    "unsubscribed address": OPTED_OUT,
    "spam reporting address": OPTED_OUT,
    "bounced address": "came-back-before",
    "invalid": "no-such-address",
    "spam content": "turned-away",
}
ENHANCED = re.compile(r"[45]\.(\d{1,3}\.\d{1,3})")
BOUNCES = {
    **dict.fromkeys(("1.0", "1.1", "1.2", "1.3", "1.6", "1.10", "4.4"), "no-such-address"),
    **dict.fromkeys(("2.1", "2.2"), "mailbox-full"),
}
"""By the last two numbers of the status that the other mail service gave (RFC 3463)."""
KINDS_OF_BOUNCE = {
    "invalid address": "no-such-address",
    "mailbox unavailable": "mailbox-full",
    "content": "turned-away",
    "reputation": "turned-away",
    "frequency or volume too high": "turned-away",
}

TEXTS = {
    "accepted": Report.TAKEN,
    "queued": Report.TAKEN,
    "sending": Report.TAKEN,
    "sent": Report.TAKEN,
    "delivered": Report.DELIVERED,
    "read": Report.DELIVERED,
    "undelivered": Report.BOUNCED,
    "failed": Report.BOUNCED,
}
TWILIO_ERRORS = {
    "21211": "no-such-number",
    "21610": OPTED_OUT,
    "21614": "no-texts",
    "30003": "phone-off",
    "30004": "texts-blocked",
    "30005": "no-such-number",
    "30006": "no-texts",
    "30007": "texts-blocked",
}
NUMBER = re.compile(r"\+\d{5,15}", re.ASCII)
STOP = (
    *("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
    *("arret", "arrete", "arretez"),
)
START = ("start", "unstop", "yes")
KEYWORDS = {**dict.fromkeys(STOP, Report.STOPPED), **dict.fromkeys(START, Report.STARTED)}
"""What Twilio takes for it, and the French of it: a message of this one word."""


class Unreadable(Exception):
    """Signed, and yet no list of events."""


def by_sendgrid(body: str, *, now: datetime) -> list[Event]:
    """Raises Unreadable."""
    try:
        items = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable from error
    if not isinstance(items, list):
        raise Unreadable
    return [each for item in items if isinstance(item, dict) for each in _mail(item, now)]


def _mail(item: Mapping[str, Any], now: datetime) -> Iterator[Event]:
    kind = _text(item.get("event"), ID_LIMIT)
    event_id = _text(item.get("sg_event_id"), ID_LIMIT)
    attempt_id = _text(item.get("attempt_id"), ID_LIMIT)
    if kind not in MAIL or event_id is None or attempt_id is None:
        return
    report, reason = MAIL[kind], None
    if report == Report.BOUNCED:
        reason = _why_it_came_back(item)
    if report == Report.DROPPED:
        reason = DROPS.get(_folded(item.get("reason")), "dropped")
        report = Report.OPTED_OUT if reason == OPTED_OUT else report
    yield Event(
        provider=SENDGRID,
        id=event_id,
        report=report,
        channel=Channel.EMAIL,
        occurred_at=_time(item.get("timestamp"), now),
        attempt_id=attempt_id,
        reason=reason,
        address=_folded(item.get("email")) or None,
    )


def _why_it_came_back(item: Mapping[str, Any]) -> str:
    status = ENHANCED.search(f"{_folded(item.get('status'))} {_folded(item.get('reason'))}")
    if status and (why := BOUNCES.get(status[1])):
        return why
    if status and status[1].startswith("7."):
        return "turned-away"
    kind = KINDS_OF_BOUNCE.get(_folded(item.get("bounce_classification")))
    return kind or ("turned-away" if item.get("type") == "blocked" else "came-back")


def status_by_twilio(form: Mapping[str, str], attempt_id: str, *, now: datetime) -> list[Event]:
    """Twilio gives its callbacks no id: a message has each status once. Nor do they tell a time."""
    sid, status = _text(form.get("MessageSid"), ID_LIMIT // 2), form.get("MessageStatus", "")
    report = TEXTS.get(status)
    if sid is None or report is None or _text(attempt_id, ID_LIMIT) is None:
        return []
    reason = None
    if report == Report.BOUNCED:
        reason = TWILIO_ERRORS.get(form.get("ErrorCode", ""), "text-lost")
        report = Report.OPTED_OUT if reason == OPTED_OUT else report
    to = form.get("To", "")
    return [
        Event(
            provider=TWILIO,
            id=f"{sid} {status}",
            report=report,
            channel=Channel.SMS,
            occurred_at=now,
            attempt_id=attempt_id,
            reason=reason,
            address=to if NUMBER.fullmatch(to) else None,
        )
    ]


def text_by_twilio(form: Mapping[str, str], *, now: datetime) -> list[Event]:
    """What a patient texts: whether messages are to stop or may go on. Nothing else is kept."""
    sid, number = _text(form.get("MessageSid"), ID_LIMIT), form.get("From", "")
    word = contacts.fold(form.get("OptOutType") or form.get("Body", ""))
    if sid is None or word not in KEYWORDS or not NUMBER.fullmatch(number):
        return []
    return [
        Event(
            provider=TWILIO,
            id=sid,
            report=KEYWORDS[word],
            channel=Channel.SMS,
            occurred_at=now,
            address=number,
        )
    ]


def _text(value: Any, limit: int) -> str | None:
    """A text that a column holds."""
    is_right = isinstance(value, str) and 0 < len(value) <= limit and value.isprintable()
    return value if is_right else None


def _folded(value: Any) -> str:
    return (_text(value, ADDRESS_LIMIT) or "").strip().lower()


def _time(value: Any, now: datetime) -> datetime:
    """Seconds since 1970; anything else happened just now."""
    try:
        return datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return now
