"""Commands, as someone who sets Inviter up types them."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

import app as composition
from inviter import clock
from inviter.config import Config
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Clinic, Delivery, Invitation, MailboxMessage, Membership, User
from tests.factories import Cast, claim, invite, recipient
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


def test_who_gets_a_clinic_is_signed_out_and_the_link_works(app: Flask, cast: Cast) -> None:
    ana = Visitor(app.test_client()).sign_in("ana@example.org")
    code, printed = run(app, "create-clinic", "Elan", "--admin", "ana@example.org")
    assert code == 0
    assert ana.open("/account").path == "/sign-in"
    link = re.search(r"http://localhost(/reset-password/\S+)", printed)
    assert link is not None
    assert ana.open(link[1]).path == link[1]


def test_a_second_clinic_of_the_same_name_gets_its_own_address(app: Flask) -> None:
    for _ in range(2):
        done = run(app, "create-clinic", "Elan", "--admin", "jo@example.org", "--admin-name", "Jo")
        assert done[0] == 0
    with app.app_context():
        assert sorted(db.session.scalars(select(Clinic.slug))) == ["elan", "elan-2"]
        assert len(db.session.scalars(select(User)).all()) == 1
        assert len(db.session.scalars(select(Membership)).all()) == 2


def test_a_new_clinic_starts_with_what_the_settings_say(settings: Config) -> None:
    made = composition.create_app(replace(settings, idle_minutes=20, keep_contacts_days=7))
    done = run(made, "create-clinic", "Elan", "--admin", "jo@example.org", "--admin-name", "Jo")
    assert done[0] == 0
    with made.app_context():
        own = select(Clinic.idle_minutes, Clinic.keep_contacts_days)
        assert db.session.execute(own).one() == (20, 7)
        db.engine.dispose()


WRONG = [
    (["!!!", "--admin", "jo@example.org"], "Enter the name of the clinic"),
    (["Больница", "--admin", "jo@example.org"], "A clinic's name needs letters a to z or digits."),
    (["win.com", "--admin", "jo@example.org"], "Enter only a name, not a web or email address."),
    (["Elan", "--admin", "jo@"], "Check this email address: jo@."),
    (["Elan", "--admin", " "], "Give the admin's email with --admin."),
    (["Elan", "--admin", "jo@example.org"], "Give the admin's name, which patients read,"),
    (["E" * 101, "--admin", "jo@example.org"], "Shorten this to 100 characters or fewer"),
    (
        ["Elan", "--admin", "jo@example.org", "--admin-name", "J" * 101],
        "Use at most 100 characters for a name.",
    ),
    (
        ["Elan", "--admin", "jo@example.org", "--time-zone", "Mars"],
        "There is no time zone Mars; try America/Regina",
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


class TestHold:
    """After a restore: what was sent since the backup looks as if it had not been."""

    @pytest.fixture
    def restored(self, app: Flask, cast: Cast, keys: Keys, now: datetime) -> None:
        """One email was being sent when the backup was made, another was queued."""
        with app.app_context():
            for name in ("Ada", "Ben"):
                who = recipient(f"{name} Fixture", email=f"{name.lower()}@example.org")
                people = {"provider": cast.osei, "by": cast.ana}
                invite(cast.northside, who, **people, keys=keys, now=now)
                if name == "Ada":
                    claim(1, now=now)
                    db.session.commit()
            until = clock.now() + timedelta(days=30)  # the commands go by the wall's clock
            db.session.execute(update(Invitation).values(expires_at=until))
            db.session.commit()

    def states(self, app: Flask) -> list[str]:
        with app.app_context():
            query = select(Delivery.state).join(Delivery.invitation)
            return [str(each) for each in db.session.scalars(query.order_by(Invitation.first_name))]

    def sent(self, app: Flask) -> int:
        with app.app_context():
            composition.worker_of(app).work_once()
            return len(db.session.scalars(select(MailboxMessage)).all())

    @pytest.mark.usefixtures("restored")
    def test_held_nothing_leaves_and_what_was_being_sent_is_in_doubt(self, app: Flask) -> None:
        code, printed = run(app, "hold")
        assert (code, "1 messages are in doubt" in printed) == (0, True)
        assert self.states(app) == ["in doubt", "queued"]
        assert self.sent(app) == 0

    @pytest.mark.usefixtures("restored")
    def test_what_was_queued_is_released_only_by_who_says_what_becomes_of_it(
        self, app: Flask
    ) -> None:
        run(app, "hold")
        code, printed = run(app, "release")
        assert code == 1
        assert "1 messages were queued when sending was held." in printed
        assert self.sent(app) == 0

    @pytest.mark.usefixtures("restored")
    def test_it_may_be_sent(self, app: Flask) -> None:
        run(app, "hold")
        assert run(app, "release", "--send")[0] == 0
        assert self.sent(app) == 1
        assert self.states(app) == ["in doubt", "sent"]

    @pytest.mark.usefixtures("restored")
    def test_it_may_be_in_doubt_and_is_never_sent(self, app: Flask, ana: Visitor) -> None:
        run(app, "hold")
        assert run(app, "release", "--doubt")[0] == 0
        assert self.sent(app) == 0
        assert self.states(app) == ["in doubt", "in doubt"]

    @pytest.mark.usefixtures("restored")
    def test_what_is_invited_while_held_leaves_when_released(
        self, app: Flask, cast: Cast, keys: Keys
    ) -> None:
        run(app, "hold")
        with app.app_context():
            who = recipient("Cy Fixture", email="cy@example.org")
            invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        assert self.sent(app) == 0
        run(app, "release", "--doubt")
        assert self.sent(app) == 1
        assert self.states(app) == ["in doubt", "in doubt", "sent"]

    def test_what_is_not_held_cannot_be_released(self, app: Flask) -> None:
        assert run(app, "release") == (1, "Error: Sending is not held.\n")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url
