"""What an invitation's facts mean at a moment: its status, and what its messages amount to. Pure.

The SQL twin of `of` is `conditions.has_status`; both are tested over one table of cases.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol


class Status(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    EXPIRED = "expired"
    ERROR_SENDING = "error"
    REMOVED = "removed"


class DeliveryState(StrEnum):
    """One message on one channel."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    IN_DOUBT = "in doubt"
    SUPPRESSED = "suppressed"
    WITHDRAWN = "withdrawn"
    """Its turn never came: the invitation was removed, accepted or sent anew before."""


class Sending(StrEnum):
    """What all deliveries of an invitation's current send amount to, kept on the invitation."""

    NONE = "none"
    UNDER_WAY = "under way"
    SENT = "sent"
    IN_DOUBT = "in doubt"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Moment:
    """What statuses depend on beside the facts."""

    now: datetime
    doubt_after: timedelta


class Removal(Protocol):
    """The columns of an invitation that decide whether its removal can be undone."""

    @property
    def removed_at(self) -> datetime | None: ...
    @property
    def accepted_at(self) -> datetime | None: ...
    @property
    def name(self) -> str: ...


class Facts(Removal, Protocol):
    """The columns of an invitation that decide its status."""

    @property
    def expires_at(self) -> datetime: ...
    @property
    def sending(self) -> Sending: ...
    @property
    def doubt_since(self) -> datetime | None: ...


class DeliveryFacts(Protocol):
    @property
    def state(self) -> DeliveryState: ...
    @property
    def doubt_since(self) -> datetime | None: ...


def of(facts: Facts, *, now: datetime, doubt_after: timedelta) -> Status:
    """The first that applies of Removed, Accepted, Error Sending, Expired, Pending."""
    if facts.removed_at is not None:
        return Status.REMOVED
    if facts.accepted_at is not None:
        return Status.ACCEPTED
    if facts.sending == Sending.FAILED or _doubted_for(facts, now) >= doubt_after:
        return Status.ERROR_SENDING
    if facts.expires_at <= now:
        return Status.EXPIRED
    return Status.PENDING


def amount_to(deliveries: Iterable[DeliveryFacts]) -> tuple[Sending, datetime | None]:
    """What the deliveries of one send amount to, and since when all that are left are in doubt.

    One channel on its way or arrived is enough for the patient; doubt counts only where it is all
    that is left, from the moment the last channel fell into it.
    """
    deliveries = [each for each in deliveries if each.state != DeliveryState.WITHDRAWN]
    states = {each.state for each in deliveries}
    if not states:
        return Sending.NONE, None
    if states & {DeliveryState.SENT, DeliveryState.DELIVERED}:
        return Sending.SENT, None
    if states & {DeliveryState.QUEUED, DeliveryState.SENDING}:
        return Sending.UNDER_WAY, None
    if DeliveryState.IN_DOUBT in states:
        return Sending.IN_DOUBT, max(each.doubt_since for each in deliveries if each.doubt_since)
    return Sending.FAILED, None


def _doubted_for(facts: Facts, now: datetime) -> timedelta:
    if facts.sending != Sending.IN_DOUBT or facts.doubt_since is None:
        return timedelta.min
    return now - facts.doubt_since
