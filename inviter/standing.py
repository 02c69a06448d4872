"""What the deliveries of an invitation amount to, kept on the invitation as they change."""

from typing import Any

from sqlalchemy import ColumnElement, Row, select, update

from inviter import status
from inviter.db import change, db
from inviter.models import Channel, Delivery, Invitation, Kind, User


def sent_for(clinic_id: int, invitation_id: int | None) -> tuple[ColumnElement[bool], ...]:
    return (
        Delivery.clinic_id == clinic_id,
        Delivery.invitation_id == invitation_id,
        Delivery.kind == Kind.INVITATION,
    )


def sum_up(clinic_id: int, invitation_id: int) -> None:
    """Keep on the invitation what the messages of its current send amount to."""
    here = (Invitation.clinic_id == clinic_id, Invitation.id == invitation_id)
    current = select(Invitation.generation).where(*here).scalar_subquery()
    deliveries = db.session.execute(
        select(Delivery.state, Delivery.doubt_since).where(
            *sent_for(clinic_id, invitation_id), Delivery.generation == current
        )
    ).all()
    sending, doubt_since = status.amount_to(deliveries)
    change(update(Invitation).where(*here).values(sending=sending, doubt_since=doubt_since))


def address_of(channel: Channel, owner: Invitation | User | Row[Any] | None) -> str | None:
    """Where a message to them goes by this channel, if anywhere."""
    if owner is None:
        return None
    address: str | None = owner.email if channel == Channel.EMAIL else owner.phone
    return address
