"""Addresses and forms that nobody's browser makes: refused, never an error, on both databases."""

import re

import pytest
from flask import Flask
from sqlalchemy import select

import app as composition
from inviter.db import db
from inviter.models import MailboxMessage
from tests.factories import Cast
from tests.visitors import Visitor


@pytest.fixture
def ana(app: Flask, cast: Cast) -> Visitor:
    return Visitor(app.test_client()).sign_in("ana@example.org")


ADDRESSES = [
    ("/join/x%00", 404),
    ("/j/%00", 404),
    ("/join?clinic=%00Ada", 200),
    ("/join?clinic=" + "x" * 5000, 200),
    ("/c/northside%00/invite", 404),
    ("/c/northside/invitations/sent/%00", 404),
    ("/c/northside/invitations/sent/" + "x" * 5000, 404),
    ("/switch?to=%00", 404),
    ("/switch", 404),
    ("/mailbox/99999999999999999999999", 404),
    ("/mailbox/-1", 404),
    ("/c/northside/invite?page=%00", 200),
    ("/c/northside/patients?joined=1'--&page=%25", 200),
    ("/c/northside/invite?page=2&page=3&unknown[]=x", 200),
]


@pytest.mark.parametrize(("path", "status"), ADDRESSES)
def test_a_nonsense_address_is_not_there_or_shows_the_page(
    ana: Visitor, path: str, status: int
) -> None:
    assert ana.open(path).status == status


FORMS = [
    {f"rows-{'9' * 5000}-first_name": "x"},
    {"rows-²-first_name": "x"},
    {"remove": "9" * 5000},
    {"undo": "1", "removed-place": "-9"},
    {"undo": "1", "removed-place": "x"},
    {"undo": "1", "removed-place": "9" * 5000},
    {"add": "1", "provider": "\0", "key": "\0"},
    {},
]


@pytest.mark.parametrize("values", FORMS)
@pytest.mark.parametrize("action", ["invite/rows", "invite/confirm", "invite"])
def test_a_nonsense_form_is_drawn_again(ana: Visitor, action: str, values: dict[str, str]) -> None:
    ana.open("/c/northside/invite")
    ana.post(f"/c/northside/{action}", {"csrf_token": ana.csrf_token, **values})
    assert ana.status in (200, 422)
    assert ana.words("h1") == ["Invite Patients"]


def test_json_is_no_form(ana: Visitor, app: Flask) -> None:
    token = ana.open("/join/northside").csrf_token
    answer = ana.client.post(
        "/join/northside", json={"first_name": 1, "code": [2]}, headers={"X-CSRFToken": token}
    )
    assert answer.status_code == 422


def test_a_form_that_is_too_large_is_refused(ana: Visitor) -> None:
    token = ana.open("/c/northside/invite").csrf_token
    ana.post("/c/northside/invite/rows", {"csrf_token": token, "rows-0-email": "x" * 2_000_000})
    assert ana.status == 413
    assert "Nothing was sent." in ana.text


FORGED = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "X-Original-URL": "/evil",
    "Forwarded": "host=evil.example;proto=gopher",
}
FORGED_WORDS = re.compile(r"evil\.example|/evil|gopher|203\.0\.113|:666")


@pytest.fixture
def forger(app: Flask, ana: Visitor) -> Visitor:
    """Ana through a proxy that says it is somewhere else, in every request from now on."""
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in FORGED.items()}
    answer = app.wsgi_app
    forged = lambda environ, start: answer({**environ, **headers}, start)  # noqa: E731
    app.wsgi_app = forged  # type: ignore[method-assign]
    return ana


def all_parts(app: Flask) -> list[str]:
    with app.app_context():
        composition.worker_of(app).work_once()
        sent = db.session.scalars(select(MailboxMessage))
        return [part for each in sent for part in (each.subject, each.text, each.html)]


def test_no_header_of_a_request_reaches_a_message(app: Flask, forger: Visitor, cast: Cast) -> None:
    forger.open("/c/northside/invite")
    typed = {
        "provider": str(cast.osei.id),
        "rows-0-first_name": "Ada",
        "rows-0-last_name": "Fixture",
        "rows-0-email": "ada@example.org",
        "rows-0-mobile": "306 555 0142",
    }
    forger.submit("invite-button", form="#invite-form", **typed)
    forger.submit("preview-message", form="#confirm-form")
    frame = forger.page.select("iframe")[0]["src"]
    seen = [forger.text, forger.client.get(str(frame)).get_data(as_text=True)]
    forger.submit("back-to-check", form="#preview-form")
    forger.submit("Confirm and Invite", form="#confirm-form")
    parts = all_parts(app)
    assert len(parts) == 6
    for part in (*parts, *seen):
        assert not FORGED_WORDS.search(part)
    assert sum("http://localhost/j/" in part for part in parts) == 3


def test_no_header_of_a_request_reaches_a_password_link(app: Flask, forger: Visitor) -> None:
    forger.client.delete_cookie("session")
    forger.open("/forgot-password").submit(address="ana@example.org")
    parts = all_parts(app)
    assert any("http://localhost/reset-password/" in part for part in parts)
    assert not [part for part in parts if FORGED_WORDS.search(part)]
