"""The database handle, the ids that the program makes, and what SQLite needs to be safe.

Nothing here knows a table. The session is `db.session`; views, the worker and commands commit it.
"""

import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Enum,
    Index,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    event,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, PendingRollbackError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from inviter import clock
from inviter.scope import across_clinics

IDS_BEGIN_AT_MS = 1_577_836_800_000  # 1 January 2020
ID_SEQUENCE_BITS = 22
BUSY_TIMEOUT = 5.0  # seconds
LOOK_AGAIN = 0.002  # seconds
CACHE_KIB = 16_000
"""Of each connection: with SQLite's own 2 MB what many inserts go through is read again."""
FEW_ROWS = 5_000
CHECKPOINT_PAGES = 16_000
"""64 MB: by SQLite's own 1,000 each batch of a large file would write the same pages home again."""
PAGE = 4096  # bytes

read_only: ContextVar[bool] = ContextVar("read_only", default=False)
"""Set for requests that only read: the database holds them to it, and on SQLite they do not wait
for the one writer."""


NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    registry = registry(
        metadata=MetaData(naming_convention=NAMES), type_annotation_map={int: BigInteger}
    )


db = SQLAlchemy(
    model_class=Base,
    # An attribute read after commit() would open a second transaction.
    session_options={"expire_on_commit": False},
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC on both databases; SQLite would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times are aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def one_of(kind: type[StrEnum]) -> Enum:
    """A column that holds one of the words of `kind`, readable as such in the database."""
    return Enum(
        kind,
        native_enum=False,
        length=20,
        values_callable=lambda members: [member.value for member in members],
    )


def sortable(length: int) -> String:
    """Text that both databases put in the same order: that of its characters' numbers."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def partial_index(name: str, *columns: Any, where: str, unique: bool = False) -> Index:
    """Over some of the rows, on both databases."""
    rows = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=rows, postgresql_where=rows)


def new_id() -> int:
    """A 63-bit id that rises with time and needs no round trip to the database."""
    return new_ids(1)


def new_ids(count: int) -> int:
    """The first of so many ids in a row.

    Milliseconds, then a sequence that starts at random in each process, so that two processes
    that make many ids in the same millisecond do not meet; a primary key catches it if they do.
    """
    with _ids.lock:
        stamp = int(clock.now().timestamp() * 1000) - IDS_BEGIN_AT_MS
        first = max(_ids.last + 1, stamp << ID_SEQUENCE_BITS | _ids.offset)
        _ids.last = first + count - 1
        return first


def id_at(at: datetime) -> int:
    """No id that was made before is higher, none made after is lower."""
    return (int(at.timestamp() * 1000) - IDS_BEGIN_AT_MS) << ID_SEQUENCE_BITS


def id_span(span: timedelta) -> int:
    """By so much ids rise in that time."""
    return int(span / timedelta(milliseconds=1)) << ID_SEQUENCE_BITS


def insert(table: Any) -> Any:
    """An INSERT that can say ON CONFLICT, on either database."""
    if db.engine.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def change(statement: Any, values: Any = None) -> int:
    """Execute an INSERT or UPDATE that carries its own condition; how many rows met it. `values`
    are those of its parameters, or a list of them."""
    options = {"synchronize_session": False, "preserve_rowcount": True}
    done: Any = db.session.execute(statement, values, execution_options=options)
    return int(done.rowcount)


def any_of(column: Any, values: Iterable[str]) -> ColumnElement[bool]:
    """Whether a text is one of many, which go as one parameter: IN would have thousands."""
    if db.engine.dialect.name == "postgresql":
        is_one: ColumnElement[bool] = column == func.any(literal(list(values), ARRAY(String)))
        return is_one
    among = func.json_each(json.dumps(list(values))).table_valued("value")
    found: ColumnElement[bool] = column.in_(select(among.c.value))
    return found


class position(FunctionElement[int]):
    """Where in a text a part of it begins, from 1; 0 where it is not."""

    type = Integer()
    inherit_cache = True


@compiles(position, "postgresql")
def _strpos(element: position, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


@compiles(position, "sqlite")
def _instr(element: position, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


def holds(column: Any, part: Any) -> ColumnElement[bool]:
    """Whether a text has this part, character by character: none stands for others, as in LIKE."""
    found: ColumnElement[bool] = position(column, part) > 0
    return found


def among(columns: tuple[Any, Any], pairs: Collection[tuple[int, int]]) -> ColumnElement[bool]:
    """Whether two columns are one of these pairs of ids: one look into an index for each.

    Of a list of pairs SQLite would read the whole table, and PostgreSQL make so many alternatives.
    """
    if db.engine.dialect.name == "sqlite":
        each = func.json_each(json.dumps([list(pair) for pair in pairs])).table_valued("value").c
        parts = (func.json_extract(each.value, place) for place in ("$[0]", "$[1]"))
        return tuple_(*columns).in_(select(*parts))
    ids = ARRAY(BigInteger)
    firsts, seconds = ([pair[place] for pair in pairs] for place in (0, 1))
    arrays = func.unnest(literal(firsts, ids), literal(seconds, ids))
    rows = arrays.table_valued("first", "second").render_derived()
    return tuple_(*columns).in_(select(rows.c.first, rows.c.second))


def locked(query: Any, *, of: Any = None) -> Any:
    """Passes over rows that another transaction works on (SQLite has one writer anyway)."""
    return query.with_for_update(skip_locked=True, of=of)


def has_grown(*tables: Any) -> None:
    """Have PostgreSQL look at tables that were nearly empty when it last did.

    By itself it does so a minute later. Until then it looks up each key as in an empty table:
    by going through all of it.
    """
    if db.engine.dialect.name != "postgresql":
        return
    names = [model.__tablename__ for model in tables]
    query = text(
        "SELECT relname FROM pg_class"
        " WHERE oid = ANY(CAST(:names AS regclass[])) AND reltuples < :few ORDER BY relname"
    )
    small = db.session.scalars(query, {"names": names, "few": FEW_ROWS}).all()
    if small:  # one that stays so must not have a large one looked at with each batch
        with across_clinics():
            db.session.execute(text(f"ANALYZE {', '.join(small)}"))


def server_now() -> datetime:
    """One clock for workers on many hosts: the database server's, where there is one."""
    if db.engine.dialect.name != "postgresql":
        return clock.now()
    told: datetime = db.session.execute(select(func.clock_timestamp())).scalar_one()
    return told.astimezone(UTC)


@contextmanager
def reading() -> Iterator[None]:
    """For who only looks, in a transaction of its own: none of SQLite's writers waits for it."""
    token = read_only.set(True)
    try:
        yield
        end_reading()
    finally:
        db.session.rollback()
        read_only.reset(token)


def end_reading() -> None:
    """End by a commit what only read, which the database holds it to.

    After a rollback psycopg prepares all its statements anew, and PostgreSQL plans each again. A
    connection that was lost meanwhile has nothing to lose.
    """
    with suppress(OperationalError, PendingRollbackError):
        db.session.commit()


class _Ids:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.restart()

    def restart(self) -> None:
        self.last = 0
        self.offset = secrets.randbits(ID_SEQUENCE_BITS)


_ids = _Ids()
os.register_at_fork(after_in_child=_ids.restart)


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Python's sqlite3 begins no transaction before a SELECT, which loses updates: we do."""
    if type(connection).__module__ != "sqlite3":
        return
    connection.isolation_level = None
    for pragma in (
        "journal_mode = WAL",
        "foreign_keys = ON",
        "synchronous = FULL",
        f"cache_size = {-CACHE_KIB}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        f"journal_size_limit = {CHECKPOINT_PAGES * PAGE}",
        f"busy_timeout = {BUSY_TIMEOUT * 1000:.0f}",
    ):
        connection.execute(f"PRAGMA {pragma}")


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    """The database itself refuses to write for who said that they only read."""
    driver: Any = connection.connection.driver_connection
    reads = read_only.get()
    if connection.dialect.name == "sqlite":
        driver.execute(f"PRAGMA query_only = {int(reads)}")
        if reads:
            connection.exec_driver_sql("BEGIN")
        else:
            _wait_to_write(connection, driver)
    elif driver.read_only != reads:
        driver.read_only = reads


def _wait_to_write(connection: Connection, driver: Any) -> None:
    """SQLite itself looks again ever more seldom, and misses the moments between others' writes."""
    give_up = time.monotonic() + BUSY_TIMEOUT
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while _is_busy(driver) and time.monotonic() < give_up:
            time.sleep(LOOK_AGAIN)
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # its error is SQLAlchemy's
    finally:
        driver.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}")


def _is_busy(driver: Any) -> bool:
    """With another writer; a transaction has begun where it is not."""
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False
