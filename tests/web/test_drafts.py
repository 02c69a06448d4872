"""Rows that were typed and not sent are back after signing in again, in both moods."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from inviter import clock
from inviter.db import db
from inviter.models import Draft, Invitation
from tests.visitors import Visitor

FORM, CHECK = "#invite-form", "#confirm-form"
BACK = "We kept 1 unsent row from "
ADA = {
    "rows-0-first_name": "Ada",
    "rows-0-last_name": "Fixture",
    "rows-0-email": "ada@example.org",
}
PAGE = "/c/northside/invite"


def drafts(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Draft)) or 0


def type_in(visitor: Visitor, **fields: str) -> None:
    """As the page does it a second after someone typed."""
    form = {"csrf_token": visitor.csrf_token, "key": visitor.value("key") or "", **fields}
    response = visitor.client.post("/c/northside/invite/draft", data=form)
    assert response.status_code == 204


def let_idle(visitor: Visitor) -> None:
    with visitor.client.session_transaction() as session:
        session["seen_at"] -= 31 * 60


@pytest.fixture
def typed(ana: Visitor) -> Visitor:
    """Ana has typed a row and left."""
    type_in(ana.open(PAGE), **ADA)
    return ana


def test_typed_rows_are_back_after_signing_in_again(typed: Visitor) -> None:
    let_idle(typed)
    typed.open(PAGE)
    assert typed.path == "/sign-in"
    assert "Ada" not in typed.response.text
    typed.sign_in("ana@example.org").open(PAGE)
    assert BACK in typed.text
    assert typed.value("rows-0-first_name") == "Ada"
    assert typed.value("rows-0-email") == "ada@example.org"


def test_nobody_else_sees_them_and_they_are_of_one_clinic(typed: Visitor) -> None:
    assert BACK not in typed.open("/c/lakeview/invite").text
    typed.submit(form="form[action='/sign-out']")
    typed.sign_in("osei@example.org").open(PAGE)
    assert BACK not in typed.text
    assert "Ada" not in typed.response.text


def test_once_sent_they_are_gone(app: Flask, typed: Visitor) -> None:
    typed.open(PAGE).submit("invite-button", form=FORM, provider=provider(typed))
    typed.submit("Confirm and Invite", form=CHECK)
    assert drafts(app) == 0
    assert BACK not in typed.open(PAGE).text
    assert typed.value("rows-0-first_name") == ""
    with app.app_context():
        assert db.session.scalars(select(Invitation.first_name)).all() == ["Ada"]


def test_clear_all_gives_them_up(app: Flask, typed: Visitor) -> None:
    typed.open(PAGE).submit("Clear all", form=FORM)
    assert BACK not in typed.text
    assert typed.value("rows-0-first_name") == ""
    assert drafts(app) == 0


def test_emptying_the_rows_leaves_nothing_to_bring_back(app: Flask, typed: Visitor) -> None:
    type_in(typed, **{"rows-0-first_name": " "})
    assert drafts(app) == 0


def test_after_a_day_they_are_not_shown(app: Flask, typed: Visitor) -> None:
    with app.app_context():
        db.session.execute(update(Draft).values(kept_at=clock.now() - timedelta(hours=24)))
        db.session.commit()
    assert BACK not in typed.open(PAGE).text


def test_a_form_sent_after_too_long_a_pause_is_kept_and_sends_nothing(
    app: Flask, ana: Visitor
) -> None:
    ana.open(PAGE)
    let_idle(ana)
    ana.submit("add-row", form=FORM, provider=provider(ana), **ADA)
    if ana.htmx:  # the browser is sent there
        ana.open("/sign-in")
    assert "You were signed out after 30 minutes." in ana.text
    assert "What you typed is kept" in ana.text
    ana.sign_in("ana@example.org").open(PAGE)
    assert BACK in ana.text
    assert ana.value("rows-0-last_name") == "Fixture"
    with app.app_context():
        assert db.session.scalars(select(Invitation)).all() == []


def test_a_form_from_elsewhere_is_not_kept(app: Flask, ana: Visitor) -> None:
    """It has no token: another site's page could have sent it."""
    ana.open(PAGE)
    let_idle(ana)
    ana.client.post("/c/northside/invite/rows", data={"csrf_token": "x", **ADA})
    assert drafts(app) == 0


def test_what_is_posted_beside_the_rows_is_not_kept(typed: Visitor) -> None:
    type_in(typed, **ADA, **{"rows-0-<b>": "x", "rows-²-email": "x", "provider": "nobody"})
    typed.open(PAGE)
    assert typed.status == 200
    assert typed.value("rows-0-first_name") == "Ada"


def provider(visitor: Visitor) -> str:
    option = visitor.page.select_one("#send select[name=provider] option[value]:not([value=''])")
    assert option is not None
    return str(option["value"])
