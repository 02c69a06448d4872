"""What reports amount to: one table of cases, in every order and however often."""

from datetime import UTC, datetime, timedelta
from itertools import combinations, permutations
from typing import NamedTuple

import pytest

from inviter.reports import FACTS, STRENGTH, Fact, Report, amount_to
from inviter.status import DeliveryState

NOW = datetime(2026, 5, 12, 16, 5, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)
FAILED, DELIVERED, SENT = DeliveryState.FAILED, DeliveryState.DELIVERED, DeliveryState.SENT


class Told(NamedTuple):
    report: Report
    reason: str | None = None
    occurred_at: datetime = NOW


TAKEN, DEFERRED = Told(Report.TAKEN), Told(Report.DEFERRED)
ARRIVED, SPAM = Told(Report.DELIVERED), Told(Report.COMPLAINED)
BOUNCED, DROPPED = Told(Report.BOUNCED, "mailbox-full"), Told(Report.DROPPED, "dropped")
UNWANTED = Told(Report.OPTED_OUT, "opted-out")


@pytest.mark.parametrize(
    ("told", "fact"),
    [
        ([], None),
        ([Told(Report.STOPPED), Told(Report.STARTED)], None),
        ([TAKEN], Fact(SENT, None, NOW)),
        ([DEFERRED], Fact(SENT, None, NOW)),
        ([ARRIVED], Fact(DELIVERED, None, NOW)),
        ([SPAM], Fact(DELIVERED, None, NOW)),
        ([Told(Report.UNSUBSCRIBED)], Fact(DELIVERED, None, NOW)),
        ([BOUNCED], Fact(FAILED, "mailbox-full", NOW)),
        ([DROPPED], Fact(FAILED, "dropped", NOW)),
        ([UNWANTED], Fact(DeliveryState.SUPPRESSED, "opted-out", NOW)),
        ([TAKEN, DEFERRED, ARRIVED], Fact(DELIVERED, None, NOW)),
        ([ARRIVED, Told(Report.DEFERRED, None, LATER)], Fact(DELIVERED, None, NOW)),
        ([ARRIVED, BOUNCED], Fact(FAILED, "mailbox-full", NOW)),
        ([BOUNCED, Told(Report.DELIVERED, None, LATER)], Fact(FAILED, "mailbox-full", NOW)),
        ([BOUNCED, Told(Report.COMPLAINED, None, LATER)], Fact(FAILED, "mailbox-full", NOW)),
        ([TAKEN, UNWANTED], Fact(DeliveryState.SUPPRESSED, "opted-out", NOW)),
        ([UNWANTED, ARRIVED], Fact(DELIVERED, None, NOW)),
        ([DROPPED, Told(Report.BOUNCED, "came-back", LATER)], Fact(FAILED, "came-back", LATER)),
        ([BOUNCED, DROPPED], Fact(FAILED, "mailbox-full", NOW)),
    ],
)
def test_the_table_of_cases(told: list[Told], fact: Fact | None) -> None:
    for some in permutations(told):
        assert amount_to(some) == fact
        assert amount_to([*some, *some[::-1]]) == fact


def test_every_five_reports_amount_to_one_fact_in_every_order() -> None:
    for some in combinations([Told(each, each) for each in Report], 5):
        assert len({amount_to(order) for order in permutations(some)}) == 1


def test_more_reports_never_lead_back() -> None:
    for first, second in permutations([Told(each) for each in FACTS], 2):
        before, after = amount_to([first]), amount_to([first, second])
        assert before is not None
        assert after is not None
        assert STRENGTH.index(after.state) >= STRENGTH.index(before.state)
