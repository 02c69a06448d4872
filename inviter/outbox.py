"""The journal of messages: put, claim. At most one automatic send, nothing silently lost.

A delivery is claimed, and the attempt written, in a transaction that is committed before the call
to the provider. What the call's end was is settled after it (`settling`).
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.orm import joinedload

from inviter import activity, opt_outs, status
from inviter.activity import Action
from inviter.budgets import Counted
from inviter.daily_texts import DailyTexts, Told, Wait
from inviter.db import change, db, locked
from inviter.many_rows import change_each
from inviter.models import (
    NO_CLINIC,
    QUEUED,
    Attempt,
    Channel,
    Delivery,
    Invitation,
    Kind,
    ProviderEvent,
    User,
)
from inviter.reports import ARRIVED
from inviter.scope import across_clinics
from inviter.standing import address_of, sent_for, sum_up
from inviter.status import DeliveryState

ATTEMPTS: Any = Attempt.__table__
LEASE = timedelta(minutes=2)
TURN_STEP_MS = 1000
MAY_HAVE_ARRIVED = (
    DeliveryState.SENDING,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.IN_DOUBT,
)


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


def put(invitation: Invitation, channels: Iterable[Channel], *, place: int, now: datetime) -> None:
    """Queue the messages of the invitation's current generation. Nothing is sent yet.

    `place` is the invitation's place in what is queued with it: a thousand of one clinic take
    later turns than the first few of another.
    """
    deliveries = [
        _queued(invitation, Kind.INVITATION, each, turn(now, place), now) for each in channels
    ]
    db.session.add_all(deliveries)
    invitation.sending, invitation.doubt_since = status.amount_to(deliveries)


def put_joined(invitation: Invitation, *, now: datetime) -> None:
    """Tell whom the present send has reached, or may yet, that the patient has joined.

    A delivery of its own, of which the status does not depend. Before what is queued is withdrawn.
    Who said that it is not for them is told nothing of the patient.
    """
    if invitation.disowned_at:
        return
    ways = db.session.scalars(
        select(Delivery.channel).where(
            *sent_for(invitation.clinic_id, invitation.id),
            Delivery.generation == invitation.generation,
            Delivery.state.in_((DeliveryState.QUEUED, *MAY_HAVE_ARRIVED)),
        )
    )
    db.session.add_all(
        _queued(invitation, Kind.JOINED, each, turn(now, 0), now) for each in ways.all()
    )


def _queued(
    invitation: Invitation, kind: Kind, channel: Channel, turn: int, now: datetime
) -> Delivery:
    return Delivery(
        clinic_id=invitation.clinic_id,
        invitation_id=invitation.id,
        kind=kind,
        channel=channel,
        generation=invitation.generation,
        state=DeliveryState.QUEUED,
        queued_at=now,
        turn=turn,
    )


def withdraw(
    invitation: Invitation, channels: Iterable[Channel] = Channel, *, because: Action
) -> None:
    """What is queued for an invitation won't be sent. What a worker has claimed already may be.

    Together with what it is withdrawn for: the invitation's row is locked by then, so that
    `settle` sees it and queues nothing anew. A claim that is being made is waited for, one made
    later passes over: it never waits, and so never in a circle.
    """
    withdrawn = change(
        update(Delivery)
        .where(
            *sent_for(invitation.clinic_id, invitation.id),
            Delivery.channel.in_(list(channels)),
            Delivery.state == DeliveryState.QUEUED,
        )
        .values(state=DeliveryState.WITHDRAWN, reason=because)
    )
    if withdrawn:
        sum_up(invitation.clinic_id, invitation.id)


def requeue(invitation: Invitation) -> None:
    """What the removal withdrew of the current send is sent after all."""
    requeued = change(
        update(Delivery)
        .where(
            *sent_for(invitation.clinic_id, invitation.id),
            Delivery.generation == invitation.generation,
            Delivery.state == DeliveryState.WITHDRAWN,
            Delivery.reason == Action.REMOVED,
        )
        .values(state=DeliveryState.QUEUED, reason=None, not_before=None)
    )
    if requeued:
        sum_up(invitation.clinic_id, invitation.id)


def may_have_arrived(invitation: Invitation, channels: Iterable[Channel]) -> bool:
    """Whether a message with the present code, by these channels, did not fail for certain.

    What is queued counts as not arrived: withdraw it first. A generation without messages is one
    that another code began, or the first of who is given the code: what came before says nothing.
    """
    columns = (Delivery.generation, Delivery.channel, Delivery.state, _has_arrived())
    sent = db.session.execute(
        select(*columns).where(*sent_for(invitation.clinic_id, invitation.id))
    ).all()
    silent = set(range(1, invitation.generation + 1)) - {each.generation for each in sent}
    code_since = max(silent, default=0)
    ways = set(channels)
    return any(
        each.generation > code_since
        and each.channel in ways
        and (each.state in MAY_HAVE_ARRIVED or each.has_arrived)
        for each in sent
    )


def _has_arrived() -> ColumnElement[bool]:
    """Whether it was reported so, even if it came back later."""
    return (
        exists()
        .where(
            Attempt.clinic_id == Delivery.clinic_id,
            Attempt.delivery_id == Delivery.id,
            ProviderEvent.clinic_id == Attempt.clinic_id,
            ProviderEvent.attempt_id == Attempt.id,
            ProviderEvent.report.in_(ARRIVED),
        )
        .label("has_arrived")
    )


def put_account_mail(user: User, kind: Kind, *, now: datetime) -> None:
    """Queue a message about a person's own account; its links are made when it leaves."""
    db.session.add(
        Delivery(
            clinic_id=NO_CLINIC,
            user_id=user.id,
            kind=kind,
            channel=Channel.EMAIL if user.email else Channel.SMS,
            queued_at=now,
            turn=turn(now, 0),
        )
    )


@across_clinics()
def waiting(now: datetime, channels: Iterable[Channel] = Channel) -> list[Channel]:
    """Those of these channels by which something is due; only reads."""
    return [
        each
        for each in channels
        if db.session.scalar(select(Delivery.id).where(_is_due(now, each)).limit(1)) is not None
    ]


@across_clinics()
def queued_by(moment: datetime) -> int:
    """How many that were queued by then still are."""
    query = select(func.count()).select_from(Delivery)
    return db.session.scalar(query.where(text(QUEUED), Delivery.queued_at <= moment)) or 0


def claim(limit: int, *, now: datetime, channel: Channel | None = None) -> list[Claimed]:
    """Take up to `limit` due deliveries, of one channel or of all, and write their attempts."""
    return begin(take(limit, now=now, channel=channel), now=now)


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


def turn(now: datetime, place: int) -> int:
    return int(now.timestamp() * 1000) + place * TURN_STEP_MS


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
