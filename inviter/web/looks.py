"""Looking again at what is being sent: a page asks by itself, ever less often, and then no more."""

from collections.abc import Iterable

from flask import request

from inviter.listing import Sent
from inviter.status import DeliveryState
from inviter.web import outcomes

LOOK = "look"
"""The argument that tells a look from a person: it keeps nobody signed in."""

WAITS = (2, 4, 8, 15, 30, 60)
"""Seconds between looks; after the last one a person reloads."""


def number() -> int:
    """How often this page has looked already."""
    typed = request.args.get(LOOK, "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else 0


def pace() -> int:
    """Seconds until the next look at what is sure to end: it is looked for until then."""
    return WAITS[min(number(), 2)]


def wait(sent: Iterable[Sent]) -> int:
    """Seconds until the next look; 0 where nothing is under way, or it was looked for long."""
    under_way = (DeliveryState.QUEUED, DeliveryState.SENDING)
    is_moving = any(each.state in under_way and not outcomes.is_put_off(each) for each in sent)
    return WAITS[number()] if is_moving and number() < len(WAITS) else 0
