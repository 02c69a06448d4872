"""A sender in trouble is paused as a whole: all stays queued, and leaves when it is back."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from inviter import pauses
from inviter.db import db
from inviter.models import Channel, Pause
from inviter.pauses import DOUBTFUL_PROBE_EVERY, FIRST_PROBE, HELD, NO_ANSWER, PROBE_EVERY
from tests.at_once import at_once
from tests.factories import Cast
from tests.visitors import Visitor

MOMENT = timedelta(microseconds=1)
EMAIL, SMS = Channel.EMAIL, Channel.SMS


@pytest.fixture
def paused(app: Flask, now: datetime) -> Pause:
    with app.app_context():
        return begin(now)


def begin(now: datetime, reason: str = "unreachable") -> Pause:
    pauses.begin(EMAIL, reason, now=now)
    db.session.commit()
    return standing()[EMAIL]


def standing() -> dict[Channel, Pause]:
    query = select(Pause).execution_options(populate_existing=True)
    found = {each.channel: each for each in db.session.scalars(query)}
    db.session.commit()
    return found


def take_probe(pause: Pause, now: datetime) -> bool:
    taken = pauses.take_probe(pause, now=now)
    db.session.commit()
    return taken


@pytest.mark.usefixtures("context")
class TestPause:
    def test_only_the_channel_in_trouble_is_shut(self, paused: Pause, now: datetime) -> None:
        assert pauses.is_shut(paused, now)
        assert not pauses.is_shut(pauses.standing().get(SMS), now)

    def test_one_worker_of_all_probes_at_a_time(
        self, app: Flask, paused: Pause, now: datetime
    ) -> None:
        assert not take_probe(paused, now + FIRST_PROBE - MOMENT)
        at = now + FIRST_PROBE
        assert sum(at_once(app, *[lambda: take_probe(paused, at)] * 4)) == 1
        assert not take_probe(paused, at + PROBE_EVERY - MOMENT)
        assert take_probe(paused, at + PROBE_EVERY)

    def test_where_a_probe_may_arrive_unseen_there_are_few(self, app: Flask, now: datetime) -> None:
        paused = begin(now, NO_ANSWER)
        at = now + FIRST_PROBE
        assert take_probe(paused, at)
        assert not take_probe(paused, at + DOUBTFUL_PROBE_EVERY - MOMENT)
        assert take_probe(paused, at + DOUBTFUL_PROBE_EVERY)

    def test_more_trouble_tells_its_reason_and_puts_no_probe_off(
        self, paused: Pause, now: datetime
    ) -> None:
        again = begin(now + timedelta(seconds=3), "not-permitted")
        assert (again.reason, again.since) == ("not-permitted", now)
        assert again.probe_at == now + FIRST_PROBE

    def test_only_a_call_that_was_begun_since_ends_it(self, paused: Pause, now: datetime) -> None:
        assert not pauses.end(EMAIL, called_at=now)
        assert pauses.end(EMAIL, called_at=now + MOMENT)
        db.session.commit()
        assert standing() == {}


@pytest.mark.usefixtures("context")
class TestHold:
    def test_held_is_held_until_it_is_released(self, paused: Pause, now: datetime) -> None:
        pauses.hold(now=now)
        later = now + timedelta(days=999)
        for channel, pause in pauses.standing().items():
            assert pauses.is_shut(pause, later)
            assert not pauses.take_probe(pause, now=later)
            assert not pauses.end(channel, called_at=later)
        begin(later)
        assert {each.reason for each in standing().values()} == {HELD}
        assert pauses.release() == len(Channel)
        db.session.commit()
        assert standing() == {}


WORDS = [
    ("not-permitted", "Emails wait: the service that sends them refuses us."),
    ("unreachable", "Emails wait: the service that sends them does not answer."),
    ("overloaded", "Emails wait: the service that sends them does not answer."),
]


@pytest.mark.parametrize(("reason", "words"), WORDS)
def test_invite_patients_and_readyz_say_so_until_it_is_over(
    app: Flask, ana: Visitor, now: datetime, reason: str, words: str
) -> None:
    with app.app_context():
        begin(now, reason)
    assert words in " ".join(ana.open("/c/northside/invite").words(".banner"))
    ready = app.test_client().get("/readyz")
    assert ready.status_code == 200
    assert f"email paused: {reason}, since 2026-05-12" in ready.text
    with app.app_context():
        pauses.end(EMAIL, called_at=now + MOMENT)
        db.session.commit()
    assert ana.open("/c/northside/invite").words(".banner") == []
    assert app.test_client().get("/readyz").text == "ok\n"


def test_what_is_held_is_said_once(app: Flask, ana: Visitor, cast: Cast, now: datetime) -> None:
    with app.app_context():
        pauses.hold(now=now)
        db.session.commit()
    (words,) = ana.open("/c/northside/invite").words(".banner")
    assert words.startswith("Messages are held since the data was restored from a backup.")
