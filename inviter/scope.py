"""To which clinic a piece of work is held, and who says that it is no one clinic's.

Every statement on a clinic's table names its clinic. PostgreSQL stands behind that for whoever
works at one clinic on the web: its row-level security, which a migration sets up, shows and takes
no other clinic's rows, whatever a statement says. SQLite has nothing of the kind.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, Engine, event, text

SETTING = "inviter.clinic"
ALL = "all"
"""What the setting says where nothing is held to one clinic. Where it says nothing at all, as to
who connects by other ways, any statement on a clinic's table is an error."""

crosses_clinics: ContextVar[bool] = ContextVar("crosses_clinics", default=False)
SAVEPOINTS = ("SAVEPOINT", "ROLLBACK", "RELEASE")

_held_to: ContextVar[int | None] = ContextVar("held_to", default=None)


def hold_to(clinic_id: int | None) -> None:
    """From now on, in this thread: what a request does at a clinic; None when it is over."""
    _held_to.set(clinic_id)


@contextmanager
def across_clinics() -> Iterator[None]:
    """For what is no one clinic's: who signs in, what a link opens, the worker, what providers say.

    All else names its clinic in every statement on a clinic's table, which the tests hold it to.
    """
    token = crosses_clinics.set(True)
    try:
        yield
    finally:
        crosses_clinics.reset(token)


def is_bypassed(connection: Connection) -> bool:
    """Whether the database holds whoever is connected to nothing, as it does a superuser."""
    if connection.dialect.name != "postgresql":
        return False
    query = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    return bool(connection.scalar(text(query)))


@event.listens_for(Engine, "connect")
def _set_up(connection: Any, _record: object) -> None:
    if _has_security(type(connection).__module__):
        connection.execute(f"SET {SETTING} = '{ALL}'")
        connection.commit()


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    """What a transaction set ended with it."""
    connection.info[SETTING] = ALL


@event.listens_for(Engine, "rollback_savepoint")
def _forget(connection: Connection, *_rest: object) -> None:
    """What was set since the savepoint is as it was then."""
    connection.info[SETTING] = None


@event.listens_for(Engine, "before_cursor_execute")
def _hold(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
    """Say it where another clinic was said last: most transactions say it once.

    Not before what ends a savepoint: after an error the database takes nothing else.
    """
    if statement.startswith(SAVEPOINTS):
        return
    clinic_id = None if crosses_clinics.get() else _held_to.get()
    wanted = ALL if clinic_id is None else str(clinic_id)
    if connection.info.get(SETTING) != wanted:
        connection.info[SETTING] = wanted
        driver: Any = connection.connection.driver_connection
        if _has_security(type(driver).__module__):
            driver.execute("SELECT set_config(%s, %s, true)", [SETTING, wanted])


def _has_security(driver: str) -> bool:
    return driver.startswith("psycopg")
