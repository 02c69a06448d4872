"""Budgets count each try, also of many at once, and begin anew after their time."""

import threading
from datetime import datetime, timedelta

from flask import Flask
from sqlalchemy import select

from inviter import budgets
from inviter.db import db
from inviter.models import Budget

HOUR = timedelta(hours=1)


def spend(now: datetime, key: str = "k", purpose: str = "p") -> bool:
    return budgets.spend(purpose, key, most=3, within=HOUR, now=now)


def left(now: datetime, key: str = "k") -> int:
    return budgets.left("p", key, most=3, within=HOUR, now=now)


def test_so_many_are_within_and_no_more(context: None, now: datetime) -> None:
    assert left(now) == 3
    assert [spend(now) for _ in range(5)] == [True, True, True, False, False]
    assert left(now) == 0


def test_it_begins_anew_when_its_time_is_over(context: None, now: datetime) -> None:
    for minutes in (0, 10, 20, 59):
        spend(now + timedelta(minutes=minutes))
    assert left(now + timedelta(minutes=59)) == 0
    assert left(now + HOUR) == 3
    assert spend(now + HOUR)
    assert left(now + HOUR) == 2


def test_keys_and_purposes_have_budgets_of_their_own(context: None, now: datetime) -> None:
    for _ in range(4):
        spend(now)
    assert spend(now, key="other")
    assert spend(now, purpose="other")
    budgets.clear("p", "other")
    assert not spend(now)
    budgets.clear("p", "k")
    assert left(now) == 3


def test_of_many_at_once_no_more_get_through(app: Flask, context: None, now: datetime) -> None:
    start, got = threading.Barrier(12), []

    def try_once() -> None:
        with app.app_context():
            start.wait(20)
            is_within = spend(now)
            db.session.commit()
            got.append(is_within)

    threads = [threading.Thread(target=try_once) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(got) == [False] * 9 + [True] * 3


def test_a_budget_whose_time_is_over_is_erased(context: None, now: datetime) -> None:
    spend(now)
    spend(now + HOUR, "younger")
    budgets.erase_old(now=now + budgets.LONGEST)
    assert db.session.scalars(select(Budget.key)).all() == ["younger"]
