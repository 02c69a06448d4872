"""The database handle, the ids that the program makes, and what SQLite needs to be safe.

Nothing here knows a table. The session is `db.session`; views, the worker and commands commit it.
"""

import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from zlib import crc32

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    ARRAY,
    JSON,
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
    Table,
    TypeDecorator,
    bindparam,
    column,
    event,
    func,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, PendingRollbackError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from inviter import clock

IDS_BEGIN_AT_MS = 1_577_836_800_000  # 1 January 2020
ID_SEQUENCE_BITS = 22
BUSY_TIMEOUT = 5.0  # seconds
LOOK_AGAIN = 0.002  # seconds
NOTHING: Mapping[str, Any] = MappingProxyType({})
CACHE_KIB = 16_000
"""Of each connection: with SQLite's own 2 MB what many inserts go through is read again."""
FEW_ROWS = 5_000
CHECKPOINT_PAGES = 4_000
"""By SQLite's own 1,000 each batch of a large file would write the same pages home again."""

read_only: ContextVar[bool] = ContextVar("read_only", default=False)
"""Set for requests that only read: the database holds them to it, and on SQLite they do not wait
for the one writer."""

crosses_clinics: ContextVar[bool] = ContextVar("crosses_clinics", default=False)


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


def insert(table: Any) -> Any:
    """An INSERT that can say ON CONFLICT, on either database."""
    if db.engine.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def change(statement: Any) -> int:
    """Execute an INSERT or UPDATE that carries its own condition; how many rows met it."""
    options = {"synchronize_session": False, "preserve_rowcount": True}
    return int(db.session.execute(statement, execution_options=options).rowcount)  # type: ignore[attr-defined]


def bulk(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    tuples: Iterable[Sequence[Any]],
    *,
    alike: Mapping[str, Any] = NOTHING,
    unless_there: bool = False,
) -> int:
    """Insert many rows in the connection's transaction, twice as fast as SQLAlchemy's own way.

    Values are as a model holds them, and are written as SQLAlchemy would; `alike` are those that
    are the same in all rows. A column that is not named gets what the database has for it, not the
    model's default. All are in memory at once. On PostgreSQL errors are the driver's own. How many
    were inserted: `unless_there` passes over what a unique index refuses.
    """
    rows = _written([_writer(table, name, connection.dialect) for name in columns], tuples)
    if not rows:
        return 0
    same = [_literal(table, name, value, connection.dialect) for name, value in alike.items()]
    names, end = ", ".join(columns), " ON CONFLICT DO NOTHING" if unless_there else ""
    start = f"INSERT INTO {table.name} ({', '.join((*columns, *alike))})"
    if connection.dialect.name == "postgresql":
        own, values = _copied(connection, table, names, rows), ", ".join((names, *same))
        insert_all = f"{start} SELECT {values} FROM {own}{end}"  # noqa: S608  (ours)
        return connection.exec_driver_sql(insert_all).rowcount
    marks = ", ".join((*("?" * len(columns)), *same))
    return connection.exec_driver_sql(f"{start} VALUES ({marks}){end}", rows).rowcount


def _written(writers: Sequence[Any], tuples: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    """As the driver takes them. Most columns need no writing, of some tables none."""
    if not any(writers):
        return list(tuples)
    written = (
        map(write, values) if write else values
        for write, values in zip(writers, zip(*tuples, strict=True), strict=False)
    )
    return list(zip(*written, strict=True))


def _writer(table: Table, name: str, dialect: Dialect) -> Any:
    """Most columns that need writing hold few values: a word, the moment."""
    kind: Any = table.c[name].type.dialect_impl(dialect)
    write = kind.bind_processor(dialect)
    if write and isinstance(kind, JSON) and kind.none_as_null:
        return lambda value: None if value is None else write(value)
    return lru_cache(64)(write) if write and not isinstance(kind, JSON) else write


def _literal(table: Table, name: str, value: Any, dialect: Dialect) -> str:
    """A value as it stands in a statement of the driver's own."""
    kind: Any = table.c[name].type.dialect_impl(dialect)
    written = "NULL" if value is None else str(kind.literal_processor(dialect)(value))
    return written.replace("%", "%%") if dialect.name == "postgresql" else written


def _copied(connection: Connection, table: Table, names: str, rows: Iterable[Any]) -> str:
    """A table of the transaction's own with these rows: COPY knows neither ON CONFLICT nor the
    security of rows."""
    own = f"new_{table.name}_{crc32(names.encode()):x}"
    empty = f"SELECT {names} FROM {table.name} WITH NO DATA"  # noqa: S608  (ours)
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {own} ON COMMIT DELETE ROWS AS {empty}"
    )
    connection.exec_driver_sql(f"DELETE FROM {own}")  # noqa: S608
    driver: Any = connection.connection.driver_connection
    with driver.cursor().copy(f"COPY {own} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    return own


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


def change_each(table: Any, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Update many rows of a table, each to values of its own: by columns, the keys among them.

    PostgreSQL takes all in one statement, which costs it a fraction of one for each.
    """
    if not rows:
        return
    names = [name for name in rows[0] if name not in keys]
    connection = db.session.connection()
    if connection.dialect.name == "sqlite":
        here = [table.c[name] == bindparam(f"its_{name}") for name in keys]
        statement = update(table).where(*here).values({name: bindparam(name) for name in names})
        its = {name: f"its_{name}" for name in keys}
        connection.execute(
            statement, [{its.get(name, name): row[name] for name in row} for row in rows]
        )
        return
    columns = [column(name, table.c[name].type) for name in rows[0]]
    arrays = [literal([row[each.name] for row in rows], ARRAY(each.type)) for each in columns]
    new = func.unnest(*arrays).table_valued(*columns, name="new").render_derived().c
    here = [table.c[name] == new[name] for name in keys]
    connection.execute(update(table).where(*here).values({name: new[name] for name in names}))


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
