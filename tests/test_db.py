"""What the database handle adds to SQLAlchemy, on both databases."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import literal, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from inviter.db import FEW_ROWS, among, db, has_grown, reading
from inviter.many_rows import bulk
from inviter.models import Activity, Channel, Clinic, Delivery, Invitation, Kind, User
from inviter.status import DeliveryState
from tests.conftest import NOW, execute
from tests.factories import Cast

COLUMNS = ("id", "name", "email", "password", "is_active", "fs_uniquifier", "created_at")


def user(number: int) -> tuple[Any, ...]:
    return (number, "Lee", f"lee{number}@example.org", "x", True, f"u{number}", NOW)


def put(table: Any, columns: Sequence[str], tuples: Sequence[Sequence[Any]]) -> None:
    bulk(db.session.connection(), table, columns, tuples)


def raw(statement: str) -> list[tuple[Any, ...]]:
    """As the driver gives it, without SQLAlchemy's types."""
    return [tuple(each) for each in db.session.connection().exec_driver_sql(statement)]


def test_many_rows_are_inserted_in_the_transaction(context: None) -> None:
    put(User.__table__, COLUMNS, [user(number) for number in (1, 2, 3)])
    assert db.session.get_one(User, 2).created_at == NOW
    db.session.rollback()
    assert db.session.scalars(select(User)).all() == []


def test_nothing_to_insert_inserts_nothing(context: None) -> None:
    put(User.__table__, COLUMNS, [])
    assert db.session.scalars(select(User)).all() == []


def test_values_are_written_as_a_model_would(app: Any, cast: Cast, context: None) -> None:
    at = NOW.replace(microsecond=120)
    line = {"clinic_id": cast.northside.id, "at": at, "by_id": None, "action": "sent"}
    line |= {"invitation_id": None, "details": {"name": "Zoë"}}
    message = {"clinic_id": 0, "kind": Kind.PASSWORD_RESET, "channel": Channel.EMAIL}
    message |= {"user_id": cast.ana.id, "generation": 1, "state": DeliveryState.IN_DOUBT}
    message |= {"queued_at": at, "doubt_since": None, "turn": 5, "attempts": 1}
    for model, values in ((Activity, line), (Delivery, message)):
        db.session.add(model(id=1, **values))
        db.session.flush()
        put(model.__table__, ["id", *values], [[2, *values.values()]])
        first, second = raw(str(select(model.__table__).order_by(model.id)))
        assert first[2:] == second[2:]


def test_a_row_too_short_is_refused(context: None) -> None:
    with pytest.raises(ValueError, match="zip"):
        put(User.__table__, COLUMNS, [user(1), user(2)[:-1]])


def test_what_an_index_forbids_is_an_error(context: None) -> None:
    driver: Any = db.session.connection().dialect.dbapi
    with pytest.raises((IntegrityError, driver.IntegrityError)):
        put(User.__table__, COLUMNS, [user(1), user(1)])


def test_a_clinic_is_found_though_its_name_was_written_in_bulk(context: None) -> None:
    columns = ("id", "slug", "name", "time_zone", "expiry_days", "idle_minutes", "created_at")
    put(Clinic.__table__, columns, [(7, "elan", "Élan", "America/Regina", 30, 30, NOW)])
    assert db.session.scalars(select(Clinic.slug).where(Clinic.name == "Élan")).all() == ["elan"]


def test_the_database_refuses_to_write_for_who_only_reads(cast: Cast, context: None) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"), reading():
        db.session.execute(update(Clinic).values(name="Other"))
    db.session.execute(update(Clinic).values(name="Other"))
    assert set(db.session.scalars(select(Clinic.name))) == {"Other"}


def test_a_large_table_is_not_looked_at_because_of_a_small_one(context: None) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite asks nobody how large a table is")
    large = f"UPDATE pg_class SET reltuples = {FEW_ROWS} WHERE relname = 'invitation'"  # noqa: S608
    execute(db.engine.url.set(username="postgres").render_as_string(), large)
    put(User.__table__, COLUMNS, [user(1), user(2)])
    has_grown(Invitation, User)
    known = "SELECT relname, reltuples FROM pg_class WHERE relname IN ('invitation', 'users')"
    assert dict(raw(known)) == {"invitation": FEW_ROWS, "users": 2}


def test_what_only_read_leaves_its_statements_prepared(context: None) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite prepares nothing on a server")
    for _ in range(10):
        with reading():
            db.session.scalars(select(Clinic.name)).all()
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%name%'")
    assert db.session.scalar(prepared) == 1


def test_who_lost_the_connection_while_reading_may_write_on_the_next(
    cast: Cast, context: None
) -> None:
    """As when the database is restarted under a worker that looks for work."""
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no connection to lose")

    def look_while_it_is_lost() -> None:
        with reading():
            mine = db.session.scalar(text("SELECT pg_backend_pid()"))
            with db.engine.connect() as other:
                other.execute(text("SELECT pg_terminate_backend(:mine)"), {"mine": mine})
            db.session.scalars(select(Clinic.name)).all()

    with pytest.raises(OperationalError):
        look_while_it_is_lost()
    db.session.execute(update(Clinic).values(name="Other"))
    db.session.commit()


class TestAmong:
    HERE = (Delivery.clinic_id, Delivery.id)

    def test_only_whole_pairs_are_found(self, context: None, cast: Cast) -> None:
        clinics = (cast.northside.id, cast.lakeview.id)
        wanted = [(clinics[0], 2**62), (clinics[1], 1)]
        found = db.session.execute(
            select(Clinic.id).where(among((Clinic.id, literal(2**62)), wanted))
        ).all()
        assert [each.id for each in found] == [clinics[0]]

    def test_of_no_pairs_none_is(self, context: None, cast: Cast) -> None:
        assert (
            db.session.scalars(select(Clinic).where(among((Clinic.id, Clinic.id), []))).all() == []
        )

    def test_each_pair_is_looked_up_in_the_index(self, context: None) -> None:
        if db.engine.dialect.name != "sqlite":
            pytest.skip("PostgreSQL plans by what is in the table")
        query = select(Delivery.id).where(among(self.HERE, [(1, 2), (3, 4)]))
        said = str(query.compile(db.engine, compile_kwargs={"literal_binds": True}))
        plan = " ".join(str(each[3]) for each in raw(f"EXPLAIN QUERY PLAN {said}"))
        assert "SEARCH delivery USING" in plan
        assert "SCAN delivery" not in plan
