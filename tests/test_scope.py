"""PostgreSQL itself keeps clinics apart for who works at one; and says where nobody has said it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, func, insert, make_url, select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from app import create_app
from inviter import scope
from inviter.config import Config
from inviter.db import Base, db
from inviter.keys import Keys
from inviter.models import Activity, Invitation
from inviter.scope import across_clinics
from tests import clinics
from tests.conftest import settings_for
from tests.factories import Cast, invite, recipient
from tests.visitors import Visitor


@pytest.fixture
def database_url(kept_postgresql: object) -> str:
    """Only it has such security."""
    kept_postgresql.empty()  # type: ignore[attr-defined]
    return str(kept_postgresql.url)  # type: ignore[attr-defined]


@pytest.fixture
def two(context: None, cast: Cast, keys: Keys) -> None:
    """One invited at Northside, one at Lakeview."""
    for clinic in (cast.northside, cast.lakeview):
        who = recipient(email="ada@example.org")
        invite(clinic, who, provider=cast.ana, by=cast.ana, keys=keys)


@pytest.fixture
def at_northside(two: None, cast: Cast) -> Iterator[None]:
    scope.hold_to(cast.northside.id)
    yield
    scope.hold_to(None)
    db.session.rollback()


def seen() -> int:
    return db.session.scalar(select(func.count()).select_from(Invitation)) or 0


def test_another_clinics_rows_are_not_there(at_northside: None, cast: Cast) -> None:
    assert seen() == 1
    assert not db.session.execute(update(Invitation).values(first_name="Eve")).rowcount > 1  # type: ignore[attr-defined]
    here = Invitation.clinic_id == cast.lakeview.id
    assert db.session.scalars(select(Invitation.first_name).where(here)).all() == []


def test_nothing_is_put_into_another_clinic(at_northside: None, cast: Cast) -> None:
    line = {"clinic_id": cast.lakeview.id, "id": 1, "at": cast.ana.created_at, "action": "sent"}
    with pytest.raises(ProgrammingError, match="row-level security"):
        db.session.execute(insert(Activity).values(**line, details={}))


def test_what_is_no_one_clinics_says_so_for_that_time_only(at_northside: None) -> None:
    with across_clinics():
        assert seen() == 2
    assert seen() == 1


def test_it_holds_again_after_a_savepoint_that_was_rolled_back(at_northside: None) -> None:
    with db.session.begin_nested() as attempt, across_clinics():
        assert seen() == 2
        attempt.rollback()
    assert seen() == 1


def test_an_error_across_clinics_ends_its_savepoint(at_northside: None) -> None:
    with pytest.raises(ProgrammingError), db.session.begin_nested(), across_clinics():
        db.session.execute(text("SELECT nonsense FROM invitation WHERE clinic_id = 1"))
    assert seen() == 1


def test_the_next_transaction_is_held_too(at_northside: None) -> None:
    assert seen() == 1
    db.session.commit()
    assert seen() == 1
    scope.hold_to(None)
    assert seen() == 2


def test_who_says_nothing_gets_an_error(two: None, settings: Config) -> None:
    """And not a clinic that looks empty."""
    db.session.rollback()
    psycopg = create_engine(settings.database_url, poolclass=NullPool).raw_connection()
    with psycopg.cursor() as cursor:
        cursor.execute("RESET inviter.clinic")
        with pytest.raises(Exception, match=r"inviter\.clinic|invalid input syntax"):
            cursor.execute("SELECT count(*) FROM invitation")
    psycopg.close()


def test_a_superuser_is_told_that_nothing_holds_them(
    settings: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "the database keeps clinics apart for none"
    superuser = make_url(settings.database_url).set(username="postgres").render_as_string()
    for each, is_told in ((settings, False), (settings_for(superuser), True)):
        with create_app(each).app_context():
            db.engine.dispose()
        assert (said in capsys.readouterr().out) == is_told


def test_every_table_of_a_clinic_has_it(context: None) -> None:
    query = "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
    assert set(db.session.scalars(text(query))) == set(clinics.TABLES)
    assert {each.name for each in Base.metadata.sorted_tables} > set(clinics.TABLES)


def test_a_request_at_a_clinic_is_held_to_it(settings: Config, cast: Cast, keys: Keys) -> None:
    made = create_app(settings)
    made.add_url_rule("/c/<slug>/count", "asset_count", lambda slug: str(seen()))
    with made.app_context():
        for clinic in (cast.northside, cast.lakeview):
            who = recipient(email="ada@example.org")
            invite(clinic, who, provider=cast.ana, by=cast.ana, keys=keys)
    ana = Visitor(made.test_client()).sign_in("ana@example.org")
    assert ana.client.get("/c/northside/count").text == "1"
    clinics.found.clear()  # that statement names none
    with made.app_context():
        assert seen() == 2
        db.session.remove()
        db.engine.dispose()
