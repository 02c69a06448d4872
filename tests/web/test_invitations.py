"""The page of one invitation, its row's buttons, and putting a contact right, in both moods."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from inviter import clock, invitations, joining, keeping
from inviter.activity import Action
from inviter.db import db
from inviter.keys import Keys
from inviter.listing import code_of
from inviter.models import Activity, Delivery, How, Invitation, User
from inviter.readdressing import OutOfCodes
from inviter.status import DeliveryState, Sending
from inviter.web import qr
from tests.conftest import SECRET
from tests.factories import Cast, account, invite, recipient
from tests.visitors import Visitor

LATER = timedelta(minutes=20)
ADA = "Ada Fixture"
Invited = Callable[..., Invitation]


@pytest.fixture
def invited(app: Flask, cast: Cast, keys: Keys) -> Invited:
    """Ada, invited by Ana for Dr. Osei 20 minutes ago, unless said otherwise."""

    def make(
        name: str = ADA,
        email: str | None = "ada@example.org",
        phone: str | None = None,
        before: timedelta = LATER,
    ) -> Invitation:
        with app.app_context():
            who = recipient(name, email=email, phone=phone)
            people = {"provider": cast.osei, "by": cast.ana}
            return invite(cast.northside, who, **people, keys=keys, now=clock.now() - before)

    return make


def url(made: Invitation, rest: str = "") -> str:
    return f"/c/northside/invitations/{made.id}{rest}"


def now_is(app: Flask, made: Invitation) -> Invitation:
    with app.app_context():
        found = db.session.scalars(select(Invitation).where(Invitation.id == made.id)).one()
        db.session.expunge(found)
        return found


def set_facts(app: Flask, made: Invitation, **facts: object) -> None:
    with app.app_context():
        db.session.execute(update(Invitation).where(Invitation.id == made.id).values(**facts))
        db.session.commit()


def settle(app: Flask, made: Invitation, state: DeliveryState, reason: str | None = None) -> None:
    """All messages of an invitation ended so."""
    sending = {DeliveryState.FAILED: Sending.FAILED, DeliveryState.SENT: Sending.SENT}[state]
    with app.app_context():
        mine = Delivery.invitation_id == made.id
        db.session.execute(update(Delivery).where(mine).values(state=state, reason=reason))
        db.session.commit()
    set_facts(app, made, sending=sending)


def actions(app: Flask, made: Invitation) -> list[str]:
    with app.app_context():
        mine = select(Activity.action).where(Activity.invitation_id == made.id)
        return list(db.session.scalars(mine.order_by(Activity.id)))


def someone(app: Flask, act: Callable[..., object], made: Invitation, **how: object) -> None:
    """Dr. Osei does something to it meanwhile."""
    with app.app_context():
        osei = db.session.scalars(select(User).where(User.email == "osei@example.org")).one()
        found = db.session.scalars(select(Invitation).where(Invitation.id == made.id)).one()
        act(found, by=osei, now=clock.now(), **how)
        db.session.commit()


def accept(app: Flask, made: Invitation) -> None:
    with app.app_context():
        found = db.session.scalars(select(Invitation).where(Invitation.id == made.id)).one()
        joining.accept(found, account=account("p@example.org"), how=How.LINK, now=clock.now())
        db.session.commit()


def follow(visitor: Visitor, link: str) -> Visitor:
    """A link by its id; with htmx its fragment is put into the page."""
    found = visitor.page.select_one(f"#{link}")
    assert found is not None, f"no link {link}"
    if not visitor.htmx:
        return visitor.open(str(found["href"]))
    assert found["hx-get"] == found["href"]
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{visitor.path}"}
    return visitor._show(visitor.client.get(str(found["href"]), headers=headers))


def facts(visitor: Visitor) -> dict[str, str]:
    return dict(zip(visitor.words("dl.facts dt"), visitor.words("dl.facts dd"), strict=True))


def looks(visitor: Visitor) -> str | None:
    """Where the history asks by itself for what is new."""
    section = visitor.page.select_one("#history")
    assert section is not None
    found = section.get("hx-get")
    return str(found) if found else None


def test_the_history_looks_by_itself_while_a_message_is_under_way(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    again = looks(ana.open(url(made)))
    assert again == url(made, "?look=1")
    settle(app, made, DeliveryState.SENT)
    answer = ana.client.get(again, headers={"HX-Request": "true", "HX-Target": "history"})
    assert "HX-Push-Url" not in answer.headers
    assert 'id="status" hx-swap-oob="true"' in answer.text
    assert "hx-trigger" not in answer.text  # all is settled: it stops
    assert ">Sent<" in answer.text


def test_the_history_stops_looking_after_a_while(ana: Visitor, invited: Invited) -> None:
    made = invited()
    ana.open(url(made))
    for number in range(1, 6):
        assert looks(ana.open(url(made, f"?look={number}"))) == url(made, f"?look={number + 1}")
    assert looks(ana.open(url(made, "?look=6"))) is None


def test_the_page_says_who_for_whom_how_and_until_when(ana: Visitor, invited: Invited) -> None:
    ana.open(url(invited(phone="306 555 0142")))
    said = facts(ana)
    assert ana.words("h1") == [ADA]
    assert ana.words("title") == ["Ada Fixture – Northside Family Clinic – Inviter"]
    assert said["Status"] == "Pending Sending"
    assert said["Clinic"] == "Northside Family Clinic"
    assert said["Email"] == "ada@ example. org"
    assert said["Mobile Number"].startswith("306 555 0142 Change")
    assert said["Invited by"].startswith("Ana Moreau, ")
    assert re.fullmatch(r"\d+ \w+ \d{4}, 11:59 pm", said["Expires"])
    assert "Accepted" not in said and "Resent" not in said


def test_what_is_not_known_is_said_in_words(ana: Visitor, invited: Invited) -> None:
    ana.open(url(invited(email=None)))
    assert facts(ana)["Email"] == "Not given"
    assert facts(ana)["Status"] == "Pending No contact: give the code"


def test_an_error_is_told_with_its_reason_and_what_to_do(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    settle(app, made, DeliveryState.FAILED, "no-such-address")
    ana.open(url(made))
    expected = "Error Sending This address does not exist: check it"
    assert facts(ana)["Status"] == expected
    assert ana.words("#act .button, #act button") == [
        "Resend Invite",
        "Fix and resend",
        "Preview message",
        "Remove Invite",
    ]
    assert ana.words("main .primary") == ["Resend Invite"]


@pytest.mark.parametrize("number", ["1", "9" * 18])
@pytest.mark.parametrize(
    "rest", ["", "/contact", "/resend", "/remove", "/restore", "/show-code", "/give-code"]
)
def test_a_foreign_invitation_is_the_same_404_as_none(
    ana: Visitor, app: Flask, cast: Cast, keys: Keys, number: str, rest: str
) -> None:
    with app.app_context():
        foreign = invite(cast.southside, recipient(), provider=cast.lind, by=cast.sam, keys=keys)
    answers = []
    for each in (str(foreign.id), number):
        for method in ("GET", "POST"):
            data = {"csrf_token": ana.open("/account").csrf_token, "seen": "1", "how": "by phone"}
            path = f"/c/northside/invitations/{each}{rest}"
            answer = ana.client.open(path, method=method, data=data if method == "POST" else None)
            body = re.sub(r'value="[^"]{60,}"', "", answer.get_data(as_text=True))
            answers.append((method, answer.status_code, body))
    assert answers[:2] == answers[2:]
    assert answers[0][1] == 404
    assert answers[1][1] == (405 if not rest else 404)
    assert actions(app, foreign) == [Action.INVITED]


def test_resend_sends_again_from_the_page(app: Flask, ana: Visitor, invited: Invited) -> None:
    made = invited()
    ana.open(url(made)).submit("resend", form="#act")
    assert "Invite resent to Ada Fixture." in ana.text
    assert ana.path == url(made)
    assert "Resent" in facts(ana)
    assert now_is(app, made).generation == 2
    assert ana.words(".history span")[-1] == "Sent again by Ana Moreau"


def test_resend_just_after_a_sending_asks_first(app: Flask, ana: Visitor, invited: Invited) -> None:
    made = invited(before=timedelta(minutes=2, seconds=5))
    ana.open(url(made)).submit("resend", form="#act")
    assert "An invitation was sent to Ada Fixture 2 minutes ago. Send it again?" in ana.text
    assert now_is(app, made).generation == 1
    follow(ana, "not-now")
    assert "Send it again?" not in ana.text
    ana.submit("resend", form="#act").submit("sure", form="#sure-form")
    assert "Invite resent to Ada Fixture." in ana.text
    assert now_is(app, made).generation == 2


def test_an_old_address_that_asks_does_not_ask_any_more(ana: Visitor, invited: Invited) -> None:
    assert "Send it again?" in ana.open(url(invited(before=timedelta(0)), "?ask=1")).text
    assert "Send it again?" not in ana.open(url(invited("Ben Sample"), "?ask=1")).text


def test_resend_from_the_list_comes_back_to_it_as_it_was(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    ana.open("/c/northside/invite?q=ada&sort=name")
    ana.submit(f"resend-{made.id}", form="#selected")
    assert "Invite resent to Ada Fixture." in ana.text
    assert ana.response.request.args["q"] == "ada"
    assert ana.response.request.args["sort"] == "name"
    assert ana.response.request.args["row"] == str(made.id)
    assert now_is(app, made).generation == 2


def test_resend_from_the_list_just_after_a_sending_asks_in_the_row(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited(before=timedelta(minutes=3, seconds=5))
    ana.open("/c/northside/patients").submit(f"resend-{made.id}", form="#selected")
    assert "An invitation was sent to Ada Fixture 3 minutes ago. Send it again?" in ana.text
    ana.submit(f"sure-{made.id}", form="#selected")
    assert "Invite resent to Ada Fixture." in ana.text
    assert now_is(app, made).generation == 2


def test_two_people_who_resend_send_once_and_the_second_is_told(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    ana.open("/c/northside/invite")
    someone(app, invitations.resend, made, seen=1, keys=Keys(SECRET), sms=True)
    ana.submit(f"resend-{made.id}", form="#selected")
    assert ana.status == 409
    assert re.search(r"Already resent by Dr\. Amira Osei on .* [ap]m\.", ana.text)
    assert now_is(app, made).generation == 2


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 30, None])
def test_resend_without_having_seen_anything_is_refused(
    app: Flask, ana: Visitor, invited: Invited, seen: str | None
) -> None:
    made = invited()
    ana.open(url(made)).submit("resend", form="#act", seen=seen)
    assert ana.status == 409
    assert "The list has changed since you opened it." in ana.text
    assert now_is(app, made).generation == 1


def test_resend_where_no_message_can_go_leads_to_the_contact(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    ana.open(url(made))
    set_facts(app, made, email=None)
    ana.submit("resend", form="#act")
    assert ana.status == 409
    assert "No message can be sent to Ada Fixture: add an email address." in ana.text
    follow(ana, "resend")
    assert ana.page.select_one("#contact-form")


def test_remove_from_the_page_can_be_undone_there(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    ana.open(url(made)).submit("remove", form="#act")
    assert "Invite for Ada Fixture removed." in ana.text
    assert re.search(r"This invite was removed on .* by Ana Moreau\.", ana.text)
    assert not ana.page.select("#act, #code")
    ana.submit("undo", form="#undo-form")
    assert "Invite for Ada Fixture is back." in ana.text
    assert now_is(app, made).removed_at is None
    assert ana.words(".history span")[-2:] == [
        "Removed by Ana Moreau",
        "Brought back by Ana Moreau",
    ]


def test_remove_from_the_list_can_be_undone_there(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    ana.open("/c/northside/patients").submit(f"remove-{made.id}", form="#selected")
    assert "Invite for Ada Fixture removed." in ana.text
    assert now_is(app, made).removed_at is not None
    ana.submit("Undo the removal of Ada Fixture", form="#selected")
    assert "Invite for Ada Fixture is back." in ana.text
    assert now_is(app, made).removed_at is None


def test_who_removes_second_is_told_by_whom_it_was_removed(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    ana.open("/c/northside/invite")
    someone(app, invitations.remove, made)
    ana.submit(f"remove-{made.id}", form="#selected")
    assert ana.status == 409
    assert "Already removed by Dr. Amira Osei on" in ana.text
    assert actions(app, made).count(Action.REMOVED) == 1


@pytest.mark.parametrize("button", ["resend", "remove"])
def test_who_has_accepted_meanwhile_is_neither_sent_to_nor_removed(
    app: Flask, ana: Visitor, invited: Invited, button: str
) -> None:
    made = invited()
    ana.open(url(made))
    accept(app, made)
    ana.submit(button, form="#act")
    assert ana.status == 409
    assert "Ada Fixture has accepted the invitation meanwhile." in ana.text
    assert not ana.page.select("#act")
    assert now_is(app, made).removed_at is None


def test_an_accepted_invitation_leads_to_patients(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    accept(app, made)
    ana.open(url(made))
    assert "By Ana" not in facts(ana)["Accepted"]
    assert facts(ana)["Accepted"].endswith(", by link")
    link = ana.page.select_one("dl.facts a")
    assert link is not None
    assert link.get_text().startswith("In Patients since ")
    ana.open(str(link["href"]))
    assert ana.words("table.joined tbody th") == [ADA]


def test_undo_ends_after_a_day(app: Flask, ana: Visitor, invited: Invited) -> None:
    made = invited()
    ana.open(url(made)).submit("remove", form="#act")
    set_facts(app, made, removed_at=clock.now() - timedelta(hours=25))
    ana.submit("undo", form="#undo-form")
    assert ana.status == 409
    assert "Removed more than 24 hours ago: invite Ada Fixture anew." in ana.text
    ana.open(url(made))
    assert "This cannot be undone. The patient may be invited anew." in ana.text
    assert not ana.page.select("#undo")


def test_undo_is_refused_where_the_patient_was_invited_anew(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    ana.open(url(made)).submit("remove", form="#act")
    invited()
    ana.submit("undo", form="#undo-form")
    assert ana.status == 409
    assert re.search(
        r"Ada Fixture was invited anew on .* by Ana Moreau, so this invite stays removed\.",
        ana.text,
    )
    assert now_is(app, made).removed_at is not None


def open_contact(visitor: Visitor, made: Invitation) -> Visitor:
    return follow(visitor.open(url(made)), "change")


def test_the_contact_form_holds_what_is_known_and_says_what_is_wrong(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited(email="ada@gmial.com", phone="(306) 555-0142")
    settle(app, made, DeliveryState.FAILED, "no-such-address")
    open_contact(ana, made)
    assert ana.page.select_one("#contact #email")["value"] == "ada@gmial.com"  # type: ignore[index]
    assert ana.page.select_one("#contact #mobile")["value"] == "(306) 555-0142"  # type: ignore[index]
    assert "Email: This address does not exist: check it" in ana.words(".problem")
    assert "Did you mean ada@gmail.com?" in ana.text


def test_fix_and_resend_changes_and_sends_at_once(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited(before=timedelta(minutes=1))
    settle(app, made, DeliveryState.FAILED, "no-such-address")
    follow(ana.open(url(made)), "fix")
    ana.submit("Resend Invite", form="#contact-form", email="Ada@Example.com")
    assert "Invite resent to Ada Fixture." in ana.text
    assert "are new" not in ana.text
    found = now_is(app, made)
    assert (found.email, found.generation, found.code_mac) == ("ada@example.com", 2, made.code_mac)
    assert ana.words(".history span")[-2:] == [
        "Email address changed by Ana Moreau",
        "Sent again by Ana Moreau",
    ]


def test_a_contact_that_was_written_to_gets_another_code_and_staff_are_told(
    app: Flask, ana: Visitor, invited: Invited, keys: Keys
) -> None:
    made = invited()
    settle(app, made, DeliveryState.SENT)
    open_contact(ana, made)
    ana.submit("Save without sending", form="#contact-form", email="new@example.org")
    assert "Email and mobile number of Ada Fixture saved. Nothing was sent." in ana.text
    assert "The Invite Code and link are new, because the first message" in ana.text
    found = now_is(app, made)
    assert (found.generation, found.sending, found.resent_at) == (2, Sending.NONE, None)
    assert code_of(found, keys=keys) != code_of(made, keys=keys)
    assert "No message takes this code to the patient." in ana.text
    last = "Email address changed by Ana Moreau; the Invite Code is new"
    assert ana.words(".history span")[-1] == last


def test_another_contact_with_another_code_is_sent_to_in_one_go(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited(before=timedelta(minutes=1))
    settle(app, made, DeliveryState.SENT)
    open_contact(ana, made)
    ana.submit("Resend Invite", form="#contact-form", email="new@example.org")
    assert "Invite resent to Ada Fixture. The Invite Code and link are new" in ana.text
    assert now_is(app, made).sending == Sending.UNDER_WAY


def test_the_same_contact_just_after_a_sending_is_asked_about_first(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited(before=timedelta(minutes=2, seconds=5))
    open_contact(ana, made).submit("Resend Invite", form="#contact-form")
    assert ana.status == 422
    asked = "Sent 2 minutes ago. To send it again now, press Resend Invite once more."
    assert ana.errors == {"email": asked}
    assert now_is(app, made).generation == 1
    ana.submit("Resend Invite", form="#contact-form")
    assert "Invite resent to Ada Fixture." in ana.text
    assert now_is(app, made).generation == 2


def correct(app: Flask, made: Invitation, email: str, keys: Keys) -> None:
    """Dr. Osei puts the email right meanwhile."""
    someone(app, invitations.change_contact, made, email=email, phone=None, keys=keys)


@pytest.mark.parametrize("button", ["Save without sending", "Resend Invite"])
def test_what_a_colleague_put_right_meanwhile_is_shown_and_not_undone(
    app: Flask, ana: Visitor, invited: Invited, keys: Keys, button: str
) -> None:
    made = invited()
    open_contact(ana, made)
    correct(app, made, "right@example.org", keys)
    ana.submit(button, form="#contact-form", mobile="306 555 0142")
    assert ana.status == 409
    assert "Already changed by Dr. Amira Osei on" in ana.text
    assert facts(ana)["Email"] == "right@ example. org"
    found = now_is(app, made)
    assert (found.email, found.phone, found.generation) == ("right@example.org", None, 1)


def test_what_was_typed_wrong_first_is_held_to_what_was_shown_all_the_same(
    app: Flask, ana: Visitor, invited: Invited, keys: Keys
) -> None:
    made = invited()
    open_contact(ana, made).submit("Save without sending", form="#contact-form", email="ada")
    correct(app, made, "right@example.org", keys)
    ana.submit("Save without sending", form="#contact-form", email="mine@example.org")
    assert ana.status == 409
    assert now_is(app, made).email == "right@example.org"


def test_saving_is_refused_where_it_was_sent_again_meanwhile(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    open_contact(ana, made)
    someone(app, invitations.resend, made, seen=1, keys=Keys(SECRET), sms=True)
    ana.submit("Save without sending", form="#contact-form", email="new@example.org")
    assert ana.status == 409
    assert "Already resent by Dr. Amira Osei on" in ana.text
    assert now_is(app, made).email == "ada@example.org"


def test_a_contact_saved_twice_is_saved(app: Flask, ana: Visitor, invited: Invited) -> None:
    made = invited()
    settle(app, made, DeliveryState.SENT)
    open_contact(ana, made)
    form = ana.page.select_one("#contact-form")
    assert form is not None
    fields = {str(each["name"]): str(each.get("value", "")) for each in form.select("input")}
    for _press in range(2):
        ana.post(url(made, "/contact"), fields | {"email": "new@example.org", "do": "save"})
        assert (ana.status, now_is(app, made).generation) == (200, 2)


def test_who_cannot_be_written_to_may_be_given_the_code(
    ana: Visitor, invited: Invited, keys: Keys
) -> None:
    made = invited(email=None)
    open_contact(ana, made)
    code = code_of(made, keys=keys) or ""
    assert f"Or give the patient the Invite Code: {code[:3]} {code[3:]}" in ana.text
    open_contact(ana, invited("Ben Sample"))
    assert "Or give the patient" not in ana.text


def test_a_clinic_without_free_codes_is_told(app: Flask, cast: Cast) -> None:
    def draw(slug: str) -> None:
        raise OutOfCodes(cast.northside.id)

    app.view_functions["imports.index"] = draw
    ana = Visitor(app.test_client()).sign_in("ana@example.org").open("/c/northside/imports")
    assert ana.status == 503
    assert "This clinic has no free Invite Codes left" in ana.text


def test_fix_and_resend_from_the_list_comes_back_to_its_row(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited(before=LATER)
    settle(app, made, DeliveryState.FAILED, "no-such-address")
    follow(ana.open("/c/northside/patients?q=ada"), f"fix-{made.id}")
    form = ana.page.select_one("#contact-form")
    assert form is not None
    assert str(form["hx-target"]).startswith(f"#invitation-{made.id}")
    ana.submit("Resend Invite", form="#contact-form", email="new@example.org")
    assert ana.response.request.path == "/c/northside/patients"
    assert ana.response.request.args["q"] == "ada"
    assert "Invite resent to Ada Fixture." in ana.text


@pytest.mark.parametrize(
    ("field", "typed", "text"),
    [
        ("email", "ada", "Enter an email address with an @"),
        ("email", "ada@gmial.com", "Did you mean ada@gmail.com? If not, press the button again."),
        ("mobile", "306 555", "is too short"),
        ("mobile", "911", ""),
        ("mobile", "1.55E+10", "Excel changed this number"),
    ],
)
def test_what_cannot_be_right_gets_a_text_at_its_field(
    app: Flask, ana: Visitor, invited: Invited, field: str, typed: str, text: str
) -> None:
    made = invited()
    open_contact(ana, made).submit("Resend Invite", form="#contact-form", **{field: typed})
    assert ana.status == 422
    assert list(ana.errors) == [field]
    assert text in ana.errors[field]
    assert ana.page.select_one(f"#contact #errors a[href='#{field}']")
    assert ana.page.select_one(f"#{field}")["value"] == typed  # type: ignore[index]
    assert now_is(app, made).email == "ada@example.org"


def test_a_likely_typo_is_pointed_out_once_and_may_stay(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    open_contact(ana, made).submit("Resend Invite", form="#contact-form", email="ada@gmial.com")
    assert ana.status == 422
    ana.submit("Resend Invite", form="#contact-form")
    assert "Invite resent to Ada Fixture." in ana.text
    assert now_is(app, made).email == "ada@gmial.com"


@pytest.mark.parametrize("mobile", ["", "+44 7911 123456"])
def test_without_any_way_to_send_the_code_is_named(
    app: Flask, ana: Visitor, invited: Invited, keys: Keys, mobile: str
) -> None:
    made = invited()
    open_contact(ana, made)
    ana.submit("Resend Invite", form="#contact-form", email="", mobile=mobile)
    code = code_of(made, keys=keys) or ""
    assert ana.status == 422
    assert f"or give the patient the Invite Code: {code[:3]} {code[3:]}" in ana.errors["email"]
    ana.submit("Save without sending", form="#contact-form", email="", mobile=mobile)
    assert now_is(app, made).email is None
    assert ana.status == 200


def test_a_contact_that_makes_it_someone_who_is_invited_already_is_refused(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    other = invited(email="other@example.org")
    made = invited()
    open_contact(ana, made).submit("Resend Invite", form="#contact-form", email="other@example.org")
    assert ana.status == 422
    assert "Ada Fixture is already invited with this email or mobile number" in ana.text
    assert ana.page.select_one(f"#contact a[href='{url(other)}']")
    found = now_is(app, made)
    assert (found.email, found.generation) == ("ada@example.org", 1)


def test_a_change_whose_sending_is_overtaken_changes_nothing(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    open_contact(ana, made)
    someone(app, invitations.resend, made, seen=1, keys=Keys(SECRET), sms=True)
    ana.submit("Resend Invite", form="#contact-form", email="new@example.org")
    assert ana.status == 409
    assert "Already resent by Dr. Amira Osei on" in ana.text
    assert facts(ana)["Email"] == "ada@ example. org"
    found = now_is(app, made)
    assert (found.email, found.generation) == ("ada@example.org", 2)


@pytest.mark.parametrize("page", ["invite", "patients"])
def test_the_contact_of_who_has_accepted_is_not_opened(
    app: Flask, ana: Visitor, invited: Invited, page: str
) -> None:
    made = invited()
    settle(app, made, DeliveryState.FAILED, "no-such-address")
    ana.open(f"/c/northside/{page}")
    accept(app, made)
    follow(ana, f"fix-{made.id}")
    assert ana.status == 409
    assert "Ada Fixture has accepted the invitation meanwhile." in ana.text
    assert not ana.page.select("#contact-form")


def test_a_clinic_admin_changes_the_provider(
    app: Flask, ana: Visitor, invited: Invited, cast: Cast
) -> None:
    made = invited()
    ana.open(url(made))
    ana.submit("Change provider", form="#provider-form", provider=str(cast.tallgrass.id))
    assert "The provider is now Dr. Jon Tallgrass." in ana.text
    assert now_is(app, made).provider_id == cast.tallgrass.id
    assert ana.words(".history span")[-1] == "Provider changed by Ana Moreau"


def test_a_foreign_and_an_unknown_provider_are_refused_alike(
    app: Flask, ana: Visitor, invited: Invited, cast: Cast
) -> None:
    made = invited()
    for provider in (str(cast.lind.id), "1", "x", ""):
        ana.open(url(made)).submit("Change provider", form="#provider-form", provider=provider)
        assert ana.status == 422
        assert ana.words(".banner.error") == ["Choose a provider"]
    assert now_is(app, made).provider_id == cast.osei.id


def test_a_provider_sees_for_whom_but_does_not_change_it(
    app: Flask, visitor: Visitor, invited: Invited, cast: Cast
) -> None:
    made = invited()
    visitor.sign_in("osei@example.org").open(url(made))
    assert facts(visitor)["Provider"] == "Dr. Amira Osei"
    data = {"csrf_token": visitor.csrf_token, "provider": str(cast.tallgrass.id)}
    visitor.post(url(made, "/provider"), data)
    assert visitor.status == 403
    assert now_is(app, made).provider_id == cast.osei.id


def test_the_code_is_shown_large_and_who_did_is_kept(
    app: Flask, ana: Visitor, invited: Invited, keys: Keys
) -> None:
    made = invited()
    ana.open(url(made))
    assert not ana.page.select(".aloud.large, [role=img] path")
    ana.submit("Show large", form="#large-form")
    assert ana.page.select(".aloud.large .code")
    link = f"http://localhost/j/{keys.link_token(made.link_id, 1)}"
    assert qr.drawn(link) in ana.response.text
    assert ana.words(".history span")[-1] == "Code shown large by Ana Moreau"
    follow(ana, "hide")
    assert not ana.page.select(".aloud.large")


def test_the_code_of_what_was_removed_is_not_shown_and_nobody_looked(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited()
    ana.open(url(made))
    someone(app, invitations.remove, made)
    ana.submit("Show large", form="#large-form")
    assert ana.status == 409
    assert not ana.page.select(".code")
    assert Action.CODE_SHOWN not in actions(app, made)


def test_the_code_of_who_gets_no_message_is_noted_as_given(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited(email=None)
    ana.open(url(made))
    assert "No message takes this code to the patient." in ana.text
    assert not ana.page.select("details form#give")
    ana.submit("Code given", form="#give", how="by phone", to="relative")
    assert "It is noted that the code was given." in ana.text
    assert ana.words(".history span")[-1] == "Code given by Ana Moreau by phone to a relative"
    assert now_is(app, made).code_given_at is not None
    assert ana.page.select("details form#give")


def test_a_code_given_in_no_known_way_is_not_noted(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited(email=None)
    ana.open(url(made)).submit("Code given", form="#give", how="by pigeon")
    assert ana.status == 422
    assert now_is(app, made).code_given_at is None


def test_a_code_is_not_given_of_what_was_removed(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited(email=None)
    ana.open(url(made))
    someone(app, invitations.remove, made)
    ana.submit("Code given", form="#give", how="by phone", to="patient")
    assert ana.status == 409
    assert "Already removed by Dr. Amira Osei on" in ana.text


@pytest.mark.parametrize(
    "rest", ["resend", "remove", "restore", "provider", "show-code", "give-code"]
)
def test_an_address_that_only_does_something_leads_to_the_page(
    ana: Visitor, invited: Invited, rest: str
) -> None:
    made = invited()
    ana.open(url(made, f"/{rest}"))
    assert (ana.path, ana.status) == (url(made), 200)


def test_a_long_name_and_address_are_shown_whole(ana: Visitor, invited: Invited) -> None:
    name = "Ada " + "Placeholder-" * 7 + "Montgomery"
    ana.open(url(invited(name=name, email="a" * 60 + "@" + "long-" * 10 + "name.example.org")))
    assert ana.words("h1") == [name]


def test_an_erased_contact_is_said_to_be_erased_and_a_new_one_opens_it_again(
    app: Flask, ana: Visitor, invited: Invited
) -> None:
    made = invited(phone="306 555 0142")
    set_facts(app, made, expires_at=clock.now() - 31 * timedelta(days=1))
    with app.app_context():
        for _ in keeping.erase_old(now=clock.now()):
            db.session.commit()
    row = ana.open("/c/northside/invite").words("table.invited tbody tr")
    assert "Erased" in row[0]
    assert "Not given" not in row[0]
    ana.open(url(made))
    assert ana.text.count("Erased") == 2
    assert "Email address and mobile number erased: no longer needed" in ana.text
    assert "No longer valid" in ana.text, "where the Invite Code was"
    assert "Code given" not in ana.text
    ana.open(url(made, "/contact?on=invitation"))
    ana.submit("Resend Invite", email="ada@example.org")
    assert ana.status == 200
    assert "Pending" in ana.words("#status")[0]
    assert "No longer valid" not in ana.text
    assert now_is(app, made).code_mac
