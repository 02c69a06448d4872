"""A clinic holds only so many Invite Codes, and says so before anything starts."""

import io
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import func, select

from inviter import holding, inviting, keeping
from inviter.db import db
from inviter.holding import NoRoom
from inviter.keys import Keys
from inviter.models import Confirmation, Invitation
from tests.counting import counted
from tests.factories import Cast, invite, recipient
from tests.visitors import Visitor

HEAD = "First Name,Last Name,Email,Phone Number\r\n"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a clinic with 199,997."""
    monkeypatch.setattr(holding, "MOST", 3)


@pytest.fixture
def two(app: Flask, cast: Cast, keys: Keys, now: datetime) -> list[Invitation]:
    with app.app_context():
        return [
            invite(
                cast.northside,
                recipient(f"{name} Fixture"),
                provider=cast.osei,
                by=cast.ana,
                keys=keys,
                now=now,
            )
            for name in ("Ada", "Ben")
        ]


def count(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Invitation)) or 0


@pytest.mark.usefixtures("context")
def test_there_is_room_again_once_a_code_has_rested(
    cast: Cast, two: list[Invitation], now: datetime
) -> None:
    assert [holding.room(each.id) for each in (cast.northside, cast.lakeview)] == [1, 3]
    db.session.commit()
    for _ in keeping.erase_old(now=two[0].expires_at + keeping.CODE_RESTS):
        db.session.commit()
    assert holding.room(cast.northside.id) == 3


@pytest.mark.usefixtures("context")
def test_who_is_known_needs_no_code_and_one_too_many_leaves_nothing(
    cast: Cast, two: list[Invitation], keys: Keys, now: datetime
) -> None:
    def confirm(*names: str) -> Confirmation:
        people = [recipient(f"{each} Fixture") for each in names]
        press = {"provider": cast.osei, "by": cast.ana, "keys": keys, "sms": True, "now": now}
        return inviting.invite(cast.northside, people, key=names[-1], **press)  # type: ignore[arg-type]

    with pytest.raises(NoRoom) as refused:
        confirm("Ada", "Cy", "Dora")
    db.session.rollback()
    assert refused.value.room == 1
    assert len(confirm("Ada", "Ben", "Cy").outcome) == 3
    assert confirm("Ada", "Ben", "Cy").outcome
    db.session.commit()
    with pytest.raises(NoRoom):
        confirm("Dora")


def test_the_form_says_it_in_the_check_and_when_pressed(
    app: Flask, cast: Cast, two: list[Invitation], ana: Visitor
) -> None:
    ana.open("/c/northside/invite").submit("+ Invite Another Patient", form="#invite-form")
    typed = {
        f"rows-{row}-{field}": text
        for row, name in enumerate(("Cy", "Dora"))
        for field, text in (("first_name", name), ("last_name", "Fixture"))
    }
    ana.submit("invite-button", form="#invite-form", provider=str(cast.osei.id), **typed)
    text = "Only 1 more patient can be invited now. This clinic holds 3 Invite Codes at most"
    assert text in ana.text
    ana.submit("Confirm and Invite", form="#confirm-form")
    assert ana.status == 409
    assert text in ana.text
    assert count(app) == 2


def test_a_file_is_told_in_its_check_and_a_full_clinic_takes_none(
    app: Flask, cast: Cast, two: list[Invitation], ana: Visitor, keys: Keys
) -> None:
    def upload(*names: str) -> Visitor:
        token = ana.open("/c/northside/invite").csrf_token
        content = HEAD + "".join(f"{name},Fixture,,\r\n" for name in names)
        file = (io.BytesIO(content.encode()), "may.csv")
        data = {"csrf_token": token, "provider": str(cast.osei.id), "file": file}
        return ana.post("/c/northside/imports", data)

    upload("Cy", "Dora")
    made = ana.path
    ana.open(f"{made}/confirm")
    assert "Only 1 more patient can be invited now." in ana.text
    assert ana.page.select("#confirm-button") == []
    form = {"csrf_token": ana.csrf_token, "key": "k" * 22, "patients": "2"}
    assert ana.post(f"{made}/confirm", form).status == 409
    upload("Emil")
    ana.open(f"{ana.path}/confirm").submit("Confirm and Invite", form="#confirm-form")
    upload("Fay")
    assert ana.status == 422
    assert "No more patients can be invited now." in ana.text
    assert count(app) == 2


@pytest.mark.usefixtures("context")
def test_who_has_plenty_of_room_is_not_counted_each_time(
    app: Flask, cast: Cast, two: list[Invitation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "MOST", 60_000)
    with counted() as statements:
        for _ in range(3):
            holding.check(cast.northside.id, 1)
    assert len(statements) == 2
    with counted() as statements:
        assert holding.room(cast.northside.id) == 59_998
    assert len(statements) == 2
