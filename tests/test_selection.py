"""Several invitations at once: each for itself, and what became of how many."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func

from inviter import invitations, joining, selection
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Delivery, How, Invitation
from inviter.selection import Why
from tests.factories import Cast, account, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

HOUR = timedelta(hours=1)


def five(cast: Cast, keys: Keys, now: datetime) -> list[Invitation]:
    """Two that can be sent again, one without contact, one accepted, one removed."""
    people = ("Ada", "Ben", "Cy", "Dora", "Emil")
    made = [
        invite(
            cast.northside,
            recipient(f"{name} Fixture", email=None if name == "Cy" else f"{name}@example.org"),
            provider=cast.osei,
            by=cast.ana,
            keys=keys,
            now=now - HOUR,
        )
        for name in people
    ]
    joining.accept(made[3], account=account("d@example.org"), how=How.LINK, now=now - HOUR)
    invitations.remove(made[4], by=cast.ana, now=now - HOUR)
    db.session.commit()
    return made


def ids(made: list[Invitation]) -> list[int]:
    return [each.id for each in made]


def queued() -> int:
    return db.session.scalar(db.select(func.count()).select_from(Delivery)) or 0


def test_each_that_may_be_is_sent_again_and_the_others_say_why(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    made = five(cast, keys, now)
    before = queued()
    done = selection.resend(cast.northside, ids(made), by=cast.osei, sms=True, now=now)
    assert done.done == 2
    assert done.refused == {Why.NO_MESSAGE: 1, Why.ACCEPTED: 1, Why.REMOVED: 1}
    assert queued() == before + 2


def test_what_would_be_done_is_what_is_done(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    before = queued()
    would = selection.sendable(cast.northside, ids(made), sms=True, now=now)
    assert queued() == before
    did = selection.resend(cast.northside, ids(made), by=cast.ana, sms=True, now=now)
    assert would == did


def test_the_same_press_twice_sends_once(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    selection.resend(cast.northside, ids(made), by=cast.ana, sms=True, now=now)
    again = selection.resend(cast.northside, ids(made), by=cast.ana, sms=True, now=now)
    assert again.done == 0
    assert again.refused[Why.JUST_SENT] == 2


def test_messages_of_many_take_turns(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    selection.resend(cast.northside, ids(made), by=cast.ana, sms=True, now=now)
    turns = db.session.scalars(
        db.select(Delivery.turn).where(Delivery.generation == 2).order_by(Delivery.turn)
    ).all()
    assert turns[1] - turns[0] == 1000


def test_those_removed_together_come_back_together(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    removed = selection.remove(cast.northside, ids(made), by=cast.ana, now=now)
    assert removed.done == 3
    db.session.commit()
    back = selection.restore(cast.northside, now, by=cast.osei, now=now + HOUR)
    assert back.done == 3
    assert made[4].removed_at == now - HOUR


def test_who_was_invited_anew_stays_removed(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    selection.remove(cast.northside, ids(made), by=cast.ana, now=now)
    db.session.commit()
    who = recipient("Ada Fixture", email="Ada@example.org")
    invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
    back = selection.restore(cast.northside, now, by=cast.ana, now=now + HOUR)
    assert (back.done, back.refused) == (2, {Why.INVITED_ANEW: 1})


def test_after_a_day_they_stay_removed(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    selection.remove(cast.northside, ids(made), by=cast.ana, now=now)
    db.session.commit()
    late = selection.restore(cast.northside, now, by=cast.ana, now=now + timedelta(hours=24))
    assert (late.done, late.refused) == (0, {Why.TOO_LATE: 3})


def test_those_of_another_clinic_are_not_touched(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    done = selection.remove(cast.southside, ids(made), by=cast.sam, now=now)
    assert (done.done, sum(done.refused.values())) == (0, 0)
