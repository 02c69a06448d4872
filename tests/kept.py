"""What a process of the tests keeps from one test to the next: to make it anew proves nothing.

A database is emptied, or made anew where a test changed more than its rows. An app stands over the
same database again, unless a test changed it; to add a route, a test makes an app of its own.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType
from typing import Any

import psycopg
from flask import Flask
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from sqlalchemy import make_url

import app as composition
from inviter import logs
from inviter.config import Config
from inviter.db import Base, db

KEPT = "kept"
"""In the name of each database that is kept, and of no other."""
MOST_DELETED = 5_000
"""Rows that were deleted take their room until a database is made anew."""

CATALOGS = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_trigger", "pg_policy"),
    *("pg_proc", "pg_type", "pg_statistic", "pg_db_role_setting", "pg_default_acl"),
)
SCHEMA = " UNION ALL ".join(
    f"SELECT '{name}', count(*), max(xmin::text::bigint) FROM {name}"  # noqa: S608
    for name in CATALOGS
)
OTHERS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
SEQUENCES = (
    "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)"
    " FROM pg_sequences WHERE last_value IS NOT NULL"
)


class Templates(BytecodeCache):
    """Each template is compiled once, however many apps draw it: found by its file and source."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], CodeType] = {}

    def get_bucket(
        self, environment: Environment, name: str, filename: str | None, source: str
    ) -> Bucket:
        bucket = Bucket(environment, f"{filename}", source)
        bucket.code = self._compiled.get((bucket.key, source))
        return bucket

    def set_bucket(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._compiled[bucket.key, bucket.checksum] = bucket.code


class SqliteDatabase:
    """One file, a copy of the template for each test."""

    def __init__(self, template: Path, folder: Path) -> None:
        self._template, self._path = template, folder / f"{KEPT}.db"
        self.url = f"sqlite:///{self._path}"

    def empty(self) -> None:
        for end in ("", "-wal", "-shm"):
            Path(f"{self._path}{end}").unlink(missing_ok=True)
        shutil.copy(self._template, self._path)


class PostgresqlDatabase:
    """A copy of the template whose rows are deleted: a tenth of the work of a new one."""

    def __init__(self, server: str) -> None:
        self._server = make_url(server)
        self.url = self._server.set(database=KEPT).render_as_string(hide_password=False)
        self._connection: psycopg.Connection[Any] | None = None
        self._schema: list[Any] = []
        self._deleted = 0

    def empty(self) -> None:
        with suppress(psycopg.OperationalError):  # whoever waits for it was ended, so were we
            if self._connection and self._has_emptied(self._connection):
                return
        self.drop()
        owner = self._server.username
        self._administer(f"CREATE DATABASE {KEPT} TEMPLATE template_inviter OWNER {owner}")
        self._connection = self._connect(KEPT)
        self._connection.execute("SET session_replication_role = replica")  # no foreign keys
        self._schema = self._connection.execute(SCHEMA).fetchall()
        self._deleted = 0

    def drop(self) -> None:
        if self._connection:
            self._connection.close()
            self._administer(f"DROP DATABASE {KEPT} WITH (FORCE)")
        self._connection = None

    def _has_emptied(self, connection: psycopg.Connection[Any]) -> bool:
        connection.execute(OTHERS)
        if connection.execute(SCHEMA).fetchall() != self._schema:
            return False
        for table in Base.metadata.sorted_tables:
            self._deleted += connection.execute(f"DELETE FROM {table.name}").rowcount  # noqa: S608
        connection.execute(SEQUENCES)
        return self._deleted < MOST_DELETED

    def _administer(self, statement: str) -> None:
        with self._connect("postgres") as connection:
            connection.execute(statement)

    def _connect(self, name: str) -> psycopg.Connection[Any]:
        host = str(self._server.query["host"])
        patience = "-c lock_timeout=10s"  # nobody who was ended holds a lock for so long
        return psycopg.connect(
            host=host, user="postgres", dbname=name, options=patience, autocommit=True
        )


Database = SqliteDatabase | PostgresqlDatabase


class Apps:
    """One for each kind of settings, over the databases that are kept."""

    def __init__(self) -> None:
        self._kept: dict[Config, Flask] = {}

    @contextmanager
    def over(self, settings: Config) -> Iterator[Flask]:
        """Over a database of one test only it is made for that test."""
        made = self._kept.pop(settings, None) or composition.create_app(settings)
        made.testing = True
        logs.init(settings.log_format)
        was = _parts(made)
        yield made
        with made.app_context():
            db.session.remove()
            db.engine.dispose()
        if _is_kept(settings.database_url) and _parts(made) == was:
            self._kept[settings] = made


def _is_kept(url: str) -> bool:
    return Path(make_url(url).database or "").stem == KEPT


def _parts(app: Flask) -> list[Any]:
    """What a test could change of an app; by identity what is not known to compare by value."""
    own, calls = vars(app), (app.before_request_funcs, app.after_request_funcs)
    return [
        dict(app.config),
        dict(app.view_functions),
        [{name: list(each) for name, each in kind.items()} for kind in calls],
        [{name: id(part) for name, part in app.extensions.items()}],
        [{name: id(part) for name, part in app.jinja_env.globals.items()}],
        [id(own.get(name)) for name in ("wsgi_app", "session_interface", "json")],
    ]
