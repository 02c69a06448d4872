"""Addresses and forms that nobody's browser makes: refused, never an error, on both databases."""

import pytest
from flask import Flask

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
