"""The patient's way in: by link, by code, with a new account or one's own."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from inviter import clock
from inviter.db import db
from inviter.guessing import CLINIC
from inviter.keys import Keys
from inviter.models import Budget, Invitation, Patient, User
from tests.factories import PASSWORD, Cast, account, invite, recipient
from tests.visitors import Visitor

PHRASE = "a quiet river under stones"
NAME = {"first_name": "Ada", "last_name": "Fixture"}
NEW = {"address": "ada@example.org", "password": PHRASE, "agree": "y"}
GENERIC = "We could not find an open invitation with this name and code."


@pytest.fixture
def invitation(app: Flask, cast: Cast, keys: Keys) -> Invitation:
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        return invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)


@pytest.fixture
def link(invitation: Invitation, keys: Keys) -> str:
    return f"/j/{keys.link_token(invitation.link_id, invitation.link_version)}"


@pytest.fixture
def code(invitation: Invitation, keys: Keys) -> str:
    place = {"clinic_id": invitation.clinic_id, "invitation_id": invitation.id}
    return keys.open_code(invitation.code_sealed or "", **place)


def change(app: Flask, invitation: Invitation, **facts: object) -> None:
    with app.app_context():
        mine = db.session.get_one(Invitation, (invitation.clinic_id, invitation.id))
        for name, value in facts.items():
            setattr(mine, name, value)
        db.session.commit()


def count(app: Flask, table: type) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(table)) or 0


def staff_count() -> int:
    return 5


def test_a_link_leads_to_a_clean_address_and_says_who_invites(visitor: Visitor, link: str) -> None:
    visitor.open(link)
    assert visitor.path == "/join/northside/accept"
    assert "invited by Dr. Amira Osei at Northside Family Clinic" in visitor.text
    assert "Ada" not in visitor.text


def test_opening_a_link_changes_nothing(app: Flask, visitor: Visitor, link: str) -> None:
    def rows() -> list[object]:
        with app.app_context():
            tables = reversed(db.metadata.sorted_tables)
            return [db.session.execute(table.select()).all() for table in tables]

    before = rows()
    for _ in range(50):
        visitor.client.get(link, follow_redirects=True)
        visitor.client.head(link, follow_redirects=True)
    assert rows() == before


def test_accepting_by_link_creates_the_account_and_the_patient(
    app: Flask, visitor: Visitor, link: str
) -> None:
    visitor.open(link).submit("Accept Invitation", **NEW, **NAME)
    assert visitor.path == "/join/northside/joined"
    assert visitor.words("h1") == ["You have joined Northside Family Clinic."]
    with app.app_context():
        patient = db.session.scalars(select(Patient)).one()
        assert (patient.name, patient.how) == ("Ada Fixture", "link")
        assert db.session.get_one(User, patient.user_id).email == "ada@example.org"


def test_the_new_patient_is_signed_in_and_can_sign_in_again(
    app: Flask, visitor: Visitor, link: str
) -> None:
    visitor.open(link).submit("Accept Invitation", **NEW, **NAME)
    assert visitor.open("/account").status == 200
    assert visitor.open(link).path == "/join/northside/joined"
    again = Visitor(app.test_client()).sign_in("ADA@example.org", PHRASE)
    assert again.path == "/account"


def test_an_account_can_have_a_mobile_number_instead(
    app: Flask, visitor: Visitor, link: str
) -> None:
    visitor.open(link).submit("Accept Invitation", **{**NEW, "address": "306 555 0142"}, **NAME)
    assert visitor.path == "/join/northside/joined"
    again = Visitor(app.test_client()).sign_in("(306) 555-0142", PHRASE)
    assert again.path == "/account"


def test_a_code_is_typed_with_the_names_and_the_names_only_once(
    app: Flask, visitor: Visitor, code: str
) -> None:
    visitor.open("/join/northside")
    assert visitor.words("h1") == ["Enter an Invite Code"]
    visitor.submit("Submit", code=f"{code[:3]} {code[3:]}", **NAME)
    assert visitor.path == "/join/northside/accept"
    assert not visitor.page.select("[name=first_name]")
    visitor.submit("Continue", **NEW)
    assert visitor.path == "/join/northside/joined"
    with app.app_context():
        assert db.session.scalars(select(Patient.how)).one() == "code"


def test_what_does_not_match_gets_one_answer(
    app: Flask, visitor: Visitor, cast: Cast, invitation: Invitation, code: str
) -> None:
    answers = set()

    def answer(where: str = "northside", **values: str) -> None:
        visitor.open(f"/join/{where}").submit("Submit", **{**NAME, "code": code, **values})
        assert visitor.status == 422
        assert GENERIC in visitor.text
        for each in visitor.page.select("p.clinic"):
            each.decompose()  # the clinic's own name and phone
        masked = re.sub(r"value=\"[^\"]*\"", "", str(visitor.page.main))
        masked = masked.replace("lakeview", "northside")
        answers.add(masked.replace("Lakeview Walk-in", "Northside Family"))

    answer(code=f"{(int(code) + 1) % 1_000_000:06}")
    answer(first_name="Eve")
    answer("lakeview")
    change(app, invitation, expires_at=clock.now())
    answer()
    change(app, invitation, removed_at=clock.now())
    answer()
    change(app, invitation, removed_at=None, accepted_at=clock.now())
    answer()
    assert len(answers) == 1


def test_a_name_takes_ten_wrong_codes_and_then_not_even_the_right_one(
    visitor: Visitor, code: str
) -> None:
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    for typed in (*[wrong] * 10, code):
        visitor.open("/join/northside").submit("Submit", **NAME, code=typed)
        assert visitor.status == 422
        assert GENERIC in visitor.text


def test_an_address_takes_twenty_wrong_codes_and_is_told_to_wait(
    visitor: Visitor, code: str
) -> None:
    for number in range(20):
        name = {"first_name": "Eve", "last_name": "abcdefghijklmnopqrst"[number]}
        visitor.open("/join/northside").submit("Submit", **name, code=code)
        assert visitor.status == 422
    visitor.open("/join/northside").submit("Submit", **NAME, code=code)
    assert visitor.status == 429
    assert "Too many tries from here. Try again in an hour" in visitor.text


def test_the_right_code_is_not_counted(visitor: Visitor, code: str) -> None:
    for _ in range(11):
        visitor.open("/join/northside").submit("Submit", **NAME, code=code)
        assert visitor.path == "/join/northside/accept"


@pytest.mark.parametrize("typed", ["", "12345", "abcdef", "1234567", "0" * 10_000, "\0"])
def test_what_is_no_code_says_how_codes_look(visitor: Visitor, typed: str) -> None:
    visitor.open("/join/northside").submit("Submit", **NAME, code=typed)
    assert visitor.status == 422
    assert visitor.errors == {"code": "Enter the 6 digits of your code, such as 482 913"}
    assert visitor.value("first_name") == "Ada"


WRONG = [
    ({"password": "short"}, "password", "Use at least 12 characters"),
    ({"address": ""}, "address", "Enter your email or mobile number"),
    ({"address": "911"}, "address", ""),
    ({"address": "a@b"}, "address", ""),
    ({"address": "+44 20 7946 0018"}, "address", "We cannot send texts to this number."),
    ({"password": ""}, "password", "Enter a password"),
    ({"agree": None}, "agree", "Tick the box to join"),
    ({"first_name": ""}, "first_name", "Enter your first name"),
    ({"last_name": ""}, "last_name", "Enter your last name"),
    ({"first_name": "Eve"}, "first_name", "This is not the name on the invitation."),
]


@pytest.mark.parametrize(("values", "field", "text"), WRONG)
def test_what_is_missing_or_wrong_is_said_at_the_field_and_nothing_happens(
    app: Flask, visitor: Visitor, link: str, values: dict[str, str | None], field: str, text: str
) -> None:
    visitor.open(link).submit("Accept Invitation", **{**NEW, **NAME, **values})
    assert visitor.status == 422
    assert list(visitor.errors) == [field]
    assert visitor.errors[field].startswith(text)
    assert (count(app, Patient), count(app, User)) == (0, staff_count())


def test_names_count_whatever_their_case_and_marks(visitor: Visitor, link: str) -> None:
    visitor.open(link)
    visitor.submit("Accept Invitation", **NEW, first_name="ÀDA", last_name="fixture ")
    assert visitor.path == "/join/northside/joined"


def test_whoever_holds_a_link_types_ten_wrong_names_a_day(visitor: Visitor, link: str) -> None:
    visitor.open(link)
    for _ in range(3):
        visitor.submit("Accept Invitation", **NEW | NAME | {"address": ""})
        assert "name" not in " ".join(visitor.errors)  # a right one is not counted
    for _ in range(10):
        visitor.submit("Accept Invitation", **NEW, first_name="Eve", last_name="Fixture")
        assert "This is not the name on the invitation." in visitor.errors["first_name"]
    visitor.submit("Accept Invitation", **NEW, **NAME)
    assert visitor.status == 422
    assert "Too many wrong names were typed here." in visitor.errors["first_name"]


def test_who_has_one_name_is_asked_for_one(
    app: Flask, visitor: Visitor, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        who = recipient("Sukarno")
        made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
    visitor.open(f"/j/{keys.link_token(made.link_id, 1)}")
    assert not visitor.page.select("[name=last_name]")
    visitor.submit("Accept Invitation", **NEW, first_name="Sukarno")
    assert visitor.path == "/join/northside/joined"


def test_an_account_of_ones_own_is_used_with_its_password(
    app: Flask, visitor: Visitor, link: str
) -> None:
    with app.app_context():
        account("parent@example.org")
        db.session.commit()
    mine = {**NEW, "address": "parent@example.org"}
    visitor.open(link).submit("Accept Invitation", **mine, **NAME)
    assert visitor.status == 422
    assert "There is an account with this email" in visitor.errors["password"]
    visitor.submit("Accept Invitation", **{**mine, "password": PASSWORD}, **NAME)
    assert visitor.path == "/join/northside/joined"
    assert count(app, User) == staff_count() + 1


def test_who_signs_in_on_the_way_comes_back_and_types_only_the_name(
    app: Flask, visitor: Visitor, link: str
) -> None:
    with app.app_context():
        account("parent@example.org")
        db.session.commit()
    visitor.open(link)
    href = next(str(a["href"]) for a in visitor.page.select("main a") if "sign-in" in a["href"])
    visitor.open(href).submit("Sign in", address="parent@example.org", password=PASSWORD)
    assert visitor.path == "/join/northside/accept"
    assert "You are signed in as parent@example.org" in visitor.text
    assert not visitor.page.select("[name=password]")
    visitor.submit("Accept Invitation", **NAME)
    assert visitor.path == "/join/northside/joined"


def test_staff_who_are_signed_in_are_never_attached(
    app: Flask, visitor: Visitor, link: str
) -> None:
    visitor.sign_in("ana@example.org").open(link)
    assert "Ana Moreau" in visitor.text
    assert not visitor.page.select("[name=first_name]")
    visitor.post("/join/northside/accept", {**NAME, "csrf_token": visitor.csrf_token})
    assert count(app, Patient) == 0


def test_two_tabs_of_one_browser_do_not_cross(
    app: Flask, visitor: Visitor, cast: Cast, keys: Keys, link: str
) -> None:
    with app.app_context():
        ben = recipient("Ben Fixture")
        other = invite(cast.northside, ben, provider=cast.osei, by=cast.ana, keys=keys)
    visitor.open(link)
    visitor.client.get(f"/j/{keys.link_token(other.link_id, 1)}", follow_redirects=True)
    visitor.submit("Accept Invitation", **NEW, **NAME)
    assert visitor.path == "/join/northside"
    assert "Another invitation was opened in this browser since." in visitor.text
    assert count(app, Patient) == 0


def test_who_holds_a_used_link_is_not_told_that_they_joined(
    app: Flask, visitor: Visitor, link: str
) -> None:
    Visitor(app.test_client()).open(link).submit("Accept Invitation", **NEW, **NAME)
    visitor.open(link)
    assert visitor.words("h1") == ["This invitation has been used"]
    visitor.open("/join/northside/joined")
    assert visitor.path == "/join/northside"


def test_an_address_of_staff_does_not_join_as_a_patient(
    app: Flask, visitor: Visitor, link: str
) -> None:
    theirs = {**NEW, "address": "ana@example.org", "password": PASSWORD}
    visitor.open(link).submit("Accept Invitation", **theirs, **NAME)
    assert visitor.status == 422
    assert "belongs to a member of a care team" in visitor.errors["address"]
    assert count(app, Patient) == 0


CLOSED = [
    ({"expires_at": True}, "This invitation has expired"),
    ({"removed_at": True}, "This invitation was taken back by the clinic"),
    ({"accepted_at": True}, "This invitation has been used"),
]


@pytest.mark.parametrize(("facts", "heading"), CLOSED)
def test_a_closed_invitation_has_a_page_that_helps(
    app: Flask,
    visitor: Visitor,
    invitation: Invitation,
    link: str,
    facts: dict[str, bool],
    heading: str,
) -> None:
    change(app, invitation, **dict.fromkeys(facts, clock.now() - timedelta(days=1)))
    visitor.open(link)
    assert visitor.words("h1") == [heading]
    assert "306 555 0100" in visitor.text


def test_an_invitation_closed_while_its_page_is_open_accepts_nothing(
    app: Flask, visitor: Visitor, invitation: Invitation, link: str
) -> None:
    visitor.open(link)
    change(app, invitation, removed_at=clock.now())
    visitor.submit("Accept Invitation", **NEW, **NAME)
    assert visitor.words("h1") == ["This invitation was taken back by the clinic"]
    assert (count(app, Patient), count(app, User)) == (0, staff_count())


@pytest.mark.parametrize("token", ["A" * 43, "A" * 5000, "é" * 43])
def test_a_link_that_is_none_says_what_to_do(visitor: Visitor, token: str) -> None:
    visitor.open(f"/j/{token}")
    assert visitor.status == 404
    assert visitor.words("h1") == ["This link does not work"]


def test_a_truncated_link_says_what_to_do(visitor: Visitor, link: str) -> None:
    for cut in (link[:-1], link[:-3], "/j/x"):
        visitor.open(cut)
        assert (visitor.status, visitor.words("h1")) == (404, ["This link is not complete"])


def test_the_page_to_accept_without_a_link_asks_for_the_code(visitor: Visitor) -> None:
    visitor.open("/join/northside/accept")
    assert visitor.path == "/join/northside"


def test_one_clinics_link_opens_nothing_at_another(visitor: Visitor, link: str) -> None:
    visitor.open(link).open("/join/lakeview/accept")
    assert visitor.path == "/join/lakeview"


def test_a_patient_sees_no_page_of_staff(visitor: Visitor, link: str) -> None:
    visitor.open(link).submit("Accept Invitation", **NEW, **NAME)
    for path in ("/c/northside/invite", "/c/northside/patients", "/mailbox"):
        assert visitor.open(path).status == 404


def test_pressing_accept_again_leads_to_the_same_end(
    app: Flask, visitor: Visitor, link: str
) -> None:
    visitor.open(link)
    page = {"csrf_token": visitor.csrf_token, "invitation": visitor.value("invitation")}
    data = {**NEW, **NAME, **page}
    visitor.submit("Accept Invitation", **NEW, **NAME)
    late = visitor.client.post("/join/northside/accept", data=data)
    assert late.status_code in (303, 400)  # 400: the page is older than the sign-in
    assert count(app, Patient) == 1


def test_a_clinic_is_found_by_part_of_its_name(visitor: Visitor) -> None:
    visitor.open("/join?clinic=lakeview")
    assert visitor.words("main li a") == ["Lakeview Walk-in Clinic"]
    assert visitor.open("/join").status == 200
    visitor.open("/join?clinic=nowhere at all")
    assert visitor.status == 200
    assert not visitor.page.select("main li a")


def test_an_unknown_clinic_has_no_page_to_join(visitor: Visitor) -> None:
    assert visitor.open("/join/nowhere").status == 404


def test_once_too_many_codes_were_wrong_the_page_asks_for_the_contact_on_file(
    app: Flask, visitor: Visitor, code: str
) -> None:
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    form = visitor.open("/join/northside")
    assert form.page.find(id="contact") is None
    visitor.submit("Submit", first_name="No", last_name="One", code=wrong)
    with app.app_context():
        db.session.execute(update(Budget).where(Budget.purpose == CLINIC).values(spent=100))
        db.session.commit()
    visitor.submit("Submit", **NAME, code=code)
    assert visitor.status == 422
    assert visitor.errors == {"contact": "Enter the email or mobile number that the clinic has"}
    visitor.submit("Submit", **NAME, code=code, contact="eve@example.org")
    assert GENERIC in visitor.text
    visitor.submit("Submit", **NAME, code=code, contact="call me")
    assert "contact" in visitor.errors
    visitor.submit("Submit", **NAME, code=code, contact=" ADA@example.org ")
    assert visitor.path == "/join/northside/accept"
    assert Visitor(app.test_client()).open("/join/northside").page.find(id="contact")
