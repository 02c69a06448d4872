"""What was typed and not sent is kept a day, for one person at one clinic."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from inviter import drafts, inviting
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Draft
from inviter.team import Provider
from tests.factories import Cast, recipient

ROWS = [("rows-0-first_name", "Ada"), ("rows-0-last_name", "Fixture")]


@pytest.fixture
def kept(context: None, cast: Cast, keys: Keys, now: datetime) -> None:
    drafts.keep(cast.northside, ROWS, key="k", by=cast.ana, keys=keys, now=now)


def test_it_is_there_for_its_person_at_its_clinic_only(
    kept: None, cast: Cast, keys: Keys, now: datetime
) -> None:
    assert drafts.kept(cast.northside, by=cast.ana, keys=keys, now=now) == ROWS
    assert drafts.kept(cast.lakeview, by=cast.ana, keys=keys, now=now) is None
    assert drafts.kept(cast.northside, by=cast.osei, keys=keys, now=now) is None


def test_what_is_kept_names_nobody_and_opens_nowhere_else(
    kept: None, cast: Cast, keys: Keys, now: datetime
) -> None:
    draft = db.session.scalars(select(Draft)).one()
    assert "Ada" not in draft.sealed
    draft.user_id = cast.osei.id
    db.session.flush()
    assert drafts.kept(cast.northside, by=cast.osei, keys=keys, now=now) is None


def test_the_newest_takes_the_place_of_what_was_there(
    kept: None, cast: Cast, keys: Keys, now: datetime
) -> None:
    later = now + timedelta(hours=23)
    drafts.keep(cast.northside, ROWS[:1], key="l", by=cast.ana, keys=keys, now=later)
    found = drafts.kept(cast.northside, by=cast.ana, keys=keys, now=now + timedelta(hours=30))
    assert found == ROWS[:1]
    assert db.session.scalar(select(func.count()).select_from(Draft)) == 1


def test_after_a_day_it_is_neither_shown_nor_kept(
    kept: None, cast: Cast, keys: Keys, now: datetime
) -> None:
    almost, day = now + timedelta(hours=23, minutes=59), now + timedelta(days=1)
    drafts.erase_old(now=almost)
    assert drafts.kept(cast.northside, by=cast.ana, keys=keys, now=almost)
    assert drafts.kept(cast.northside, by=cast.ana, keys=keys, now=day) is None
    drafts.erase_old(now=day)
    assert db.session.scalars(select(Draft)).all() == []


def test_what_was_confirmed_is_never_offered_again_though_it_is_kept_late(
    context: None, cast: Cast, keys: Keys, now: datetime
) -> None:
    inviting.invite(
        cast.northside,
        [recipient("Ada Fixture")],
        provider=Provider(cast.osei.id, cast.osei.name),
        by=cast.ana,
        key="k",
        keys=keys,
        sms=True,
        now=now,
    )
    drafts.keep(cast.northside, ROWS, key="k", by=cast.ana, keys=keys, now=now)
    assert drafts.kept(cast.northside, by=cast.ana, keys=keys, now=now) is None


def test_sending_one_form_leaves_what_was_typed_in_another(
    kept: None, cast: Cast, keys: Keys, now: datetime
) -> None:
    drafts.erase(cast.northside, by=cast.ana, key="another")
    assert drafts.kept(cast.northside, by=cast.ana, keys=keys, now=now) == ROWS
    drafts.erase(cast.northside, by=cast.ana, key="k")
    assert drafts.kept(cast.northside, by=cast.ana, keys=keys, now=now) is None
