"""What staff see of texts that wait for the next day."""

from dataclasses import replace

import pytest
from flask import Flask

import app as composition
from inviter import clock
from inviter.config import Config
from inviter.db import db
from inviter.keys import Keys
from tests.conftest import settings_for
from tests.factories import Cast, invite, recipient
from tests.visitors import Visitor

FULL = "Your clinic has sent 5 texts today, as many as it may in a day."


@pytest.fixture
def settings(database_url: str) -> Config:
    return replace(settings_for(database_url), texts_per_day=5)


def text_all(app: Flask, cast: Cast, keys: Keys, *numbers: str) -> list[int]:
    """One patient for each; ids in that order."""
    with app.app_context():
        made = [
            invite(
                cast.northside,
                recipient(f"Ada F{'x' * place}", phone=number),
                provider=cast.osei,
                by=cast.ana,
                keys=keys,
                now=clock.now(),
            ).id
            for place, number in enumerate(numbers)
        ]
        db.session.commit()
        composition.worker_of(app).work_once()
    return made


def test_the_list_and_the_history_say_why_one_waits_and_nothing_looks_for_it(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    *_, last = text_all(app, cast, keys, *["306 555 0142"] * 4)
    ana.open("/c/northside/invite")
    why = "Waits for the next day, as 3 texts a day go to one number"
    assert ana.text.count(why) == 1
    assert FULL not in ana.text
    ana.open(f"/c/northside/invitations/{last}")
    assert why in ana.text
    assert "Text waits for the next day: 3 a day go to one number" in ana.text
    assert "Pending" in ana.text
    assert "every" not in str(ana.page.select("[hx-trigger]"))


def test_a_clinic_that_has_sent_its_texts_is_told_and_the_other_is_not(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    text_all(app, cast, keys, *[f"306 555 014{place}" for place in range(6)])
    ana.open("/c/northside/invite")
    assert FULL in ana.text
    why = "Waits for the next day, as the clinic has sent its texts of the day"
    assert ana.text.count(why) == 1
    ana.open("/c/lakeview/invite")
    assert FULL not in ana.text
