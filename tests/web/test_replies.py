"""Links that let nobody in; a new link, please; this is not for me; and what staff see of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

import app as composition
from inviter import clock
from inviter.activity import Action
from inviter.config import Config
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Activity, Delivery, Invitation
from tests.factories import PASSWORD, Cast, account, invite, recipient
from tests.visitors import Visitor

PHRASE = "a quiet river under stones"
NAME = {"first_name": "Ada", "last_name": "Fixture"}
NEW = {"address": "ada@example.org", "password": PHRASE, "agree": "y"}
NOT_FOR_ME = "main form[action$='not-for-me']"
ANSWER = (
    "If your invitation can be renewed, we have sent a new link to the contact the clinic has for"
    " you. Nothing there in a few minutes? Call the clinic."
)
QUESTION = (
    "Whoever got the invitation for Ada Fixture said that it is not for them. Send it to the same"
    " email or mobile number again?"
)


@pytest.fixture
def invitation(app: Flask, cast: Cast, keys: Keys) -> Invitation:
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        people = {"provider": cast.osei, "by": cast.ana}
        before = clock.now() - timedelta(hours=1)
        return invite(cast.northside, who, **people, keys=keys, now=before)


@pytest.fixture
def link(invitation: Invitation, keys: Keys) -> str:
    return f"/j/{keys.link_token(invitation.link_id, 1)}"


def set_facts(app: Flask, **facts: object) -> None:
    with app.app_context():
        db.session.execute(update(Invitation).values(**facts))
        db.session.commit()


def expire(app: Flask) -> None:
    set_facts(app, expires_at=clock.now() - timedelta(minutes=1))


def count(app: Flask, *where: object) -> int:
    """Of messages of the invitation."""
    with app.app_context():
        query = select(func.count()).select_from(Delivery)
        return db.session.scalar(query.where(*where)) or 0


def actions(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(Activity.action).order_by(Activity.id)))


def test_an_expired_invitation_is_sent_again_to_the_contact_on_file(
    app: Flask, visitor: Visitor, link: str
) -> None:
    expire(app)
    visitor.open(link)
    assert visitor.words("h1") == ["This invitation has expired"]
    visitor.submit("Send me a new link")
    assert (visitor.path, visitor.status) == ("/join/northside/new-link", 200)
    assert ANSWER in visitor.text
    assert "306 555 0100" in visitor.text
    assert count(app, Delivery.generation == 2) == 1
    assert actions(app)[-1] == Action.RENEWED
    assert visitor.open(link).path == "/join/northside/accept"
    assert visitor.page.select("[name=first_name]")


STATES = [
    {"expires_at": False},
    {"expires_at": True, "removed_at": True},
    {"accepted_at": True},
    {"email": None, "expires_at": True},
    {"disowned_at": True, "expires_at": True},
]


@pytest.mark.parametrize("facts", STATES)
def test_whatever_became_of_it_the_answer_is_the_same_and_nothing_is_sent(
    app: Flask, visitor: Visitor, link: str, facts: dict[str, bool | None]
) -> None:
    expire(app)
    visitor.open(link)
    now = clock.now()
    then = {True: now, False: now + timedelta(days=1), None: None}
    set_facts(app, **{name: then[value] for name, value in facts.items()})
    visitor.submit("Send me a new link")
    assert (visitor.path, visitor.status) == ("/join/northside/new-link", 200)
    assert ANSWER in visitor.text
    assert count(app, Delivery.generation == 2) == 0


def test_a_fourth_press_in_a_day_gets_the_answer_and_sends_nothing(
    app: Flask, visitor: Visitor, link: str
) -> None:
    for _ in range(4):
        expire(app)
        set_facts(app, resent_at=clock.now() - timedelta(hours=1))
        visitor.open(link).submit("Send me a new link")
        assert ANSWER in visitor.text
    assert count(app) == 4  # the first, and three more


def test_a_new_link_is_asked_for_only_by_who_has_the_old_one(
    app: Flask, visitor: Visitor, invitation: Invitation
) -> None:
    expire(app)
    visitor.open("/join/northside")
    page = {"csrf_token": visitor.csrf_token, "invitation": invitation.link_id}
    visitor.post("/join/northside/new-link", page)
    assert visitor.path == "/join/northside"
    assert count(app) == 1


@pytest.mark.parametrize("action", ["new-link", "not-for-me"])
def test_without_the_token_of_its_form_nothing_is_done(
    app: Flask, visitor: Visitor, invitation: Invitation, link: str, action: str
) -> None:
    visitor.open(link)
    if action == "new-link":
        expire(app)
    visitor.post(f"/join/northside/{action}", {"invitation": invitation.link_id})
    assert visitor.status == 400
    assert actions(app) == ["invited"]


def test_this_is_not_for_me_marks_it_for_staff(
    app: Flask, visitor: Visitor, link: str, invitation: Invitation
) -> None:
    visitor.open(link).submit("This is not for me", form=NOT_FOR_ME)
    assert visitor.path == "/join/northside/not-for-me"
    assert visitor.words("h1") == ["Thank you for telling us"]
    assert actions(app)[-1] == Action.DISOWNED
    staff = Visitor(app.test_client()).sign_in("ana@example.org").open("/c/northside/invite")
    assert "1 not for this person" in staff.text
    assert "Not for this person" in staff.words(f"#invitation-{invitation.id} .detail")
    staff.open("/c/northside/invite?needs=disowned")
    assert staff.words("table.invited tbody th a") == ["Ada Fixture"]
    staff.open(f"/c/northside/invitations/{invitation.id}")
    assert "Whoever opened the link said: This is not for me" in staff.words(".history span")


def test_opening_its_pages_says_nothing_of_the_kind(
    app: Flask, visitor: Visitor, link: str
) -> None:
    visitor.open(link)
    for path in ("not-for-me", "new-link"):
        for method in ("GET", "HEAD"):
            visitor.client.open(f"/join/northside/{path}", method=method)
    assert visitor.open("/join/northside/not-for-me").path == "/join/northside"
    assert actions(app) == ["invited"]


def test_who_it_is_for_after_all_opens_the_link_again_and_joins(
    app: Flask, visitor: Visitor, link: str
) -> None:
    visitor.open(link).submit("This is not for me", form=NOT_FOR_ME)
    visitor.open(link)
    assert "Someone who opened this link said that it is not for them." in visitor.text
    visitor.submit("Accept Invitation", **NEW, **NAME)
    assert visitor.path == "/join/northside/joined"


def test_not_for_me_comes_too_late_where_it_is_closed(
    app: Flask, visitor: Visitor, link: str
) -> None:
    visitor.open(link)
    set_facts(app, removed_at=clock.now())
    visitor.submit("This is not for me", form=NOT_FOR_ME)
    assert visitor.words("h1") == ["This invitation was taken back by the clinic"]
    assert actions(app) == ["invited"]


@pytest.fixture
def disowned(app: Flask, invitation: Invitation) -> Invitation:
    set_facts(app, disowned_at=clock.now())
    return invitation


def test_resend_asks_staff_whether_they_are_sure(
    app: Flask, ana: Visitor, disowned: Invitation
) -> None:
    ana.open("/c/northside/patients").submit(f"resend-{disowned.id}", form="#selected")
    assert QUESTION in ana.text
    assert count(app) == 1
    ana.submit(f"sure-{disowned.id}", form="#selected")
    assert "Invite resent to Ada Fixture." in ana.text
    assert count(app) == 2
    assert "Not for this person" not in ana.text


def test_its_page_asks_too(app: Flask, ana: Visitor, disowned: Invitation) -> None:
    ana.open(f"/c/northside/invitations/{disowned.id}").submit("resend", form="#act")
    assert QUESTION in ana.text
    ana.submit("sure", form="#sure-form")
    assert count(app) == 2


def test_put_right_it_is_sent_to_the_other_contact_with_another_link(
    app: Flask, ana: Visitor, disowned: Invitation, link: str
) -> None:
    ana.open(f"/c/northside/invitations/{disowned.id}/contact?on=invitation")
    form = {"form": "#contact-form", "email": "ada@example.org"}
    ana.submit("send-contact", **form)
    assert ana.status == 422
    assert "Whoever got the invitation said that it is not for them." in ana.errors["email"]
    ana.submit("send-contact", **{**form, "email": "right@example.com"})
    assert "The Invite Code and link are new" in ana.text
    assert Visitor(app.test_client()).open(link).words("h1") == ["This link has been replaced"]


def test_a_number_more_sends_nothing_to_who_disowned_it_unless_staff_are_sure(
    app: Flask, ana: Visitor, disowned: Invitation
) -> None:
    ana.open(f"/c/northside/invitations/{disowned.id}/contact?on=invitation")
    ana.submit("send-contact", form="#contact-form", mobile="306 555 0142")
    assert ana.status == 422
    assert "Whoever got the invitation said that it is not for them." in ana.errors["email"]
    assert count(app) == 1
    ana.submit("send-contact", form="#contact-form")
    assert "Invite resent to Ada Fixture." in ana.text
    assert count(app) == 3


def test_several_at_once_leave_it_out(app: Flask, ana: Visitor, disowned: Invitation) -> None:
    ana.open("/c/northside/patients").tick("id", str(disowned.id))
    ana.submit("resend-selected", form="#selected")
    assert "not for this person: 1" in ana.text


def test_over_https_its_cookie_is_for_the_pages_to_join_of_this_host_alone(
    settings: Config, link: str
) -> None:
    made = composition.create_app(replace(settings, base_url="https://localhost"))
    client = made.test_client()
    answer = client.get(link, base_url="https://localhost")
    name, *rest = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith("__Secure-joining=")
    assert {"Secure", "HttpOnly", "Path=/join", "SameSite=Lax"} <= set(rest)
    page = client.get(answer.location, base_url="https://localhost")
    assert "Dr. Amira Osei" in page.text
    with made.app_context():
        db.engine.dispose()


def test_an_old_link_says_that_there_is_a_newer_one(
    app: Flask, visitor: Visitor, link: str
) -> None:
    set_facts(app, link_version=3)
    visitor.open(link)
    assert (visitor.status, visitor.words("h1")) == (410, ["This link has been replaced"])
    assert "306 555 0100" in visitor.text
    assert "Ada" not in visitor.text


def test_a_link_replaced_while_its_page_is_open_accepts_nothing(
    app: Flask, visitor: Visitor, link: str
) -> None:
    visitor.open(link)
    set_facts(app, link_version=2)
    visitor.submit("Accept Invitation", **NEW, **NAME)
    assert visitor.path == "/join/northside"
    assert actions(app) == ["invited"]


def test_a_link_of_another_secret_is_none(visitor: Visitor, invitation: Invitation) -> None:
    forged = Keys("another secret, which is 32 long.").link_token(invitation.link_id, 1)
    visitor.open(f"/j/{forged}")
    assert (visitor.status, visitor.words("h1")) == (404, ["This link does not work"])
    assert "Northside" not in visitor.text


def test_a_link_made_under_a_secret_that_was_replaced_still_opens(
    app: Flask, visitor: Visitor, invitation: Invitation, keys: Keys
) -> None:
    old = "a secret of before, which is 32 long"
    app.extensions["keys"] = Keys("a new secret, which is 32 long...", [old])
    visitor.open(f"/j/{Keys(old).link_token(invitation.link_id, 1)}")
    app.extensions["keys"] = keys
    assert "invited by Dr. Amira Osei" in visitor.text


def test_forwarded_to_someone_else_it_wants_the_name_that_was_invited(
    app: Flask, visitor: Visitor, link: str
) -> None:
    eve = {**NEW, "address": "eve@example.com", "first_name": "Eve", "last_name": "Other"}
    visitor.open(link).submit("Accept Invitation", **eve)
    assert visitor.status == 422
    assert visitor.errors["first_name"].startswith("This is not the name on the invitation.")
    assert "Ada" not in visitor.text
    assert actions(app) == ["invited"]


def test_where_another_patient_is_signed_in_it_is_asked_which_account(
    app: Flask, visitor: Visitor, link: str
) -> None:
    with app.app_context():
        account("eve@example.com")
        db.session.commit()
    visitor.sign_in("eve@example.com", PASSWORD).open(link)
    assert "You are signed in as eve@example.com" in visitor.text
    visitor.submit("Use another account", form="main form[action*='sign-out']")
    assert visitor.path == "/join/northside/accept"
    assert visitor.page.select("[name=address]")
    assert actions(app) == ["invited"]


@pytest.mark.parametrize("action", ["new-link", "not-for-me"])
def test_staff_who_are_signed_in_answer_for_nobody(
    app: Flask, visitor: Visitor, link: str, invitation: Invitation, action: str
) -> None:
    if action == "new-link":
        expire(app)
    visitor.sign_in("ana@example.org").open(link)
    assert visitor.words("h1") == ["You are signed in as staff"]
    page = {"csrf_token": visitor.csrf_token, "invitation": invitation.link_id}
    visitor.post(f"/join/northside/{action}", page)
    assert visitor.words("h1") == ["You are signed in as staff"]
    assert actions(app) == ["invited"]
