"""How fast, and whose fault a refusal is."""

from datetime import datetime
from itertools import repeat

import pytest

from inviter.claiming import Claimed
from inviter.models import Answer, Channel, Delivery
from inviter.pacing import NO_ACCIDENT, Pace, Troubles
from inviter.settling import Ended, Result, refused_here

ACCEPTED = Result(Answer.ACCEPTED)
BUSY = Result(Answer.REFUSED, "busy", again=True)
REFUSED = Result(Answer.REFUSED, "refused")
UNKNOWN = Result(Answer.UNKNOWN, "no-answer")
CLOSED = Result(Answer.REFUSED, "unreachable", again=True)


class Time:
    at = 100.0

    def __call__(self) -> float:
        return self.at


class TestPace:
    def test_no_more_than_so_many_a_second(self) -> None:
        time = Time()
        pace = Pace(20, seconds=time)
        handed = 0
        for _ in range(100):  # ten seconds
            time.at += 0.1
            allowed = pace.allows()
            pace.spend(allowed)
            handed += allowed
        assert 195 <= handed <= 201

    def test_idle_time_is_not_made_up_for(self) -> None:
        time = Time()
        pace = Pace(20, seconds=time)
        time.at += 3600
        assert pace.allows() == 20

    def test_less_than_one_a_second_still_leaves(self) -> None:
        time = Time()
        pace = Pace(0.5, seconds=time)
        pace.spend(1)
        time.at += 1.9
        assert pace.allows() == 0
        time.at += 0.2
        assert pace.allows() == 1


def calls(*results: Result, channel: Channel = Channel.EMAIL) -> list[Ended]:
    at = datetime(2026, 5, 12)  # noqa: DTZ001  (nobody looks)
    delivery = Delivery(clinic_id=1, id=1, channel=channel)
    return [Ended(Claimed(delivery, "a", "c", None, at), each) for each in results]


def judged(troubles: Troubles, *results: Result, channel: Channel = Channel.EMAIL) -> list[Ended]:
    return [troubles.judge(each) for each in calls(*results, channel=channel)]


class TestTroubles:
    @pytest.mark.parametrize("result", [BUSY, UNKNOWN])
    def test_a_few_in_a_row_are_an_accident(self, result: Result) -> None:
        troubles = Troubles()
        assert troubles.of(judged(troubles, *repeat(result, NO_ACCIDENT - 1))) == {}

    @pytest.mark.parametrize(("result", "why"), [(BUSY, "overloaded"), (UNKNOWN, "no-answer")])
    def test_many_in_a_row_are_their_senders_trouble(self, result: Result, why: str) -> None:
        troubles = Troubles()
        some = judged(troubles, *repeat(result, NO_ACCIDENT))
        assert troubles.of(some) == {Channel.EMAIL: why}

    @pytest.mark.parametrize("answer", [ACCEPTED, REFUSED])
    def test_an_answer_between_them_shows_that_it_works(self, answer: Result) -> None:
        troubles = Troubles()
        half = [BUSY] * (NO_ACCIDENT - 1)
        assert troubles.of(judged(troubles, *half, answer, *half)) == {}

    def test_what_called_nobody_shows_nothing(self) -> None:
        troubles = Troubles()
        half = [BUSY] * (NO_ACCIDENT // 2)
        some = judged(troubles, *half, refused_here("opted-out"), *half)
        assert troubles.of(some) == {Channel.EMAIL: "overloaded"}

    def test_the_other_channel_has_its_own_count(self) -> None:
        troubles = Troubles()
        half = [BUSY] * (NO_ACCIDENT - 1)
        some = judged(troubles, *half) + judged(troubles, *half, channel=Channel.SMS)
        assert troubles.of(some) == {}

    def test_who_cannot_be_reached_once_is_in_trouble(self) -> None:
        troubles = Troubles()
        assert troubles.of(judged(troubles, CLOSED)) == {Channel.EMAIL: "unreachable"}

    def test_what_is_refused_for_its_senders_sake_counts_not(self) -> None:
        some = judged(Troubles(), *repeat(BUSY, NO_ACCIDENT))
        assert [each.result.counts_not for each in some] == [False] * (NO_ACCIDENT - 1) + [True]
