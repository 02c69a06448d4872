"""Settings: a Clinic Admin changes what patients read and how long things last, and it is told."""

import pytest
from flask import Flask
from sqlalchemy import select, update

from inviter.db import db
from inviter.models import Activity, Clinic
from tests.factories import Cast
from tests.visitors import Visitor

PAGE, FORM = "/c/northside/settings", "#settings-form"


def kept(app: Flask, *names: str) -> list[object]:
    with app.app_context():
        clinic = db.session.scalars(select(Clinic).filter_by(slug="northside")).one()
        return [getattr(clinic, each) for each in names]


def told(app: Flask) -> list[list[str]]:
    query = select(Activity.details).where(Activity.action == "settings changed")
    with app.app_context():
        return [each["settings"] for each in db.session.scalars(query)]


def test_what_patients_read_is_changed_and_told(app: Flask, ana: Visitor, cast: Cast) -> None:
    ana.open("/c/northside/invite").follow("#navigation a[href$=settings]")
    assert ana.value("name") == "Northside Family Clinic"
    ana.submit(form=FORM, name="  Northside   24/7 & Co ", phone="306 555 0199", email="desk")
    assert ana.status == 422
    assert list(ana.errors) == ["email"]
    ana.submit(form=FORM, email="Desk@Example.org")
    assert ana.words(".banner") == ["Success Settings saved."]
    assert kept(app, "name", "phone", "email", "expiry_days") == [
        *("Northside 24/7 & Co", "306 555 0199", "desk@example.org"),
        30,
    ]
    assert told(app) == [["name", "phone", "email"]]
    said = ana.open("/c/northside/activity?what=settings").text
    assert "Ana Moreau changed settings: name, phone number, email for replies" in said


def test_a_switchboards_extension_is_kept_and_not_dialled(
    app: Flask, ana: Visitor, visitor: Visitor, cast: Cast
) -> None:
    ana.open(PAGE).submit(form=FORM, phone="+1 (306) 555-0199 ext. 4")
    assert kept(app, "phone") == ["+1 (306) 555-0199 ext. 4"]
    ana.open(PAGE).submit(form=FORM, phone="'3065550199.0")
    assert kept(app, "phone") == ["3065550199"]
    for typed in ("+1 (306) 555-0199 ext. 4", "＋1 ３06 555 0199"):
        ana.open(PAGE).submit(form=FORM, phone=typed)
        (call,) = visitor.open("/join/northside").page.select("a[href^=tel]")
        assert (call["href"], call.text) == ("tel:+13065550199", typed)


def test_what_a_colleague_changed_meanwhile_stays(app: Flask, ana: Visitor, cast: Cast) -> None:
    ana.open(PAGE)
    with app.app_context():
        changed = {"keep_contacts_days": 90, "phone": "306 555 0177", "expiry_days": 20}
        db.session.execute(update(Clinic).where(Clinic.slug == "northside").values(changed))
        db.session.commit()
    ana.submit(form=FORM, idle_minutes="x", expiry_days="14")
    assert list(ana.errors) == ["idle_minutes"]
    ana.submit(form=FORM, idle_minutes="60")
    names = ("keep_contacts_days", "phone", "expiry_days", "idle_minutes")
    assert kept(app, *names) == [90, "306 555 0177", 14, 60]
    assert told(app) == [["expiry_days", "idle_minutes"]]


def test_how_long_things_last_is_changed(app: Flask, ana: Visitor, cast: Cast) -> None:
    ana.open(PAGE).submit(form=FORM, expiry_days=" 14 ", keep_contacts_days="3")
    assert kept(app, "expiry_days", "keep_contacts_days", "idle_minutes") == [14, 3, 30]
    assert told(app) == [["expiry_days", "keep_contacts_days"]]


def test_what_stays_as_it_was_is_not_told(app: Flask, ana: Visitor, cast: Cast) -> None:
    ana.open(PAGE).submit(form=FORM)
    assert ana.words(".banner") == ["Success Nothing was changed."]
    assert told(app) == []


@pytest.mark.parametrize(
    ("field", "typed", "text"),
    [
        ("name", " ", "Enter the name of the clinic"),
        ("name", "…", "Enter the name of the clinic"),
        ("name", "N" * 101, "Shorten this to 100 characters or fewer"),
        ("name", "Win at evil.com", "Enter only a name, not a web or email address."),
        ("name", "<b>Northside</b>", "Take out < and >"),
        ("name", "North\u202eside", "This has hidden characters that change its order."),
        ("name", "Win at evil．com", "Enter only a name, not a web or email address."),
        ("name", "Win at evil。com", "Enter only a name, not a web or email address."),
        ("name", "Win at 1.2.3.4", "Enter only a name, not a web or email address"),
        ("name", "Win //evil", "Enter only a name, not a web or email address"),
        ("name", "tel:900555", "Enter only a name, not a web or email address"),
        ("phone", "12", "Enter the number of the clinic, such as 306 555 0142 x4, or leave it"),
        ("phone", "306 555 0199 evil.com", "Enter the number of the clinic"),
        ("phone", "900 555 0199", "Enter the number of the clinic"),
        ("email", "desk@", "Check this email address: desk@."),
        ("expiry_days", "", "Enter a whole number from 1 to 90"),
        ("expiry_days", "0", "Enter a whole number from 1 to 90"),
        ("expiry_days", "9" * 5000, "Enter a whole number from 1 to 90"),
        ("keep_contacts_days", "2", "Enter a whole number from 3 to 90"),
        ("keep_contacts_days", "-5", "Enter a whole number from 3 to 90"),
        ("idle_minutes", "481", "Enter a whole number from 15 to 480"),
        ("idle_minutes", "30.5", "Enter a whole number from 15 to 480"),
    ],
)
def test_bad_input_is_told_at_its_field_and_nothing_is_changed(
    app: Flask, ana: Visitor, cast: Cast, field: str, typed: str, text: str
) -> None:
    names = ("name", "phone", "email", "expiry_days", "keep_contacts_days")
    before = kept(app, *names, "idle_minutes")
    ana.open(PAGE).submit(form=FORM, **{field: typed})
    assert ana.status == 422
    assert list(ana.errors) == [field]
    assert ana.errors[field].startswith(text)
    assert ana.page.select_one("title").text.startswith("Error:")
    assert ana.value(field) == typed
    assert kept(app, *names, "idle_minutes") == before
    assert told(app) == []


def test_what_is_not_sent_stays(app: Flask, ana: Visitor, cast: Cast) -> None:
    page = ana.open(PAGE)
    page.post(PAGE, {"csrf_token": page.csrf_token, "idle_minutes": "60"})
    assert kept(app, "name", "idle_minutes") == ["Northside Family Clinic", 60]
    assert told(app) == [["idle_minutes"]]


def test_who_is_no_admin_neither_sees_nor_changes_them(
    app: Flask, visitor: Visitor, cast: Cast
) -> None:
    osei = visitor.sign_in("osei@example.org")
    assert not osei.open("/c/northside/invite").page.select("#navigation a[href$=settings]")
    token = osei.csrf_token
    assert osei.open(PAGE).status == 403
    sent = {"csrf_token": token, "expiry_days": "1"}
    assert osei.post(PAGE, sent).status == 403
    assert told(app) == []


def test_the_other_clinic_keeps_its_own(app: Flask, ana: Visitor, cast: Cast) -> None:
    ana.open("/c/lakeview/settings").submit(form=FORM, expiry_days="5")
    assert kept(app, "expiry_days") == [30]
    assert ana.open("/switch?to=northside&page=settings").path == PAGE
