"""The journal of messages: put, claim, settle. At most one automatic send, nothing silently lost.

A delivery is claimed, and the attempt written, in a transaction that is committed before the call
to the provider. What the call's end was is settled after it. A call whose end nobody saw is in
doubt, and stays so until there is evidence: it is never made again by itself.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, or_, select, tuple_, update
from sqlalchemy.orm import joinedload

from inviter import activity, status
from inviter.activity import Action
from inviter.db import change, db, locked
from inviter.models import (
    NO_CLINIC,
    Answer,
    Attempt,
    Channel,
    Delivery,
    Invitation,
    Kind,
    User,
)
from inviter.status import DeliveryState

LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 8
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
TURN_STEP_MS = 1000
OVERTAKING: tuple[Any, ...] = (
    *(Invitation.generation, Invitation.email, Invitation.phone),
    *(Invitation.accepted_at, Invitation.removed_at),
)
"""Facts of an invitation that may make a message pointless while it is being sent."""
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
    """The patient's address as it was when this was claimed."""


@dataclass(frozen=True, slots=True)
class Result:
    """How the call to a provider ended.

    Refused is for certain: with `again` it is tried anew, after `wait` where the provider said so.
    """

    answer: Answer
    reason: str | None = None
    reference: str | None = None
    again: bool = False
    wait: timedelta | None = None


def put(invitation: Invitation, channels: Iterable[Channel], *, place: int, now: datetime) -> None:
    """Queue the messages of the invitation's current generation. Nothing is sent yet.

    `place` is the invitation's place in what is queued with it: a thousand of one clinic take
    later turns than the first few of another.
    """
    deliveries = [
        Delivery(
            clinic_id=invitation.clinic_id,
            invitation_id=invitation.id,
            kind=Kind.INVITATION,
            channel=channel,
            generation=invitation.generation,
            state=DeliveryState.QUEUED,
            queued_at=now,
            turn=turn(now, place),
        )
        for channel in channels
    ]
    db.session.add_all(deliveries)
    invitation.sending, invitation.doubt_since = status.amount_to(deliveries)


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
            *_sent_for(invitation.clinic_id, invitation.id),
            Delivery.channel.in_(list(channels)),
            Delivery.state == DeliveryState.QUEUED,
        )
        .values(state=DeliveryState.WITHDRAWN, reason=because)
    )
    if withdrawn:
        _sum_up(invitation.clinic_id, invitation.id)


def requeue(invitation: Invitation) -> None:
    """What the removal withdrew of the current send is sent after all."""
    requeued = change(
        update(Delivery)
        .where(
            *_sent_for(invitation.clinic_id, invitation.id),
            Delivery.generation == invitation.generation,
            Delivery.state == DeliveryState.WITHDRAWN,
            Delivery.reason == Action.REMOVED,
        )
        .values(state=DeliveryState.QUEUED, reason=None)
    )
    if requeued:
        _sum_up(invitation.clinic_id, invitation.id)


