"""Invited Patients and Patients: what is listed, in what order, at what cost."""

from datetime import datetime, timedelta

import pytest

from inviter import joining, listing
from inviter.db import db
from inviter.keys import Keys
from inviter.listing import Page
from inviter.models import How
from inviter.status import Status
from tests.counting import counted
from tests.factories import Cast, account, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

DOUBT_AFTER = timedelta(minutes=15)


def page(cast: Cast, keys: Keys, now: datetime, number: int = 1) -> Page[listing.InvitedRow]:
    return listing.invited(cast.northside, number, keys=keys, doubt_after=DOUBT_AFTER, now=now)


def invite_many(cast: Cast, keys: Keys, now: datetime, many: int) -> None:
    for number in range(many):
        name = f"Person {chr(97 + number // 26)}{chr(97 + number % 26)}"
        invite(
            cast.northside,
            recipient(name, email=f"p{number}@example.org"),
            provider=cast.osei,
            by=cast.ana,
            keys=keys,
            now=now + timedelta(seconds=number),
        )


def test_a_row_tells_what_staff_need(cast: Cast, keys: Keys, now: datetime) -> None:
    who = recipient("Ada Fixture", email="ada@example.org", phone="(306) 555-0142")
    made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
    row = page(cast, keys, now).rows[0]
    assert (row.name, row.provider, row.phone, row.email) == (
        "Ada Fixture",
        "Dr. Amira Osei",
        "(306) 555-0142",
        "ada@example.org",
    )
    assert row.status == Status.PENDING
    assert row.code == keys.open_code(
        made.code_sealed or "", clinic_id=made.clinic_id, invitation_id=made.id
    )
    assert [each.channel for each in row.sent] == ["email", "sms"]


def test_the_newest_stands_first_and_pages_leave_no_gap(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    invite_many(cast, keys, now, 60)
    pages = [page(cast, keys, now, number) for number in (1, 2, 3)]
    times = [row.invited_at for each in pages for row in each.rows]
    assert [len(each.rows) for each in pages] == [25, 25, 10]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 60


@pytest.mark.parametrize("number", [0, -1, 4, 41, 10**12])
def test_a_page_that_is_not_there_is_the_first(
    cast: Cast, keys: Keys, now: datetime, number: int
) -> None:
    invite_many(cast, keys, now, 30)
    assert page(cast, keys, now, number).number == 1


def test_other_clinics_and_removed_invitations_are_not_listed(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    invite(cast.southside, recipient(), provider=cast.lind, by=cast.sam, keys=keys, now=now)
    mine = invite(cast.northside, recipient(), provider=cast.osei, by=cast.ana, keys=keys, now=now)
    mine.removed_at = now
    db.session.commit()
    assert page(cast, keys, now).total == 0


def test_an_accepted_row_leaves_after_72_hours_and_stays_under_patients(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    made = invite(cast.northside, recipient(), provider=cast.osei, by=cast.ana, keys=keys, now=now)
    joining.accept(made, account=account("a@example.org"), how=How.LINK, now=now)
    db.session.commit()
    almost = now + timedelta(hours=72) - timedelta(seconds=1)
    assert page(cast, keys, almost).rows[0].status == Status.ACCEPTED
    assert page(cast, keys, now + timedelta(hours=72)).total == 0
    assert [row.name for row in listing.patients(cast.northside, 1).rows] == ["Ada Fixture"]


def test_a_page_costs_the_same_queries_with_none_one_and_many_rows(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    costs = []
    for many in (0, 1, 40):
        invite_many(cast, keys, now, many)
        with counted() as statements:
            page(cast, keys, now)
        costs.append(len(statements))
        db.session.rollback()
        db.session.execute(db.text("DELETE FROM attempt"))
        for table in ("activity", "delivery", "confirmation", "invitation"):
            db.session.execute(db.text(f"DELETE FROM {table}"))  # noqa: S608
        db.session.commit()
    assert costs == [3, 3, 3]


def test_the_number_is_exact_up_to_a_thousand(cast: Cast) -> None:
    assert not Page((), 1, 1000).is_capped
    assert Page((), 1, 1001).is_capped
    assert Page((), 1, 1001).last == 40
