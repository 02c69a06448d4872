"""A worker's part of the journal of messages: at most one automatic send, nothing silently lost.

A delivery is claimed, and the attempt written, in a transaction that is committed before the call
to the provider. What the call's end was is settled after it (`settling`).
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, or_, select, text, tuple_, update
from sqlalchemy.orm import joinedload

from inviter import activity, opt_outs
from inviter.activity import Action
from inviter.budgets import Counted
from inviter.daily_texts import DailyTexts, Told, Wait
from inviter.db import change, db, locked
from inviter.many_rows import change_each
from inviter.models import QUEUED, Attempt, Channel, Delivery, Invitation, Kind
from inviter.outbox import turn
from inviter.scope import across_clinics
from inviter.standing import address_of
from inviter.status import DeliveryState

ATTEMPTS: Any = Attempt.__table__
LEASE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to send, once, under this attempt."""

    delivery: Delivery
    attempt_id: str
    claim: str
    sent_to: str | None
    """The address as it was when this was claimed."""
    at: datetime
    opted_out: bool = False
    """Nothing may be sent there: it is settled without a call."""
    counted: Sequence[Counted] = ()
    """The budgets that it was counted in, to be given back if nothing leaves."""


@across_clinics()
def waiting(now: datetime, channels: Iterable[Channel] = Channel) -> list[Channel]:
    """Those of these channels by which something is due; only reads."""
    return [
        each
        for each in channels
        if db.session.scalar(select(Delivery.id).where(_is_due(now, each)).limit(1)) is not None
    ]


@across_clinics()
def take(limit: int, *, now: datetime, channel: Channel | None = None) -> list[Delivery]:
    """Up to `limit` due deliveries, of one channel or of all, which are then ours to `begin`."""
    mark = secrets.token_hex(16)
    pick = (
        locked(select(Delivery.clinic_id, Delivery.id).where(_is_due(now, channel)))
        .order_by(Delivery.turn)
        .limit(limit)
        .cte("pick")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    change(
        update(Delivery)
        .where(
            tuple_(Delivery.clinic_id, Delivery.id).in_(select(pick.c.clinic_id, pick.c.id)),
            Delivery.state == DeliveryState.QUEUED,
        )
        .values(
            state=DeliveryState.SENDING,
            claim=mark,
            leased_until=now + LEASE,
            attempts=Delivery.attempts + 1,
        )
    )
    return _taken_under(mark)


@across_clinics()
def begin(
    deliveries: Sequence[Delivery], *, now: datetime, daily: DailyTexts | None = None
) -> list[Claimed]:
    """Write the attempts of what was taken. Texts that are too many for today wait instead.

    All that one transaction takes is begun at once, or two workers would wait for each other's
    budgets in a circle. The caller commits before the first call: a crash after that commit leaves
    what was begun in doubt, and what waits is queued.
    """
    claimed = _claimed(deliveries, now)
    if daily:
        claimed = _within_the_day(claimed, daily, now)
    if claimed:
        db.session.connection().execute(insert(ATTEMPTS), [_attempt(each) for each in claimed])
    return claimed


def _is_due(now: datetime, channel: Channel | None) -> ColumnElement[bool]:
    """What a later version has queued and this one can't read is left, or it would stop all."""
    is_known = Delivery.kind.in_(list(Kind))
    is_ripe = or_(Delivery.not_before.is_(None), Delivery.not_before <= now)
    is_due = and_(text(QUEUED), is_known, is_ripe)
    return is_due if channel is None else (Delivery.channel == channel) & is_due


def _taken_under(mark: str) -> list[Delivery]:
    """With everything that their messages tell."""
    return list(
        db.session.scalars(
            select(Delivery)
            .where(Delivery.claim == mark, Delivery.state == DeliveryState.SENDING)
            .options(
                joinedload(Delivery.user),
                joinedload(Delivery.invitation).options(
                    joinedload(Invitation.clinic), joinedload(Invitation.provider)
                ),
            )
            .order_by(Delivery.turn)
            .execution_options(populate_existing=True)
        )
    )


def _claimed(deliveries: Sequence[Delivery], now: datetime) -> list[Claimed]:
    """Here, where every message passes, opting out is looked up."""
    sent_to = [address_of(each.channel, each.invitation or each.user) for each in deliveries]
    asked = [(each.channel, to) for each, to in zip(deliveries, sent_to, strict=True) if to]
    unwanted = opt_outs.among(asked) if asked else ()
    return [
        Claimed(
            each, secrets.token_hex(16), each.claim or "", to, now, (each.channel, to) in unwanted
        )
        for each, to in zip(deliveries, sent_to, strict=True)
    ]


def _within_the_day(claimed: list[Claimed], daily: DailyTexts, now: datetime) -> list[Claimed]:
    """Those that leave today, with what they are counted in. The others are as if they had never
    been claimed, and come after what is queued until their day."""
    told = daily.count([each.delivery for each in claimed if not each.opted_out], now=now)
    _put_off([each.delivery for each in claimed if each.delivery.id in told.waits], told, now)
    return [
        replace(each, counted=told.counted.get(each.delivery.id, ()))
        for each in claimed
        if each.delivery.id not in told.waits
    ]


def _put_off(texts: Sequence[Delivery], told: Told, now: datetime) -> None:
    waits = [(each, told.waits[each.id]) for each in texts]
    change_each(Delivery.__table__, ("clinic_id", "id"), [_waiting(*each, now) for each in waits])
    activity.record_all(
        {
            "clinic_id": each.clinic_id,
            "at": now,
            "action": Action.PUT_OFF,
            "invitation_id": each.invitation_id,
            "details": {"channel": each.channel, "reason": wait.reason},
        }
        for each, wait in waits
        if each.reason != wait.reason  # once, however many days
    )


def _waiting(text: Delivery, wait: Wait, now: datetime) -> dict[str, object]:
    """Its turn moves with it: what is queued on that day is not behind all that waited."""
    return {
        "clinic_id": text.clinic_id,
        "id": text.id,
        "state": DeliveryState.QUEUED,
        "reason": wait.reason,
        "not_before": wait.until,
        "attempts": text.attempts - 1,
        "turn": text.turn + turn(wait.until, 0) - turn(now, 0),
    }


def _attempt(claimed: Claimed) -> dict[str, object]:
    return {
        "clinic_id": claimed.delivery.clinic_id,
        "id": claimed.attempt_id,
        "delivery_id": claimed.delivery.id,
        "started_at": claimed.at,
    }
