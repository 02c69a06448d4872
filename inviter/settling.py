"""How a call to a provider ended -> what its delivery and its invitation are from then on.

What was claimed is settled once, by whoever holds the claim. A call whose end nobody saw is in
doubt, and stays so until there is evidence: it is never made again by itself.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from inviter import activity, budgets, opt_outs
from inviter.activity import Action
from inviter.claiming import Claimed
from inviter.db import among, db
from inviter.many_rows import change_each
from inviter.models import Answer, Attempt, Delivery, Invitation, Kind
from inviter.reports import OPTED_OUT, Report
from inviter.standing import address_of, sum_up_all
from inviter.status import DeliveryState

Key = tuple[int, int]
"""A clinic's id and the id of something of its own."""

OF_ITS_SENDER = ("not-permitted", "unreachable", "overloaded")
"""Reasons for which a sender refuses whatever it is handed: it is paused (`pauses`)."""

MOST_ATTEMPTS = 8
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
OVERTAKING: tuple[Any, ...] = (
    *(Invitation.generation, Invitation.email, Invitation.phone),
    *(Invitation.accepted_at, Invitation.removed_at, Invitation.disowned_at),
)
"""Facts of an invitation that may make a message pointless while it is being sent."""


UNTOLD: dict[str, object] = dict.fromkeys(("reason", "settled_at", "doubt_since", "not_before"))


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
    called: bool = True
    """Or the provider was never spoken to: this tells nothing of it."""

    @property
    def counts_not(self) -> bool:
        """No fault of this message, and no use of waiting: it keeps its turn."""
        return self.again and self.reason in (NOT_CALLED.reason, *OF_ITS_SENDER)


NOT_CALLED = Result(Answer.REFUSED, "not-called", again=True, called=False)


