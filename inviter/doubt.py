"""Messages of which nobody saw whether they left: in doubt, until there is evidence.

None is sent again by itself.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, String, select, type_coerce, update

from inviter.db import change, db
from inviter.models import Delivery, Invitation
from inviter.scope import across_clinics
from inviter.settling import locked, tell_all
from inviter.status import DeliveryState


@across_clinics()
def has_lapsed(now: datetime) -> bool:
    """Whether something was being sent when its worker died, and its lease has ended; only
    reads."""
    query = select(Delivery.id).where(*_lapsed(now)).limit(1)
    return db.session.scalar(query) is not None


def of_lapsed(*, now: datetime) -> int:
    """Such a message may have arrived: doubt since its lease ended."""
    return sum(
        _doubt(each, "lapsed", since=each.leased_until or now, now=now)
        for each in _those(*_lapsed(now))
    )


def _lapsed(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return Delivery.state == DeliveryState.SENDING, Delivery.leased_until < now


def of_sending(*, now: datetime) -> int:
    """Whatever is being sent may have arrived: nobody who sends it is alive any more."""
    sending = _those(Delivery.state == DeliveryState.SENDING)
    return sum(_doubt(each, "restored", since=now, now=now) for each in sending)


def of_queued(*, before: datetime, now: datetime) -> int:
    """Whatever was queued by then may have been sent in the time that a restore took back."""
    queued = _those(Delivery.state == DeliveryState.QUEUED, Delivery.queued_at <= before)
    return sum(_doubt(each, "restored", since=now, now=now) for each in queued)


ITS_KIND = type_coerce(Delivery.kind, String).label("kind")
"""As it is written: one that only a later version knows must not keep others waiting."""
FACTS: tuple[Any, ...] = (
    *(Delivery.clinic_id, Delivery.id, Delivery.invitation_id, Delivery.channel, ITS_KIND),
    *(Delivery.state, Delivery.claim, Delivery.leased_until),
)


@across_clinics()
def _those(*where: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Account mail last: what has an invitation is locked behind it."""
    is_account_mail = Delivery.invitation_id.is_(None)
    order = (is_account_mail, Delivery.clinic_id, Delivery.invitation_id, Delivery.id)
    return db.session.execute(select(*FACTS).where(*where).order_by(*order)).all()


def _doubt(delivery: Row[Any], reason: str, *, since: datetime, now: datetime) -> int:
    """Unless it has changed meanwhile. The invitation is locked first, as `settle_all` does."""
    if delivery.invitation_id is not None:
        locked(Invitation, [(delivery.clinic_id, delivery.invitation_id)], ())
    doubted = change(
        update(Delivery)
        .where(
            Delivery.clinic_id == delivery.clinic_id,
            Delivery.id == delivery.id,
            Delivery.claim.is_not_distinct_from(delivery.claim),
            Delivery.state == delivery.state,
        )
        .values(state=DeliveryState.IN_DOUBT, doubt_since=since)
    )
    if doubted:
        tell_all([(delivery, DeliveryState.IN_DOUBT, reason)], now)
    return doubted
