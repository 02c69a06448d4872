"""More patients than a clinic may invite: said before anything is done, and nothing is lost."""

import io
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import func, select

from inviter import clock, quotas
from inviter.config import Config
from inviter.db import db
from inviter.models import Import, ImportState, Invitation
from tests.conftest import settings_for
from tests.factories import Cast
from tests.visitors import Visitor

FORM, CHECK = "#invite-form", "#confirm-form"
HEAD = "First Name,Last Name,Email,Phone Number\r\n"


@pytest.fixture
def settings(database_url: str) -> Config:
    return replace(
        settings_for(database_url),
        invitations_per_hour=1,
        imported_per_day=3,
        texts_per_day=2,
    )


def invited(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Invitation)) or 0


def typed(visitor: Visitor, cast: Cast, first: str) -> Visitor:
    visitor.open("/c/northside/invite")
    fields = {"rows-0-first_name": first, "rows-0-last_name": "Fixture"}
    visitor.submit("invite-button", form=FORM, provider=str(cast.osei.id), **fields)
    return visitor.submit("Confirm and Invite", form=CHECK)


def uploaded(visitor: Visitor, cast: Cast, *names: str, phones: int = 0) -> Visitor:
    """`phones`: how many of them, from the first, have a number."""
    visitor.open("/c/northside/invite")
    numbers = [f"306 555 014{place}" if place < phones else " " for place in range(len(names))]
    rows = zip(names, numbers, strict=True)
    file = HEAD + "".join(f"{name},Fixture,,{number}\r\n" for name, number in rows)
    data = {"csrf_token": visitor.csrf_token, "provider": str(cast.osei.id)}
    visitor.post("/c/northside/imports", {**data, "file": (io.BytesIO(file.encode()), "may.csv")})
    return visitor.follow("#invite-rows")


def test_what_is_typed_above_an_hours_number_is_refused_and_kept(
    app: Flask, ana: Visitor, cast: Cast
) -> None:
    typed(ana, cast, "Ada")
    typed(ana, cast, "Ben")
    assert ana.status == 409
    assert (
        "Nobody was invited: your clinic may invite 1 patients an hour here, and 0 more" in ana.text
    )
    assert "Your administrator can allow more." in ana.text
    assert invited(app) == 1
    ana.submit("Go back and change", form=CHECK)
    assert ana.value("rows-0-first_name") == "Ben"


def test_a_file_above_a_days_number_says_so_before_it_can_be_confirmed(
    ana: Visitor, cast: Cast
) -> None:
    uploaded(ana, cast, "Ada", "Ben", "Cy", "Di")
    assert "Your clinic may invite 3 patients from files in a day. Upload smaller" in ana.text
    assert not ana.page.select("#confirm-button")
    uploaded(ana, cast, "Ada", "Ben")
    assert "may invite" not in ana.text
    ana.submit("Confirm and Invite", form=CHECK)
    uploaded(ana, cast, "Cy", "Di")
    assert "Your clinic may invite 3 patients from files in a day, and 1 more until" in ana.text
    assert not ana.page.select("#confirm-button")


def test_who_is_overtaken_at_confirm_is_refused_and_told_how_many_are_left(
    app: Flask, ana: Visitor, cast: Cast
) -> None:
    uploaded(ana, cast, "Ada", "Ben")
    with app.app_context():
        quotas.count(quotas.FROM_FILES, cast.northside.id, 2, most=3, now=clock.now())
        db.session.commit()
    ana.submit("Confirm and Invite", form=CHECK)
    assert ana.status == 409
    assert "and 1 more until" in ana.text
    with app.app_context():
        assert db.session.scalars(select(Import.state)).all() == [ImportState.OPEN]


def test_a_file_with_more_texts_than_leave_in_a_day_says_so(ana: Visitor, cast: Cast) -> None:
    words = "2 texts a day leave from a clinic: the others follow on the next days."
    assert words in uploaded(ana, cast, "Ada", "Ben", "Cy", phones=3).text
    assert words not in uploaded(ana, cast, "Ada", "Ben", phones=2).text


@pytest.mark.parametrize("phones", [0, 2])
def test_patients_without_a_number_are_no_texts(ana: Visitor, cast: Cast, phones: int) -> None:
    visitor = uploaded(ana, cast, "Ada", "Ben", "Cy", phones=phones)
    assert "Will be invited (3)" in visitor.text
    assert "texts a day leave" not in visitor.text


def test_to_send_to_one_contact_after_the_other_is_counted_too(
    app: Flask, ana: Visitor, cast: Cast
) -> None:
    typed(ana, cast, "Ada")
    with app.app_context():
        number = db.session.scalar(select(Invitation.id))
    page = f"/c/northside/invitations/{number}/contact?on=invitation"
    ana.open(page).submit("Resend Invite", form="#contact-form", email="eve@example.org")
    assert ana.status == 422
    assert "and 0 more" in ana.text
    with app.app_context():
        assert db.session.scalar(select(Invitation.email)) is None
