"""Who wants no more messages: an address or a number, on its channel, at whichever clinic.

What is kept does not depend on the order in which it is heard. It is asked once for every message,
when that is claimed (`claiming.begin`), so that nothing that queues one can forget it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, or_, select, update

from inviter.db import change, db, insert
from inviter.models import Channel, Invitation, OptOut
from inviter.reports import Report

Address = tuple[Channel, str]

STANDS = or_(OptOut.lifted_at.is_(None), OptOut.opted_out_at >= OptOut.lifted_at)


def add(channel: Channel, address: str, report: Report, *, at: datetime) -> None:
    """From then on nothing is sent there. What is older than what is known changes nothing."""
    adding = insert(OptOut).values(channel=channel, address=address, report=report, opted_out_at=at)
    new = adding.excluded
    change(
        adding.on_conflict_do_update(
            index_elements=[OptOut.channel, OptOut.address],
            set_={"report": new.report, "opted_out_at": new.opted_out_at},
            where=OptOut.opted_out_at < new.opted_out_at,
        )
    )


def lift(channel: Channel, address: str, *, at: datetime) -> None:
    """Messages are welcome again, unless they were stopped later than that."""
    change(
        update(OptOut)
        .where(
            OptOut.channel == channel,
            OptOut.address == address,
            or_(OptOut.lifted_at.is_(None), OptOut.lifted_at < at),
        )
        .values(lifted_at=at)
    )


def among(addresses: Iterable[Address]) -> set[Address]:
    """Those of these to which nothing is sent."""
    asked = set(addresses)
    found = db.session.execute(
        select(OptOut.channel, OptOut.address).where(
            OptOut.channel.in_(list(Channel)),  # the key begins with it
            OptOut.address.in_({address for _channel, address in asked}),
            STANDS,
        )
    )
    return {(channel, address) for channel, address in found} & asked


def of(invitation: Invitation) -> Sequence[OptOut]:
    """Of the contacts that an invitation has now, lifted ones too."""
    return db.session.scalars(
        select(OptOut).where(
            or_(
                and_(OptOut.channel == Channel.EMAIL, OptOut.address == invitation.email),
                and_(OptOut.channel == Channel.SMS, OptOut.address == invitation.phone),
            )
        )
    ).all()


def stands_for(
    channel: ColumnElement[Channel],
    email: ColumnElement[str | None],
    phone: ColumnElement[str | None],
) -> ColumnElement[bool]:
    """Whether a row of the table says that nothing is sent to whom a row of another names."""
    address = case((channel == Channel.EMAIL, email), else_=phone)
    return and_(OptOut.channel == channel, OptOut.address == address, STANDS)
