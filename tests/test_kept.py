"""No test finds what another left: neither rows, nor a schema, nor an app."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.pool import NullPool

from inviter.config import Config
from inviter.db import db
from inviter.models import Clinic
from tests import factories
from tests.conftest import settings_for
from tests.kept import Apps, PostgresqlDatabase, SqliteDatabase

Database = SqliteDatabase | PostgresqlDatabase

COUNTED = select(func.count()).select_from(Clinic)


@pytest.fixture(params=["kept_sqlite", "kept_postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    kept: Database = request.getfixturevalue(request.param)
    kept.empty()
    return kept


@pytest.fixture
def its_settings(database: Database) -> Config:
    return settings_for(database.url)


def execute(database: Database, *statements: str) -> None:
    with create_engine(database.url, poolclass=NullPool).begin() as connection:
        for each in statements:
            connection.execute(text(each))


def test_an_app_is_handed_on_over_an_emptied_database(
    database: Database, its_settings: Config
) -> None:
    apps, found = Apps(), []
    for _test in range(2):
        with apps.over(its_settings) as app, app.app_context():
            found.append(app)
            assert db.session.scalar(COUNTED) == 0
            factories.make_cast()
            assert db.session.scalar(COUNTED) == 3
        database.empty()
    assert found[0] is found[1]


def test_ids_begin_anew(kept_postgresql: PostgresqlDatabase) -> None:
    engine = create_engine(kept_postgresql.url, poolclass=NullPool)
    following = "SELECT nextval(format('%I', sequencename)::regclass) FROM pg_sequences"
    for _test in range(2):
        kept_postgresql.empty()
        with engine.connect() as connection:
            assert set(connection.scalars(text(following))) == {1}


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE clinic ADD COLUMN mark INTEGER",
        "CREATE TABLE mark (id INTEGER)",
        "DROP INDEX ix_mailbox_message_sent_at",
    ],
)
def test_a_schema_that_was_changed_is_not_handed_on(database: Database, change: str) -> None:
    for _test in range(2):
        execute(database, change)
        database.empty()


def test_an_open_transaction_of_an_earlier_test_is_ended(
    kept_postgresql: PostgresqlDatabase,
) -> None:
    kept_postgresql.empty()
    with create_engine(kept_postgresql.url, poolclass=NullPool).connect() as earlier:
        earlier.execute(text("LOCK TABLE clinic"))
        kept_postgresql.empty()
        earlier.invalidate()


def change_config(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 1


def change_extension(app: Flask) -> None:
    app.extensions["settings"] = None


def change_view(app: Flask) -> None:
    app.view_functions["home.home"] = str


def change_around(app: Flask) -> None:
    app.wsgi_app = str  # type: ignore[method-assign, assignment]


def change_hook(app: Flask) -> None:
    app.before_request_funcs[None].append(str)


def change_global(app: Flask) -> None:
    app.jinja_env.globals["ui"] = None


@pytest.mark.parametrize(
    "change",
    [
        change_config,
        change_extension,
        change_view,
        change_around,
        change_hook,
        change_global,
    ],
)
def test_an_app_that_was_changed_is_not_handed_on(
    kept_sqlite: SqliteDatabase, change: Callable[[Flask], None]
) -> None:
    kept_sqlite.empty()
    apps, settings = Apps(), settings_for(kept_sqlite.url)
    with apps.over(settings) as first:
        change(first)
    with apps.over(settings) as second:
        assert second is not first


def test_over_a_database_of_one_test_an_app_is_of_that_test(sqlite_template: object) -> None:
    apps, settings = Apps(), settings_for(f"sqlite:///{sqlite_template}")
    with apps.over(settings) as first:
        pass
    with apps.over(settings) as second:
        assert second is not first
