"""Databases, the app, the cast of the demo and visitors with real forms. No mocks anywhere."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from playwright.sync_api import Browser
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

import app as composition
from inviter.config import Config
from inviter.db import db
from inviter.keys import Keys
from tests import clinics, factories
from tests.browser import Site, chromium, launched
from tests.factories import Cast
from tests.kept import Apps, PostgresqlDatabase, SqliteDatabase, Templates
from tests.visitors import Visitor

NOW = datetime(2026, 5, 12, 16, 5, tzinfo=UTC)
SECRET = "a secret of the tests, which is 32 long"
Flask.jinja_options = {"bytecode_cache": Templates()}
ROLE = "inviter"
"""Whose the databases are: the security of rows binds it, as it never does a superuser."""
REQUIRED = os.environ.get("INVITER_TEST_REQUIRE") == "all"


@pytest.fixture(autouse=True)
def every_statement_names_its_clinic() -> Iterator[None]:
    """But for what says that it goes across them."""
    clinics.found.clear()
    yield
    assert clinics.found == [], "on a clinic's table, and names no clinic"


def pytest_configure() -> None:
    """What is written need not outlive a loss of power here."""
    event.listen(Engine, "connect", _without_waiting_for_the_disk)


def _without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    if type(connection).__module__ == "sqlite3":
        connection.execute("PRAGMA synchronous = OFF")


def missing(program: str) -> None:
    """Skips the test, or fails it where everything has to be there."""
    if REQUIRED:
        pytest.fail(f"{program} is missing")
    pytest.skip(f"{program} is missing")


def settings_for(database_url: str) -> Config:
    return Config(
        demo=True,
        database_url=database_url,
        base_url="http://localhost",
        secret_key=SECRET,
        argon2_time_cost=1,
        argon2_memory_kib=64,
    )


def migrated(database_url: str) -> None:
    """Brings an empty database to the code's version, as `flask db upgrade` does."""
    made = composition.create_app(settings_for(database_url), check=False)
    with made.app_context():
        flask_migrate.upgrade(directory=composition.MIGRATIONS)
        db.engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrated(f"sqlite:///{path}")
    with create_engine(f"sqlite:///{path}", poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a private cluster, with `template_inviter` at the code's version in it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = shutil.which("initdb") or (str(found[-1]) if found else "")
    if not initdb:
        missing("PostgreSQL's server (initdb)")
    folder = Path(tempfile.mkdtemp(prefix="inviter-pg-"))
    try:
        with cluster(Path(initdb).parent, folder):
            url = f"postgresql+psycopg://{ROLE}@/postgres?host={folder}"
            execute(url, "CREATE DATABASE template_inviter")
            migrated(url.replace("/postgres?", "/template_inviter?"))
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class cluster:
    """A PostgreSQL server on a socket of its own; it refuses to run as root."""

    options = ""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}

    def __enter__(self) -> None:
        if self.user:
            shutil.chown(self.folder, **self.user)
        if not (self.folder / "data").exists():
            self._run("initdb", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c max_connections=200"
        options = f"{options} {self.options}"
        self._run("pg_ctl", "-w", "-o", options, "-l", f"{self.folder}/log", "start")
        url = f"postgresql+psycopg://postgres@/postgres?host={self.folder}"
        with suppress(ProgrammingError):  # it is there already
            execute(url, f"CREATE ROLE {ROLE} LOGIN CREATEDB")

    def __exit__(self, *_error: object) -> None:
        self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [self.programs / program, "-D", self.folder / "data", *arguments]
        done = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            text=True,
            check=False,
            **self.user,
        )
        assert done.returncode == 0, done.stderr


def execute(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(statement))


def copy_of(template: Path, folder: Path) -> str:
    shutil.copy(template, folder / "inviter.db")
    return f"sqlite:///{folder / 'inviter.db'}"


@pytest.fixture(scope="session")
def kept_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabase:
    return SqliteDatabase(sqlite_template, tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="session")
def kept_postgresql(postgresql: str) -> Iterator[PostgresqlDatabase]:
    database = PostgresqlDatabase(postgresql)
    yield database
    database.drop()


@pytest.fixture(scope="session")
def kept_apps() -> Apps:
    return Apps()


@pytest.fixture
def sqlite_url(kept_sqlite: SqliteDatabase) -> str:
    """An empty SQLite database at the code's version."""
    kept_sqlite.empty()
    return kept_sqlite.url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database at the code's version, of each kind."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    kept: PostgresqlDatabase = request.getfixturevalue("kept_postgresql")
    kept.empty()
    return kept.url


@pytest.fixture
def settings(database_url: str) -> Config:
    return settings_for(database_url)


@pytest.fixture
def app(settings: Config, kept_apps: Apps) -> Iterator[Flask]:
    with kept_apps.over(settings) as made:
        yield made


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """For tests of storage and use cases: `db.session` works."""
    with app.app_context():
        yield


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def keys() -> Keys:
    return Keys(SECRET)


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Northside, Lakeview and Southside with their people; nobody is invited yet."""
    with app.app_context():
        return factories.make_cast()


@pytest.fixture
def visitor(app: Flask, cast: Cast) -> Visitor:
    """Someone at a browser who is not signed in."""
    return Visitor(app.test_client())


@pytest.fixture
def ana(visitor: Visitor) -> Visitor:
    """Ana, Clinic Admin at Northside and Lakeview, signed in."""
    return visitor.sign_in("ana@example.org")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    path = chromium()
    if path is None:
        missing("Chromium")
    with launched(str(path)) as started:
        yield started


@pytest.fixture
def site(sqlite_template: Path, tmp_path: Path) -> Iterator[Site]:
    """Inviter as `python app.py` runs it, with the cast."""
    with Site(settings_for(copy_of(sqlite_template, tmp_path))) as running:
        with running.app.app_context():
            factories.make_cast()
        yield running
