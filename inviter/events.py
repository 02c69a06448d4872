"""What providers report later: written down once, and what follows from it.

A delivery is what all reports of its attempts amount to (`reports`), so that neither order nor
repetition matters. Locks are taken as in `settling`: events, invitations, deliveries, opt outs,
each in the order of their keys.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from sqlalchemy import select, tuple_, update

from inviter import activity, opt_outs, reports
from inviter.db import change, db, insert
from inviter.models import NO_CLINIC, Attempt, Channel, Delivery, Invitation, ProviderEvent
from inviter.reports import OPTING_OUT, Fact, Report
from inviter.scope import across_clinics
from inviter.settling import ACTIONS, details_of
from inviter.standing import sum_up

MOST_AT_ONCE = 50
"""Events in one `take`: who else writes to SQLite waits so long, about 75 ms."""

log = structlog.get_logger()


class Event(NamedTuple):
    """What a provider says happened. `address` is that of who stops or starts messages."""

    provider: str
    id: str
    report: Report
    channel: Channel
    occurred_at: datetime
    attempt_id: str | None = None
    reason: str | None = None
    address: str | None = None


class _Key(NamedTuple):
    """Of a row that belongs to a clinic."""

    clinic_id: int
    id: int


Attempts = Mapping[str | None, _Key]
"""The delivery of each attempt."""


def take(events: Iterable[Event], *, now: datetime) -> int:
    """Write down what is new of these and what it changes; how many were new.

    At most MOST_AT_ONCE, in a transaction of their own. What names an attempt that is not ours
    changes nothing. No event is later than `now`.
    """
    heard = {
        (each.provider, each.id): each._replace(occurred_at=min(each.occurred_at, now))
        for each in events
    }
    attempts = _attempts(heard.values())
    ours = [each for _key, each in sorted(heard.items()) if each.attempt_id in attempts]
    if len(ours) < len(heard):
        log.warning("events of unknown attempts", count=len(heard) - len(ours))
    new = _write_down(ours, attempts, now)
    _settle({attempts[each.attempt_id] for each in new if each.attempt_id}, now)
    _opt_out_and_in(new)
    return len(new)


@across_clinics()
def _attempts(events: Iterable[Event]) -> Attempts:
    """Those that are ours. What names none belongs to no clinic and to no delivery."""
    ids = {each.attempt_id for each in events if each.attempt_id}
    found = db.session.execute(
        select(Attempt.id, Attempt.clinic_id, Attempt.delivery_id).where(Attempt.id.in_(ids))
    )
    return {None: _Key(NO_CLINIC, 0), **{attempt_id: _Key(*key) for attempt_id, *key in found}}


def _write_down(events: Sequence[Event], attempts: Attempts, now: datetime) -> list[Event]:
    """Those which were not there yet; what another is writing down at this moment is waited for."""
    if not events:
        return []
    values = [
        {
            "provider": each.provider,
            "id": each.id,
            "clinic_id": attempts[each.attempt_id].clinic_id,
            "attempt_id": each.attempt_id,
            "report": each.report,
            "reason": each.reason,
            "occurred_at": each.occurred_at,
            "received_at": now,
        }
        for each in events
    ]
    writing = insert(ProviderEvent).values(values).on_conflict_do_nothing()
    written = db.session.execute(writing.returning(ProviderEvent.provider, ProviderEvent.id))
    new = {(provider, event_id) for provider, event_id in written}
    return [each for each in events if (each.provider, each.id) in new]


def _settle(keys: set[_Key], now: datetime) -> None:
    """These deliveries are what their reports amount to, whatever they were before."""
    if not keys:
        return
    _lock_invitations(keys)
    changed: set[_Key] = set()
    deliveries = _locked(keys)
    facts = _facts(keys)
    for each in deliveries:
        fact = facts.get(_Key(each.clinic_id, each.id))
        if fact is None or (each.state, each.reason) == fact[:2]:
            continue
        _write(each, fact)
        if each.invitation_id is not None:
            changed.add(_Key(each.clinic_id, each.invitation_id))
            _record(each, fact, now)
    for key in sorted(changed):
        sum_up(*key)


def _lock_invitations(keys: Iterable[_Key]) -> None:
    """Before their deliveries, as everyone does: who settles a call of theirs takes turns."""
    theirs = select(Delivery.clinic_id, Delivery.invitation_id).where(_is_one_of(keys))
    db.session.execute(
        select(Invitation.id)
        .where(tuple_(Invitation.clinic_id, Invitation.id).in_(theirs))
        .order_by(Invitation.clinic_id, Invitation.id)
        .with_for_update()
    ).all()


def _locked(keys: Iterable[_Key]) -> Sequence[Any]:
    """As they stand now; those of accounts have no invitation that is locked for them."""
    return db.session.execute(
        select(
            Delivery.clinic_id,
            Delivery.id,
            Delivery.invitation_id,
            Delivery.kind,
            Delivery.channel,
            Delivery.state,
            Delivery.reason,
        )
        .where(_is_one_of(keys))
        .order_by(Delivery.clinic_id, Delivery.id)
        .with_for_update()
    ).all()


def _facts(keys: Iterable[_Key]) -> dict[_Key, Fact]:
    """What the reports of each delivery amount to, those of its earlier attempts too."""
    told: dict[_Key, list[Any]] = {}
    columns = (ProviderEvent.report, ProviderEvent.reason, ProviderEvent.occurred_at)
    found = db.session.execute(
        select(Attempt.clinic_id, Attempt.delivery_id, *columns)
        .join(
            Attempt,
            (Attempt.clinic_id == ProviderEvent.clinic_id)
            & (Attempt.id == ProviderEvent.attempt_id),
        )
        .where(tuple_(Attempt.clinic_id, Attempt.delivery_id).in_(keys))
    )
    for each in found:
        told.setdefault(_Key(each.clinic_id, each.delivery_id), []).append(each)
    facts = {key: reports.amount_to(each) for key, each in told.items()}
    return {key: fact for key, fact in facts.items() if fact}


def _write(delivery: Any, fact: Fact) -> None:
    change(
        update(Delivery)
        .where(Delivery.clinic_id == delivery.clinic_id, Delivery.id == delivery.id)
        .values(state=fact.state, reason=fact.reason, settled_at=fact.at, doubt_since=None)
    )


def _record(delivery: Any, fact: Fact, now: datetime) -> None:
    activity.record(
        ACTIONS[fact.state],
        clinic_id=delivery.clinic_id,
        invitation_id=delivery.invitation_id,
        now=now,
        **details_of(delivery, fact.reason),
    )


def _opt_out_and_in(events: Iterable[Event]) -> None:
    spoken = [(each.channel, each.address, each) for each in events if each.address]
    for channel, address, each in sorted(spoken, key=lambda one: one[:2]):
        if each.report in OPTING_OUT:
            opt_outs.add(channel, address, each.report, at=each.occurred_at)
        elif each.report == Report.STARTED:
            opt_outs.lift(channel, address, at=each.occurred_at)


def _is_one_of(keys: Iterable[_Key]) -> Any:
    return tuple_(Delivery.clinic_id, Delivery.id).in_(keys)
