"""Who looked at patients is written down: once in a while, and never while someone waits."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from inviter import activity, clock
from inviter.activity import Action, Look, View
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Activity, Import
from tests.factories import Cast, invite, recipient
from tests.visitors import Visitor


def looks(app: Flask) -> list[tuple[int | None, str, int | None]]:
    with app.app_context():
        lines = select(Activity).where(Activity.action == Action.VIEWED).order_by(Activity.id)
        return [
            (each.by_id, each.details["view"], each.invitation_id)
            for each in db.session.scalars(lines)
        ]


def look_at(visitor: Visitor, path: str) -> None:
    """And have got all of it."""
    visitor.open(path)
    visitor.response.close()


def test_a_look_at_each_list_is_one_line_for_a_quarter_of_an_hour(
    app: Flask, ana: Visitor, cast: Cast
) -> None:
    for _ in range(3):
        look_at(ana, "/c/northside/invite?q=ada")
        look_at(ana, "/c/northside/patients")
    look_at(ana, "/c/lakeview/patients")
    mine = cast.ana.id
    lists = [(mine, "invited", None), (mine, "patients", None)]
    assert looks(app) == [*lists, (mine, "patients", None)]


def test_a_look_at_an_invitation_or_a_file_says_which(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        made = [
            invite(cast.northside, recipient(name), provider=cast.osei, by=cast.ana, keys=keys)
            for name in ("Ada Fixture", "Ben Sample")
        ]
        file = Import(
            clinic_id=cast.northside.id,
            provider_id=cast.osei.id,
            uploaded_by_id=cast.ana.id,
            uploaded_at=clock.now(),
            file_name="patients.csv",
            content_mac="x",
            state="open",
        )
        db.session.add(file)
        db.session.commit()
        file_id = file.id
    for each in made:
        look_at(ana, f"/c/northside/invitations/{each.id}")
    look_at(ana, f"/c/northside/imports/{file_id}")
    mine = cast.ana.id
    wanted = [(mine, "invitation", each.id) for each in made]
    assert looks(app) == [*wanted, (mine, "import", None)]
    ana.open(f"/c/northside/invitations/{made[0].id}")
    assert len(ana.words(".history li")) == 1  # of what happened to it, a look is no part


@pytest.mark.parametrize("end", ["/contact", "/preview", "/erase"])
def test_what_shows_a_contact_or_a_code_is_a_look_too(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys, end: str
) -> None:
    with app.app_context():
        who = recipient(email="ada@example.org")
        made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
    look_at(ana, f"/c/northside/invitations/{made.id}{end}")
    assert looks(app) == [(cast.ana.id, "invitation", made.id)]


def test_what_was_not_shown_was_not_looked_at(app: Flask, ana: Visitor, cast: Cast) -> None:
    for path in ("/c/northside/invitations/7", "/c/southside/patients", "/c/northside/imports"):
        look_at(ana, path)
    ana.client.head("/c/northside/patients").close()
    ana.client.post("/c/northside/invite").close()
    assert looks(app) == []


def test_it_is_written_down_again_after_a_quarter_of_an_hour(
    app: Flask, cast: Cast, keys: Keys
) -> None:
    now = clock.now()
    look = Look(cast.northside.id, cast.ana.id, View.PATIENTS)
    with app.app_context():
        assert activity.viewed(look, keys=keys, now=now)
        assert not activity.viewed(look, keys=keys, now=now + timedelta(minutes=14))
        assert activity.viewed(look, keys=keys, now=now + timedelta(minutes=15))
        for other in (
            Look(cast.northside.id, cast.osei.id, View.PATIENTS),
            Look(cast.lakeview.id, cast.ana.id, View.PATIENTS),
            Look(cast.northside.id, cast.ana.id, View.INVITED),
            Look(cast.northside.id, cast.ana.id, View.INVITATION, 7),
        ):
            assert activity.viewed(other, keys=keys, now=now)


def test_one_that_cannot_be_written_down_is_logged_and_keeps_nobody_from_reading(
    app: Flask, ana: Visitor, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    with app.app_context():
        db.session.execute(db.text("ALTER TABLE budget RENAME TO elsewhere"))
        db.session.commit()
    look_at(ana, "/c/northside/patients")
    assert ana.status == 200
    assert "look not recorded" in capsys.readouterr().out
    with app.app_context():
        db.session.execute(db.text("ALTER TABLE elsewhere RENAME TO budget"))
        db.session.commit()
    look_at(ana, "/c/northside/patients")
    assert len(looks(app)) == 1
