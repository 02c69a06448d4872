"""Guessing Invite Codes gets nobody far, and shuts nobody's door."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from inviter import activity, budgets, guessing, invitations, joining
from inviter.activity import Action
from inviter.conditions import Attention, Place
from inviter.db import db
from inviter.guessing import ALL, CLINIC, Typed, Verdict, guess
from inviter.keys import Keys
from inviter.listing import attention
from inviter.models import Budget, Delivery, Invitation
from inviter.status import DeliveryState, Moment, Sending
from tests.at_once import at_once
from tests.factories import Cast, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

FOUND, REFUSED = Verdict.FOUND, Verdict.REFUSED
DAY = timedelta(days=1)
ADA = ("Ada", "Fixture")

Guess = Callable[..., Verdict]


@pytest.fixture
def invitation(cast: Cast, keys: Keys, now: datetime) -> Invitation:
    who = recipient("Ada Fixture", email="ada@example.org", phone="306 555 0142")
    return invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)


@pytest.fixture
def right(invitation: Invitation, keys: Keys) -> str:
    return code_of(invitation, keys)


@pytest.fixture
def wrong(right: str) -> str:
    return other_than(right)


@pytest.fixture
def tried(cast: Cast, keys: Keys, now: datetime) -> Guess:
    """What a try comes to; each from an address of its own unless one is given."""
    addresses = iter(range(100_000))

    def tried(
        code: str,
        name: tuple[str, str] = ADA,
        *,
        address: str = "",
        at: datetime = now,
        **contact: str,
    ) -> Verdict:
        address = address or f"192.0.2.{next(addresses)}"
        typed = Typed(code, *name, **contact)
        verdict, found = guess(cast.northside, typed, address, keys=keys, now=at)
        assert (found is not None) == (verdict == FOUND)
        db.session.commit()
        return verdict

    return tried


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def code_of(invitation: Invitation, keys: Keys) -> str:
    return keys.open_code(
        invitation.code_sealed or "",
        clinic_id=invitation.clinic_id,
        invitation_id=invitation.id,
    )


def spend(purpose: str, count: int) -> None:
    """As if so many had been tried today."""
    for each in db.session.scalars(select(Budget).where(Budget.purpose == purpose)):
        each.spent = count
    db.session.commit()


def needs(cast: Cast, keys: Keys, now: datetime) -> dict[Attention, int]:
    at = Moment(now, timedelta(minutes=15))
    return attention(Place(cast.northside, (), keys, at))


def actions(invitation: Invitation) -> list[Action]:
    return [each.action for each in activity.of(invitation)]


class TestWithAName:
    def test_ten_wrong_codes_are_all_for_good(
        self, invitation: Invitation, tried: Guess, right: str, wrong: str, now: datetime
    ) -> None:
        assert [tried(wrong, at=now + DAY * day) for day in range(9)] == [REFUSED] * 9
        assert tried(right, at=now + DAY * 9) == FOUND
        assert tried(wrong, at=now + DAY * 9) == REFUSED
        assert tried(right, at=now + DAY * 9) == REFUSED
        assert tried(right, at=now + DAY * 20) == REFUSED

    def test_staff_see_it_and_sending_again_ends_it(
        self,
        cast: Cast,
        invitation: Invitation,
        tried: Guess,
        right: str,
        wrong: str,
        keys: Keys,
        now: datetime,
    ) -> None:
        for _ in range(9):
            tried(wrong)
        assert needs(cast, keys, now)[Attention.BLOCKED] == 0
        tried(wrong)
        tried(wrong)
        db.session.refresh(invitation)
        assert needs(cast, keys, now)[Attention.BLOCKED] == 1
        assert actions(invitation).count(Action.CODE_BLOCKED) == 1
        invitations.resend(invitation, seen=1, by=cast.ana, keys=keys, sms=True, now=now, sure=True)
        assert needs(cast, keys, now)[Attention.BLOCKED] == 0
        assert tried(right) == FOUND

    def test_another_patients_name_is_counted_apart(
        self,
        cast: Cast,
        invitation: Invitation,
        tried: Guess,
        wrong: str,
        right: str,
        keys: Keys,
        now: datetime,
    ) -> None:
        who = recipient("Ben Fixture", email="ben@example.org")
        ben = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
        for _ in range(11):
            tried(other_than(wrong), ("Ben", "Fixture"))
        assert tried(code_of(ben, keys), ("Ben", "Fixture")) == REFUSED
        assert tried(right) == FOUND

    def test_those_at_once_are_all_counted(
        self, app: Flask, invitation: Invitation, cast: Cast, keys: Keys, right: str, now: datetime
    ) -> None:
        clinic = cast.northside
        db.session.commit()

        def one(number: int) -> Verdict:
            typed = Typed(other_than(right), *ADA)
            verdict, _found = guess(clinic, typed, f"192.0.2.{number}", keys=keys, now=now)
            db.session.commit()
            return verdict

        at_once(app, *(lambda number=number: one(number) for number in range(4)))
        db.session.refresh(invitation)
        assert invitation.code_tries == 4


class TestWithACode:
    def test_five_wrong_names_replace_code_and_link_and_staff_are_told(
        self,
        cast: Cast,
        invitation: Invitation,
        tried: Guess,
        right: str,
        keys: Keys,
        now: datetime,
    ) -> None:
        link = keys.link_token(invitation.link_id, invitation.link_version)
        for place in range(4):
            assert tried(right, ("Eve", "abcde"[place])) == REFUSED
        assert joining.by_link(link, keys=keys) is not None
        assert tried(right, ("Eve", "e")) == REFUSED
        db.session.refresh(invitation)
        assert code_of(invitation, keys) != right
        assert joining.by_link(link, keys=keys) is None
        assert tried(right) == REFUSED
        assert tried(code_of(invitation, keys)) == FOUND
        assert actions(invitation).count(Action.CODE_REPLACED) == 1
        assert invitation.sending == Sending.NONE
        assert needs(cast, keys, now)[Attention.CODE] == 1
        assert set(db.session.scalars(select(Delivery.state))) == {DeliveryState.WITHDRAWN}

    def test_a_code_that_is_taken_is_drawn_again(
        self, cast: Cast, invitation: Invitation, right: str, keys: Keys, now: datetime
    ) -> None:
        who = recipient("Ben Fixture", email="ben@example.org")
        ben = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
        draws = iter([code_of(ben, keys), "000017"])
        for place in range(5):
            typed = Typed(right, "Eve", "abcde"[place])
            verdict, _found = guess(
                *(cast.northside, typed, f"192.0.2.{place}"),
                keys=keys,
                now=now,
                new_code=lambda: next(draws),
            )
            assert verdict == REFUSED
        db.session.refresh(invitation)
        assert code_of(invitation, keys) == "000017"

    def test_the_name_in_another_spelling_is_no_wrong_name(
        self, invitation: Invitation, tried: Guess, right: str
    ) -> None:
        for _ in range(6):
            assert tried(right, (" ÂDA", "fixture")) == FOUND
        db.session.refresh(invitation)
        assert (invitation.wrong_names, invitation.code_tries) == (0, 0)


class TestFromAnAddress:
    def test_twenty_an_hour_whatever_is_typed(
        self, invitation: Invitation, tried: Guess, right: str, wrong: str, now: datetime
    ) -> None:
        names = [("Eve", letter) for letter in "abcdefghijklmnopqrst"]
        here = "198.51.100.7"
        assert {tried(wrong, name, address=here) for name in names} == {REFUSED}
        assert tried(right, address=here) == Verdict.ADDRESS_SPENT
        assert tried(right) == FOUND
        assert tried(right, address=here, at=now + timedelta(hours=1)) == FOUND


@pytest.mark.parametrize("purpose", [CLINIC, ALL])
class TestOnceTooManyWereWrong:
    """At one clinic, or in all."""

    @pytest.fixture(autouse=True)
    def spent(self, context: None, invitation: Invitation, tried: Guess, purpose: str) -> None:
        tried("000000", ("No", "One"))
        spend(purpose, 1000 if purpose == ALL else 100)

    @pytest.mark.parametrize(
        "contact", [{"email": "ada@example.org"}, {"number": "+13065550142"}], ids=str
    )
    def test_who_gives_the_contact_on_file_joins(
        self, cast: Cast, tried: Guess, right: str, keys: Keys, now: datetime, contact: object
    ) -> None:
        assert guessing.needs_contact(cast.northside, keys=keys, now=now)
        assert tried(right) == Verdict.NEEDS_CONTACT
        assert tried(right, email="eve@example.org") == REFUSED
        assert tried(right, number="+13065550143") == REFUSED
        assert tried(right, **dict(contact)) == FOUND  # type: ignore[call-overload]

    def test_without_the_contact_a_right_code_is_not_told_from_a_wrong_one(
        self, tried: Guess, right: str, wrong: str
    ) -> None:
        assert tried(wrong) == tried(right) == Verdict.NEEDS_CONTACT

    def test_the_next_day_name_and_code_are_enough(
        self, cast: Cast, tried: Guess, right: str, keys: Keys, now: datetime
    ) -> None:
        later = now + DAY
        assert not guessing.needs_contact(cast.northside, keys=keys, now=later)
        assert tried(right, at=later) == FOUND

    def test_a_link_opens_as_ever(self, invitation: Invitation, keys: Keys) -> None:
        link = keys.link_token(invitation.link_id, invitation.link_version)
        assert joining.by_link(link, keys=keys) is not None


def test_a_spent_clinic_asks_nothing_more_at_another(
    cast: Cast, tried: Guess, keys: Keys, now: datetime
) -> None:
    tried("000000", ("No", "One"))
    spend(CLINIC, 100)
    assert guessing.needs_contact(cast.northside, keys=keys, now=now)
    assert not guessing.needs_contact(cast.lakeview, keys=keys, now=now)


@pytest.mark.parametrize(
    ("days", "most"),
    [([], 1000), ([400] * 7, 1200), ([90_000, *[10] * 6], 1000), ([500] * 3, 1000)],
    ids=["none known", "busy", "one attack", "new"],
)
def test_all_clinics_together_have_three_times_the_usual(
    cast: Cast, keys: Keys, now: datetime, days: list[int], most: int
) -> None:
    for ago, spent in enumerate(days, 1):
        day = now - DAY * ago
        db.session.add(Budget(purpose=ALL, key=day.date().isoformat(), began_at=day, spent=spent))
    today = Budget(purpose=ALL, key=now.date().isoformat(), began_at=now, spent=most - 1)
    db.session.add(today)
    db.session.commit()
    budgets.erase_old(now=now)
    assert not guessing.needs_contact(cast.northside, keys=keys, now=now)
    today.spent = most
    db.session.commit()
    assert guessing.needs_contact(cast.northside, keys=keys, now=now)
