"""What the deliveries of an invitation amount to, kept on the invitation as they change."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, select, update

from inviter import status
from inviter.db import among, db
from inviter.models import Channel, Delivery, Invitation, Kind, User

INVITATIONS: Any = Invitation.__table__
SUM = (
    update(INVITATIONS)
    .where(
        INVITATIONS.c.clinic_id == bindparam("at_clinic"), INVITATIONS.c.id == bindparam("the_id")
    )
    .values(sending=bindparam("sending"), doubt_since=bindparam("doubt_since"))
)


def sent_for(clinic_id: Any, invitation_id: Any) -> tuple[ColumnElement[bool], ...]:
    return (
        Delivery.clinic_id == clinic_id,
        Delivery.invitation_id == invitation_id,
        Delivery.kind == Kind.INVITATION,
    )


def sum_up(clinic_id: int, invitation_id: int) -> None:
    """Keep on the invitation what the messages of its current send amount to."""
    sum_up_all([(clinic_id, invitation_id)])


def sum_up_all(invitations: Collection[tuple[int, int]]) -> None:
    """The same for many, by clinic and id: two statements for all of them."""
    deliveries = db.session.execute(
        select(Invitation.clinic_id, Invitation.id, Delivery.state, Delivery.doubt_since)
        .outerjoin_from(
            Invitation,
            Delivery,
            and_(
                *sent_for(Invitation.clinic_id, Invitation.id),
                Delivery.generation == Invitation.generation,
            ),
        )
        .where(among((Invitation.clinic_id, Invitation.id), invitations))
    )
    of_each = defaultdict[tuple[int, int], list[Any]](list)
    for each in deliveries:
        of_each[each.clinic_id, each.id] += [each] if each.state else []
    summed = [
        {"at_clinic": clinic_id, "the_id": id, "sending": sending, "doubt_since": doubt_since}
        for (clinic_id, id), some in of_each.items()
        for sending, doubt_since in [status.amount_to(some)]
    ]
    if summed:
        db.session.connection().execute(SUM, summed)


def address_of(channel: Channel, owner: Invitation | User | Row[Any] | None) -> str | None:
    """Where a message to them goes by this channel, if anywhere."""
    if owner is None:
        return None
    address: str | None = owner.email if channel == Channel.EMAIL else owner.phone
    return address
