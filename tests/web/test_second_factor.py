"""Staff sign in with a second factor: nothing is open before it, and it is set up only once."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from inviter import clock
from inviter.config import Config
from inviter.db import db
from inviter.models import Activity, Delivery, Kind, SignIn, User
from inviter.web import auth, qr, second_factor
from tests import factories
from tests.factories import PASSWORD, Cast
from tests.kept import Apps
from tests.test_second_factor import shown_by_app
from tests.visitors import Visitor

ANA = "ana@example.org"
BEN = "+13065550142"
SET_UP = "/second-factor/set-up"
ASKED = "/second-factor"


@pytest.fixture
def app(settings: Config, kept_apps: Apps) -> Iterator[Flask]:
    """As outside the demo."""
    with kept_apps.over(replace(settings, require_mfa=True)) as made:
        yield made


@pytest.fixture
def visitor(app: Flask, cast: Cast) -> Visitor:
    return Visitor(app.test_client())


@pytest.fixture
def key(visitor: Visitor) -> str:
    """Of Ana's app; she has set it up and signed out again."""
    return set_up(visitor)


def set_up(visitor: Visitor) -> str:
    visitor.sign_in(ANA)
    assert visitor.path == SET_UP
    key = visitor.words(".code")[0].replace(" ", "")
    visitor.submit(code=code_of(key, -1))
    visitor.submit("Sign out", form="header form")
    return key


def code_of(key: str, periods: int = 0) -> str:
    return shown_by_app(key, clock.now() + timedelta(seconds=30 * periods))


def mail_to_ana(app: Flask) -> list[Kind]:
    """What a person is told of their own account."""
    query = select(Delivery.kind).join(Delivery.user).where(User.email == ANA)
    with app.app_context():
        return list(db.session.scalars(query.order_by(Delivery.id)))


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


def copy_of(client: FlaskClient) -> FlaskClient:
    """Another browser with the same cookie."""
    copy = client.application.test_client()
    copy.set_cookie("session", client.get_cookie("session").value)
    return copy


def test_the_first_sign_in_leads_through_set_up_and_recovery_codes_to_the_page(
    visitor: Visitor,
) -> None:
    visitor.open("/c/northside/patients")
    visitor.submit(address=ANA, password=PASSWORD)
    assert visitor.path == SET_UP
    key = visitor.words(".code")[0].replace(" ", "")
    link = visitor.page.select_one("a[href^=otpauth]")
    assert qr.drawn(str(link["href"])) in visitor.response.text
    assert link["href"] == f"otpauth://totp/Inviter%3Aana%40example.org?secret={key}&issuer=Inviter"
    visitor.submit(code=code_of(key))
    assert visitor.path == "/account/recovery-codes"
    assert len(set(visitor.words(".code"))) == 10
    visitor.submit("I have kept them")
    assert visitor.path == "/c/northside/patients"
    assert visitor.open("/account/recovery-codes").words(".code") == []
    assert "You have 10 recovery codes left." in visitor.text


def test_the_owner_is_told_that_an_app_was_set_up(app: Flask, key: str) -> None:
    assert mail_to_ana(app) == [Kind.SECOND_FACTOR_SET]


def test_later_the_password_is_followed_by_a_code(visitor: Visitor, key: str) -> None:
    visitor.open("/c/northside/patients")
    visitor.submit(address=ANA, password=PASSWORD)
    assert visitor.path == ASKED
    visitor.submit(code=code_of(key))
    assert visitor.path == "/c/northside/patients"


def test_a_wrong_or_used_code_gets_nobody_in(visitor: Visitor, key: str) -> None:
    visitor.sign_in(ANA)
    used = code_of(key)
    visitor.submit(code=used)
    visitor.submit("Sign out", form="header form")
    visitor.sign_in(ANA)
    for typed in ("", "000000", "nonsense", used, "\0"):
        visitor.submit(code=typed)
        assert visitor.status == 422, typed
        assert visitor.errors["code"].startswith("This code is not right or was used already.")
        assert not is_signed_in(visitor.client)


def test_codes_can_be_tried_only_so_often_from_wherever(visitor: Visitor, key: str) -> None:
    visitor.sign_in(ANA)
    for number in range(5):
        visitor.client.environ_base["REMOTE_ADDR"] = f"192.0.2.{number}"
        visitor.submit(code="000000")
        assert visitor.status == 422
    visitor.submit(code=code_of(key))
    assert visitor.status == 429
    assert visitor.errors["code"] == "Too many tries. Try again in 15 minutes."
    assert not is_signed_in(visitor.client)


def test_half_signed_in_opens_these_pages_and_nothing_else(app: Flask, visitor: Visitor) -> None:
    visitor.sign_in(ANA)
    for rule in app.url_map.iter_rules():
        if rule.endpoint in auth.SESSIONLESS or "GET" not in (rule.methods or ()):
            continue
        path = re.sub(r"<slug>", "northside", rule.rule)
        answer = visitor.client.get(re.sub(r"<[^>]*>", "1", path))
        assert "Ana Moreau" not in answer.text, rule.rule
        assert "Northside" not in answer.text or "/join/" in rule.rule, rule.rule
    assert not is_signed_in(visitor.client)


