"""One table of cases for the rule of status and its SQL twin, one for what messages amount to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from inviter import status
from inviter.conditions import has_status, moments
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Invitation
from inviter.status import DeliveryState, Moment, Sending, Status
from tests.factories import Cast, invite, recipient

NOW = datetime(2026, 5, 12, 16, 5, tzinfo=UTC)
DOUBT_AFTER = timedelta(minutes=15)
MOMENT = timedelta(microseconds=1)
PAST, FUTURE = NOW - timedelta(days=1), NOW + timedelta(days=1)


@dataclass(frozen=True)
class Case:
    """The facts of an invitation, and the one status that they mean."""

    means: Status
    removed_at: datetime | None = None
    accepted_at: datetime | None = None
    expires_at: datetime = FUTURE
    sending: Sending = Sending.NONE
    doubt_since: datetime | None = None

    @property
    def facts(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "means"}


DOUBTED = NOW - DOUBT_AFTER
CASES = (
    Case(Status.PENDING),
    Case(Status.PENDING, sending=Sending.UNDER_WAY),
    Case(Status.PENDING, sending=Sending.SENT),
    Case(Status.PENDING, expires_at=NOW + MOMENT),
    Case(Status.EXPIRED, expires_at=NOW),
    Case(Status.EXPIRED, expires_at=NOW - MOMENT),
    Case(Status.EXPIRED, expires_at=PAST, sending=Sending.SENT),
    Case(Status.EXPIRED, expires_at=PAST, sending=Sending.UNDER_WAY),
    Case(Status.ERROR_SENDING, sending=Sending.FAILED),
    Case(Status.ERROR_SENDING, sending=Sending.FAILED, expires_at=PAST),
    Case(Status.PENDING, sending=Sending.IN_DOUBT, doubt_since=NOW),
    Case(Status.PENDING, sending=Sending.IN_DOUBT, doubt_since=DOUBTED + MOMENT),
    Case(Status.ERROR_SENDING, sending=Sending.IN_DOUBT, doubt_since=DOUBTED),
    Case(Status.ERROR_SENDING, sending=Sending.IN_DOUBT, doubt_since=DOUBTED - MOMENT),
    Case(Status.ERROR_SENDING, sending=Sending.IN_DOUBT, doubt_since=PAST, expires_at=PAST),
    Case(Status.EXPIRED, sending=Sending.IN_DOUBT, doubt_since=NOW, expires_at=PAST),
    Case(Status.PENDING, sending=Sending.IN_DOUBT),
    Case(Status.PENDING, sending=Sending.SENT, doubt_since=PAST),
    Case(Status.ACCEPTED, accepted_at=PAST),
    Case(Status.ACCEPTED, accepted_at=PAST, expires_at=PAST),
    Case(Status.ACCEPTED, accepted_at=PAST, sending=Sending.FAILED),
    Case(Status.ACCEPTED, accepted_at=PAST, sending=Sending.IN_DOUBT, doubt_since=PAST),
    Case(Status.REMOVED, removed_at=PAST),
    Case(Status.REMOVED, removed_at=PAST, accepted_at=PAST),
    Case(Status.REMOVED, removed_at=PAST, expires_at=PAST, sending=Sending.FAILED),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rule(case: Case) -> None:
    assert status.of(case, now=NOW, doubt_after=DOUBT_AFTER) == case.means


@pytest.mark.usefixtures("context")
def test_the_sql_twin_says_the_same_of_every_case(cast: Cast, keys: Keys) -> None:
    rows = {_insert(case, place, cast, keys): case for place, case in enumerate(CASES)}
    for word in Status:
        query = select(Invitation.id).where(has_status(word))
        found = db.session.scalars(query, moments(Moment(NOW, DOUBT_AFTER))).all()
        assert [rows[each] for each in found if rows[each].means != word] == []
        assert len(found) == sum(case.means == word for case in CASES)
    assert db.session.scalar(select(func.count()).select_from(Invitation)) == len(CASES)


@pytest.mark.usefixtures("context")
def test_the_rule_reads_the_same_facts_from_the_row(cast: Cast, keys: Keys) -> None:
    rows = {_insert(case, place, cast, keys): case for place, case in enumerate(CASES)}
    db.session.expire_all()
    for invitation in db.session.scalars(select(Invitation)):
        said = status.of(invitation, now=NOW, doubt_after=DOUBT_AFTER)
        assert said == rows[invitation.id].means


def test_every_status_has_a_case() -> None:
    assert {case.means for case in CASES} == set(Status)


@dataclass(frozen=True)
class Message:
    state: DeliveryState
    doubt_since: datetime | None = None


QUEUED, LEAVING = Message(DeliveryState.QUEUED), Message(DeliveryState.SENDING)
SENT, DELIVERED = Message(DeliveryState.SENT), Message(DeliveryState.DELIVERED)
WITHDRAWN = Message(DeliveryState.WITHDRAWN)
FAILED, SUPPRESSED = Message(DeliveryState.FAILED), Message(DeliveryState.SUPPRESSED)
EARLIER, LATER = Message(DeliveryState.IN_DOUBT, PAST), Message(DeliveryState.IN_DOUBT, NOW)


@pytest.mark.parametrize(
    ("messages", "amount"),
    [
        ([], (Sending.NONE, None)),
        ([QUEUED], (Sending.UNDER_WAY, None)),
        ([LEAVING], (Sending.UNDER_WAY, None)),
        ([SENT], (Sending.SENT, None)),
        ([DELIVERED], (Sending.SENT, None)),
        ([FAILED], (Sending.FAILED, None)),
        ([SUPPRESSED], (Sending.FAILED, None)),
        ([EARLIER], (Sending.IN_DOUBT, PAST)),
        ([SENT, FAILED], (Sending.SENT, None)),
        ([DELIVERED, EARLIER], (Sending.SENT, None)),
        ([QUEUED, SENT], (Sending.SENT, None)),
        ([QUEUED, FAILED], (Sending.UNDER_WAY, None)),
        ([LEAVING, EARLIER], (Sending.UNDER_WAY, None)),
        ([FAILED, SUPPRESSED], (Sending.FAILED, None)),
        ([DELIVERED, SUPPRESSED], (Sending.SENT, None)),
        ([DELIVERED, FAILED], (Sending.SENT, None)),
        ([QUEUED, SUPPRESSED], (Sending.UNDER_WAY, None)),
        ([FAILED, EARLIER], (Sending.IN_DOUBT, PAST)),
        ([SUPPRESSED, EARLIER], (Sending.IN_DOUBT, PAST)),
        ([EARLIER, LATER], (Sending.IN_DOUBT, NOW)),
        ([WITHDRAWN], (Sending.NONE, None)),
        ([WITHDRAWN, QUEUED], (Sending.UNDER_WAY, None)),
        ([WITHDRAWN, FAILED], (Sending.FAILED, None)),
        ([WITHDRAWN, EARLIER], (Sending.IN_DOUBT, PAST)),
    ],
)
def test_what_the_messages_of_one_send_amount_to(
    messages: Sequence[Message], amount: tuple[Sending, datetime | None]
) -> None:
    assert status.amount_to(messages) == amount
    assert status.amount_to(reversed(messages)) == amount


def test_every_state_of_a_message_but_withdrawn_amounts_to_something() -> None:
    for state in set(DeliveryState) - {DeliveryState.WITHDRAWN}:
        sending, _ = status.amount_to([Message(state, NOW)])
        assert sending != Sending.NONE


def _insert(case: Case, place: int, cast: Cast, keys: Keys) -> int:
    who = recipient(f"Person {'x' * place}y")
    made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=NOW)
    db.session.execute(update(Invitation).where(Invitation.id == made.id).values(**case.facts))
    db.session.commit()
    return made.id
