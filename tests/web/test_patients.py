"""Remove from clinic, by two people or twice by one."""

import pytest
from flask import Flask

from inviter import clock, joining
from inviter.db import db
from inviter.keys import Keys
from inviter.models import How
from tests.factories import Cast, account, invite, recipient
from tests.visitors import Visitor


@pytest.fixture
def patient_id(app: Flask, cast: Cast, keys: Keys) -> int:
    """Ada has joined Northside."""
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        patient = joining.accept(
            made, account=account("parent@example.org"), how=How.LINK, now=clock.now()
        )
        db.session.commit()
        return patient.id


def test_who_presses_second_is_told(ana: Visitor, patient_id: int) -> None:
    address = f"/c/northside/patients/{patient_id}/remove"
    form = {"csrf_token": ana.open(address).csrf_token}
    ana.post(address, form)
    assert "Ada Fixture is removed from this clinic" in ana.text
    ana.post(address, form)
    assert ana.status == 200
    assert "Ada Fixture was removed already." in ana.text


def test_a_foreign_patient_is_not_there_for_removing_either(
    app: Flask, cast: Cast, patient_id: int
) -> None:
    sam = Visitor(app.test_client()).sign_in("sam@example.org")
    form = {"csrf_token": sam.open("/c/southside/patients").csrf_token}
    assert sam.post(f"/c/southside/patients/{patient_id}/remove", form).status == 404
    assert sam.post("/c/southside/patients/1/remove", form).status == 404


def test_a_clinic_admin_erases_a_patient_for_good(
    app: Flask, ana: Visitor, patient_id: int
) -> None:
    ana.open("/c/northside/patients").follow("#joined th a")
    page = ana.path
    ana.follow("#erase-patient")
    assert "Erase Ada Fixture from Northside Family Clinic for good?" in ana.text
    ana.submit("Erase patient", form="#erase form")
    assert ana.path == "/c/northside/patients"
    assert "The patient’s name and contacts are erased." in ana.text
    assert "Ada Fixture" not in ana.text
    ana.open(page)
    assert ana.status == 200
    assert "Erased patient" in ana.text
    assert "by Ana Moreau" in ana.text
    assert "Ada" not in ana.text
    assert "Erase patient" not in ana.words("main a")
    assert ana.open(f"{page}/erase").path == page


def test_who_is_no_clinic_admin_may_not_erase(
    app: Flask, cast: Cast, keys: Keys, ana: Visitor, patient_id: int
) -> None:
    page = ana.open("/c/northside/patients").follow("#joined th a").path
    osei = Visitor(app.test_client()).sign_in("osei@example.org").open(page)
    assert "Ada Fixture" in osei.text
    assert "Erase patient" not in osei.text
    assert osei.open(f"{page}/erase").path == page
    token = osei.open("/account").csrf_token
    assert osei.post(f"{page}/erase", {"csrf_token": token}).status == 403
    assert "Ada Fixture" in osei.open(page).text
