"""What watches the statements sees one that names no clinic."""

import pytest
from flask import Flask

from inviter import team
from inviter.scope import crosses_clinics
from tests.clinics import names_its_clinic
from tests.factories import Cast


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT name FROM clinic WHERE id = ?",
        "SELECT id FROM invitation WHERE invitation.clinic_id = ? AND id = ?",
        "SELECT id FROM invitation WHERE invitation.clinic_id = %(clinic)s::BIGINT",
        "SELECT id FROM delivery WHERE (clinic_id, id) IN ((?, ?))",
        "INSERT INTO delivery (clinic_id, id) VALUES (?, ?)",
        "CREATE TEMPORARY TABLE new AS SELECT name FROM patient WITH NO DATA",
        "UPDATE attempt SET answer=? WHERE attempt.clinic_id = ? AND attempt.id = ?",
    ],
)
def test_a_clinic_is_named(statement: str) -> None:
    assert names_its_clinic(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT clinic_id, id FROM invitation WHERE id = ?",
        "SELECT name FROM patient JOIN clinic ON clinic.id = patient.clinic_id",
        "SELECT users.id FROM users, membership WHERE membership.user_id = users.id",
        "UPDATE delivery SET clinic_id=? WHERE id = ?",
        "DELETE FROM import_row WHERE import_id = ?",
        "DELETE FROM attempt WHERE (clinic_id, id) IN (SELECT pick.clinic_id FROM pick)",
    ],
)
def test_no_clinic_is_named(statement: str) -> None:
    assert not names_its_clinic(statement)


def test_who_goes_across_clinics_says_so_for_that_time_only(app: Flask, cast: Cast) -> None:
    with app.app_context():
        assert team.is_staff(cast.ana)
    assert not crosses_clinics.get()
