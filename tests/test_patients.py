"""Who has joined a clinic: found through the clinic, removed from it, invited anew."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from inviter import activity, duplicates, invitations, joining, patients
from inviter.db import db
from inviter.duplicates import Fate
from inviter.keys import Keys
from inviter.models import How, Invitation, Patient, User
from inviter.patients import Gone
from inviter.status import Status
from tests.at_once import at_once
from tests.factories import Cast, account, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

ADA = recipient("Ada Fixture", email="ada@example.org", phone="306 555 0142")


@pytest.fixture
def invitation(cast: Cast, keys: Keys, now: datetime) -> Invitation:
    return invite(cast.northside, ADA, provider=cast.osei, by=cast.ana, keys=keys, now=now)


@pytest.fixture
def patient(invitation: Invitation, now: datetime) -> Patient:
    """Ada has joined Northside."""
    who = account("parent@example.org")
    joined = joining.accept(invitation, account=who, how=How.LINK, now=now)
    db.session.commit()
    return joined


def remove(patient: Patient, cast: Cast, now: datetime) -> None:
    patients.remove(patient, by=cast.ana, now=now)
    db.session.commit()


def test_a_patient_comes_with_the_provider(cast: Cast, patient: Patient) -> None:
    db.session.expunge_all()
    found = patients.of(cast.northside, patient.id)
    assert found is not None
    assert (found.name, found.provider.name) == ("Ada Fixture", "Dr. Amira Osei")


def test_another_clinics_patient_is_not_found(cast: Cast, patient: Patient) -> None:
    assert patients.of(cast.southside, patient.id) is None


def test_a_removed_patient_is_not_found(cast: Cast, patient: Patient, now: datetime) -> None:
    remove(patient, cast, now)
    assert patients.of(cast.northside, patient.id) is None


def test_one_is_found_where_it_is_asked_for(cast: Cast, patient: Patient, now: datetime) -> None:
    remove(patient, cast, now)
    assert patients.of(cast.northside, patient.id, removed_too=True) is patient
    assert patients.of(cast.southside, patient.id, removed_too=True) is None


def test_the_invitation_goes_with_the_patient(
    cast: Cast, invitation: Invitation, patient: Patient, now: datetime
) -> None:
    remove(patient, cast, now)
    found = invitations.of(cast.northside, invitation.id)
    assert found is not None
    assert found.removed_at == patient.removed_at == now


def test_it_is_recorded_with_the_invitation(
    cast: Cast, invitation: Invitation, patient: Patient, now: datetime
) -> None:
    remove(patient, cast, now + timedelta(hours=1))
    line = activity.of(invitation)[-1]
    assert (line.action, line.by, line.details) == ("patient removed", "Ana Moreau", {})


def test_who_was_second_is_told(app: Flask, cast: Cast, patient: Patient, now: datetime) -> None:
    def remove_mine() -> None:
        mine = patients.of(cast.northside, patient.id)
        assert mine is not None
        remove(mine, cast, now)

    at_once(app, remove_mine)
    with pytest.raises(Gone):
        remove(patient, cast, now + timedelta(hours=1))
    assert patient.removed_at == now


def test_many_at_once_remove_once(
    app: Flask, cast: Cast, invitation: Invitation, patient: Patient, now: datetime
) -> None:
    def remove_mine() -> bool:
        mine = db.session.get_one(Patient, (patient.clinic_id, patient.id))
        try:
            remove(mine, cast, now)
        except Gone:
            return False
        return True

    assert at_once(app, *[remove_mine] * 8).count(True) == 1
    actions = [line.action.value for line in activity.of(invitation)]
    assert actions.count("patient removed") == 1


def test_who_removes_holds_no_patient_while_another_has_the_invitation(
    app: Flask, cast: Cast, invitation: Invitation, patient: Patient, now: datetime
) -> None:
    """Or the other, who takes the patient next, and this one would wait in a circle."""
    if db.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer")
    clinic_id, its, theirs = patient.clinic_id, invitation.id, patient.id

    def remove_mine() -> None:
        remove(db.session.get_one(Patient, (clinic_id, theirs)), cast, now)

    db.session.execute(select(Invitation).filter_by(id=its).with_for_update())
    with ThreadPoolExecutor(1) as pool:
        removing = pool.submit(at_once, app, remove_mine)
        time.sleep(0.3)
        assert not removing.done()
        db.session.execute(select(Patient).filter_by(id=theirs).with_for_update(nowait=True))
        db.session.commit()
        removing.result()
    assert db.session.scalars(select(Patient.removed_at)).all() == [now]


def test_the_removal_of_a_patient_is_not_undone_as_that_of_an_invitation(
    cast: Cast, invitation: Invitation, patient: Patient, now: datetime
) -> None:
    remove(patient, cast, now)
    assert invitations.removed_at_once(cast.northside, now) == []
    found = invitations.of(cast.northside, invitation.id)
    assert found is not None
    with pytest.raises(invitations.Closed) as refused:
        invitations.restore(found, by=cast.ana, now=now)
    assert refused.value.status == Status.ACCEPTED


def test_the_old_link_is_closed(
    cast: Cast, keys: Keys, invitation: Invitation, patient: Patient, now: datetime
) -> None:
    remove(patient, cast, now)
    db.session.expunge_all()
    found = joining.by_link(keys.link_token(invitation.link_id, 1), keys=keys)
    assert found is not None
    assert joining.closed_by(found, now=now) == Status.REMOVED


def test_another_patient_of_the_account_stays(
    cast: Cast, keys: Keys, patient: Patient, now: datetime
) -> None:
    ben = recipient("Ben Fixture", email="ada@example.org")
    other = invite(cast.northside, ben, provider=cast.osei, by=cast.ana, keys=keys, now=now)
    who = db.session.get_one(User, patient.user_id)
    joining.accept(other, account=who, how=How.LINK, now=now)
    remove(patient, cast, now)
    assert [each.name for each, _ in joining.patients_of(who)] == ["Ben Fixture"]


def test_a_removed_patient_is_invited_anew_and_joins_again(
    cast: Cast, keys: Keys, patient: Patient, now: datetime
) -> None:
    remove(patient, cast, now)
    assert duplicates.check(cast.northside, [ADA])[0].fate == Fate.INVITED
    anew = invite(cast.northside, ADA, provider=cast.osei, by=cast.ana, keys=keys, now=now)
    who = db.session.get_one(User, patient.user_id)
    again = joining.accept(anew, account=who, how=How.CODE, now=now)
    db.session.commit()
    assert joining.patients_of(who) == [(again, "Northside Family Clinic")]
    assert db.session.scalar(select(func.count()).select_from(Patient)) == 2


def test_while_at_the_clinic_a_patient_is_not_invited_anew(cast: Cast, patient: Patient) -> None:
    assert duplicates.check(cast.northside, [ADA])[0].fate == Fate.ALREADY_PATIENT
