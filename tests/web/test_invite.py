"""Invite Patients: typing, checking, confirming, in both moods."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from inviter import clock, joining, team
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Delivery, How, Invitation, Membership
from tests.factories import Cast, account, invite, recipient
from tests.visitors import Visitor

FORM = "#invite-form"
CHECK = "#confirm-form"


def count(app: Flask, table: type = Invitation) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(table)) or 0


def row(number: int = 0, **fields: str) -> dict[str, str]:
    return {f"rows-{number}-{name}": value for name, value in fields.items()}


ADA = row(0, first_name="Ada", last_name="Fixture", email="ada@example.org")


class Clerk:
    """Ana with the form of Northside open, who chooses Dr. Osei once."""

    def __init__(self, visitor: Visitor, cast: Cast) -> None:
        self.visitor = visitor
        self.provider = {"provider": str(cast.osei.id)}
        visitor.open("/c/northside/invite")

    def press(self, button: str, **values: str | None) -> Visitor:
        self.visitor.submit(button, form=FORM, **{**self.provider, **values})
        self.provider = {}
        return self.visitor

    def check(self, **values: str) -> Visitor:
        return self.press("invite-button", **values)


@pytest.fixture
def clerk(ana: Visitor, cast: Cast) -> Clerk:
    return Clerk(ana, cast)


def providers(visitor: Visitor) -> list[str]:
    return visitor.words("#send select[name=provider] option")


def test_a_clinic_admin_chooses_among_the_clinics_providers(clerk: Clerk) -> None:
    assert providers(clerk.visitor) == ["Choose a provider", "Dr. Amira Osei", "Dr. Jon Tallgrass"]


def test_the_only_provider_of_a_clinic_is_chosen_already(visitor: Visitor) -> None:
    visitor.sign_in("sam@example.org").open("/c/southside/invite")
    assert providers(visitor) == ["Dr. Maja Lind"]


def test_a_provider_invites_in_their_own_name_and_sees_no_choice(
    app: Flask, visitor: Visitor, cast: Cast
) -> None:
    visitor.sign_in("osei@example.org").open("/c/northside/invite")
    assert not visitor.page.select("[name=provider]")
    assert "Select Clinic" not in visitor.text
    visitor.submit("invite-button", form=FORM, **ADA)
    assert "Healthcare provider Dr. Amira Osei" in visitor.text
    visitor.submit("Confirm and Invite", form=CHECK, provider=str(cast.tallgrass.id))
    with app.app_context():
        assert db.session.scalars(select(Invitation.provider_id)).one() == cast.osei.id


def test_who_is_both_finds_themselves_first(app: Flask, visitor: Visitor, cast: Cast) -> None:
    with app.app_context():
        both = account("both@example.org", name="Dr. Zed Both")
        team.add(cast.northside, both, admin=True, provider=True, now=clock.now())
        db.session.commit()
    visitor.sign_in("both@example.org").open("/c/northside/invite")
    assert providers(visitor)[:2] == ["Choose a provider", "Dr. Zed Both"]


def test_who_works_at_several_clinics_selects_one(clerk: Clerk) -> None:
    assert clerk.visitor.words("#switch-to option") == [
        "Lakeview Walk-in Clinic",
        "Northside Family Clinic",
    ]
    clerk.visitor.open("/switch?to=lakeview&page=patients")
    assert clerk.visitor.path == "/c/lakeview/patients"


def test_adding_a_row_keeps_what_was_typed(clerk: Clerk) -> None:
    visitor = clerk.press("+ Invite Another Patient", **ADA)
    assert visitor.value("rows-0-first_name") == "Ada"
    assert visitor.value("rows-1-first_name") == ""
    assert visitor.words("#live") == ["Patient 2 added"]
    assert visitor.page.select("[autofocus]")[0]["name"] == "rows-1-first_name"


def test_removing_a_row_keeps_the_others_and_can_be_undone(clerk: Clerk) -> None:
    clerk.press("+ Invite Another Patient", **ADA)
    visitor = clerk.press("Remove row 1", **row(1, first_name="Ben", mobile="306 555 0142"))
    assert visitor.value("rows-0-first_name") == "Ben"
    assert visitor.value("rows-0-mobile") == "306 555 0142"
    assert visitor.value("rows-1-first_name") is None
    assert "Row 1 removed." in visitor.text
    clerk.press("Undo")
    assert visitor.value("rows-0-email") == "ada@example.org"
    assert visitor.value("rows-1-first_name") == "Ben"


def test_undo_outlives_the_check(clerk: Clerk) -> None:
    clerk.press("+ Invite Another Patient", **ADA)
    clerk.press("Remove row 2", **row(1, first_name="Ben"))
    visitor = clerk.check()
    visitor.submit("Go back and change", form=CHECK)
    visitor.submit("Undo", form=FORM)
    assert visitor.value("rows-1-first_name") == "Ben"


@pytest.mark.parametrize("place", ["", "9", "-1", "x", "²", "99999999999999999999"])
def test_removing_a_row_that_is_not_there_changes_nothing(clerk: Clerk, place: str) -> None:
    visitor = clerk.press("+ Invite Another Patient", **ADA)
    visitor.submit("Remove row 1", form=FORM, remove=place)
    assert visitor.status == 200
    assert visitor.value("rows-0-first_name") == "Ada"
    assert visitor.value("rows-1-first_name") == ""


def test_the_check_names_provider_clinic_and_everyone(clerk: Clerk, app: Flask) -> None:
    clerk.press("+ Invite Another Patient", **ADA)
    visitor = clerk.check(**row(1, first_name="Ben", last_name="Sample"))
    assert visitor.status == 200
    assert "Healthcare provider Dr. Amira Osei Clinic Northside Family Clinic" in visitor.text
    assert "Will be invited (2)" in visitor.text
    assert "Ben Sample No email or mobile number: share the Invite Code" in visitor.text
    assert count(app) == 0


def test_confirming_sends_says_so_and_shows_the_codes(clerk: Clerk, app: Flask) -> None:
    clerk.press("+ Invite Another Patient", **ADA)
    visitor = clerk.check(**row(1, first_name="Ben", last_name="Sample"))
    visitor.submit("Confirm and Invite", form=CHECK)
    assert visitor.path.startswith("/c/northside/invitations/sent/")
    assert visitor.words("h1") == ["Invitations Sent"]
    assert "Success 2 invites sent successfully." in visitor.text
    rows = visitor.words("table.sent tbody tr")
    assert rows[0].startswith("Ada Fixture Email Pending Sending")
    assert rows[1].startswith("Ben Sample No contact: give the code Pending")
    assert len(visitor.page.select("table.sent [data-copy]")) == 2
    assert (count(app), count(app, Delivery)) == (2, 1)


def test_the_sent_page_can_be_reloaded_and_is_seen_by_colleagues_only(
    clerk: Clerk, app: Flask
) -> None:
    visitor = clerk.check(**ADA)
    path = visitor.submit("Confirm and Invite", form=CHECK).path
    assert "Ada Fixture" in visitor.open(path).text
    colleague = Visitor(app.test_client()).sign_in("osei@example.org")
    assert "Ada Fixture" in colleague.open(path).text
    assert Visitor(app.test_client()).sign_in("sam@example.org").open(path).status == 404


def test_leaving_the_check_sends_nothing_and_keeps_what_was_typed(clerk: Clerk, app: Flask) -> None:
    visitor = clerk.check(**ADA)
    visitor.submit("Go back and change", form=CHECK)
    assert visitor.value("rows-0-email") == "ada@example.org"
    assert visitor.page.select("option[selected]")[-1].get_text() == "Dr. Amira Osei"
    assert count(app) == 0


def test_pressing_confirm_again_gives_the_same_answer(clerk: Clerk, app: Flask) -> None:
    visitor = clerk.check(**ADA)
    check = visitor.page.select_one(CHECK)
    assert check is not None
    data = {str(each["name"]): str(each.get("value", "")) for each in check.select("input[name]")}
    first = visitor.submit("Confirm and Invite", form=CHECK).path
    again = visitor.post("/c/northside/invite", data).path
    assert again == first
    assert (count(app), count(app, Delivery)) == (1, 1)


def test_a_used_key_with_other_content_is_checked_again(clerk: Clerk, app: Flask) -> None:
    visitor = clerk.check(**ADA)
    check = visitor.page.select_one(CHECK)
    assert check is not None
    data = {str(each["name"]): str(each.get("value", "")) for each in check.select("input[name]")}
    visitor.submit("Confirm and Invite", form=CHECK)
    visitor.post("/c/northside/invite", data | row(0, first_name="Eve"))
    assert visitor.status == 409
    assert "You have changed something since: check once more." in visitor.text
    visitor.submit("Confirm and Invite", form=CHECK)
    assert "1 invite sent successfully." in visitor.text
    assert count(app) == 2


def test_a_form_that_was_sent_and_then_changed_gets_a_new_key(clerk: Clerk, app: Flask) -> None:
    key = clerk.visitor.value("key") or ""
    clerk.check(**ADA).submit("Confirm and Invite", form=CHECK)
    clerk.visitor.open("/c/northside/invite")
    changed = {**ADA, **row(0, first_name="Eve"), "key": key, "provider": choice(clerk, "Osei")}
    visitor = clerk.check(**changed)
    visitor.submit("Confirm and Invite", form=CHECK)
    assert "1 invite sent successfully." in visitor.text
    assert count(app) == 2


def choice(clerk: Clerk, name: str) -> str:
    options = clerk.visitor.page.select("select[name=provider] option")
    return next(str(each["value"]) for each in options if name in each.get_text())


def test_who_is_invited_already_is_said_with_day_name_and_status(
    clerk: Clerk, app: Flask, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
    visitor = clerk.check(**ADA)
    assert "Already invited: no second invitation will be sent (1)" in visitor.text
    assert "by Ana Moreau, Pending, expires" in visitor.text
    assert "Confirm and Invite" not in visitor.text


def test_who_has_joined_is_already_a_patient(
    clerk: Clerk, app: Flask, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        joining.accept(made, account=account("a@example.org"), how=How.LINK, now=clock.now())
        db.session.commit()
    visitor = clerk.check(**ADA)
    assert "Already a patient (1)" in visitor.text
    assert "Joined" in visitor.text


def test_who_was_invited_between_check_and_confirm_is_told_of(
    clerk: Clerk, app: Flask, cast: Cast, keys: Keys
) -> None:
    visitor = clerk.check(**ADA)
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        invite(cast.northside, who, provider=cast.tallgrass, by=cast.tallgrass, keys=keys)
    visitor.submit("Confirm and Invite", form=CHECK)
    assert "1 patient was not invited a second time: see below." in visitor.text
    assert "Ada Fixture Already invited" in visitor.text
    assert count(app) == 1


def test_the_same_person_twice_in_the_form_is_invited_once(clerk: Clerk, app: Flask) -> None:
    clerk.press("+ Invite Another Patient", **ADA)
    visitor = clerk.check(**row(1, first_name="ADA", last_name="Fixture"))
    assert "Entered twice: will be invited once (1)" in visitor.text
    visitor.submit("Confirm and Invite", form=CHECK)
    assert count(app) == 1


def test_a_namesake_can_be_told_apart_at_the_check(
    clerk: Clerk, app: Flask, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        who = recipient("Ada Fixture")
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
    visitor = clerk.check(**ADA)
    assert "Already invited: no second invitation will be sent (1)" in visitor.text
    assert "This is a different person" in visitor.text
    visitor.submit("Confirm and Invite", form=CHECK, **row(0, is_different="y"))
    assert "1 invite sent successfully." in visitor.text
    assert count(app) == 2


def test_namesakes_without_contact_are_told_apart_by_the_tick_alone(
    clerk: Clerk, app: Flask, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        who = recipient("Ada Fixture")
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
    visitor = clerk.check(**row(0, first_name="Ada", last_name="Fixture"))
    visitor.submit("Confirm and Invite", form=CHECK)
    assert "1 patient was not invited a second time: see below." in visitor.text
    assert count(app) == 1
    clerk = Clerk(visitor, cast)
    clerk.check(**row(0, first_name="Ada", last_name="Fixture"))
    visitor.submit("Confirm and Invite", form=CHECK, **row(0, is_different="y"))
    with app.app_context():
        assert sorted(db.session.scalars(select(Invitation.twin))) == [0, 1]


def test_who_has_the_same_contact_is_never_another_person(
    clerk: Clerk, app: Flask, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
    visitor = clerk.check(**ADA)
    assert "This is a different person" not in visitor.text
    clerk.visitor.open("/c/northside/invite")
    clerk.provider = {"provider": str(cast.osei.id)}
    clerk.check(**ADA, **row(0, is_different="y"))
    assert "Confirm and Invite" not in visitor.text


def test_the_tick_of_one_name_survives_another_row(clerk: Clerk) -> None:
    visitor = clerk.check(**row(0, first_name="Sukarno", last_name=""))
    clerk.press("+ Invite Another Patient", **row(0, one_name="y"))
    tick = visitor.page.select_one("[name=rows-0-one_name]")
    assert tick is not None
    assert tick.has_attr("checked")


def test_confirming_without_a_key_of_ours_is_checked_once_more(clerk: Clerk, app: Flask) -> None:
    visitor = clerk.check(**ADA)
    visitor.submit("Confirm and Invite", form=CHECK, key="x")
    assert visitor.status == 409
    assert count(app) == 0
    visitor.submit("Confirm and Invite", form=CHECK)
    assert count(app) == 1


def test_patients_of_one_form_stand_in_the_list_as_they_were_typed(
    clerk: Clerk, app: Flask
) -> None:
    clerk.press("+ Invite Another Patient", **row(0, first_name="Zoe", last_name="Last"))
    clerk.check(**row(1, first_name="Ann", last_name="First"))
    clerk.visitor.submit("Confirm and Invite", form=CHECK)
    clerk.visitor.open("/c/northside/invite")
    assert clerk.visitor.words("table.invited tbody th") == ["Zoe Last", "Ann First"]


def test_a_likely_typo_is_pointed_out_and_never_changed(clerk: Clerk, app: Flask) -> None:
    visitor = clerk.check(**{**ADA, **row(0, email="ada@gmial.com")})
    assert "Did you mean ada@gmail.com?" in visitor.text
    visitor.submit("Confirm and Invite", form=CHECK)
    with app.app_context():
        assert db.session.scalars(select(Invitation.email)).one() == "ada@gmial.com"


def test_a_number_abroad_is_kept_and_gets_no_text(clerk: Clerk, app: Flask) -> None:
    visitor = clerk.check(**row(0, first_name="Ada", last_name="Fixture", mobile="+44 7911 123456"))
    assert "No text can be sent to this number. Share the Invite Code." in visitor.text
    visitor.submit("Confirm and Invite", form=CHECK)
    assert (count(app), count(app, Delivery)) == (1, 0)


def test_one_name_only_is_offered_at_the_error_and_accepted(clerk: Clerk, app: Flask) -> None:
    visitor = clerk.check(**row(0, first_name="Sukarno", last_name=""))
    assert visitor.status == 422
    assert visitor.errors == {"rows-0-last_name": "Enter a last name"}
    assert "Has one name only" in visitor.text
    clerk.check(**row(0, one_name="y"))
    visitor.submit("Confirm and Invite", form=CHECK)
    with app.app_context():
        made = db.session.scalars(select(Invitation)).one()
        assert (made.name, made.last_name) == ("Sukarno", "")


def test_blank_rows_are_left_out(clerk: Clerk, app: Flask) -> None:
    clerk.press("+ Invite Another Patient", **ADA)
    visitor = clerk.check()
    assert visitor.status == 200
    assert "Will be invited (1)" in visitor.text


def test_an_empty_form_says_what_is_missing_and_keeps_the_focus_order(clerk: Clerk) -> None:
    visitor = clerk.press("invite-button", provider="")
    assert visitor.status == 422
    assert visitor.words("title")[0].startswith("Error: Invite Patients")
    assert visitor.words("#errors li") == [
        "Choose a provider",
        "Patient 1: Enter a first name",
        "Patient 1: Enter a last name",
    ]
    for link in visitor.page.select("#errors a"):
        assert visitor.page.select_one(str(link["href"])) is not None


BAD = [
    ("first_name", "", "Enter a first name"),
    ("first_name", "=1+1", ""),
    ("first_name", "<b>Ada</b>", ""),
    ("first_name", "Ada https://evil.example", ""),
    ("first_name", "evil.com", ""),
    ("first_name", "Ada\nBcc: x@y.ca", ""),
    ("first_name", "Ada\u202eadA", ""),
    ("first_name", "A" * 10_000, ""),
    ("first_name", "{{7*7}}", ""),
    ("first_name", "Ada\0", ""),
    ("first_name", "R2D2", ""),
    ("last_name", "", "Enter a last name"),
    ("last_name", "@SUM(A1)", ""),
    ("last_name", "-", ""),
    ("email", "ada", ""),
    ("email", "ada@", ""),
    ("email", "Ana <a@b.ca>", "Enter only the address: a@b.ca"),
    ("email", "a@b.ca, c@d.ca", ""),
    ("email", "a@b.ca\r\nBcc: c@d.ca", ""),
    ("email", "a" * 250 + "@example.org", ""),
    ("email", "é@example.org", ""),
    ("mobile", "911", ""),
    ("mobile", "1-900-555-0142", ""),
    ("mobile", "306 976 0142", ""),
    ("mobile", "306.555.0142 ext. 4", ""),
    ("mobile", "1.55E+10", ""),
    ("mobile", "306 555", ""),
    ("mobile", "306 555 0142 / 306 555 0143", ""),
    ("mobile", "call me", ""),
]


@pytest.mark.parametrize(("field", "typed", "text"), BAD)
def test_a_bad_value_gets_a_text_at_its_field_and_is_kept(
    clerk: Clerk, app: Flask, field: str, typed: str, text: str
) -> None:
    values = {**row(0, first_name="Ada", last_name="Fixture"), **row(0, **{field: typed})}
    visitor = clerk.check(**values)
    name = f"rows-0-{field}"
    assert visitor.status == 422
    assert list(visitor.errors) == [name]
    said = visitor.errors[name]
    assert said == text or (not text and len(said) > 15)
    assert "invalid" not in said.lower()
    control = visitor.page.select_one(f"#{name}")
    assert control is not None
    assert control["aria-invalid"] == "true"
    assert f"{name}-error" in control["aria-describedby"]
    kept = " ".join((visitor.value(name) or "").split())
    assert kept == " ".join(typed.split())
    assert visitor.value("rows-0-first_name" if field != "first_name" else "rows-0-last_name")
    assert count(app) == 0


def test_an_unknown_and_a_foreign_provider_get_the_same_answer(clerk: Clerk, cast: Cast) -> None:
    answers = []
    for provider in ("1", str(cast.lind.id), "x", "", "' OR 1=1"):
        clerk.visitor.open("/c/northside/invite")
        visitor = clerk.press("invite-button", provider=provider, **ADA)
        answers.append((visitor.status, visitor.words("#errors li")))
    assert set(map(str, answers)) == {str((422, ["Choose a provider"]))}


def test_a_provider_who_left_meanwhile_is_not_invited_for(
    clerk: Clerk, app: Flask, cast: Cast
) -> None:
    visitor = clerk.check(**ADA)
    with app.app_context():
        member = db.session.get_one(Membership, (cast.northside.id, cast.osei.id))
        member.removed_at = clock.now()
        db.session.commit()
    visitor.submit("Confirm and Invite", form=CHECK)
    assert visitor.status == 422
    assert visitor.value("rows-0-first_name") == "Ada"
    assert count(app) == 0


def test_more_than_fifty_rows_are_kept_and_the_upload_is_named(clerk: Clerk, app: Flask) -> None:
    many = {}
    for number in range(51):
        many |= row(number, first_name=f"Ada {chr(97 + number % 26)}", last_name="Fixture")
    visitor = clerk.check(**many)
    assert visitor.status == 422
    assert "You can invite 50 patients at once here. For more, upload a file." in visitor.text
    assert visitor.value("rows-50-last_name") == "Fixture"
    assert count(app) == 0


def test_strange_names_of_fields_are_no_trouble(clerk: Clerk) -> None:
    strange = {"rows-²-first_name": "x", "rows-99999999999-last_name": "y", "rows--1-email": "z"}
    visitor = clerk.check(**ADA, **strange)
    assert visitor.status in (200, 422)


def test_an_address_of_a_check_that_is_gone_leads_to_the_form(clerk: Clerk) -> None:
    clerk.visitor.open("/c/northside/invite/confirm")
    assert clerk.visitor.path == "/c/northside/invite"


def test_the_pages_of_another_clinic_and_of_none_are_the_same_404(ana: Visitor) -> None:
    bodies = set()
    for slug in ("southside", "nowhere", "x" * 500, "%00"):
        for page in ("invite", "patients", "invitations/sent/abc"):
            ana.open(f"/c/{slug}/{page}")
            assert ana.status == 404
            bodies.add(ana.words("#content")[0])
    assert len(bodies) == 1


def test_the_list_shows_a_dozen_words_of_each_status(
    clerk: Clerk, app: Flask, cast: Cast, keys: Keys
) -> None:
    now = clock.now()
    with app.app_context():
        for name, days in (("Ada Fixture", 0), ("Emil Testcase", 40)):
            made = invite(
                cast.northside,
                recipient(name),
                provider=cast.osei,
                by=cast.ana,
                keys=keys,
                now=now - timedelta(days=days),
            )
        db.session.refresh(made)
    clerk.visitor.open("/c/northside/invite")
    rows = clerk.visitor.words("table.invited tbody tr")
    assert "Pending No contact: give the code" in rows[0]
    assert "Expired" in rows[1]
    assert "Code given" not in rows[1]
    assert "Not given" in rows[0]
    assert "Not yet" in rows[0]
