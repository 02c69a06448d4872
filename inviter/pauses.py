"""Channels by which nothing leaves for now: their sender is in trouble, or sending is held.

What waits for such a channel stays queued, in its turn. A sender in trouble is probed with one
delivery now and then; what is held waits for a person.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from inviter.db import change, db, insert
from inviter.models import Channel, Pause

HELD = "held"
NO_ANSWER = "no-answer"
FIRST_PROBE = timedelta(seconds=5)
PROBE_EVERY = timedelta(seconds=30)
DOUBTFUL_PROBE_EVERY = timedelta(minutes=5)
"""Where a probe may arrive without our knowing, each costs a person's attention."""


def standing() -> dict[Channel, Pause]:
    return {each.channel: each for each in db.session.scalars(select(Pause))}


def is_shut(pause: Pause | None, now: datetime) -> bool:
    """Whether not even a probe is due."""
    return pause is not None and (pause.probe_at is None or pause.probe_at > now)


def begin(channel: Channel, reason: str, *, now: datetime) -> None:
    """Or keep the reason of what was begun before. What is held stays so."""
    pause = {"channel": channel, "since": now, "reason": reason, "probe_at": now + FIRST_PROBE}
    change(
        insert(Pause)
        .values(pause)
        .on_conflict_do_update(
            index_elements=["channel"], set_={"reason": reason}, where=Pause.probe_at.is_not(None)
        )
    )


def take_probe(pause: Pause, *, now: datetime) -> bool:
    """Whether it is ours, of all workers', to try one delivery by a channel that is paused."""
    wait = DOUBTFUL_PROBE_EVERY if pause.reason == NO_ANSWER else PROBE_EVERY
    return bool(
        change(
            update(Pause)
            .where(Pause.channel == pause.channel, Pause.probe_at <= now)
            .values(probe_at=now + wait)
        )
    )


def give_probe_back(channel: Channel) -> None:
    """It called nobody: the next delivery may be tried at once."""
    is_paused = (Pause.channel == channel, Pause.probe_at.is_not(None))
    change(update(Pause).where(*is_paused).values(probe_at=Pause.since))


def end(channel: Channel, *, called_at: datetime) -> bool:
    """A call that was begun after the pause was answered: the sender works again."""
    is_over = (Pause.since < called_at, Pause.probe_at.is_not(None))
    return bool(change(delete(Pause).where(Pause.channel == channel, *is_over)))


def hold(*, now: datetime) -> None:
    """Nothing leaves until `release`, whatever the senders say."""
    held = {"since": now, "reason": HELD, "probe_at": None}
    change(
        insert(Pause)
        .values([{"channel": each} | held for each in Channel])
        .on_conflict_do_update(index_elements=["channel"], set_=held)
    )


def held_at() -> datetime | None:
    return db.session.scalar(select(Pause.since).where(Pause.probe_at.is_(None)).limit(1))


def release() -> int:
    """How many channels were held. A sender that is still in trouble is found out again."""
    return change(delete(Pause).where(Pause.probe_at.is_(None)))
