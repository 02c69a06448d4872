"""The journal of messages: what is queued, and what becomes of it before its turn.

A worker claims it then (`claiming`), and settles what came of the call (`settling`).
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    exists,
    func,
    select,
    text,
    update,
)

from inviter import status
from inviter.activity import Action
from inviter.db import change, db
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
from inviter.standing import sent_for, sum_up
from inviter.status import DeliveryState

TURN_STEP_MS = 1000
MAY_HAVE_ARRIVED = (
    DeliveryState.SENDING,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.IN_DOUBT,
)


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
def queued_by(moment: datetime) -> int:
    """How many that were queued by then still are."""
    query = select(func.count()).select_from(Delivery)
    return db.session.scalar(query.where(text(QUEUED), Delivery.queued_at <= moment)) or 0


def turn(now: datetime, place: int) -> int:
    return int(now.timestamp() * 1000) + place * TURN_STEP_MS
