"""Passwords and codes can be tried only so often, for one account and from one address."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from inviter.db import db
from inviter.models import Budget, Delivery
from inviter.web import tries
from tests.factories import PASSWORD, Cast
from tests.visitors import Visitor

ANA = "ana@example.org"
WRONG = "wrong horse battery"
TOO_MANY = "Too many tries. Try again in 15 minutes."


@pytest.fixture
def visitor(app: Flask, cast: Cast) -> Visitor:
    return Visitor(app.test_client())


@pytest.fixture
def wait(app: Flask) -> Callable[[timedelta], None]:
    """So long has passed since all tries."""

    def wait(time: timedelta) -> None:
        with app.app_context():
            for each in db.session.scalars(select(Budget)):
                each.began_at -= time
            db.session.commit()

    return wait


@pytest.fixture
def spend(app: Flask) -> Callable[[int], None]:
    """As if so many more had been tried."""

    def spend(more: int) -> None:
        with app.app_context():
            db.session.execute(update(Budget).values(spent=Budget.spent + more))
            db.session.commit()

    return spend


def test_the_right_password_too_is_refused_after_ten_wrong_ones(
    visitor: Visitor, wait: Callable[[timedelta], None]
) -> None:
    for number in range(10):
        address = (" Ana@Example.org ", ANA)[number % 2]
        assert visitor.sign_in(address, WRONG).status == 422
    assert visitor.sign_in(ANA).status == 429
    assert visitor.errors["address"] == TOO_MANY
    assert Visitor(visitor.client).sign_in("osei@example.org").path == "/c/northside/invite"
    visitor.open("/account").submit("Sign out", form="header form")
    wait(timedelta(minutes=15))
    assert visitor.sign_in(ANA).status == 200


def test_an_unknown_address_is_answered_like_a_known_one(visitor: Visitor) -> None:
    for address in (ANA, "who@example.org", "306 555 0199", "nonsense"):
        told = [visitor.sign_in(address, WRONG).status for _ in range(11)]
        assert told == [422] * 10 + [429], address


def test_who_gets_in_begins_anew(visitor: Visitor) -> None:
    for _ in range(2):
        for _ in range(9):
            visitor.sign_in(ANA, WRONG)
        assert visitor.sign_in(ANA).path.startswith("/c/")
        visitor.submit("Sign out", form="header form")


def test_a_day_has_an_end_too(
    visitor: Visitor,
    wait: Callable[[timedelta], None],
    spend: Callable[[int], None],
) -> None:
    visitor.sign_in(ANA, WRONG)
    spend(tries.MOST_A_DAY[tries.SIGN_IN])
    wait(timedelta(hours=23))
    assert visitor.sign_in(ANA).status == 429
    wait(timedelta(hours=1))
    assert visitor.sign_in(ANA).status == 200


def test_one_address_cannot_try_every_account(
    visitor: Visitor, spend: Callable[[int], None]
) -> None:
    visitor.client.environ_base["REMOTE_ADDR"] = "2001:db8:1:2::1"
    visitor.sign_in("who@example.org", WRONG)
    spend(tries.MOST_FROM_ONE_ADDRESS)
    visitor.client.environ_base["REMOTE_ADDR"] = "2001:db8:1:2:ffff::9"
    assert visitor.sign_in(ANA).status == 429
    visitor.client.environ_base["REMOTE_ADDR"] = "2001:db8:1:3::1"
    assert visitor.sign_in(ANA).status == 200


def test_the_current_password_cannot_be_guessed_at_a_browser_left_open(visitor: Visitor) -> None:
    visitor.sign_in(ANA).open("/account/password")
    for _ in range(10):
        visitor.submit(password=WRONG, new_password="purple anvil sandwich")
        assert visitor.status == 422
    visitor.submit(password=PASSWORD, new_password="purple anvil sandwich")
    assert visitor.status == 429
    assert visitor.errors["password"] == TOO_MANY


def test_nobody_is_flooded_with_links_and_the_answer_does_not_tell(
    app: Flask, visitor: Visitor
) -> None:
    told = set()
    for _ in range(5):
        visitor.open("/forgot-password").submit(address=ANA)
        told.add(visitor.text)
    assert len(told) == 1
    with app.app_context():
        assert len(db.session.scalars(select(Delivery)).all()) == 3


def test_the_database_holds_no_address(app: Flask, visitor: Visitor, now: datetime) -> None:
    visitor.sign_in(ANA, WRONG)
    with app.app_context():
        kept = " ".join(each.key for each in db.session.scalars(select(Budget)))
    assert len(kept) > 100
    assert "ana" not in kept
    assert "127.0" not in kept