def may_have_arrived(invitation: Invitation, channels: Iterable[Channel]) -> bool:
    """Whether a message with the present code, by these channels, did not fail for certain.

    What is queued counts as not arrived: withdraw it first. A generation without messages is one
    that another code began, or the first of who is given the code: what came before says nothing.
    """
    columns = (Delivery.generation, Delivery.channel, Delivery.state)
    sent = db.session.execute(
        select(*columns).where(*_sent_for(invitation.clinic_id, invitation.id))
    ).all()
    silent = set(range(1, invitation.generation + 1)) - {each.generation for each in sent}
    code_since = max(silent, default=0)
    ways = set(channels)
    return any(
        each.generation > code_since and each.channel in ways and each.state in MAY_HAVE_ARRIVED
        for each in sent
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


def is_waiting(now: datetime) -> bool:
    """Whether there is anything to claim or to give up; only reads."""
    lapsed = (Delivery.state == DeliveryState.SENDING) & (Delivery.leased_until < now)
    return any(
        db.session.scalar(select(Delivery.id).where(due).limit(1)) is not None
        for due in (_is_due(now), lapsed)
    )


def claim(limit: int, *, now: datetime) -> list[Claimed]:
    """Take up to `limit` due deliveries and write their attempts.

    The caller commits before the first call. A crash after that commit leaves them in doubt.
    """
    mark = secrets.token_hex(16)
    pick = (
        locked(select(Delivery.clinic_id, Delivery.id).where(_is_due(now)))
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
    return [_begin(delivery, mark, now) for delivery in _claimed_under(mark)]


def settle(claimed: Claimed, result: Result, *, now: datetime) -> bool:
    """Write down how the call ended; True where that was still ours to say.

    What staff or the patient have overtaken meanwhile is not tried again. Who finishes after the
    lease has lapsed may still turn doubt into certainty: the claim is the same. Only a person's
    Resend makes another.
    """
    delivery = claimed.delivery
    overtaken = _overtaken_by(claimed, _lock_invitation(delivery))
    state, facts = _after(delivery, result, overtaken, now)
    unsettled = [DeliveryState.SENDING]
    if result.answer != Answer.UNKNOWN:  # which is no news where there is doubt already
        unsettled.append(DeliveryState.IN_DOUBT)
    was_ours = change(
        update(Delivery)
        .where(
            Delivery.clinic_id == delivery.clinic_id,
            Delivery.id == delivery.id,
            Delivery.claim == claimed.claim,
            Delivery.state.in_(unsettled),
        )
        .values(state=state, **facts)
    )
    change(
        update(Attempt)
        .where(Attempt.clinic_id == delivery.clinic_id, Attempt.id == claimed.attempt_id)
        .values(
            ended_at=now,
            answer=result.answer,
            reason=result.reason,
            provider_reference=result.reference,
        )
    )
    if was_ours:
        _tell(delivery, state, result.reason, now)
    return bool(was_ours)


def doubt_lapsed(*, now: datetime) -> int:
    """What was being sent when its worker died may have arrived: doubt since its lease ended."""
    lapsed = db.session.scalars(
        select(Delivery)
        .where(Delivery.state == DeliveryState.SENDING, Delivery.leased_until < now)
        .order_by(Delivery.clinic_id, Delivery.invitation_id, Delivery.id)
        .execution_options(populate_existing=True)
    ).all()
    return sum(_doubt(delivery, now) for delivery in lapsed)


def _doubt(delivery: Delivery, now: datetime) -> int:
    """Unless it was settled meanwhile. The invitation is locked first, as `settle` does."""
    _lock_invitation(delivery)
    lapsed = change(
        update(Delivery)
        .where(
            Delivery.clinic_id == delivery.clinic_id,
            Delivery.id == delivery.id,
            Delivery.claim == delivery.claim,
            Delivery.state == DeliveryState.SENDING,
        )
        .values(state=DeliveryState.IN_DOUBT, doubt_since=delivery.leased_until)
    )
    if lapsed:
        _tell(delivery, DeliveryState.IN_DOUBT, "lapsed", now)
    return lapsed


def turn(now: datetime, place: int) -> int:
    return int(now.timestamp() * 1000) + place * TURN_STEP_MS


def _is_due(now: datetime) -> ColumnElement[bool]:
    return (Delivery.state == DeliveryState.QUEUED) & or_(
        Delivery.not_before.is_(None), Delivery.not_before <= now
    )


def _claimed_under(mark: str) -> list[Delivery]:
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


def _begin(delivery: Delivery, mark: str, now: datetime) -> Claimed:
    attempt_id = secrets.token_hex(16)
    db.session.add(
        Attempt(
            clinic_id=delivery.clinic_id,
            id=attempt_id,
            delivery_id=delivery.id,
            started_at=now,
        )
    )
    return Claimed(delivery, attempt_id, mark, _address(delivery.channel, delivery.invitation))


def _address(channel: Channel, owner: Invitation | Row[Any] | None) -> str | None:
    """Where an invitation's message goes by this channel, if anywhere."""
    if owner is None:
        return None
    address: str | None = owner.email if channel == Channel.EMAIL else owner.phone
    return address


def _after(
    delivery: Delivery, result: Result, overtaken: Action | None, now: datetime
) -> tuple[DeliveryState, dict[str, object]]:
    """The delivery's next state and facts."""
    if result.answer == Answer.ACCEPTED:
        return DeliveryState.SENT, {"settled_at": now, "doubt_since": None, "reason": None}
    if result.answer == Answer.UNKNOWN:
        return DeliveryState.IN_DOUBT, {"doubt_since": now, "reason": result.reason}
    if result.again and delivery.attempts < MOST_ATTEMPTS:
        if overtaken:
            return DeliveryState.WITHDRAWN, {"doubt_since": None, "reason": overtaken}
        wait = result.wait or _back_off(delivery.attempts)
        return DeliveryState.QUEUED, {"not_before": now + wait, "doubt_since": None}
    return DeliveryState.FAILED, {
        "settled_at": now,
        "doubt_since": None,
        "reason": result.reason,
    }


def _back_off(attempts: int) -> timedelta:
    """Twice as long each time, with jitter: those refused together do not return together."""
    wait: timedelta = min(FIRST_WAIT * 2 ** (attempts - 1), LONGEST_WAIT)
    return wait * (0.75 + secrets.randbelow(500) / 1000)


def _lock_invitation(delivery: Delivery) -> Row[Any] | None:
    """What it says now; None for account mail.

    Two channels settled at once take turns, so that the later one sees both.
    """
    if delivery.invitation_id is None:
        return None
    return db.session.execute(
        select(*OVERTAKING)
        .where(Invitation.clinic_id == delivery.clinic_id, Invitation.id == delivery.invitation_id)
        .with_for_update()
    ).one_or_none()


def _overtaken_by(claimed: Claimed, invitation: Row[Any] | None) -> Action | None:
    """What was done since the claim so that the message is not wanted again.

    Removal comes last: what it alone withdrew, Undo sends after all.
    """
    if invitation is None:
        return None
    if invitation.generation != claimed.delivery.generation:
        return Action.RESENT
    if _address(claimed.delivery.channel, invitation) != claimed.sent_to:
        return Action.CONTACT_CHANGED
    if invitation.accepted_at:
        return Action.ACCEPTED
    return Action.REMOVED if invitation.removed_at else None


def _sent_for(clinic_id: int, invitation_id: int | None) -> tuple[ColumnElement[bool], ...]:
    return (
        Delivery.clinic_id == clinic_id,
        Delivery.invitation_id == invitation_id,
        Delivery.kind == Kind.INVITATION,
    )


ACTIONS = {
    DeliveryState.SENT: Action.SENT,
    DeliveryState.FAILED: Action.FAILED,
    DeliveryState.IN_DOUBT: Action.IN_DOUBT,
}


def _tell(delivery: Delivery, state: DeliveryState, reason: str | None, now: datetime) -> None:
    """Keep on the invitation what its deliveries amount to now, and record the change."""
    if delivery.invitation_id is None:
        return
    _sum_up(delivery.clinic_id, delivery.invitation_id)
    if state in ACTIONS:
        activity.record(
            ACTIONS[state],
            clinic_id=delivery.clinic_id,
            invitation_id=delivery.invitation_id,
            now=now,
            channel=delivery.channel,
            reason=reason,
        )


def _sum_up(clinic_id: int, invitation_id: int) -> None:
    """Keep on the invitation what the messages of its current send amount to."""
    here = (Invitation.clinic_id == clinic_id, Invitation.id == invitation_id)
    current = select(Invitation.generation).where(*here).scalar_subquery()
    deliveries = db.session.execute(
        select(Delivery.state, Delivery.doubt_since).where(
            *_sent_for(clinic_id, invitation_id), Delivery.generation == current
        )
    ).all()
    sending, doubt_since = status.amount_to(deliveries)
    change(update(Invitation).where(*here).values(sending=sending, doubt_since=doubt_since))
