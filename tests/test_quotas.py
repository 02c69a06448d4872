"""How many a clinic may invite: all of what is confirmed or nothing, whoever confirms at once."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from inviter import inviting, quotas
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Budget, Confirmation, Invitation
from inviter.quotas import TYPED, TooMany
from tests.at_once import at_once
from tests.factories import Cast, recipient

pytestmark = pytest.mark.usefixtures("context")

CLINIC = 7
HOUR = timedelta(hours=1)


def count(many: int, now: datetime, most: int = 10) -> None:
    quotas.count(TYPED, CLINIC, many, most=most, now=now)
    db.session.commit()


def test_all_of_them_are_counted_or_none(now: datetime) -> None:
    count(6, now)
    with pytest.raises(TooMany) as refused:
        count(5, now + timedelta(minutes=20))
    assert (refused.value.left, refused.value.until) == (4, now + HOUR)
    count(4, now + timedelta(minutes=20))
    with pytest.raises(TooMany):
        count(1, now + timedelta(minutes=59))
    count(10, now + HOUR)


def test_more_than_there_ever_are_is_refused_and_counts_nothing(now: datetime) -> None:
    with pytest.raises(TooMany) as refused:
        count(11, now)
    assert (refused.value.left, refused.value.until) == (10, now)
    assert db.session.scalars(select(Budget)).all() == []


def test_what_was_not_invited_after_all_is_given_back_and_no_more(now: datetime) -> None:
    count(6, now)
    quotas.give_back(TYPED, CLINIC, 5)
    quotas.give_back(TYPED, CLINIC, 5)
    count(10, now)


def test_checking_counts_nothing(now: datetime) -> None:
    for _ in range(2):
        quotas.check(TYPED, CLINIC, 10, most=10, now=now)
    with pytest.raises(TooMany):
        quotas.check(TYPED, CLINIC, 11, most=10, now=now)


def test_of_many_at_once_no_more_get_through(app: Flask, now: datetime) -> None:
    def count_three() -> bool:
        try:
            count(3, now)
        except TooMany:
            return False
        return True

    db.session.commit()
    assert sum(at_once(app, *[count_three] * 6)) == 3


def test_a_press_that_is_refused_invites_nobody_and_leaves_its_key_free(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    def press(*names: str, key: str, at: datetime = now) -> Confirmation:
        made = inviting.invite(
            cast.northside,
            [recipient(each) for each in names],
            provider=cast.tallgrass,  # type: ignore[arg-type]
            by=cast.ana,
            key=key,
            keys=keys,
            sms=True,
            most=2,
            now=at,
        )
        db.session.commit()
        return made

    def invited() -> int:
        return db.session.scalar(select(func.count()).select_from(Invitation)) or 0

    press("Ada Fixture", "Ben Sample", key="first")
    press("Ada Fixture", "Ben Sample", key="first")
    press("Ada Fixture", key="nobody new")
    with pytest.raises(TooMany):
        press("Cy Late", key="second")
    db.session.commit()
    assert inviting.confirmation(cast.northside, "second") is None
    assert invited() == 2
    press("Cy Late", key="second", at=now + HOUR)
    assert invited() == 3
