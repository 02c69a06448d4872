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