def refused_here(reason: str) -> Result:
    """Of a message that is not to be sent."""
    return Result(Answer.REFUSED, reason, called=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over."""

    claimed: Claimed
    result: Result

    @property
    def key(self) -> Key:
        return self.claimed.delivery.clinic_id, self.claimed.delivery.id


def settle(claimed: Claimed, result: Result, *, now: datetime) -> bool:
    """Write down how one call ended; True where that was still ours to say."""
    return bool(settle_all([Ended(claimed, result)], now=now))


def settle_all(calls: Sequence[Ended], *, now: datetime) -> list[Ended]:
    """Write down how calls ended, in one transaction; those of which that was still ours to say.

    What staff or the patient have overtaken meanwhile is not tried again. Who finishes after the
    lease has lapsed may still turn doubt into certainty: the claim is the same. Only a person's
    Resend makes another. What the provider has reported by then (`events`) stands: it is later.

    Invitations are locked before their deliveries, both in the order of their ids, as everyone
    does: whoever settles waits for others, and never in a circle.
    """
    if not calls:
        return []
    for_invitations = _lock_invitations(calls)
    held = _lock_deliveries(calls)
    moved = []
    for call in calls:
        if _is_ours(call, held.get(call.key)):
            delivery = call.claimed.delivery
            facts = for_invitations.get((delivery.clinic_id, delivery.invitation_id or 0))
            moved.append((call, _after(call, _overtaken_by(call.claimed, facts), now)))
    change_each(
        Delivery.__table__,
        ("clinic_id", "id", "claim"),
        [_place(call) | facts | {"state": to} for call, (to, facts) in moved],
    )
    change_each(Attempt.__table__, ("clinic_id", "id"), [_end(call, now) for call in calls])
    tell_all([(call.claimed.delivery, to, call.result.reason) for call, (to, _) in moved], now)
    _keep_opt_outs(calls, now)
    return [call for call, _ in moved]


def give_back(calls: Sequence[Ended]) -> None:
    """What certainly did not leave is not counted as a text of the day.

    Last in the transaction: who claims has a pause's row before those of budgets.
    """
    unsent = [each.claimed for each in calls if each.result.answer == Answer.REFUSED]
    budgets.give_back_all(Counter(each for claimed in unsent for each in claimed.counted))


def _keep_opt_outs(calls: Sequence[Ended], now: datetime) -> None:
    """What a provider refused because nothing more is wanted there."""
    addresses = {
        (claimed.delivery.channel, claimed.sent_to)
        for claimed, result in ((call.claimed, call.result) for call in calls)
        if result.reason == OPTED_OUT and not claimed.opted_out
    }
    for channel, address in sorted(addresses, key=str):
        if address:
            opt_outs.add(channel, address, Report.OPTED_OUT, at=now)


def _is_ours(call: Ended, held: Row[Any] | None) -> bool:
    if held is None or held.claim != call.claimed.claim:
        return False
    if call.result.answer == Answer.UNKNOWN:  # which is no news where there is doubt already
        return bool(held.state == DeliveryState.SENDING)
    return held.state in (DeliveryState.SENDING, DeliveryState.IN_DOUBT)


def _after(
    call: Ended, overtaken: Action | None, now: datetime
) -> tuple[DeliveryState, dict[str, object]]:
    """The delivery's next state, and its facts where they are not empty."""
    result, attempts = call.result, call.claimed.delivery.attempts
    if result.answer == Answer.ACCEPTED:
        return DeliveryState.SENT, {"settled_at": now}
    if result.answer == Answer.UNKNOWN:
        return DeliveryState.IN_DOUBT, {"doubt_since": now, "reason": result.reason}
    if result.again and (result.counts_not or attempts < MOST_ATTEMPTS):
        if overtaken:
            return DeliveryState.WITHDRAWN, {"reason": overtaken}
        if result.counts_not:
            return DeliveryState.QUEUED, {"attempts": attempts - 1}
        return DeliveryState.QUEUED, {"not_before": now + (result.wait or _back_off(attempts))}
    is_unwanted = result.reason == OPTED_OUT
    to = DeliveryState.SUPPRESSED if is_unwanted else DeliveryState.FAILED
    return to, {"settled_at": now, "reason": result.reason}


def _back_off(attempts: int) -> timedelta:
    """Twice as long each time, with jitter: those refused together do not return together."""
    wait: timedelta = min(FIRST_WAIT * 2 ** (attempts - 1), LONGEST_WAIT)
    return wait * (0.75 + secrets.randbelow(500) / 1000)


def _place(call: Ended) -> dict[str, object]:
    """Its delivery, with the facts that stay as they are or are empty."""
    clinic_id, delivery_id = call.key
    here = {"clinic_id": clinic_id, "id": delivery_id, "claim": call.claimed.claim}
    return here | UNTOLD | {"attempts": call.claimed.delivery.attempts}


def _end(call: Ended, now: datetime) -> dict[str, object]:
    return {
        "clinic_id": call.claimed.delivery.clinic_id,
        "id": call.claimed.attempt_id,
        "ended_at": now,
        "answer": call.result.answer,
        "reason": call.result.reason,
        "provider_reference": call.result.reference,
    }


def _lock_invitations(calls: Sequence[Ended]) -> dict[Key, Row[Any]]:
    """What they say now; there is none for account mail.

    Two channels settled at once take turns, so that the later one sees both.
    """
    keys = {
        (each.claimed.delivery.clinic_id, each.claimed.delivery.invitation_id)
        for each in calls
        if each.claimed.delivery.invitation_id
    }
    return locked(Invitation, keys, OVERTAKING) if keys else {}


def _lock_deliveries(calls: Sequence[Ended]) -> dict[Key, Row[Any]]:
    return locked(Delivery, {each.key for each in calls}, (Delivery.state, Delivery.claim))


def locked(model: Any, keys: Collection[Key], columns: tuple[Any, ...]) -> dict[Key, Row[Any]]:
    found = db.session.execute(
        select(model.clinic_id, model.id, *columns)
        .where(among((model.clinic_id, model.id), keys))
        .order_by(model.clinic_id, model.id)
        .with_for_update()
    )
    return {(each.clinic_id, each.id): each for each in found}


def _overtaken_by(claimed: Claimed, invitation: Row[Any] | None) -> Action | None:
    """What was done since the claim so that the message is not wanted again.

    Removal comes last: what it alone withdrew, Undo sends after all.
    """
    if invitation is None or claimed.delivery.kind == Kind.JOINED:
        return None
    if invitation.generation != claimed.delivery.generation:
        return Action.RESENT
    if address_of(claimed.delivery.channel, invitation) != claimed.sent_to:
        return Action.CONTACT_CHANGED
    if invitation.accepted_at:
        return Action.ACCEPTED
    if invitation.disowned_at:
        return Action.DISOWNED
    return Action.REMOVED if invitation.removed_at else None


ACTIONS = {
    DeliveryState.SENT: Action.SENT,
    DeliveryState.DELIVERED: Action.DELIVERED,
    DeliveryState.FAILED: Action.FAILED,
    DeliveryState.SUPPRESSED: Action.SUPPRESSED,
    DeliveryState.IN_DOUBT: Action.IN_DOUBT,
}


def tell_all(moved: Sequence[tuple[Any, DeliveryState, str | None]], now: datetime) -> None:
    """Keep on the invitations what their deliveries amount to now, and record the changes."""
    of_invitations = [each for each in moved if each[0].invitation_id is not None]
    if not of_invitations:
        return
    sum_up_all({(each.clinic_id, each.invitation_id or 0) for each, _, _ in of_invitations})
    activity.record_all(
        {
            "clinic_id": delivery.clinic_id,
            "at": now,
            "action": ACTIONS[state],
            "invitation_id": delivery.invitation_id,
            "details": details_of(delivery, reason),
        }
        for delivery, state, reason in of_invitations
        if state in ACTIONS
    )


def details_of(delivery: Any, reason: str | None) -> dict[str, Any]:
    """What the record says of a message beside its end; an invitation is the usual kind."""
    kind = {} if delivery.kind == Kind.INVITATION else {"kind": delivery.kind}
    return {"channel": delivery.channel, "reason": reason, **kind}
