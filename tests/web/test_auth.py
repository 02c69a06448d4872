"""Sign in and out, forgotten and changed passwords, one's own account; the doors of accounts.md."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import flask_login
import flask_security
import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from passlib.hash import argon2
from sqlalchemy import event, select, update
from werkzeug.test import TestResponse

import app as composition
from inviter.config import Config
from inviter.db import db, read_only
from inviter.models import NO_CLINIC, Channel, Clinic, Delivery, Kind, SignIn, User
from inviter.web import auth, passwords
from tests import factories
from tests.conftest import database_url  # noqa: F401  (for TestBothDatabases)
from tests.factories import PASSWORD, Cast

NEW_PASSWORD = "purple anvil sandwich"
WRONG_PASSWORD = "wrong horse battery"
ANA = "ana@example.org"
BEN = "+13065550142"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
HTMX = {"HX-Request": "true"}

Make = Callable[..., Flask]

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

WRONG_PAIRS = [
    (ANA, WRONG_PASSWORD),
    (BEN, WRONG_PASSWORD),
    ("who@example.org", PASSWORD),
    ("306 555 0199", PASSWORD),
    ("nobody", PASSWORD),
    ("\0@\0", PASSWORD),
    (ANA, PASSWORD + " "),
    (ANA, "x" * 5000),
    (ANA, "ﷺ" * 400),
    (ANA, "a\0b"),
]
FOREIGN_PAGES = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    " /evil",
    "javascript:alert(1)",
    "http:evil.example",
    "evil",
    "/a\\b",
    "/a\r\nSet-Cookie: x=1",
    "/" + "a" * 3000,
    "",
]
GOOD_PASSWORDS = [
    PASSWORD,
    NEW_PASSWORD,
    "we were there",
    "trois petits chats",
    "Tr0ub4dor&3x",
    "xK9#mQ2$vL7!",
    "パスワードを忘れました今日",
    "my hospital has nine doors",
    "xxxxquantum fjord",
]
EASY_PASSWORDS = [
    "password1234",
    "Password2024!",
    "P@ssw0rd1234",
    "passwordpassword",
    "motdepasse123",
    "clinic2026winter",
    "qwertyuiop12",
    "123456789012",
    "aaaaaaaaaaaa",
    "abcabcabcabc",
    "------------",
    " " * 12,
]
POOR_PASSWORDS = [
    ("", "at least 12"),
    ("elevenchars", "at least 12"),
    ("quantum fjord " * 10, "at most 128"),
    ("ﷺ" * 12, "at most 128"),
    (ANA, "not made of"),
    ("Example.org-ana1", "not made of"),
    *[(text, "easy to guess") for text in EASY_PASSWORDS],
]


@pytest.fixture(autouse=True)
def ben(app: Flask, cast: Cast) -> None:
    """A patient who signs in with a mobile number. Ana has an email."""
    with app.app_context():
        factories.account(phone=BEN, name="Ben Sample")
        db.session.commit()


@pytest.fixture
def make(settings: Config) -> Iterator[Make]:
    """Another app over the same database, with other settings."""
    made = []

    def make(**changes: object) -> Flask:
        made.append(composition.create_app(replace(settings, **changes)))
        return made[-1]

    yield make
    for each in made:
        with each.app_context():
            db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(params=["plain", "htmx"])
def mood(request: pytest.FixtureRequest) -> dict[str, str]:
    return {} if request.param == "plain" else HTMX


def submit(client: FlaskClient, page: str, headers: dict[str, str] | None = None, **typed: str):
    """Fill in the form of a page that has all these fields, and press its button."""
    shown = client.get(page, headers=headers or {}).text
    for tag, inside in re.findall(r"(<form[^>]*>)(.*?)</form>", shown, re.DOTALL):
        names = re.findall(r'<input[^>]*? name="([^"]+)"', inside)
        if all(name in names for name in typed) and 'method="post"' in tag:
            action = re.search(r'action="([^"]*)"', tag)
            where = unescape(action[1]) if action else page
            return client.post(
                where, data={"csrf_token": token_in(inside)} | typed, headers=headers
            )
    raise AssertionError(f"no form with {list(typed)} at {page}")


def token_in(html: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert found
    return found[1]


def sign_in(client: FlaskClient, address: str = ANA, password: str = PASSWORD, **more: str):
    return submit(client, "/sign-in", address=address, password=password, **more)


def press(client: FlaskClient, page: str, action: str, **kwargs) -> TestResponse:
    """Press the button of the form with this action."""
    data = {"csrf_token": token_in(client.get(page).text)}
    return client.post(action, data=data, **kwargs)


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


def user(email: str = ANA) -> User:
    return db.session.scalars(
        select(User).where((User.email == email) | (User.phone == email))
    ).one()


def deliveries(app: Flask) -> list[tuple[Kind, Channel, int, int | None]]:
    with app.app_context():
        rows = db.session.scalars(select(Delivery).order_by(Delivery.id))
        return [(each.kind, each.channel, each.clinic_id, each.user_id) for each in rows]


def reset_link(app: Flask, address: str = ANA) -> str:
    """As the worker makes it: in an app context, without a request."""
    with app.app_context():
        return f"/reset-password/{auth.reset_token(user(address))}"


def statements(app: Flask, act: Callable[[], object]) -> list[str]:
    said: list[str] = []
    with app.app_context():
        engine = db.engine

    def hear(_conn, _cursor, statement, *_rest) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    try:
        act()
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    return [each for each in said if not each.startswith(("BEGIN", "PRAGMA"))]


@on_sqlite
class TestSignIn:
    @pytest.mark.parametrize(
        "address", [ANA, " Ana@Example.ORG ", BEN, "306 555-0142", "(306) 555 0142"]
    )
    def test_one_field_takes_an_email_or_a_mobile_number(self, client: FlaskClient, address: str):
        answer = sign_in(client, address)
        assert (answer.status_code, answer.location) == (303, "/")
        assert is_signed_in(client)

    def test_it_works_in_both_moods(self, client: FlaskClient, mood: dict[str, str]):
        answer = submit(client, "/sign-in", mood, address=ANA, password=PASSWORD)
        assert (answer.status_code, answer.location) == (303, "/")

    def test_the_page_names_its_fields_for_a_password_manager(self, client: FlaskClient):
        page = client.get("/sign-in").text
        assert "Email or mobile number" in page
        assert 'autocomplete="username"' in page
        assert 'autocomplete="current-password"' in page
        assert page.count("<h1") == 1

    def test_every_failure_has_one_message(self, client: FlaskClient, mood: dict[str, str]):
        for address, password in WRONG_PAIRS:
            answer = submit(client, "/sign-in", mood, address=address, password=password)
            assert answer.status_code == 422, (address, password)
            said = set(re.findall(r"The email or mobile[^<]*", answer.text))
            assert said == {"The email or mobile number or the password is not right"}
            assert not is_signed_in(client)

    def test_the_answer_is_the_same_for_known_unknown_and_disabled(self, app: Flask):
        with app.app_context():
            db.session.execute(update(User).where(User.phone == BEN).values(is_active=False))
            db.session.commit()
        pairs = ((ANA, WRONG_PASSWORD), (BEN, PASSWORD), ("who@example.org", PASSWORD))
        bodies = set()
        for address, password in pairs:
            body = sign_in(app.test_client(), address, password).text
            bodies.add(body.replace(token_in(body), "").replace(address, ""))
        assert len(bodies) == 1

    def test_a_failure_keeps_the_address_and_not_the_password(self, client: FlaskClient):
        page = sign_in(client, ANA, WRONG_PASSWORD).text
        assert f'value="{ANA}"' in page
        assert "wrong horse" not in page
        assert "<title>Error: Sign in" in page

    def test_a_blank_is_named(self, client: FlaskClient):
        page = sign_in(client, "", "").text
        assert "Enter your email or mobile number" in page
        assert "Enter your password" in page

    def test_a_blank_address_is_nobodys(self, app: Flask):
        with app.test_request_context():
            assert auth.find_by_address("") is None
            assert auth.find_by_address("   ") is None

    def test_a_check_of_nobodys_password_takes_as_long(self, make: Make):
        with make(argon2_time_cost=3, argon2_memory_kib=65_536).test_request_context():
            person = user()
            person.password = auth.hash_password(PASSWORD)
            known = quickest(lambda: auth.is_password(person, WRONG_PASSWORD))
            unknown = quickest(lambda: auth.is_password(None, WRONG_PASSWORD))
            too_long = quickest(lambda: auth.is_password(person, "x" * 5000))
        assert 0.3 < unknown / known < 3
        assert 0.3 < too_long / known < 3

    def test_an_unknown_address_is_checked_like_a_known_one(self, client: FlaskClient):
        for address in (ANA, "who@example.org", "nonsense"):
            data = {"csrf_token": token_in(client.get("/sign-in").text)}
            data |= {"address": address, "password": WRONG_PASSWORD}
            assert waits_for_argon2(lambda data=data: client.post("/sign-in", data=data)), address

    def test_a_form_without_its_token_is_refused(self, client: FlaskClient):
        client.get("/sign-in")
        answer = client.post("/sign-in", data={"address": ANA, "password": PASSWORD})
        assert answer.status_code == 400
        assert not is_signed_in(client)

    def test_nothing_of_the_old_session_is_left(self, client: FlaskClient):
        before = token_in(client.get("/sign-in").text)
        with client.session_transaction() as session:
            session["left"] = "over"
        sign_in(client)
        with client.session_transaction() as session:
            assert "left" not in session
        after = token_in(client.get("/account").text)
        assert after != before
        data = {"csrf_token": before}
        assert client.post("/account/sign-out-everywhere", data=data).status_code == 400

    def test_each_sign_in_has_its_own_secret_and_only_its_hash_is_kept(
        self, app: Flask, client: FlaskClient
    ):
        secrets = set()
        for browser in (client, app.test_client()):
            sign_in(browser)
            with browser.session_transaction() as session:
                secrets.add(session["sign_in"])
        with app.app_context():
            kept = set(db.session.scalars(select(SignIn.secret_hash)))
        assert len(secrets) == len(kept) == 2
        assert not secrets & kept

    def test_signing_in_again_ends_the_sign_in_before(self, app: Flask, client: FlaskClient):
        sign_in(client)
        copy = copy_of(client)
        token = token_in(client.get("/account").text)
        client.post("/sign-in", data={"csrf_token": token, "address": BEN, "password": PASSWORD})
        assert BEN in client.get("/account").text
        assert not is_signed_in(copy)

    def test_who_is_signed_in_is_led_on(self, client: FlaskClient):
        sign_in(client)
        answer = client.get("/sign-in?next=/account/password")
        assert (answer.status_code, answer.location) == (303, "/account/password")

    def test_sign_ins_older_than_12_hours_are_swept(self, app: Flask, client: FlaskClient):
        sign_in(client)
        grow_old(app, timedelta(hours=13))
        sign_in(app.test_client())
        with app.app_context():
            assert len(db.session.scalars(select(SignIn)).all()) == 1

    def test_a_hash_of_another_cost_is_renewed(self, app: Flask, client: FlaskClient):
        with app.app_context():
            old = argon2.using(time_cost=2, memory_cost=64, parallelism=1).hash(PASSWORD)
            user().password = old
            db.session.commit()
        assert sign_in(client).status_code == 303
        with app.app_context():
            assert user().password.startswith("$argon2id$v=19$m=64,t=1,p=4$")


@on_sqlite
class TestNext:
    @pytest.mark.parametrize(
        "page", ["/account", "/account/password?a=1&b=%20x", "/c/north/invite"]
    )
    def test_a_local_path_is_come_back_to(self, client: FlaskClient, page: str):
        client.get("/sign-in")
        answer = client.get("/sign-in", query_string={"next": page})
        action = unescape(re.search(r'action="(/sign-in[^"]*)"', answer.text)[1])
        data = {"csrf_token": token_in(answer.text), "address": ANA, "password": PASSWORD}
        assert client.post(action, data=data).location == page

    def test_anything_else_leads_home(self, app: Flask):
        for page in FOREIGN_PAGES:
            client = app.test_client()
            shown = client.get("/sign-in", query_string={"next": page}).text
            assert "next=" not in shown, page
            data = {"csrf_token": token_in(shown), "address": ANA, "password": PASSWORD}
            answer = client.post("/sign-in", query_string={"next": page}, data=data)
            assert answer.location == "/", page

    def test_a_page_asked_for_without_a_sign_in_is_come_back_to(self, client: FlaskClient):
        answer = client.get("/account/password?a=1")
        assert answer.status_code == 302
        assert answer.location == "/sign-in?next=/account/password?a%3D1"
        assert follow_and_sign_in(client, answer.location) == "/account/password?a=1"

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_an_expired_session_inside_a_swap_goes_to_sign_in_as_a_whole_page(
        self, app: Flask, client: FlaskClient, method: str
    ):
        sign_in(client)
        token = token_in(client.get("/account").text)
        let_idle(client, 31)
        headers = {**HTMX, "HX-Current-URL": "http://localhost/c/northside/invite?q=a%20b"}
        answer = client.open(
            "/account/password", method=method, headers=headers, data={"csrf_token": token}
        )
        assert answer.status_code == 401
        assert "Location" not in answer.headers
        where = answer.headers["HX-Redirect"]
        assert follow_and_sign_in(client, where) == "/c/northside/invite?q=a%20b"

    def test_a_plain_post_comes_back_to_its_page(self, client: FlaskClient):
        sign_in(client)
        token = token_in(client.get("/account").text)
        let_idle(client, 31)
        answer = client.post(
            "/account/sign-out-everywhere",
            data={"csrf_token": token},
            headers={"Referer": "http://localhost/account"},
        )
        assert (answer.status_code, answer.location) == (302, "/sign-in?next=/account")

    @pytest.mark.parametrize(
        ("page", "where"),
        [
            ("https://evil.example/account", "/sign-in?next=/account"),
            ("https://evil.example//other.example", "/sign-in"),
            ("http://[evil", "/sign-in"),
            ("", "/sign-in"),
        ],
    )
    def test_what_the_header_says_is_reduced_to_a_local_path(
        self, client: FlaskClient, page: str, where: str
    ):
        answer = client.get("/account", headers={**HTMX, "HX-Current-URL": page})
        assert answer.headers["HX-Redirect"] == where


@on_sqlite
class TestSessions:
    def test_a_copied_cookie_is_dead_after_sign_out(self, app: Flask, client: FlaskClient):
        sign_in(app.test_client())
        sign_in(client)
        copy = copy_of(client)
        assert is_signed_in(copy)
        answer = press(client, "/account", "/sign-out")
        assert (answer.status_code, answer.location) == (303, "/sign-in")
        assert not is_signed_in(copy)
        assert not is_signed_in(client)
        assert "You are signed out." in client.get("/sign-in").text

    def test_sign_out_is_a_post_with_its_token(self, client: FlaskClient):
        sign_in(client)
        assert client.get("/sign-out").status_code == 405
        assert client.post("/sign-out").status_code == 400
        assert is_signed_in(client)

    def test_signing_out_has_the_browser_forget_its_pages_and_keep_its_cookies(
        self, client: FlaskClient
    ):
        for button in ("/sign-out", "/account/sign-out-everywhere"):
            sign_in(client)
            answer = press(client, "/account", button)
            assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
            assert "Clear-Site-Data" not in client.get("/sign-in").headers

    def test_sign_out_can_lead_to_another_sign_in(self, client: FlaskClient):
        sign_in(client)
        answer = press(client, "/account", "/sign-out?next=/join/north/accept")
        assert answer.location == "/join/north/accept"

    def test_after_idle_minutes_one_is_told_so(self, client: FlaskClient):
        sign_in(client)
        let_idle(client, 31)
        assert client.get("/account").status_code == 302
        page = client.get("/sign-in").text
        assert "You were signed out after 30 minutes." in page

    def test_the_clinic_that_waits_the_least_says_how_long(
        self, app: Flask, client: FlaskClient, cast: Cast
    ):
        with app.app_context():
            lakeview = Clinic.id == cast.lakeview.id
            db.session.execute(update(Clinic).where(lakeview).values(idle_minutes=15))
            db.session.execute(update(Clinic).where(~lakeview).values(idle_minutes=480))
            db.session.commit()
        sam = app.test_client()
        sign_in(sam, "sam@example.org")
        let_idle(sam, 479)
        assert is_signed_in(sam)
        sign_in(client)
        let_idle(client, 14)
        assert is_signed_in(client)
        let_idle(client, 16)
        assert not is_signed_in(client)
        assert "You were signed out after 15 minutes." in client.get("/sign-in").text

    def test_asking_to_stay_begins_the_idle_minutes_anew(self, client: FlaskClient):
        sign_in(client)
        page = client.get("/account").text
        assert 'data-seconds="1831"' in page
        for _ in range(2):
            let_idle(client, 29)
            answer = client.post("/stay-signed-in", data={"csrf_token": token_in(page)})
            assert answer.status_code == 204
        assert client.get("/account").status_code == 200

    def test_who_was_idle_too_long_cannot_ask_to_stay(self, client: FlaskClient):
        sign_in(client)
        page = client.get("/account").text
        let_idle(client, 31)
        answer = client.post("/stay-signed-in", data={"csrf_token": token_in(page)})
        assert answer.location.startswith("/sign-in")
        assert client.get("/account").status_code == 302

    def test_the_pages_warning_ends_when_the_server_knows_nobody(self, client: FlaskClient):
        sign_in(client)
        with client.session_transaction() as session:
            session["seen_at"] -= 1831
        assert client.get("/account").status_code == 302

    def test_within_idle_minutes_one_stays(self, client: FlaskClient):
        sign_in(client)
        let_idle(client, 29)
        assert is_signed_in(client)

    def test_a_persons_request_keeps_them_signed_in(self, client: FlaskClient):
        sign_in(client)
        let_idle(client, 29)
        client.get("/account")
        assert seen_at(client) > time.time() - 60

    def test_a_poll_does_not(self, client: FlaskClient):
        sign_in(client)
        let_idle(client, 29)
        before = seen_at(client)
        client.get("/c/northside/invitations/sent/some-key?look=2")
        assert seen_at(client) == before
        client.get("/c/northside/invitations/sent/some-key")
        assert seen_at(client) > before

    def test_polls_are_endpoints_that_exist(self, app: Flask):
        assert set(auth.POLLS) <= set(app.view_functions)

    def test_what_waited_to_be_shown_goes_when_idle(self, client: FlaskClient):
        sign_in(client)
        with client.session_transaction() as session:
            session["_flashes"] = [("success", "Invite resent to Ada Fixture.")]
        let_idle(client, 31)
        client.get("/account")
        assert "Ada Fixture" not in client.get("/sign-in").text

    def test_no_sign_in_lasts_longer_than_12_hours(self, app: Flask, client: FlaskClient):
        sign_in(client)
        grow_old(app, timedelta(hours=11, minutes=59))
        assert is_signed_in(client)
        grow_old(app, timedelta(minutes=2))
        assert not is_signed_in(client)
        assert "You were signed out. Sign in again." in client.get("/sign-in").text

    def test_a_disabled_account_is_out_at_the_next_request(self, app: Flask, client: FlaskClient):
        sign_in(client)
        with app.app_context():
            user().is_active = False
            db.session.commit()
        assert not is_signed_in(client)
        assert "You were signed out. Sign in again." in client.get("/sign-in").text

    def test_one_query_finds_who_it_is(self, app: Flask, client: FlaskClient):
        sign_in(client)
        assert len(statements(app, lambda: client.get("/account/password"))) == 1

    def test_assets_ask_nobody(self, app: Flask, client: FlaskClient):
        sign_in(client)
        with app.test_request_context():
            address = app.jinja_env.globals["asset"]("app.css")
        assert statements(app, lambda: client.get(address)) == []
        assert client.get(address).vary.as_set() == {"accept-encoding"}

    def test_a_visitor_costs_no_query(self, app: Flask, client: FlaskClient):
        assert statements(app, lambda: client.get("/sign-in")) == []

    def test_the_library_is_told_how_and_when_one_signed_in(self, client: FlaskClient):
        sign_in(client)
        with client:
            client.get("/account")
            assert g.fs_authn_via == "session"
            assert time.time() - g.fs_paa < 60


@on_sqlite
class TestForgottenPassword:
    @pytest.mark.parametrize(
        ("address", "channel"), [(ANA, Channel.EMAIL), ("306 555 0142", Channel.SMS)]
    )
    def test_a_message_is_queued_and_kept(
        self, app: Flask, client: FlaskClient, mood: dict[str, str], address: str, channel: Channel
    ):
        answer = submit(client, "/forgot-password", mood, address=address)
        assert (answer.status_code, answer.location) == (303, "/sign-in")
        with app.app_context():
            who = user(ANA if channel == Channel.EMAIL else BEN).id
        assert deliveries(app) == [(Kind.PASSWORD_RESET, channel, NO_CLINIC, who)]

    def test_the_answer_does_not_tell_who_has_an_account(self, app: Flask):
        with app.app_context():
            user(BEN).is_active = False
            db.session.commit()
        pages = set()
        for address in (ANA, BEN, "who@example.org", "nonsense"):
            client = app.test_client()
            answer = submit(client, "/forgot-password", address=address)
            page = client.get(answer.location).text
            pages.add(page.replace(token_in(page), ""))
        assert len(pages) == 1
        assert "If an account has this address, a message is on its way." in pages.pop()
        assert len(deliveries(app)) == 1

    def test_an_unknown_address_is_worked_on_like_a_known_one(self, client: FlaskClient):
        page = "/forgot-password"
        for address in (ANA, "who@example.org", "nonsense"):
            data = {"csrf_token": token_in(client.get(page).text), "address": address}
            assert waits_for_argon2(lambda data=data: client.post(page, data=data)), address

    def test_a_blank_is_refused(self, client: FlaskClient):
        answer = submit(client, "/forgot-password", address=" ")
        assert answer.status_code == 422
        assert "Enter your email or mobile number" in answer.text


@on_sqlite
class TestResetPassword:
    def test_it_sets_the_password_tells_the_owner_and_ends_all_sign_ins(
        self, app: Flask, client: FlaskClient, mood: dict[str, str]
    ):
        elsewhere = app.test_client()
        sign_in(elsewhere)
        answer = submit(client, reset_link(app), mood, new_password=NEW_PASSWORD)
        assert (answer.status_code, answer.location) == (303, "/sign-in")
        assert "Your password was changed. Sign in with it." in client.get("/sign-in").text
        assert not is_signed_in(elsewhere)
        assert not is_signed_in(client)
        assert sign_in(client, password=PASSWORD).status_code == 422
        assert sign_in(client, password=NEW_PASSWORD).status_code == 303
        assert [each[:2] for each in deliveries(app)] == [(Kind.PASSWORD_CHANGED, Channel.EMAIL)]

    def test_whoever_was_signed_in_here_is_signed_out(self, app: Flask, client: FlaskClient):
        sign_in(client, BEN)
        submit(client, reset_link(app), new_password=NEW_PASSWORD)
        assert not is_signed_in(client)

    def test_a_link_works_once(self, app: Flask, client: FlaskClient):
        link = reset_link(app)
        submit(client, link, new_password=NEW_PASSWORD)
        assert_dead(client, link)

    @pytest.mark.parametrize("act", ["change", "everywhere"])
    def test_a_link_dies_with_the_sign_ins(self, app: Flask, client: FlaskClient, act: str):
        link = reset_link(app)
        sign_in(client)
        if act == "change":
            change_password(client)
        else:
            press(client, "/account", "/account/sign-out-everywhere")
        assert_dead(app.test_client(), link)

    def test_a_link_lives_a_day(self, app: Flask, client: FlaskClient):
        assert client.get(f"/reset-password/{token_of(app, hours=23)}").status_code == 200
        assert_dead(client, f"/reset-password/{token_of(app, hours=25)}")

    def test_a_forged_link_is_dead(self, client: FlaskClient):
        for token in ("x", "x.y.z", "é", "a" * 3000, "eyJhIjoxfQ.x.y"):
            assert_dead(client, f"/reset-password/{token}")

    def test_a_disabled_account_cannot_be_reset(self, app: Flask, client: FlaskClient):
        link = reset_link(app)
        with app.app_context():
            user().is_active = False
            db.session.commit()
        assert_dead(client, link)

    def test_a_session_cookie_is_no_link(self, app: Flask, client: FlaskClient):
        sign_in(client)
        cookie = client.get_cookie("session")
        assert_dead(app.test_client(), f"/reset-password/{cookie.value}")

    def test_opening_a_link_changes_nothing(self, app: Flask, client: FlaskClient):
        link = reset_link(app)
        client.head(link)
        for _ in range(3):
            assert client.get(link).status_code == 200
        assert sign_in(app.test_client()).status_code == 303

    def test_a_poor_password_is_refused_with_a_reason(self, app: Flask, client: FlaskClient, mood):
        answer = submit(client, reset_link(app), mood, new_password="short")
        assert answer.status_code == 422
        assert "Use at least 12 characters" in answer.text
        assert deliveries(app) == []

    def test_links_under_a_replaced_secret_still_open_and_new_ones_use_the_new_secret(
        self, make: Make, app: Flask, settings: Config
    ):
        link = reset_link(app)
        replaced = make(secret_key="n" * 32, old_secret_keys=(settings.secret_key,))
        assert replaced.test_client().get(link).status_code == 200
        only_new = make(secret_key="n" * 32)
        assert only_new.test_client().get(reset_link(replaced)).status_code == 200
        assert_dead(only_new.test_client(), link)

    def test_a_foreign_host_is_refused(self, make: Make, app: Flask):
        careful = make(trusted_hosts=("localhost",)).test_client()
        assert careful.get("/forgot-password").status_code == 200
        answer = careful.get("/forgot-password", headers={"Host": "evil.example"})
        assert answer.status_code == 400


@on_sqlite
class TestAccount:
    def test_it_shows_name_and_address_and_is_private(self, client: FlaskClient, mood):
        answer = client.get("/account", headers=mood)
        assert answer.status_code == (401 if mood else 302)
        sign_in(client)
        page = client.get("/account", headers=mood).text
        assert "Ana Moreau" in page
        assert ANA in page.replace("<wbr>", "")
        assert 'href="/account/password"' in page
        assert ("<html" in page) == (not mood)

    def test_only_staff_are_led_back_to_a_clinic(self, app: Flask, client: FlaskClient):
        for address, is_staff in ((ANA, True), (BEN, False)):
            sign_in(client, address)
            assert ("Back to your clinic" in client.get("/account").text) == is_staff
            press(client, "/account", "/sign-out")

    def test_a_changed_password_signs_out_every_other_browser(
        self, app: Flask, client: FlaskClient, mood: dict[str, str]
    ):
        elsewhere = app.test_client()
        sign_in(elsewhere)
        sign_in(client)
        copy = copy_of(client)
        answer = change_password(client, headers=mood)
        assert (answer.status_code, answer.location) == (303, "/account")
        page = client.get("/account").text
        assert "Your password was changed, and every other browser was signed out." in page
        assert not is_signed_in(elsewhere)
        assert not is_signed_in(copy)
        assert sign_in(app.test_client(), password=NEW_PASSWORD).status_code == 303
        assert [each[:2] for each in deliveries(app)] == [(Kind.PASSWORD_CHANGED, Channel.EMAIL)]

    def test_a_change_needs_the_current_password(self, app: Flask, client: FlaskClient, mood):
        sign_in(client)
        answer = change_password(client, headers=mood, password=WRONG_PASSWORD)
        assert answer.status_code == 422
        assert "This is not your current password" in answer.text
        assert NEW_PASSWORD not in answer.text
        assert sign_in(app.test_client()).status_code == 303
        assert deliveries(app) == []

    def test_a_new_password_may_not_be_poor(self, client: FlaskClient):
        sign_in(client)
        answer = change_password(client, new_password="ana@example.org")
        assert answer.status_code == 422
        assert "Choose a password that is not made of your email" in answer.text

    def test_sign_out_everywhere_includes_here(self, app: Flask, client: FlaskClient):
        elsewhere = app.test_client()
        sign_in(elsewhere)
        sign_in(client)
        answer = press(client, "/account", "/account/sign-out-everywhere")
        assert (answer.status_code, answer.location) == (303, "/sign-in")
        assert not is_signed_in(elsewhere)
        assert not is_signed_in(client)

    def test_a_sign_in_made_at_that_moment_is_dead_too(self, app: Flask, client: FlaskClient):
        """It had checked the old password before and wrote its row after."""
        sign_in(client)
        with app.app_context():
            row = db.session.scalars(select(SignIn)).one()
            values = {"secret_hash": row.secret_hash, "user_id": row.user_id}
            values["started_at"] = row.started_at
            auth.end_sign_ins(user())
            db.session.add(SignIn(**values))
            db.session.commit()
        assert not is_signed_in(client)

    def test_the_account_lists_where_one_is_signed_in_and_ends_one(self, app: Flask):
        here, there, ben = (app.test_client() for _ in range(3))
        there.environ_base["HTTP_USER_AGENT"] = FIREFOX
        sign_in(here)
        sign_in(there)
        sign_in(ben, BEN)
        page = here.get("/account").text
        assert "Firefox, Windows, since" in page
        (action,) = re.findall(r'action="(/account/sign-ins/[^"]+)"', page)
        press(ben, "/account", action)  # someone else's
        assert is_signed_in(there)
        press(here, "/account", action)
        assert not is_signed_in(there)
        assert is_signed_in(here)
        assert is_signed_in(ben)

    def test_other_people_stay_signed_in(self, app: Flask, client: FlaskClient):
        ben = app.test_client()
        sign_in(ben, BEN)
        sign_in(client)
        press(client, "/account", "/account/sign-out-everywhere")
        assert is_signed_in(ben)


@on_sqlite
class TestPasswords:
    def test_good_ones_pass(self, app: Flask):
        with app.test_request_context():
            for text in GOOD_PASSWORDS:
                assert passwords.problem_of(text, address=ANA) is None, text

    def test_poor_ones_are_refused_with_a_reason(self, app: Flask):
        with app.test_request_context():
            for text, said in POOR_PASSWORDS:
                assert said in (passwords.problem_of(text, address=ANA) or ""), text

    def test_a_mobile_number_is_no_password(self, app: Flask):
        with app.test_request_context():
            assert passwords.problem_of("+1 306 555 0142", address=BEN)
            assert passwords.problem_of("13065550142ab", address=BEN)

    def test_the_longest_password_can_sign_in(self, app: Flask):
        text = ("quantum fjord waltz " * 7)[:128]
        with app.test_request_context():
            assert passwords.problem_of(text) is None
            person = user()
            person.password = auth.hash_password(text)
            assert auth.is_password(person, text)

    def test_accents_typed_apart_are_the_same_password(self, app: Flask):
        with app.test_request_context():
            person = user()
            person.password = auth.hash_password("café au lait noir")
            assert auth.is_password(person, "cafe\u0301 au lait noir")

    def test_hashes_are_plain_argon2id(self, app: Flask):
        with app.app_context():
            assert argon2.verify(PASSWORD, user().password)
            assert user().password.startswith("$argon2id$")

    def test_at_full_cost_unless_a_test_asks_for_less(self):
        cost = (Config.argon2_time_cost, Config.argon2_memory_kib)
        assert cost == (argon2.default_rounds, argon2.memory_cost) == (3, 65_536)

    def test_at_most_two_are_worked_on_at_once(self, app: Flask):
        works = (lambda: auth.hash_password("x"), lambda: auth.is_password(None, "x"))
        for work in works:
            assert waits_for_argon2(lambda work=work: within(app, work))

    def test_no_transaction_waits_for_the_check_at_sign_in(self, app: Flask, client: FlaskClient):
        """On SQLite every POST holds the one writer from its first query on."""
        page = client.get("/sign-in").text
        data = {"csrf_token": token_in(page), "address": ANA, "password": PASSWORD}

        def write() -> None:
            with app.app_context():
                user(BEN).name = "Ben"
                db.session.commit()

        assert waits_for_argon2(lambda: client.post("/sign-in", data=data), meanwhile=write)


@on_sqlite
class TestClosedDoors:
    def test_only_our_own_pages_have_a_route(self, app: Flask):
        ours = {
            each.endpoint: each.rule
            for each in app.url_map.iter_rules()
            if "auth." in each.endpoint
        }
        assert ours == {
            "auth.sign_in": "/sign-in",
            "auth.sign_out": "/sign-out",
            "auth.forgot_password": "/forgot-password",
            "auth.reset_password": "/reset-password/<token>",
            "auth.account": "/account",
            "auth.change_password": "/account/password",
            "auth.end_sign_in": "/account/sign-ins/<name>/end",
            "auth.sign_out_everywhere": "/account/sign-out-everywhere",
            "auth.stay": "/stay-signed-in",
        }
        views = [view.__module__ for view in app.view_functions.values()]
        assert not [each for each in views if each.startswith("flask_security")]
        assert "users" not in app.cli.commands
        assert "roles" not in app.cli.commands

    def test_a_json_sign_in_is_no_sign_in(self, client: FlaskClient):
        token = token_in(client.get("/sign-in").text)
        answer = client.post(
            "/sign-in?include_auth_token",
            json={"address": ANA, "email": ANA, "password": PASSWORD},
            headers={"X-CSRFToken": token, "Accept": "application/json"},
        )
        assert answer.status_code == 422
        assert answer.mimetype == "text/html"
        assert "auth" not in answer.text.lower().replace("author", "")

    def test_a_token_of_the_library_opens_nothing(self, app: Flask, client: FlaskClient):
        with app.test_request_context():
            token = auth.Account(user()).get_auth_token()
        assert client.get(f"/account?auth_token={token}").status_code == 302
        answer = client.get("/account", headers={"Authentication-Token": token})
        assert answer.status_code == 302

    def test_remember_me_is_not_taken(self, app: Flask, client: FlaskClient):
        page = client.get("/sign-in").text
        data = {"csrf_token": token_in(page), "address": ANA, "password": PASSWORD}
        client.post("/sign-in", data=data | {"remember": "y", "remember_me": "y"})
        assert client.get_cookie("remember_token") is None
        assert client.get_cookie("session").expires is None

    def test_a_remember_me_cookie_opens_nothing(self, app: Flask, client: FlaskClient):
        with app.test_request_context():
            cookie = flask_login.utils.encode_cookie(user().fs_uniquifier)
        client.set_cookie("remember_token", cookie)
        assert not is_signed_in(client)

    def test_a_session_of_the_library_alone_opens_nothing(self, app: Flask, client: FlaskClient):
        with app.app_context():
            unique = user().fs_uniquifier
        with client.session_transaction() as session:
            session["_user_id"] = unique
            session["seen_at"] = int(time.time())
        assert not is_signed_in(client)

    def test_a_view_that_the_library_guards_asks_our_way(self, app: Flask):
        guarded = flask_security.auth_required("session")(lambda: "in")
        with app.test_request_context("/account", headers=HTMX):
            g.now = datetime.now(UTC)
            answer = guarded()
        assert answer.status_code == 401
        assert answer.headers["HX-Redirect"] == "/sign-in"


class TestBothDatabases:
    def test_in_and_out(self, client: FlaskClient):
        assert sign_in(client, "(306) 555 0142").status_code == 303
        assert is_signed_in(client)
        copy = copy_of(client)
        press(client, "/account", "/sign-out")
        assert not is_signed_in(copy)

    def test_no_sign_in_outlives_12_hours(self, app: Flask, client: FlaskClient):
        sign_in(client)
        grow_old(app, timedelta(hours=12))
        assert not is_signed_in(client)

    def test_no_address_breaks_the_query(self, client: FlaskClient):
        for address in ("\0@\0", "ana\0@example.org", "\0", "é@é.é", "9" * 3000):
            assert sign_in(client, address, WRONG_PASSWORD).status_code == 422, address

    def test_a_forgotten_and_a_new_password(self, app: Flask, client: FlaskClient):
        submit(client, "/forgot-password", address=ANA)
        submit(client, reset_link(app), new_password=NEW_PASSWORD)
        kinds = [each[0] for each in deliveries(app)]
        assert kinds == [Kind.PASSWORD_RESET, Kind.PASSWORD_CHANGED]
        assert sign_in(client, password=NEW_PASSWORD).status_code == 303

    def test_of_two_who_use_one_link_at_once_one_changes_the_password(self, app: Flask):
        """Both had found the person by it before either wrote."""
        with app.app_context():
            token = auth.reset_token(user())
        found, done = threading.Barrier(2), []

        def reset(text: str) -> None:
            with app.app_context():
                read_only.set(True)  # SQLite would let only one begin
                person = auth.user_of_reset_token(token)
                db.session.commit()
                read_only.set(False)
                found.wait(10)
                if auth.set_password(person, text):
                    done.append(text)
                db.session.commit()

        both = [threading.Thread(target=reset, args=[text]) for text in ("first one", "other one")]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(20)
        assert len(done) == 1
        with app.app_context():
            assert auth.is_password(user(), done[0])


def copy_of(client: FlaskClient) -> FlaskClient:
    """Another browser with the same cookie."""
    copy = client.application.test_client()
    copy.set_cookie("session", client.get_cookie("session").value)
    return copy


def let_idle(client: FlaskClient, minutes: int) -> None:
    with client.session_transaction() as session:
        session["seen_at"] -= minutes * 60


def seen_at(client: FlaskClient) -> int:
    with client.session_transaction() as session:
        return session["seen_at"]


def grow_old(app: Flask, age: timedelta) -> None:
    with app.app_context():
        for row in db.session.scalars(select(SignIn)):
            row.started_at -= age
        db.session.commit()


def follow_and_sign_in(client: FlaskClient, where: str) -> str | None:
    return submit(client, where, address=ANA, password=PASSWORD).location


def change_password(client: FlaskClient, headers: dict[str, str] | None = None, **typed: str):
    filled = {"password": PASSWORD, "new_password": NEW_PASSWORD} | typed
    return submit(client, "/account/password", headers, **filled)


def assert_dead(client: FlaskClient, link: str) -> None:
    answer = client.get(link)
    assert (answer.status_code, answer.location) == (303, "/forgot-password")
    page = client.get("/forgot-password").text
    assert "This link was used already or is older than a day." in page
    data = {"csrf_token": token_in(page), "new_password": NEW_PASSWORD}
    assert client.post(link, data=data).location == "/forgot-password"


def token_of(app: Flask, *, hours: int) -> str:
    """A reset token that was made so long ago."""

    class Then(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - hours * 3600

    with app.app_context():
        salt = auth._reset_serializer().salt
        return URLSafeTimedSerializer(app.secret_key, salt=salt, signer=Then).dumps(
            user().fs_uniquifier
        )


def within(app: Flask, act: Callable[[], object]) -> None:
    with app.app_context():
        act()


def waits_for_argon2(act: Callable[[], object], meanwhile: Callable[[], object] = bool) -> bool:
    """Whether it cannot go on while two checks of passwords are worked on, and can after them."""
    thread = threading.Thread(target=act)
    with auth._argon2, auth._argon2:
        thread.start()
        thread.join(0.3)
        waited = thread.is_alive()
        meanwhile()
    thread.join(10)
    return waited and not thread.is_alive()


def quickest(act: Callable[[], object], rounds: int = 4) -> float:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return min(took)
