"""Several invitations at once: each for itself, and what became of how many."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func

from inviter import invitations, inviting, joining, selection
from inviter.db import db
from inviter.duplicates import Fate
from inviter.keys import Keys
from inviter.models import Activity, Delivery, How, Invitation
from inviter.selection import Outcome, Why
from tests.at_once import at_once
from tests.conftest import SECRET
from tests.factories import Cast, account, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

HOUR = timedelta(hours=1)
KEYS = Keys(SECRET)


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
    done = selection.resend(cast.northside, ids(made), by=cast.osei, keys=KEYS, sms=True, now=now)
    assert done.done == 2
    assert done.refused == {Why.NO_MESSAGE: 1, Why.ACCEPTED: 1, Why.REMOVED: 1}
    assert queued() == before + 2


def test_what_would_be_done_is_what_is_done(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    before = queued()
    would = selection.sendable(cast.northside, ids(made), sms=True, now=now)
    assert queued() == before
    did = selection.resend(cast.northside, ids(made), by=cast.ana, keys=KEYS, sms=True, now=now)
    assert would == did


def test_the_same_press_twice_sends_once(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    selection.resend(cast.northside, ids(made), by=cast.ana, keys=KEYS, sms=True, now=now)
    again = selection.resend(cast.northside, ids(made), by=cast.ana, keys=KEYS, sms=True, now=now)
    assert again.done == 0
    assert again.refused[Why.JUST_SENT] == 2


def test_messages_of_many_take_turns(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    selection.resend(cast.northside, ids(made), by=cast.ana, keys=KEYS, sms=True, now=now)
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


def test_they_come_back_in_the_order_in_which_they_are_invited(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    """In another order, inviting and Undo of the same people would wait for each other."""
    made = [
        invite(cast.northside, recipient(name), provider=cast.osei, by=cast.ana, keys=keys, now=now)
        for name in ("Cy Fixture", "Ben Fixture", "Ada Fixture")
    ]
    selection.remove(cast.northside, ids(made), by=cast.ana, now=now)
    selection.restore(cast.northside, now, by=cast.ana, now=now)
    db.session.commit()
    lines = db.select(Activity.invitation_id).where(Activity.action == "restored")
    restored = db.session.scalars(lines.order_by(Activity.id)).all()
    assert restored == ids(made)[::-1]


def test_undo_and_inviting_the_same_people_at_once_both_end(
    app: Flask, cast: Cast, keys: Keys, now: datetime
) -> None:
    people = [recipient(f"Person {n:02}", email=f"{n}@example.org") for n in range(40)]
    press = {"provider": cast.osei, "by": cast.ana, "keys": keys, "now": now}
    made = [invite(cast.northside, each, **press) for each in reversed(people)]  # type: ignore[arg-type]
    selection.remove(cast.northside, ids(made), by=cast.ana, now=now)
    db.session.commit()

    def undo() -> int:
        done = selection.restore(cast.northside, now, by=cast.ana, now=now).done
        db.session.commit()
        return done

    def anew() -> int:
        done = inviting.invite(cast.northside, people, key="anew", sms=True, **press)  # type: ignore[arg-type]
        db.session.commit()
        return [fate for fate, _id in done.outcome].count(Fate.INVITED)

    assert sum(at_once(app, undo, anew)) == len(people)


def test_many_are_done_in_parts_and_come_back_together(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    made = five(cast, keys, now)
    done = Outcome()
    for part in (ids(made)[:2], ids(made)[2:]):
        done += selection.remove(cast.northside, part, by=cast.ana, now=now)
        db.session.commit()
    assert (done.done, done.refused) == (3, {Why.ACCEPTED: 1, Why.REMOVED: 1})
    assert selection.restore(cast.northside, now, by=cast.ana, now=now).done == 3


def test_a_later_part_takes_later_turns(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    for after, one in enumerate(ids(made)[:2]):
        selection.resend(
            cast.northside, [one], by=cast.ana, keys=KEYS, sms=True, now=now, after=after
        )
    turns = db.session.scalars(
        db.select(Delivery.turn).where(Delivery.generation == 2).order_by(Delivery.turn)
    ).all()
    assert turns[1] - turns[0] == 1000


def test_parts_are_in_order_with_each_once_and_no_more_than_a_thousand() -> None:
    parted = list(selection.parts([*range(1500, 0, -1), 7]))
    assert [len(each) for each in parted] == [100] * 10
    assert [each for part in parted for each in part] == list(range(1, 1001))


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
    late = selection.restore(cast.northside, now, by=cast.ana, now=now + timedelta(hours=25))
    assert (late.done, late.refused) == (0, {Why.TOO_LATE: 3})


def test_those_of_another_clinic_are_not_touched(cast: Cast, keys: Keys, now: datetime) -> None:
    made = five(cast, keys, now)
    done = selection.remove(cast.southside, ids(made), by=cast.sam, now=now)
    assert (done.done, sum(done.refused.values())) == (0, 0)
