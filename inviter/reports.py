"""What a provider reports of a message after it took it -> what the message is from then on. Pure.

Reports come late, repeated and in any order. What they amount to depends on which there are, and
never on the order in which they came.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from inviter.status import DeliveryState

OPTED_OUT = "opted-out"
EXPIRED = "expired"
"""The reason of what was not sent because whoever would get it has opted out."""


class Report(StrEnum):
    """Of one message, or of who gets messages."""

    TAKEN = "taken"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DROPPED = "dropped"
    OPTED_OUT = "opted out"
    """The provider did not send it: it knows of an opt out."""
    COMPLAINED = "called spam"
    UNSUBSCRIBED = "unsubscribed"
    STOPPED = "stop"
    STARTED = "start"


FACTS = {
    Report.TAKEN: DeliveryState.SENT,
    Report.DEFERRED: DeliveryState.SENT,
    Report.OPTED_OUT: DeliveryState.SUPPRESSED,
    Report.DELIVERED: DeliveryState.DELIVERED,
    Report.COMPLAINED: DeliveryState.DELIVERED,
    Report.UNSUBSCRIBED: DeliveryState.DELIVERED,
    Report.BOUNCED: DeliveryState.FAILED,
    Report.DROPPED: DeliveryState.FAILED,
}
"""The one table of cases. Who stops or starts messages says nothing of any one."""

STRENGTH = (
    DeliveryState.SENT,
    DeliveryState.SUPPRESSED,
    DeliveryState.DELIVERED,
    DeliveryState.FAILED,
)
"""The later ones hold against the earlier ones. A mail service may take a message and bring it back
hours later; whichever is heard of first, someone has to look after it."""

ARRIVED = tuple(report for report, fact in FACTS.items() if fact == DeliveryState.DELIVERED)
OPTING_OUT = (Report.OPTED_OUT, Report.COMPLAINED, Report.UNSUBSCRIBED, Report.STOPPED)


class Told(Protocol):
    @property
    def report(self) -> Report: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def occurred_at(self) -> datetime: ...


class Fact(NamedTuple):
    """What a message is, and since when."""

    state: DeliveryState
    reason: str | None
    at: datetime


def amount_to(told: Iterable[Told]) -> Fact | None:
    """What all reports of a message amount to; None where they say nothing of it."""
    facts = [Fact(FACTS[each.report], each.reason, each.occurred_at) for each in _of_it(told)]
    return max(facts, key=_weight, default=None)


def _of_it(told: Iterable[Told]) -> Iterable[Told]:
    return (each for each in told if each.report in FACTS)


def _weight(fact: Fact) -> tuple[int, datetime, str]:
    """Among equals the latest says why; among those of one moment anything, but always the same."""
    return STRENGTH.index(fact.state), fact.at, fact.reason or ""
