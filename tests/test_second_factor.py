"""Codes from an authenticator app, and recovery codes: each counts once, for one person."""

import base64
import threading
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from flask import Flask
from sqlalchemy import select

from inviter import second_factor
from inviter.db import db
from inviter.keys import Keys
from inviter.models import RecoveryCode, User
from tests.conftest import SECRET
from tests.factories import Cast

PERIOD = timedelta(seconds=30)


def shown_by_app(secret: str, at: datetime) -> str:
    """As an authenticator app reckons it."""
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(int(at.timestamp())).decode()  # noqa: S303


@pytest.fixture
def secret() -> str:
    return second_factor.new_secret()


@pytest.fixture
def codes(context: None, cast: Cast, secret: str, keys: Keys, now: datetime) -> list[str]:
    """Ana's recovery codes. Her app's code of this moment is used up."""
    code = shown_by_app(secret, now)
    made = second_factor.set_up(ana(), secret, code, keys=keys, now=now)
    db.session.commit()
    return made


def ana() -> User:
    query = select(User).where(User.email == "ana@example.org")
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def test_the_documented_example_of_the_standard(context: None) -> None:
    """RFC 6238, appendix B, its last 6 digits."""
    secret = base64.b32encode(b"12345678901234567890").decode()
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        at = datetime.fromtimestamp(seconds).astimezone()
        assert second_factor._counter(secret, code, at) == seconds // 30


def test_setting_up_takes_the_code_of_this_secret(
    context: None, cast: Cast, secret: str, keys: Keys, now: datetime
) -> None:
    other = shown_by_app(second_factor.new_secret(), now)
    for wrong in (other, "", "12345", "abcdef", "１２３４５６"):
        assert second_factor.set_up(ana(), secret, wrong, keys=keys, now=now) == []
    assert ana().second_factor is None
    assert (
        len(set(second_factor.set_up(ana(), secret, shown_by_app(secret, now), keys=keys, now=now)))
        == 10
    )


def test_who_has_an_app_gets_no_other(codes: list[str], keys: Keys, now: datetime) -> None:
    before, other = ana().second_factor, second_factor.new_secret()
    code = shown_by_app(other, now)
    assert second_factor.set_up(ana(), other, code, keys=keys, now=now) == []
    assert ana().second_factor == before


def test_a_code_counts_once_and_none_from_before_it(
    codes: list[str], secret: str, keys: Keys, now: datetime
) -> None:
    at_set_up = shown_by_app(secret, now)
    assert not second_factor.is_right(ana(), at_set_up, keys=keys, now=now)
    later = now + 2 * PERIOD
    code = shown_by_app(secret, later)
    assert second_factor.is_right(ana(), f" {code[:3]} {code[3:]} ", keys=keys, now=later)
    assert not second_factor.is_right(ana(), code, keys=keys, now=later)
    before = shown_by_app(secret, later - PERIOD)
    assert not second_factor.is_right(ana(), before, keys=keys, now=later)


def test_only_the_codes_beside_this_moment_count(
    codes: list[str], secret: str, keys: Keys, now: datetime
) -> None:
    later = now + 100 * PERIOD
    for far in (-3, -2, 2, 3):
        code = shown_by_app(secret, later + far * PERIOD)
        assert not second_factor.is_right(ana(), code, keys=keys, now=later), far
    for near in (-1, 0, 1):
        code = shown_by_app(secret, later + near * PERIOD)
        assert second_factor.is_right(ana(), code, keys=keys, now=later), near


def test_a_recovery_code_counts_once_however_it_is_typed(
    codes: list[str], keys: Keys, now: datetime
) -> None:
    typed = f" {codes[0][:5].upper()}-{codes[0][5:]} "
    assert second_factor.is_right(ana(), typed, keys=keys, now=now)
    assert not second_factor.is_right(ana(), codes[0], keys=keys, now=now)
    assert second_factor.is_right(ana(), codes[1], keys=keys, now=now)
    assert second_factor.recovery_codes_left(ana()) == 8


def test_a_recovery_code_is_its_owners_only(
    codes: list[str], cast: Cast, keys: Keys, now: datetime
) -> None:
    assert not second_factor.is_right(cast.sam, codes[0], keys=keys, now=now)
    assert second_factor.recovery_codes_left(ana()) == 10


def test_new_recovery_codes_replace_those_before(
    codes: list[str], keys: Keys, now: datetime
) -> None:
    fresh = second_factor.new_recovery_codes(ana(), keys=keys)
    assert not second_factor.is_right(ana(), codes[0], keys=keys, now=now)
    assert second_factor.is_right(ana(), fresh[0], keys=keys, now=now)


def test_the_database_holds_neither_the_secret_nor_a_code(codes: list[str], secret: str) -> None:
    kept = [ana().second_factor, *db.session.scalars(select(RecoveryCode.mac))]
    assert not [each for each in kept if secret in each or any(code in each for code in codes)]


def test_a_secret_moved_to_someone_else_opens_nothing(
    codes: list[str], cast: Cast, secret: str, keys: Keys, now: datetime
) -> None:
    cast.sam.second_factor = ana().second_factor
    later = now + 2 * PERIOD
    code = shown_by_app(secret, later)
    assert not second_factor.is_right(cast.sam, code, keys=keys, now=later)


def test_what_was_kept_under_an_old_key_still_counts(
    codes: list[str], secret: str, now: datetime
) -> None:
    keys, later = Keys("another secret, which is 32 or more long", [SECRET]), now + 2 * PERIOD
    assert second_factor.is_right(ana(), codes[0], keys=keys, now=later)
    assert second_factor.is_right(ana(), shown_by_app(secret, later), keys=keys, now=later)


def test_of_eight_who_use_one_code_at_once_one_gets_in(
    app: Flask, codes: list[str], secret: str, keys: Keys, now: datetime
) -> None:
    later = now + 2 * PERIOD
    for code in (shown_by_app(secret, later), codes[0]):
        start, got_in = threading.Barrier(8), []

        def use(code: str = code, start: threading.Barrier = start) -> None:
            with app.app_context():
                start.wait(20)
                if second_factor.is_right(ana(), code, keys=keys, now=later):
                    got_in.append(code)  # noqa: B023
                db.session.commit()

        db.session.rollback()
        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(got_in) == 1


def test_who_lost_all_sets_up_anew(
    codes: list[str], secret: str, keys: Keys, now: datetime
) -> None:
    second_factor.remove(ana())
    db.session.commit()
    assert second_factor.recovery_codes_left(ana()) == 0
    assert not second_factor.is_right(ana(), codes[0], keys=keys, now=now)
    later = now + 2 * PERIOD
    code = shown_by_app(secret, later)
    assert second_factor.set_up(ana(), secret, code, keys=keys, now=later)
