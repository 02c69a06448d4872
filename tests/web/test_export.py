"""What is looked for as a file: for Excel, harmless, recorded."""

import csv
import io

import pytest
from flask import Flask

from inviter.activity import Action
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Activity, Invitation
from inviter.web.export import inert
from tests.counting import counted
from tests.factories import Cast, invite, recipient
from tests.visitors import Visitor

FORM = "form[action$=export]"


def invite_two(app: Flask, cast: Cast, keys: Keys) -> None:
    with app.app_context():
        for name, email in (("François O’Neil", "fo@example.org"), ("Ben Sample", None)):
            who = recipient(name, email=email, phone="+1 306 555 0142" if email else None)
            invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)


def rows(visitor: Visitor) -> list[list[str]]:
    body = visitor.response.get_data().decode()
    assert body.startswith("\ufeff")
    return list(csv.reader(io.StringIO(body[1:], newline="")))


def test_the_file_holds_what_is_looked_for_in_the_columns_shown(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_two(app, cast, keys)
    ana.open("/c/northside/invite?sort=name&cols=name,email,phone,status").submit(form=FORM)
    assert rows(ana) == [
        ["Patient Name", "Email address", "Phone Number", "Status"],
        ["Ben Sample", "", "", "Pending"],
        ["François O’Neil", "fo@example.org", "'+1 306 555 0142", "Pending"],
    ]
    name = ana.response.headers["Content-Disposition"]
    assert name.startswith("attachment; filename=invited-northside-")


def test_only_what_is_filtered_leaves(app: Flask, ana: Visitor, cast: Cast, keys: Keys) -> None:
    invite_two(app, cast, keys)
    ana.open("/c/northside/patients?q=ben").submit(form=FORM)
    assert [row[0] for row in rows(ana)] == ["Patient Name", "Ben Sample"]


def test_a_code_keeps_its_zeros(app: Flask, ana: Visitor, cast: Cast, keys: Keys) -> None:
    invite_two(app, cast, keys)
    code = ana.open("/c/northside/invite?q=ben").page.select_one(".code [aria-hidden]")
    assert code is not None
    digits = code.get_text(strip=True)
    ana.submit(form=FORM)
    assert rows(ana)[1][6] == f"{digits[:3]} {digits[3:]}"


def test_it_is_recorded_with_who_and_how_many(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_two(app, cast, keys)
    ana.open("/c/northside/invite").submit(form=FORM)
    with app.app_context():
        lines = db.session.scalars(db.select(Activity).filter_by(action=Action.EXPORTED)).all()
        assert [(line.by_id, line.details) for line in lines] == [(cast.ana.id, {"rows": 2})]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_begins_like_a_formula_is_a_text(cell: str) -> None:
    assert inert(cell) == f"'{cell}"
    assert inert("a=1") == "a=1"


def test_many_leave_batch_by_batch(app: Flask, ana: Visitor, cast: Cast, keys: Keys) -> None:
    from tests.test_listing import made

    ana.open("/c/northside/invite")
    with app.app_context():
        from inviter import clock

        now = clock.now()
        db.session.add_all([made(cast, keys, now) for _ in range(1200)])
        db.session.commit()
        token = ana.open("/c/northside/invite").csrf_token
        with counted() as statements:
            ana.post("/c/northside/invitations/export", {"csrf_token": token, "on": "invite"})
            assert len(rows(ana)) == 1201
        reads = [each for each in statements if f"FROM {Invitation.__tablename__}" in each]
        assert len(reads) == 1 + 3
