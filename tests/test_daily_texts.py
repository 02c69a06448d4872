"""Texts of a day: no more leave than may, whoever counts; what waits is neither lost nor sent."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

import app as composition
from inviter import budgets, claiming, invitations, opt_outs, outbox, pauses, quotas, settling
from inviter.activity import Action
from inviter.claiming import Claimed
from inviter.config import Config
from inviter.daily_texts import REASONS, TO_BLOCK, TO_NUMBER, DailyTexts
from inviter.db import db
from inviter.keys import Keys
from inviter.messages import Messages
from inviter.models import (
    Activity,
    Answer,
    Attempt,
    Budget,
    Channel,
    Clinic,
    Delivery,
    Invitation,
    Kind,
    MailboxMessage,
)
from inviter.reports import Report
from inviter.senders import Message
from inviter.senders.mailbox import Mailbox
from inviter.settling import Ended, Result
from inviter.status import DeliveryState, Sending
from inviter.worker import Worker
from tests.at_once import at_once
from tests.counting import counted
from tests.factories import Cast, account, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

ADA, BEN = "306 555 0142", "306 555 0143"
ELSEWHERE = "306 652 0142"
MORNING = datetime(2026, 5, 13, 14, tzinfo=UTC)  # 8 am in Regina, the day after `now`
NAMES = ("Ada", "Ben", "Cy", "Dee", "Eli", "Fay", "Gus", "Hal")
LATER = timedelta(seconds=1)

Texts = Callable[..., list[Invitation]]


@pytest.fixture
def texts(cast: Cast, keys: Keys, now: datetime) -> Texts:
    """So many patients of a clinic, each with a text to the same number."""

    def made(count: int, number: str = ADA, *, clinic: Clinic = cast.northside) -> list[Invitation]:
        invited = [
            invite(
                clinic,
                recipient(f"{name} {name_of(number)}", phone=number),
                provider=cast.tallgrass,
                by=cast.ana,
                keys=keys,
                now=now,
            )
            for name in NAMES[:count]
        ]
        db.session.commit()
        return invited

    return made


def name_of(number: str) -> str:
    return "".join(chr(97 + int(digit)) for digit in number if digit.isdigit())


@pytest.fixture
def daily(keys: Keys) -> DailyTexts:
    return DailyTexts(keys, of_clinic=1000, to_block=1000)


def claim(daily: DailyTexts, now: datetime, limit: int = 100) -> list[Claimed]:
    claimed = claiming.begin(claiming.take(limit, now=now), now=now, daily=daily)
    db.session.commit()
    return claimed


def settle(claimed: Sequence[Claimed], result: Result, now: datetime) -> None:
    calls = [Ended(each, result) for each in claimed]
    settling.give_back(settling.settle_all(calls, now=now))
    db.session.commit()


def waiting() -> list[Delivery]:
    query = select(Delivery).where(Delivery.state == DeliveryState.QUEUED)
    found = db.session.scalars(query.execution_options(populate_existing=True)).all()
    db.session.commit()
    return list(found)


def told(action: Action = Action.PUT_OFF) -> list[str]:
    query = select(Activity.details).where(Activity.action == action)
    return [each["reason"] for each in db.session.scalars(query)]


class TestToOneNumber:
    def test_a_fourth_waits_for_the_morning_of_the_next_day_as_if_never_claimed(
        self, texts: Texts, daily: DailyTexts, now: datetime
    ) -> None:
        last = texts(4)[-1]
        assert len(claim(daily, now)) == 3
        (waits,) = waiting()
        assert (waits.not_before, waits.attempts) == (MORNING, 0)
        assert (waits.invitation_id, waits.reason) == (last.id, REASONS[TO_NUMBER])
        attempts = db.session.scalars(select(Attempt.delivery_id)).all()
        assert len(attempts) == 3
        assert waits.id not in attempts
        assert db.session.scalars(select(Invitation.sending)).all() == [Sending.UNDER_WAY] * 4
        assert told() == [REASONS[TO_NUMBER]]

    def test_it_leaves_when_its_morning_comes_and_not_before(
        self, texts: Texts, daily: DailyTexts, now: datetime
    ) -> None:
        texts(4)
        claim(daily, now)
        assert claim(daily, MORNING - LATER) == []
        assert len(claim(daily, MORNING)) == 1

    def test_one_that_waits_again_is_told_of_once(
        self, texts: Texts, daily: DailyTexts, now: datetime
    ) -> None:
        texts(7)
        assert [len(claim(daily, each)) for each in (now, MORNING)] == [3, 3]
        (waits,) = waiting()
        assert waits.not_before == MORNING + timedelta(days=1)
        assert len(told()) == 4

    def test_of_workers_at_once_no_more_get_through(
        self, app: Flask, texts: Texts, keys: Keys, now: datetime
    ) -> None:
        for number in (ADA, BEN, ELSEWHERE):
            texts(8, number)

        def take_all() -> int:
            mine = DailyTexts(keys, of_clinic=1000, to_block=1000)
            return sum(len(claim(mine, now, limit=2)) for _ in range(13))

        assert sum(at_once(app, *[take_all] * 4)) == 9
        assert len(waiting()) == 15

    def test_answers_that_are_written_twice_are_given_back_once(
        self, texts: Texts, daily: DailyTexts, now: datetime
    ) -> None:
        texts(5)
        first, *_others = claim(daily, now)
        for _ in range(2):  # the first time, its commit was not heard of
            settle([first], Result(Answer.REFUSED, "no-texts"), now)
        for each in waiting():
            each.not_before = None
        assert len(claim(daily, now)) == 1

    def test_what_certainly_did_not_leave_is_not_counted(
        self, texts: Texts, daily: DailyTexts, now: datetime
    ) -> None:
        texts(4)
        refused, *others = claim(daily, now)
        settle([refused], Result(Answer.REFUSED, "no-texts"), now)
        settle(others, Result(Answer.UNKNOWN, "no-answer"), now)
        assert len(claim(daily, now)) == 0  # that one waits already
        (waits,) = waiting()
        waits.not_before = None
        db.session.commit()
        assert len(claim(daily, now)) == 1

    def test_each_clinic_counts_by_itself(
        self, texts: Texts, daily: DailyTexts, cast: Cast, now: datetime
    ) -> None:
        texts(3)
        texts(3, clinic=cast.lakeview)
        assert len(claim(daily, now)) == 6

    def test_emails_account_mail_and_who_opted_out_are_not_counted(
        self, texts: Texts, daily: DailyTexts, now: datetime
    ) -> None:
        user = account(phone="+13065550142")
        for _ in range(5):
            outbox.put_account_mail(user, Kind.PASSWORD_RESET, now=now)
        assert len(claim(daily, now)) == 5
        opt_outs.add(Channel.SMS, "+13065550142", Report.STOPPED, at=now)
        texts(5)
        assert [each.opted_out for each in claim(daily, now)] == [True] * 5
        assert set(db.session.scalars(select(Budget.purpose))) == {quotas.TYPED}

    def test_undo_of_a_removal_asks_anew(
        self, texts: Texts, daily: DailyTexts, cast: Cast, now: datetime
    ) -> None:
        last = texts(4)[-1]
        claim(daily, now)
        invitations.remove(last, by=cast.ana, now=now)
        db.session.commit()
        assert waiting() == []
        invitations.restore(last, by=cast.ana, now=now)
        db.session.commit()
        assert claim(daily, now) == []
        assert [each.reason for each in waiting()] == [REASONS[TO_NUMBER]]

    def test_what_is_queued_on_that_day_is_not_behind_what_waited(
        self, texts: Texts, daily: DailyTexts, now: datetime
    ) -> None:
        texts(5)
        claim(daily, now)
        assert all(each.turn >= outbox.turn(MORNING, 0) for each in waiting())

    def test_a_day_of_25_hours_is_one_day(
        self, texts: Texts, daily: DailyTexts, cast: Cast
    ) -> None:
        cast.northside.time_zone = "America/Toronto"
        db.session.merge(cast.northside)
        db.session.commit()
        texts(4)
        first, last = (datetime(2026, 11, day, 4, 30, tzinfo=UTC) for day in (1, 2))
        assert len(claim(daily, first, limit=3)) == 3
        budgets.erase_old(now=last)
        assert claim(daily, last) == []
        assert waiting()[0].not_before == datetime(2026, 11, 2, 13, tzinfo=UTC)


class TestToABlock:
    def test_what_is_above_waits_and_another_block_does_not(
        self, texts: Texts, keys: Keys, now: datetime
    ) -> None:
        daily = DailyTexts(keys, of_clinic=1000, to_block=3)
        texts(2)
        texts(2, BEN)
        texts(2, ELSEWHERE)
        assert sorted(each.sent_to or "" for each in claim(daily, now)) == [
            *["+13065550142"] * 2,
            "+13065550143",
            *["+13066520142"] * 2,
        ]
        assert told() == [REASONS[TO_BLOCK]]

    def test_what_waits_for_its_block_leaves_the_clinics_texts_to_others(
        self, texts: Texts, keys: Keys, now: datetime
    ) -> None:
        daily = DailyTexts(keys, of_clinic=5, to_block=1)
        texts(8)
        assert len(claim(daily, now)) == 1
        for number in (ELSEWHERE, "306 653 0142", "306 664 0142", "306 665 0142", "306 668 0142"):
            texts(1, number)
        assert len(claim(daily, now)) == 4


class TestOfAClinic:
    def test_what_is_above_waits_and_another_clinics_does_not(
        self, texts: Texts, keys: Keys, cast: Cast, now: datetime
    ) -> None:
        daily = DailyTexts(keys, of_clinic=2, to_block=1000)
        texts(3)
        texts(1, clinic=cast.lakeview)
        assert not daily.is_full(cast.northside, now=now)
        assert len(claim(daily, now)) == 3
        assert daily.is_full(cast.northside, now=now)
        assert not daily.is_full(cast.lakeview, now=now)
        assert not daily.is_full(cast.northside, now=MORNING)

    def test_of_workers_at_once_no_more_get_through(
        self, app: Flask, texts: Texts, keys: Keys, now: datetime
    ) -> None:
        for number in (ADA, BEN, ELSEWHERE):
            texts(3, number)

        def take_all() -> int:
            mine = DailyTexts(keys, of_clinic=5, to_block=1000)
            return sum(len(claim(mine, now, limit=2)) for _ in range(5))

        assert sum(at_once(app, *[take_all] * 4)) == 5

    def test_counting_costs_a_claim_one_statement_and_a_full_clinic_none(
        self, texts: Texts, keys: Keys, now: datetime
    ) -> None:
        daily = DailyTexts(keys, of_clinic=3, to_block=1000)

        def costs() -> int:
            with counted() as statements:
                assert claim(daily, now, limit=3)
            return sum("budget" in each for each in statements)

        for number in (ADA, BEN):
            texts(3, number)
        assert costs() == 1
        with counted() as statements:
            assert claim(daily, now, limit=3) == []
        assert not any("INTO budget" in each for each in statements)
        assert len(waiting()) == 3


def test_the_worker_that_is_composed_holds_them_back(
    app: Flask, texts: Texts, now: datetime
) -> None:
    texts(4)
    worker = composition.worker_of(app)
    assert [worker.work_once(now=now) for _ in range(2)] == [4, 0]
    assert texts_kept() == 3
    assert worker.work_once(now=MORNING) == 1
    assert texts_kept() == 4


def test_a_sender_that_is_down_uses_nothing_up(
    app: Flask, texts: Texts, daily: DailyTexts, settings: Config, keys: Keys, now: datetime
) -> None:
    class Sender:
        result = Result(Answer.REFUSED, "unreachable", again=True)
        accepted = 0

        def send(self, _message: Message, *, attempt_id: str) -> Result:
            self.accepted += self.result.answer == Answer.ACCEPTED
            return self.result

    sender = Sender()
    worker = Worker(
        context=app.app_context,
        messages=Messages(settings, keys=keys, reset_token=lambda _user: ""),
        senders={Channel.SMS: sender},
        daily=daily,
    )
    texts(3)
    for minute in range(4):
        assert worker.work_once(now=now + timedelta(minutes=minute))
    sender.result = Result(Answer.ACCEPTED)
    for minute in range(4, 7):
        worker.work_once(now=now + timedelta(minutes=minute))
    assert sender.accepted == 3


def test_texts_that_wait_for_tomorrow_use_up_no_probe_and_no_pace(
    app: Flask, texts: Texts, daily: DailyTexts, settings: Config, keys: Keys, now: datetime
) -> None:
    texts(6)
    settle(claim(daily, now, limit=3), Result(Answer.ACCEPTED), now)
    texts(1, BEN)
    pauses.begin(Channel.SMS, "unreachable", now=now)
    db.session.commit()
    worker = Worker(
        context=app.app_context,
        messages=Messages(settings, keys=keys, reset_token=lambda _user: ""),
        senders={Channel.SMS: Mailbox(app.app_context)},
        threads=1,
        rates={Channel.SMS: 0.001},  # a second: one, and then none for a long time
        daily=daily,
    )
    at = now + pauses.FIRST_PROBE
    assert [worker.work_once(now=at) for _ in range(5)] == [1, 1, 1, 1, 0]
    assert len(waiting()) == 3
    assert texts_kept() == 1
    assert pauses.standing() == {}


def texts_kept() -> int:
    found = len(db.session.scalars(select(MailboxMessage)).all())
    db.session.commit()
    return found
