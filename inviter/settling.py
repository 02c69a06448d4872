"""How a call to a provider ended -> what its delivery and its invitation are from then on.

What was claimed is settled once, by whoever holds the claim. A call whose end nobody saw is in
doubt, and stays so until there is evidence: it is never made again by itself.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select, update

from inviter import activity, opt_outs
from inviter.activity import Action
from inviter.db import change, db
from inviter.models import Answer, Attempt, Delivery, Invitation
from inviter.outbox import Claimed
from inviter.reports import OPTED_OUT, Report
from inviter.standing import address_of, sum_up
from inviter.status import DeliveryState

MOST_ATTEMPTS = 8
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
OVERTAKING: tuple[Any, ...] = (
    *(Invitation.generation, Invitation.email, Invitation.phone),
    *(Invitation.accepted_at, Invitation.removed_at),
)
"""Facts of an invitation that may make a message pointless while it is being sent."""


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


def settle(claimed: Claimed, result: Result, *, now: datetime) -> bool:
    """Write down how the call ended; True where that was still ours to say.

    What staff or the patient have overtaken meanwhile is not tried again. Who finishes after the
    lease has lapsed may still turn doubt into certainty: the claim is the same. Only a person's
    Resend makes another. What the provider has reported by then (`events`) stands: it is later.
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
    if result.reason == OPTED_OUT and claimed.sent_to and not claimed.opted_out:
        opt_outs.add(delivery.channel, claimed.sent_to, Report.OPTED_OUT, at=now)
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
    is_unwanted = result.reason == OPTED_OUT
    return DeliveryState.SUPPRESSED if is_unwanted else DeliveryState.FAILED, {
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
    if address_of(claimed.delivery.channel, invitation) != claimed.sent_to:
        return Action.CONTACT_CHANGED
    if invitation.accepted_at:
        return Action.ACCEPTED
    return Action.REMOVED if invitation.removed_at else None


ACTIONS = {
    DeliveryState.SENT: Action.SENT,
    DeliveryState.DELIVERED: Action.DELIVERED,
    DeliveryState.FAILED: Action.FAILED,
    DeliveryState.SUPPRESSED: Action.SUPPRESSED,
    DeliveryState.IN_DOUBT: Action.IN_DOUBT,
}


def _tell(delivery: Delivery, state: DeliveryState, reason: str | None, now: datetime) -> None:
    """Keep on the invitation what its deliveries amount to now, and record the change."""
    if delivery.invitation_id is None:
        return
    sum_up(delivery.clinic_id, delivery.invitation_id)
    if state in ACTIONS:
        activity.record(
            ACTIONS[state],
            clinic_id=delivery.clinic_id,
            invitation_id=delivery.invitation_id,
            now=now,
            channel=delivery.channel,
            reason=reason,
        )
