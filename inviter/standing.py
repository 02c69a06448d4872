"""What the deliveries of an invitation amount to, kept on the invitation as they change."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from inviter import status
from inviter.db import among, db
from inviter.many_rows import change_each
from inviter.models import Channel, Delivery, Invitation, Kind, User


def sent_for(clinic_id: int, invitation_id: int | None) -> tuple[ColumnElement[bool], ...]:
    return (
        Delivery.clinic_id == clinic_id,
        Delivery.invitation_id == invitation_id,
        Delivery.kind == Kind.INVITATION,
    )


def sum_up(clinic_id: int, invitation_id: int) -> None:
    """Keep on the invitation what the messages of its current send amount to."""
    sum_up_all([(clinic_id, invitation_id)])


def sum_up_all(invitations: Collection[tuple[int, int]]) -> None:
    """The same for many, by clinic and id: three statements for all of them.

    Joined, PostgreSQL reads the whole table of deliveries for a few.
    """
    current = db.session.execute(
        select(Invitation.clinic_id, Invitation.id, Invitation.generation).where(
            among((Invitation.clinic_id, Invitation.id), invitations)
        )
    )
    of_each: dict[tuple[Any, ...], list[Any]] = {tuple(each): [] for each in current}
    place = (Delivery.clinic_id, Delivery.invitation_id)
    deliveries = db.session.execute(
        select(*place, Delivery.generation, Delivery.state, Delivery.doubt_since).where(
            among(place, invitations), Delivery.kind == Kind.INVITATION
        )
    )
    for each in deliveries:
        of_each.get((each.clinic_id, each.invitation_id, each.generation), []).append(each)
    summed = [
        {"clinic_id": clinic_id, "id": id, "sending": sending, "doubt_since": doubt_since}
        for (clinic_id, id, _), some in of_each.items()
        for sending, doubt_since in [status.amount_to(some)]
    ]
    change_each(Invitation.__table__, ("clinic_id", "id"), summed)


def address_of(channel: Channel, owner: Invitation | User | Row[Any] | None) -> str | None:
    """Where a message to them goes by this channel, if anywhere."""
    if owner is None:
        return None
    address: str | None = owner.email if channel == Channel.EMAIL else owner.phone
    return address
