"""Commands, as someone who sets Inviter up types them."""

import re
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from inviter.db import db
from inviter.models import Clinic, Membership, User
from tests.factories import Cast
from tests.visitors import Visitor

PHRASE = "a quiet river under stones"


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    done = app.test_cli_runner().invoke(args=list(arguments))
    return done.exit_code, done.output


def test_a_new_clinics_admin_signs_in_by_the_printed_link_and_can_invite(app: Flask) -> None:
    code, printed = run(
        app, "create-clinic", "Clinique Élan", "--admin", "Jo@example.org", "--admin-name", "Jo Roy"
    )
    assert code == 0
    link = re.search(r"http://localhost(/reset-password/\S+)", printed)
    assert link is not None
    jo = Visitor(app.test_client()).open(link[1])
    jo.submit(new_password=PHRASE)
    jo.sign_in("jo@example.org", PHRASE)
    assert jo.path == "/c/clinique-elan/invite"
    assert jo.words("select[name=provider] option") == ["Jo Roy"]


def test_a_second_clinic_of_the_same_name_gets_its_own_address(app: Flask) -> None:
    for _ in range(2):
        done = run(app, "create-clinic", "Elan", "--admin", "jo@example.org", "--admin-name", "Jo")
        assert done[0] == 0
    with app.app_context():
        assert sorted(db.session.scalars(select(Clinic.slug))) == ["elan", "elan-2"]
        assert len(db.session.scalars(select(User)).all()) == 1
        assert len(db.session.scalars(select(Membership)).all()) == 2


WRONG = [
    (["!!!", "--admin", "jo@example.org"], "A clinic's name needs letters a to z or digits."),
    (["Elan", "--admin", "jo@"], "Check this email address: jo@."),
    (["Elan", "--admin", " "], "Give the admin's email with --admin."),
    (["Elan", "--admin", "jo@example.org"], "Give the admin's name, which patients read,"),
    (["E" * 101, "--admin", "jo@example.org"], "Use at most 100 characters for a name."),
    (
        ["Elan", "--admin", "jo@example.org", "--time-zone", "Mars"],
        "There is no time zone Mars; try America/Regina.",
    ),
]


@pytest.mark.parametrize(("arguments", "text"), WRONG)
def test_what_is_wrong_is_said_and_nothing_is_made(
    app: Flask, arguments: list[str], text: str
) -> None:
    code, printed = run(app, "create-clinic", *arguments)
    assert code == 1
    assert text in printed
    with app.app_context():
        assert db.session.scalars(select(Clinic)).all() == []


def test_the_demo_is_filled_with_the_password_given_and_only_once(app: Flask) -> None:
    code, printed = run(app, "demo", "--password", PHRASE)
    assert code == 0
    assert "ana@example.org" in printed
    assert PHRASE in printed
    ana = Visitor(app.test_client()).sign_in("ana@example.org", PHRASE)
    assert ana.path.endswith("/invite")
    statuses = set(ana.open("/c/northside/invite").words("table.invited .badge"))
    assert statuses == {"Pending", "Accepted", "Expired", "Error Sending"}
    assert run(app, "demo")[0] == 1


NONSENSE = [
    (["--clinics", "2"], "Give at least 3 clinics: those of the demo are always there."),
    (["--invitations", "7"], "Give at least 36 invitations, as the demo has."),
    (["--clinics", "3", "--invitations", "9000000"], "give fewer invitations, or more clinics."),
    (["--seed", "1"], "--seed goes with --clinics or --invitations: give either."),
]


@pytest.mark.parametrize(("arguments", "text"), NONSENSE)
def test_a_demo_that_cannot_be_is_refused_before_anything_is_filled(
    app: Flask, arguments: list[str], text: str
) -> None:
    code, printed = run(app, "demo", *arguments)
    assert code == 1
    assert text in printed
    with app.app_context():
        assert db.session.scalars(select(Clinic)).all() == []


def test_a_clinic_with_people_is_not_filled_again(app: Flask, cast: Cast) -> None:
    for counts in ([], ["--clinics", "4"]):
        code, printed = run(app, "demo", *counts)
        assert code == 1
        assert "The database is not empty: nothing was filled in." in printed


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    from tests.conftest import copy_of

    return copy_of(sqlite_template, tmp_path)