def test_half_signed_in_ends_after_ten_minutes(visitor: Visitor, key: str) -> None:
    visitor.sign_in(ANA)
    with visitor.client.session_transaction() as session:
        session["half"]["at"] -= second_factor.HALF_SECONDS + 1
        session.modified = True
    visitor.submit(code=code_of(key))
    assert visitor.path == "/sign-in"
    assert "Sign in with your password first." in visitor.text


def test_half_signed_in_ends_when_the_password_changes(
    app: Flask, visitor: Visitor, key: str
) -> None:
    visitor.sign_in(ANA)
    with app.app_context():
        auth.set_password(db.session.scalars(select(User).where(User.email == ANA)).one(), "x" * 20)
        db.session.commit()
    assert visitor.submit(code=code_of(key)).path == "/sign-in"


def test_a_cookie_from_before_the_set_up_cannot_replace_the_app(visitor: Visitor) -> None:
    """Door 1: whoever knew the password that day would own the account for ever."""
    visitor.sign_in(ANA)
    kept = Visitor(copy_of(visitor.client)).open(SET_UP)
    other_key = kept.words(".code")[0].replace(" ", "")
    visitor.submit(code=code_of(other_key, -1))
    kept.submit(code=code_of(other_key, 1))
    assert kept.path == ASKED or kept.path == "/sign-in"
    assert not is_signed_in(kept.client)
    kept.open(SET_UP)
    assert kept.words(".code") == []


def test_no_page_switches_the_second_factor_off(app: Flask) -> None:
    """Door 2."""
    rules = {each.rule for each in app.url_map.iter_rules() if "second_factor" in each.endpoint}
    assert rules == {
        ASKED,
        SET_UP,
        "/account/recovery-codes",
        "/account/recovery-codes/kept",
    }


def test_without_a_password_there_is_no_second_step(visitor: Visitor) -> None:
    for path in (ASKED, SET_UP):
        assert visitor.open(path).path == "/sign-in"


def test_a_recovery_code_stands_in_once(visitor: Visitor) -> None:
    visitor.sign_in(ANA)
    visitor.submit(code=code_of(visitor.words(".code")[0].replace(" ", "")))
    code = visitor.words(".code")[0]
    visitor.submit("Sign out", form="header form")
    visitor.sign_in(ANA).submit(code=code)
    assert is_signed_in(visitor.client)
    visitor.submit("Sign out", form="header form")
    visitor.sign_in(ANA).submit(code=code)
    assert not is_signed_in(visitor.client)


def test_new_recovery_codes_take_a_code_from_the_app(visitor: Visitor, key: str) -> None:
    visitor.sign_in(ANA).submit(code=code_of(key))
    visitor.open("/account/recovery-codes").submit(code="000000")
    assert visitor.status == 422
    visitor.submit(code=code_of(key, 1))
    assert len(visitor.words(".code")) == 10


def test_recovery_codes_are_sealed_in_the_cookie(visitor: Visitor) -> None:
    visitor.sign_in(ANA)
    visitor.submit(code=code_of(visitor.words(".code")[0].replace(" ", "")))
    with visitor.client.session_transaction() as session:
        held = str(dict(session))
    assert not [code for code in visitor.words(".code") if code.replace("-", "") in held]


def test_a_patient_is_asked_for_none(app: Flask, visitor: Visitor) -> None:
    with app.app_context():
        factories.account(phone=BEN, name="Ben Sample")
        db.session.commit()
    assert visitor.sign_in(BEN).path == "/account"


def test_who_becomes_staff_is_asked_though_signed_in(
    app: Flask, visitor: Visitor, cast: Cast
) -> None:
    visitor.sign_in(ANA).submit(code=code_of(visitor.words(".code")[0].replace(" ", "")))
    assert is_signed_in(visitor.client)
    with app.app_context():
        db.session.execute(update(SignIn).values(with_second_factor=False))
        db.session.commit()
    assert not is_signed_in(visitor.client)


def test_changing_the_password_keeps_this_browser_signed_in(visitor: Visitor, key: str) -> None:
    visitor.sign_in(ANA).submit(code=code_of(key))
    visitor.open("/account/password").submit(
        password=PASSWORD, new_password="purple anvil sandwich"
    )
    assert visitor.path == "/account"


def test_who_lost_the_phone_sets_up_anew_after_the_command(
    app: Flask, visitor: Visitor, key: str, cast: Cast
) -> None:
    visitor.sign_in(ANA).submit(code=code_of(key))
    done = app.test_cli_runner().invoke(args=["reset-second-factor", ANA])
    assert done.exit_code == 0, done.output
    assert not is_signed_in(visitor.client)
    assert visitor.sign_in(ANA).path == SET_UP
    assert visitor.words(".code")[0].replace(" ", "") != key
    with app.app_context():
        lines = db.session.scalars(select(Activity)).all()
        assert {(each.action, each.clinic_id) for each in lines} == {
            ("second factor reset", cast.northside.id),
            ("second factor reset", cast.lakeview.id),
        }
    assert mail_to_ana(app) == [Kind.SECOND_FACTOR_SET, Kind.SECOND_FACTOR_RESET]
    again = app.test_cli_runner().invoke(args=["reset-second-factor", ANA])
    assert again.exit_code == 1
