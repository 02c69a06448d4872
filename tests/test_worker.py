"""The worker: each message leaves once, nothing stops the others, no answer is lost."""

import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from queue import Queue
from threading import Event, Lock, Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, event, inspect, select, text, update
from sqlalchemy.pool import NullPool

import app as composition
from inviter import claiming, clock, opt_outs, outbox, pauses
from inviter.claiming import LEASE
from inviter.codes import spaced
from inviter.config import ROOT, Config
from inviter.db import db
from inviter.keys import Keys
from inviter.messages import Messages
from inviter.models import (
    Activity,
    Answer,
    Attempt,
    Channel,
    Delivery,
    Invitation,
    Kind,
    MailboxMessage,
    Pause,
    User,
)
from inviter.pauses import FIRST_PROBE
from inviter.reports import Report
from inviter.senders import Message, Sender
from inviter.senders.chosen import senders_for
from inviter.senders.mailbox import Mailbox
from inviter.senders.sendgrid import SendGrid
from inviter.senders.smtp import Smtp
from inviter.senders.twilio import Twilio
from inviter.settling import NOT_CALLED, Result
from inviter.status import DeliveryState, Sending
from inviter.web import auth
from inviter.worker import AHEAD, Worker
from tests.at_once import at_once
from tests.factories import Cast, claim, invite, recipient
from tests.fakes.sendgrid import ACCEPT_THEN_HANG, Reply, StandIn
from tests.fakes.twilio import ACCOUNT
from tests.fakes.twilio import StandIn as TwilioStandIn
from tests.waiting import LONG, until

pytestmark = pytest.mark.usefixtures("context")

SOON = 0.3  # seconds
ACCEPTED = Result(Answer.ACCEPTED)
UNKNOWN = Result(Answer.UNKNOWN, "no-answer")

QUEUED, LEAVING, SENT = DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.SENT
FAILED, IN_DOUBT = DeliveryState.FAILED, DeliveryState.IN_DOUBT

WorkerWith = Callable[..., Worker]


class Calls:
    """A sender that remembers, and does what it is told before it says yes."""

    def __init__(self, then: Callable[[Message, str], Result | None] | None = None) -> None:
        self._then = then
        self.messages: Queue[Message] = Queue()

    def send(self, message: Message, *, attempt_id: str) -> Result:
        self.messages.put(message)
        return (self._then and self._then(message, attempt_id)) or ACCEPTED

    @property
    def to(self) -> list[str]:
        return sorted(each.to for each in list(self.messages.queue))


@pytest.fixture
def provider() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def worker_with(app: Flask, settings: Config, keys: Keys) -> WorkerWith:
    """A worker with this sender for emails; texts go to the mailbox, or to another sender."""
    messages = Messages(settings, keys=keys, reset_token=auth.reset_token)

    def made(email: Sender, sms: Sender | None = None, *, threads: int = 4) -> Worker:
        senders = {Channel.EMAIL: email, Channel.SMS: sms or Mailbox(app.app_context)}
        return Worker(context=app.app_context, messages=messages, senders=senders, threads=threads)

    return made


@pytest.fixture
def invited(cast: Cast, keys: Keys, now: datetime) -> list[Invitation]:
    """Three patients, each by email and by text; open too for a worker by the clock on the wall."""
    who = {"Ada Fixture": "306 555 0142", "Ben Sample": "306 555 0143", "Mei Ng": "306 555 0144"}
    made = [
        invite(
            cast.northside,
            recipient(name, email=f"{name.split()[0].lower()}@example.org", phone=phone),
            provider=cast.osei,
            by=cast.ana,
            keys=keys,
            now=now,
        )
        for name, phone in who.items()
    ]
    until = clock.now() + timedelta(days=30)
    for each in made:
        each.expires_at = until
    db.session.commit()
    return made


EMAILS = ["ada@example.org", "ben@example.org", "mei@example.org"]


def open_code(invitation: Invitation, keys: Keys) -> str:
    place = {"clinic_id": invitation.clinic_id, "invitation_id": invitation.id}
    return keys.open_code(invitation.code_sealed or "", **place)


def work(some: Worker, now: datetime) -> int:
    db.session.commit()  # what the test has open would keep SQLite's one writer waiting
    return some.work_once(now=now)


def work_off(some: Worker, now: datetime) -> None:
    """Until nothing is due; more passes than that would be sending again."""
    assert 0 in (work(some, now) for _ in range(20))


def fresh(query: Any) -> Sequence[Any]:
    """As it stands in the database."""
    found = db.session.scalars(query.execution_options(populate_existing=True)).all()
    db.session.commit()
    return found


def states(channel: Channel = Channel.EMAIL) -> list[DeliveryState]:
    return list(fresh(select(Delivery.state).where(Delivery.channel == channel)))


def emails_of(first_name: str) -> Sequence[Delivery]:
    """The emails of the patient with this name."""
    query = select(Delivery).join(Delivery.invitation).where(Delivery.channel == Channel.EMAIL)
    return fresh(query.where(Invitation.first_name == first_name))


def sendings() -> set[Sending]:
    return set(fresh(select(Invitation.sending)))


class TestOnePass:
    def test_everything_is_sent_to_the_demos_mailbox_once(
        self, app: Flask, invited: list[Invitation], now: datetime
    ) -> None:
        demo = composition.worker_of(app)
        assert [work(demo, now), work(demo, now), work(demo, now)] == [6, 0, 0]
        kept = fresh(select(MailboxMessage))
        numbers = [str(each.phone) for each in invited]
        assert sorted(each.sent_to for each in kept) == sorted([*numbers, *EMAILS])
        assert {each.attempt_id for each in kept} == set(fresh(select(Attempt.id)))
        assert sendings() == {Sending.SENT}

    def test_everything_is_sent_to_sendgrid_once(
        self,
        provider: StandIn,
        worker_with: WorkerWith,
        invited: list[Invitation],
        now: datetime,
    ) -> None:
        work_off(worker_with(SendGrid("key", provider.url)), now)
        assert sorted(each.to for each in provider.accepted) == EMAILS
        assert provider.calls == 3
        told = {(each.attempt, each.reference) for each in provider.accepted}
        attempts = fresh(select(Attempt).where(Attempt.provider_reference.startswith("stand-in")))
        assert {(each.id, each.provider_reference) for each in attempts} == told
        assert states() == states(Channel.SMS) == [SENT] * 3

    def test_each_email_carries_its_own_patients_link_and_code_and_no_others(
        self,
        provider: StandIn,
        worker_with: WorkerWith,
        invited: list[Invitation],
        keys: Keys,
        now: datetime,
    ) -> None:
        mine = {each.email: (each, open_code(each, keys)) for each in invited if each.email}
        work_off(worker_with(SendGrid("key", provider.url)), now)
        assert sorted(each.to for each in provider.accepted) == sorted(mine)
        for sent in provider.accepted:
            for part in sent.message["content"]:
                for email, (invitation, code) in mine.items():
                    link = f"http://localhost/j/{keys.link_token(invitation.link_id, 1)}"
                    assert (link in part["value"]) == (email == sent.to)
                    assert (spaced(code) in part["value"]) == (email == sent.to)

    def test_what_is_called_is_written_down_and_committed_first(
        self, app: Flask, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        seen = Queue[tuple[DeliveryState, datetime | None]]()

        def look(_message: Message, attempt_id: str) -> None:
            with app.app_context():
                attempt = db.session.scalars(select(Attempt).filter_by(id=attempt_id)).one()
                key = (attempt.clinic_id, attempt.delivery_id)
                seen.put((db.session.get_one(Delivery, key).state, attempt.ended_at))

        work_off(worker_with(Calls(look)), now)
        assert list(seen.queue) == [(LEAVING, None)] * 3

    def test_an_attempt_ends_no_earlier_than_it_began(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        work_off(worker_with(Calls()), now)
        attempts = fresh(select(Attempt))
        assert all(now == each.started_at <= each.ended_at for each in attempts)

    def test_with_nothing_to_do_it_does_nothing(
        self, worker_with: WorkerWith, cast: Cast, now: datetime
    ) -> None:
        assert work(worker_with(Calls()), now) == 0

    def test_no_more_are_claimed_than_have_a_thread(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        assert work(worker_with(Calls(), threads=2), now) == 2
        assert sorted(states() + states(Channel.SMS)) == [QUEUED] * 4 + [SENT] * 2

    def test_two_workers_send_each_message_once(
        self,
        app: Flask,
        provider: StandIn,
        worker_with: WorkerWith,
        invited: list[Invitation],
        now: datetime,
    ) -> None:
        workers = [worker_with(SendGrid("key", provider.url), threads=1) for _ in range(3)]
        db.session.commit()
        at_once(app, *[lambda each=each: work_off(each, now) for each in workers])
        assert sorted(each.to for each in provider.accepted) == EMAILS
        assert len(fresh(select(MailboxMessage))) == 3
        assert sendings() == {Sending.SENT}

    def test_what_a_dead_worker_left_is_in_doubt_and_not_sent(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        claim(100, now=now)
        db.session.commit()
        calls = Calls()
        later = now + LEASE + timedelta(seconds=1)
        work_off(worker_with(calls, calls), later)
        assert calls.to == []
        assert states() == [IN_DOUBT] * 3
        assert sendings() == {Sending.IN_DOUBT}

    def test_who_opted_out_is_not_called_and_the_other_channel_is(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        numbers = [each.phone for each in invited]
        opt_outs.add(Channel.SMS, numbers[0] or "", Report.STOPPED, at=now)
        emails, texts = Calls(), Calls()
        work(worker_with(emails, texts, threads=8), now)
        assert emails.to == EMAILS
        assert texts.to == sorted(each for each in numbers[1:] if each)
        unwanted = db.session.scalars(
            select(Delivery).where(Delivery.state == DeliveryState.SUPPRESSED)
        ).one()
        assert (unwanted.invitation_id, unwanted.channel) == (invited[0].id, Channel.SMS)

    def test_a_password_link_is_made_as_it_leaves_and_opens(
        self, app: Flask, cast: Cast, now: datetime
    ) -> None:
        outbox.put_account_mail(cast.ana, Kind.PASSWORD_RESET, now=now)
        work_off(composition.worker_of(app), now)
        (kept,) = fresh(select(MailboxMessage))
        token = kept.text.partition("/reset-password/")[2].split()[0]
        found = auth.user_of_reset_token(token)
        assert found is not None and found.id == cast.ana.id

    def test_what_the_threads_read_belongs_to_no_session(
        self, app: Flask, settings: Config, keys: Keys, cast: Cast, now: datetime
    ) -> None:
        def token(user: User) -> str:
            return "read-alone" if inspect(user).detached else "read-through-a-session"

        calls = Calls()
        messages = Messages(settings, keys=keys, reset_token=token)
        outbox.put_account_mail(cast.ana, Kind.PASSWORD_RESET, now=now)
        senders = {Channel.EMAIL: calls}
        work_off(Worker(context=app.app_context, messages=messages, senders=senders), now)
        assert "/reset-password/read-alone" in calls.messages.get_nowait().text


class TestTrouble:
    def test_a_message_that_cant_be_written_stops_no_other(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        db.session.execute(
            update(Invitation).where(Invitation.first_name == "Ben").values(code_sealed="junk")
        )
        calls = Calls()
        work_off(worker_with(calls), now)
        assert calls.to == ["ada@example.org", "mei@example.org"]
        (ben,) = emails_of("Ben")
        assert (ben.state, ben.reason) == (FAILED, "not-written")

    def test_a_kind_of_message_that_only_a_later_version_knows_stops_no_other(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        ben = emails_of("Ben")[0].id
        later = text("UPDATE delivery SET kind = 'reminder of 2031' WHERE id = :id")
        db.session.execute(later, {"id": ben})
        calls = Calls()
        work_off(worker_with(calls), now)
        assert calls.to == ["ada@example.org", "mei@example.org"]
        left = text("SELECT state FROM delivery WHERE id = :id")
        assert db.session.scalar(left, {"id": ben}) == QUEUED

    def test_one_that_a_later_version_was_sending_is_in_doubt_and_stops_no_other(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        (left,) = claim(1, now=now, channel=Channel.EMAIL)
        its = {"id": left.delivery.id}
        later = text("UPDATE delivery SET kind = 'reminder of 2031' WHERE id = :id")
        db.session.execute(later, its)
        db.session.commit()
        calls = Calls()
        work_off(worker_with(calls), now + LEASE + timedelta(seconds=1))
        assert len(calls.to) == 2
        state = text("SELECT state FROM delivery WHERE id = :id")
        assert db.session.scalar(state, its) == IN_DOUBT

    def test_a_sender_that_breaks_leaves_doubt_and_stops_no_other(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        def break_at_ben(message: Message, _attempt_id: str) -> None:
            if message.to == "ben@example.org":
                raise RuntimeError("out of memory, perhaps")

        calls = Calls(break_at_ben)
        work_off(worker_with(calls), now)
        assert calls.to == EMAILS
        assert [each.state for each in emails_of("Ben")] == [IN_DOUBT]
        assert sorted(states()) == sorted([IN_DOUBT, SENT, SENT])

    @pytest.mark.parametrize("reply", [ACCEPT_THEN_HANG, Reply(500)])
    def test_what_may_have_arrived_is_in_doubt_and_never_sent_again(
        self,
        provider: StandIn,
        worker_with: WorkerWith,
        invited: list[Invitation],
        now: datetime,
        reply: Reply,
    ) -> None:
        provider.plan(then=reply)
        some = worker_with(SendGrid("key", provider.url, timeout=SOON))
        work_off(some, now)
        provider.plan(then=Reply())
        work_off(some, now + timedelta(days=999))
        assert provider.calls == 3
        assert states() == [IN_DOUBT] * 3

    def test_a_provider_that_is_down_keeps_all_queued_and_gets_all_when_it_is_back(
        self,
        app: Flask,
        provider: StandIn,
        worker_with: WorkerWith,
        invited: list[Invitation],
        now: datetime,
    ) -> None:
        with StandIn() as gone:
            pass
        work_off(worker_with(SendGrid("key", gone.url)), now)
        assert states() == [QUEUED] * 3
        work_off(worker_with(SendGrid("key", provider.url)), now + timedelta(minutes=1))
        assert sorted(each.to for each in provider.accepted) == EMAILS
        assert states() == [SENT] * 3

    @pytest.mark.parametrize("status", [401, 429])
    def test_what_is_refused_for_now_leaves_later(
        self,
        provider: StandIn,
        worker_with: WorkerWith,
        invited: list[Invitation],
        now: datetime,
        status: int,
    ) -> None:
        provider.plan(then=Reply(status))
        some = worker_with(SendGrid("key", provider.url))
        work_off(some, now)
        assert (states(), provider.accepted) == ([QUEUED] * 3, [])
        provider.plan(then=Reply())
        work_off(some, now + timedelta(minutes=1))
        assert sorted(each.to for each in provider.accepted) == EMAILS

    def test_a_busy_provider_is_left_alone_for_as_long_as_it_says(
        self,
        provider: StandIn,
        worker_with: WorkerWith,
        invited: list[Invitation],
        now: datetime,
    ) -> None:
        provider.plan(*[Reply(429, {"Retry-After": "600"})] * 3)
        some = worker_with(SendGrid("key", provider.url))
        work_off(some, now)
        work_off(some, now + timedelta(minutes=9))
        assert provider.calls == 3
        work_off(some, now + timedelta(minutes=11))
        assert len(provider.accepted) == 3

    def test_texts_that_were_switched_off_fail_and_emails_still_leave(
        self,
        app: Flask,
        settings: Config,
        keys: Keys,
        invited: list[Invitation],
        now: datetime,
    ) -> None:
        app.extensions["settings"] = replace(settings, sms="off")
        work_off(composition.worker_of(app), now)
        texts = fresh(select(Delivery).where(Delivery.channel == Channel.SMS))
        assert {(each.state, each.reason) for each in texts} == {(FAILED, "channel-off")}
        assert states() == [SENT] * 3
        assert sendings() == {Sending.SENT}

    def test_what_has_expired_meanwhile_is_not_sent(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        calls = Calls()
        work_off(worker_with(calls, calls), invited[0].expires_at)
        assert calls.to == []
        assert set(fresh(select(Delivery.reason))) == {"expired"}

    def test_an_answer_outlives_a_database_that_is_busy_or_restarts(
        self, app: Flask, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        trouble = _locked_once if db.engine.dialect.name == "sqlite" else _restarted
        with trouble() as begin:
            calls = Calls(lambda _message, _attempt_id: begin())
            work_off(worker_with(calls, calls, threads=6), now)
        assert states() == [SENT] * 3
        assert sendings() == {Sending.SENT}
        sent = fresh(select(Activity).where(Activity.action == "sent"))
        assert len(sent) == 6, "each is told once"

    def test_an_answer_that_cant_be_written_loses_no_other(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        def answer(message: Message, _attempt_id: str) -> Result:
            what_no_column_takes: Any = object()
            is_ben = message.to == "ben@example.org"
            return replace(ACCEPTED, reference=what_no_column_takes) if is_ben else ACCEPTED

        some = worker_with(Calls(answer), threads=6)
        work_off(some, now)
        assert [each.state for each in emails_of("Ben")] == [LEAVING]
        assert sorted(states()) == sorted([LEAVING, SENT, SENT])
        work_off(some, now + LEASE + timedelta(seconds=1))
        assert [each.state for each in emails_of("Ben")] == [IN_DOUBT]


def use_up(column: Any) -> list[Any]:
    return list(fresh(select(column).where(Delivery.channel == Channel.EMAIL)))


class TestPaused:
    """A sender that is in trouble as a whole."""

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_key_that_is_refused_stops_its_channel_and_no_other(
        self,
        provider: StandIn,
        worker_with: WorkerWith,
        invited: list[Invitation],
        now: datetime,
        status: int,
    ) -> None:
        provider.plan(then=Reply(status))
        work_off(worker_with(SendGrid("bad", provider.url), threads=1), now)
        assert provider.calls == 1
        assert (states(), states(Channel.SMS)) == ([QUEUED] * 3, [SENT] * 3)
        assert use_up(Delivery.attempts) == [0] * 3
        assert use_up(Delivery.not_before) == [None] * 3

    def test_it_is_probed_with_one_delivery_and_goes_on_when_that_is_taken(
        self,
        provider: StandIn,
        worker_with: WorkerWith,
        invited: list[Invitation],
        now: datetime,
    ) -> None:
        with StandIn() as gone:
            pass
        some = worker_with(SendGrid("key", gone.url), threads=1)
        hour = [now + timedelta(seconds=each) for each in range(0, 3600, 7)]
        assert sum(work(some, at) for at in hour) <= 3 + 3 + 3600 // 30 + 1
        assert states() == [QUEUED] * 3
        back = worker_with(SendGrid("key", provider.url))
        at = hour[-1] + timedelta(seconds=31)
        assert [work(back, at) for _ in range(3)] == [1, 2, 0]
        assert sorted(each.to for each in provider.accepted) == EMAILS
        assert states() == [SENT] * 3
        assert len(fresh(select(Attempt.id).where(Attempt.answer == Answer.ACCEPTED))) == 6

    def test_one_that_is_busy_with_everything_uses_up_no_message(
        self,
        app: Flask,
        worker_with: WorkerWith,
        cast: Cast,
        keys: Keys,
        now: datetime,
    ) -> None:
        for place in range(20):
            who = recipient(f"P{place} Fixture", email=f"p{place}@example.org")
            invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
        busy = Result(Answer.REFUSED, "busy", again=True)
        calls = Calls(lambda _message, _attempt_id: busy)
        some = worker_with(calls, threads=1)
        for minutes in range(0, 600, 5):
            work_off(some, now + timedelta(minutes=minutes))
        assert states() == [QUEUED] * 20
        assert len(calls.to) < 20 + 120 + 10

    def test_one_that_hangs_makes_few_doubtful(
        self, worker_with: WorkerWith, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        for place in range(20):
            who = recipient(f"P{place} Fixture", email=f"p{place}@example.org")
            invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
        unknown = Result(Answer.UNKNOWN, "no-answer")
        some = worker_with(Calls(lambda _message, _attempt_id: unknown), threads=1)
        work_off(some, now)
        assert sorted(states()) == [IN_DOUBT] * 10 + [QUEUED] * 10
        assert work(some, now + timedelta(minutes=1)) == 1
        assert work(some, now + timedelta(minutes=2)) == 0

    def test_a_probe_that_called_nobody_ends_nothing_and_is_taken_again_at_once(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        pauses.begin(Channel.EMAIL, "unreachable", now=now)
        for who in EMAILS[:2]:
            opt_outs.add(Channel.EMAIL, who, Report.OPTED_OUT, at=now)
        db.session.commit()
        calls, at = Calls(), now + FIRST_PROBE
        some = worker_with(calls, threads=1)
        work_off(some, at)
        assert sorted(states()) == [SENT, *[DeliveryState.SUPPRESSED] * 2]
        assert calls.to == EMAILS[2:]
        assert fresh(select(Pause.channel)) == []

    def test_while_sending_is_held_nothing_leaves(
        self, worker_with: WorkerWith, invited: list[Invitation], now: datetime
    ) -> None:
        pauses.hold(now=now)
        calls = Calls()
        some = worker_with(calls, calls)
        assert work(some, now + timedelta(days=99)) == 0
        pauses.release()
        work_off(some, now)
        assert len(calls.to) == 6


@contextmanager
def _locked_once() -> Iterator[Callable[[], None]]:
    """Another process writes to SQLite from the call on, until someone has waited in vain."""
    other = sqlite3.connect(db.engine.url.database or "", check_same_thread=False)
    other.isolation_level = None
    first, began = Lock(), list[sqlite3.Cursor]()

    def begin() -> None:
        with first:
            if not began:
                began.append(other.execute("BEGIN IMMEDIATE"))

    def hurry(connection: Any, *_rest: object) -> None:
        connection.execute("PRAGMA busy_timeout = 50")

    def release(_context: object) -> None:
        other.rollback()

    event.listen(db.engine, "checkout", hurry)
    event.listen(db.engine, "handle_error", release)
    try:
        yield begin
    finally:
        event.remove(db.engine, "handle_error", release)
        event.remove(db.engine, "checkout", hurry)
        other.close()


@contextmanager
def _restarted() -> Iterator[Callable[[], None]]:
    """PostgreSQL ends every session of this database."""
    admin = create_engine(db.engine.url.set(username="postgres"), poolclass=NullPool)
    everyone = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    first, done = Lock(), Event()

    def begin() -> None:
        with first:
            if not done.is_set():
                with admin.connect() as connection:
                    connection.execute(text(everyone)).all()
            done.set()

    yield begin


class Waits(Calls):
    """Each call lasts until it is told its answer."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self._answers = defaultdict[str, Queue[Result]](Queue)

    def end(self, to: str, answer: Result) -> None:
        self._answers[to].put(answer)

    def _wait(self, message: Message, _attempt_id: str) -> Result:
        return self._answers[message.to].get(timeout=LONG)


class TestRun:
    @contextmanager
    def running(self, some: Worker) -> Iterator[Thread]:
        db.session.commit()
        thread = Thread(target=some.run)
        thread.start()
        try:
            yield thread
        finally:
            some.stop()
            thread.join(LONG)
            assert not thread.is_alive()

    def test_it_picks_up_new_work_until_it_is_stopped(
        self, worker_with: WorkerWith, cast: Cast, keys: Keys
    ) -> None:
        calls = Calls()
        with self.running(worker_with(calls)):
            for name in ("ada", "ben"):
                invite(
                    cast.northside,
                    recipient(f"{name} Fixture", email=f"{name}@example.org"),
                    provider=cast.osei,
                    by=cast.ana,
                    keys=keys,
                )
                db.session.commit()
                assert calls.messages.get(timeout=LONG).to == f"{name}@example.org"
        assert states() == [SENT] * 2

    def test_a_slow_call_keeps_no_other_waiting(
        self, worker_with: WorkerWith, invited: list[Invitation], cast: Cast, keys: Keys
    ) -> None:
        may_end = Event()

        def wait(message: Message, _attempt_id: str) -> None:
            assert message.to != "ada@example.org" or may_end.wait(LONG)

        calls = Calls(wait)
        with self.running(worker_with(calls, threads=2)):
            while "mei@example.org" not in calls.to:
                time.sleep(SOON / 10)
            who = recipient("Zoe Fixture", email="zoe@example.org")
            invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
            for _ in range(LONG * 10):
                if len(emails_of("Zoe")) == 1 and emails_of("Zoe")[0].state == SENT:
                    break
                time.sleep(0.1)
            assert [each.state for each in emails_of("Ada")] == [LEAVING]
            may_end.set()
        assert states() == [SENT] * 4

    def test_what_was_called_before_a_pause_neither_ends_it_nor_uses_up_its_probe(
        self, worker_with: WorkerWith, invited: list[Invitation]
    ) -> None:
        calls = Waits()
        ada, ben, mei = EMAILS
        with self.running(worker_with(calls, threads=3)):
            until(lambda: calls.to == EMAILS)
            calls.end(mei, Result(Answer.REFUSED, "not-permitted", again=True))
            until(lambda: len(fresh(select(Pause.channel))) == 1)
            pauses.give_probe_back(Channel.EMAIL)
            db.session.commit()
            until(lambda: calls.to == [*EMAILS, mei])
            calls.end(ada, NOT_CALLED)
            calls.end(ben, ACCEPTED)
            until(lambda: [each.state for each in emails_of("Ben")] == [SENT])
            (pause,) = fresh(select(Pause))
            assert pause.probe_at > pause.since
            calls.end(mei, ACCEPTED)
            until(lambda: fresh(select(Pause.channel)) == [])
            until(lambda: calls.to == [ada, *EMAILS, mei])
            calls.end(ada, ACCEPTED)
        assert states() == [SENT] * 3

    def test_stopped_it_releases_what_it_had_not_begun(
        self, worker_with: WorkerWith, invited: list[Invitation]
    ) -> None:
        may_end = Event()
        calls = Calls(lambda _message, _attempt_id: None if may_end.wait(LONG) else UNKNOWN)
        some = worker_with(calls, calls, threads=1)
        with self.running(some):
            calls.messages.get(timeout=LONG)
            time.sleep(SOON)
            assert len(fresh(select(Delivery.id).where(Delivery.state == LEAVING))) == AHEAD
            some.stop()
            may_end.set()
        assert sorted(states() + states(Channel.SMS)) == [QUEUED] * 5 + [SENT]
        assert sorted(fresh(select(Delivery.attempts))) == [0] * 5 + [1]
        released = fresh(select(Attempt).where(Attempt.reason == "not-called"))
        assert [each.answer for each in released] == [Answer.REFUSED] * (AHEAD - 1)
        assert all(each.ended_at for each in released)

    def test_what_waited_past_its_lease_is_not_called(
        self,
        worker_with: WorkerWith,
        invited: list[Invitation],
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(claiming, "LEASE", timedelta(seconds=-1))
        calls = Calls()
        assert work(worker_with(calls, calls), now) == 4
        assert calls.to == []
        assert states() == [QUEUED] * 3

    def test_stopped_it_finishes_what_is_in_flight_and_takes_nothing_new(
        self, worker_with: WorkerWith, invited: list[Invitation]
    ) -> None:
        may_end = Event()

        def wait(_message: Message, _attempt_id: str) -> None:
            assert may_end.wait(LONG)

        calls = Calls(wait)
        some = worker_with(calls, calls, threads=1)
        with self.running(some):
            calls.messages.get(timeout=LONG)
            some.stop()
            may_end.set()
        assert sorted(states() + states(Channel.SMS)) == [QUEUED] * 5 + [SENT]

    def test_a_worker_stopped_before_it_began_sends_nothing(
        self, worker_with: WorkerWith, invited: list[Invitation]
    ) -> None:
        calls = Calls()
        some = worker_with(calls, calls)
        some.stop()
        some.run()
        assert calls.to == []


def test_the_settings_choose_the_senders(app: Flask, settings: Config) -> None:
    for email, sms, expected in (
        ("mailbox", "mailbox", {Channel.EMAIL: Mailbox, Channel.SMS: Mailbox}),
        ("mailbox", "off", {Channel.EMAIL: Mailbox}),
        ("sendgrid", "mailbox", {Channel.EMAIL: SendGrid, Channel.SMS: Mailbox}),
        ("sendgrid", "off", {Channel.EMAIL: SendGrid}),
        ("smtp", "twilio", {Channel.EMAIL: Smtp, Channel.SMS: Twilio}),
    ):
        chosen = replace(
            settings,
            email=email,
            sms=sms,
            sendgrid_api_key="key",
            smtp_url="smtp://127.0.0.1",
            twilio_account_sid="AC1",
            twilio_auth_token="token",
            twilio_from="+13065550100",
        )
        senders = senders_for(chosen, app.app_context)
        assert {channel: type(sender) for channel, sender in senders.items()} == expected


def test_a_text_by_twilio_tells_where_its_reports_belong(app: Flask, settings: Config) -> None:
    with TwilioStandIn() as provider:
        chosen = replace(
            settings,
            base_url="https://join.example.org",
            sms="twilio",
            twilio_account_sid=ACCOUNT,
            twilio_auth_token="token",
            twilio_from="+13065550100",
            twilio_url=provider.url,
        )
        text = Message(Channel.SMS, "+13065550142", "", "", "", "Hello", "")
        senders = senders_for(chosen, app.app_context)
        assert senders[Channel.SMS].send(text, attempt_id="a1").answer == Answer.ACCEPTED
        (accepted,) = provider.accepted
    assert accepted.message == {
        "To": "+13065550142",
        "From": "+13065550100",
        "Body": "Hello",
        "StatusCallback": "https://join.example.org/webhooks/twilio/status?attempt=a1",
    }


def test_the_packages_of_providers_are_read_only_where_they_are_used() -> None:
    asked = "import app, sys; print({'twilio.rest.api', 'sendgrid', 'smtplib'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
