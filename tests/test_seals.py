"""What happened is sealed: any line changed, taken away or put in later is found, and named."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import case, create_engine, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

import app as composition
from inviter import activity, clock, seals, verifying
from inviter.activity import Action
from inviter.db import db, id_at
from inviter.keys import Keys
from inviter.models import NO_CLINIC, Activity, Clinic, Seal, SealHead
from tests.conftest import SECRET
from tests.factories import Cast
from tests.test_cli import run
from tests.test_crew import until

SEALED = timedelta(minutes=6)
OVERDUE = timedelta(hours=2)
RENEWED = "another secret, which is 32 long too"


def add(clinic: Clinic, cast: Cast, count: int = 3) -> list[int]:
    """So many lines just happened; their ids."""
    at = clock.now()
    for number in range(count):
        activity.record(Action.EXPORTED, clinic_id=clinic.id, by=cast.ana, now=at, rows=number)
    db.session.commit()
    ids = select(Activity.id).where(Activity.clinic_id == clinic.id).order_by(Activity.id.desc())
    found = db.session.scalars(ids.limit(count)).all()
    db.session.commit()
    return list(found[::-1])


def seal(app: Flask, *, late: bool = False, after: timedelta = SEALED) -> int:
    return composition.sealer_of(app).seal(late=late, now=clock.now() + after)


def found(keys: Keys, *, after: timedelta = timedelta(0)) -> list[tuple[str, str, str]]:
    now = clock.now() + after
    troubles = verifying.troubles(keys=keys, counts=verifying.Counts(), now=now)
    said = [(each.clinic, each.place.partition(" of ")[0], each.what) for each in troubles]
    db.session.rollback()
    return said


def meddle(*statements: Any) -> None:
    """As who has the tables themselves, past the trigger."""
    db.session.rollback()
    url = db.engine.url
    if is_sqlite := url.get_backend_name() == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        aside, past = dict(db.session.execute(text(query)).all()), []  # type: ignore[arg-type]
        past = [f"DROP TRIGGER {name}" for name in aside]
    else:
        url, past = url.set(username="postgres"), ["SET session_replication_role = replica"]
    db.session.rollback()
    with create_engine(url, poolclass=NullPool).begin() as connection:
        for each in past:
            connection.execute(text(each))
        for statement in statements:
            assert connection.execute(statement).rowcount
        for sql in aside.values() if is_sqlite else ():
            connection.execute(text(sql))


@pytest.fixture
def lines(app: Flask, context: None, cast: Cast) -> list[int]:
    """Of Northside: three under the first seal, three under the second; Lakeview has one seal."""
    first = add(cast.northside, cast)
    seal(app)
    second = add(cast.northside, cast)
    add(cast.lakeview, cast)
    seal(app, after=2 * SEALED)
    return first + second


def of(ids: list[int] | int) -> Any:
    return Activity.id.in_(ids if isinstance(ids, list) else [ids])


def test_lines_can_be_neither_changed_nor_taken_away(lines: list[int]) -> None:
    for change in (update(Activity).where(of(lines)).values(by_id=None), delete(Activity)):
        with pytest.raises(IntegrityError):
            db.session.execute(change)
        db.session.rollback()


def test_all_is_well_where_nobody_meddled(
    app: Flask, lines: list[int], cast: Cast, keys: Keys
) -> None:
    add(cast.southside, cast, 1)
    assert found(keys) == []
    code, said = run(app, "activity", "verify")
    assert (code, said) == (
        0,
        "All well: 3 clinics, 3 seals, 9 lines sealed, 1 not yet.\n",
    )
    assert composition.sealer_of(app).seal() == 0  # the one is not old enough


def test_a_seal_made_under_a_secret_that_was_replaced_still_holds(
    app: Flask, lines: list[int], keys: Keys
) -> None:
    assert found(Keys(RENEWED, [SECRET])) == []
    assert found(Keys(RENEWED)) != []


CHANGED = "a line, this seal or the one before it was changed"


def test_an_edit_is_found(app: Flask, lines: list[int], keys: Keys) -> None:
    meddle(update(Activity).where(of(lines[4])).values(details={"rows": 7}))
    assert found(keys) == [("northside", f"seal 2, lines {lines[3]} to {lines[5]}", CHANGED)]
    code, said = run(app, "activity", "verify")
    assert code == 1
    assert said.startswith("northside: seal 2, lines ")
    assert "Not as it was: 3 clinics" in said


@pytest.mark.parametrize(
    ("which", "seal_number"), [([1], 1), ([5], 2), ([3, 4, 5], 2)], ids=["inner", "last", "all"]
)
def test_a_removal_is_found(
    lines: list[int], keys: Keys, which: list[int], seal_number: int
) -> None:
    ids = [lines[each] for each in which]
    meddle(delete(Activity).where(of(ids)))
    where = f"seal {seal_number}, line {ids[0]}"
    assert found(keys) == [("northside", where, f"{len(ids)} of 3 lines are gone")]


def test_a_removal_with_its_seal_is_found(lines: list[int], cast: Cast, keys: Keys) -> None:
    last = (Seal.clinic_id == cast.northside.id, Seal.number == 2)
    meddle(delete(Activity).where(of(lines[3:])), delete(Seal).where(*last))
    assert found(keys) == [("northside", "seal 2", "gone, at the end")]


def test_a_chain_that_was_also_said_to_be_shorter_is_found(
    lines: list[int], cast: Cast, keys: Keys
) -> None:
    here = SealHead.clinic_id == cast.northside.id
    meddle(
        delete(Activity).where(of(lines[3:])),
        delete(Seal).where(Seal.clinic_id == cast.northside.id, Seal.number == 2),
        update(SealHead).where(here).values(number=1, last_id=lines[2]),
    )
    assert found(keys) == [("northside", "the chain", "how long it is was changed")]


def test_the_removal_of_all_of_a_clinic_is_found(lines: list[int], cast: Cast, keys: Keys) -> None:
    tables = (Activity, Seal, SealHead)
    meddle(*(delete(each).where(each.clinic_id == cast.lakeview.id) for each in tables))
    assert found(keys) == [("", "all chains", "1 of 2 are gone: of lakeview, southside")]
    meddle(delete(SealHead).where(SealHead.clinic_id == NO_CLINIC))
    assert found(keys) == [("", "all chains", "there are 1, and only 0 are counted")]


def test_the_removal_of_every_seal_is_found_an_hour_later(
    lines: list[int], cast: Cast, keys: Keys
) -> None:
    assert found(keys, after=OVERDUE) == []
    meddle(delete(Seal), delete(SealHead))
    assert found(keys) == []
    said = found(keys, after=OVERDUE)
    assert [each[0] for each in said] == ["lakeview", "northside"]
    assert all("older than an hour have no seal" in each[2] for each in said)


def test_an_earlier_end_of_a_chain_put_back_is_found_an_hour_later(
    app: Flask, lines: list[int], cast: Cast, keys: Keys
) -> None:
    here = SealHead.clinic_id == cast.northside.id
    row = db.session.execute(select(*SealHead.__table__.c).where(here)).one()._asdict()
    later = add(cast.northside, cast)
    seal(app)
    newest = (Seal.clinic_id == cast.northside.id, Seal.number == row["number"] + 1)
    meddle(delete(Seal).where(*newest), update(SealHead).where(here).values(row))
    assert found(keys) == []
    (said,) = found(keys, after=OVERDUE)
    assert said[2].startswith(f"{len(later)} lines older than an hour have no seal")


@pytest.mark.parametrize(
    ("one", "other", "where"), [(0, 1, ["seal 1"]), (2, 3, ["seal 1", "seal 2"])]
)
def test_a_swap_is_found(
    lines: list[int], keys: Keys, one: int, other: int, where: list[str]
) -> None:
    """Of what two lines say, under one seal or two."""
    ids = [lines[one], lines[other]]
    rows = db.session.execute(select(Activity.id, Activity.at).where(of(ids)).order_by(Activity.id))
    (first, first_at), (second, second_at) = rows.all()
    meddle(
        update(Activity).where(of(first)).values(at=second_at, details={"rows": other % 3}),
        update(Activity).where(of(second)).values(at=first_at, details={"rows": one % 3}),
    )
    assert [place.partition(",")[0] for _, place, _ in found(keys)] == where


def test_a_swap_of_two_seals_is_found(lines: list[int], cast: Cast, keys: Keys) -> None:
    number = case((Seal.number == 1, -2), else_=-1)
    here = Seal.clinic_id == cast.northside.id
    meddle(
        update(Seal).where(here).values(number=number),
        update(Seal).where(here).values(number=-Seal.number),
    )
    places = [place.partition(",")[0] for _, place, _ in found(keys)]
    assert places == ["seal 1", "seal 2"]


def test_a_seal_from_another_course_of_things_is_found(
    app: Flask, lines: list[int], cast: Cast, keys: Keys
) -> None:
    """Made by us, as on a copy of the database, and put where later ones build on another."""
    kept = add(cast.northside, cast, 1)
    other = seals.prepare(cast.northside.id, keys=keys, now=clock.now() + 3 * SEALED)
    db.session.rollback()
    assert other is not None
    unwanted = add(cast.northside, cast, 1)
    seal(app, after=4 * SEALED)
    add(cast.northside, cast, 1)
    seal(app, after=5 * SEALED)
    assert found(keys) == []
    here = (Seal.clinic_id == cast.northside.id, Seal.number == 3)
    same = {"ids": seals.pack(kept), "mac": other.mac, "sealed_at": other.sealed_at}
    meddle(update(Seal).where(*here).values(**same), delete(Activity).where(of(unwanted)))
    assert [place.partition(",")[0] for _, place, _ in found(keys)] == ["seal 4"]


def test_a_line_put_in_among_old_ones_is_found(lines: list[int], cast: Cast, keys: Keys) -> None:
    before = clock.now() - timedelta(hours=3)
    old = {"clinic_id": cast.northside.id, "id": id_at(before), "at": before}
    meddle(insert(Activity).values(**old, action=Action.REMOVED, details={}))
    assert found(keys) == [("northside", f"line {id_at(before)}", verifying.UNSEALED)]


def test_a_line_put_in_just_before_the_last_is_found_once_none_may_come_late(
    lines: list[int], cast: Cast, keys: Keys
) -> None:
    shortly_before = clock.now() - timedelta(minutes=20)
    new = {"clinic_id": cast.northside.id, "id": id_at(shortly_before), "at": shortly_before}
    meddle(insert(Activity).values(**new, action=Action.REMOVED, details={}))
    assert found(keys) == []
    place = f"line {id_at(shortly_before)}"
    assert found(keys, after=2 * OVERDUE) == [("northside", place, verifying.UNSEALED)]


def test_one_that_was_committed_late_is_sealed_and_no_sign_of_meddling(
    app: Flask, lines: list[int], cast: Cast, keys: Keys
) -> None:
    at = clock.now() - timedelta(minutes=40)
    late = {"clinic_id": cast.northside.id, "id": id_at(at), "at": at}
    db.session.execute(insert(Activity).values(**late, action=Action.REMOVED, details={}))
    db.session.commit()
    assert found(keys) == []
    assert seal(app) == 0
    assert seal(app, late=True) == 1
    assert found(keys) == []
    assert seal(app, late=True) == 0
    add(cast.northside, cast)
    assert seal(app, after=3 * SEALED) == 1
    assert found(keys) == []
    meddle(delete(Activity).where(of(id_at(at))))
    assert [where for _, where, _ in found(keys)] == [f"seal 3, line {id_at(at)}"]


def test_two_workers_at_once_make_one_chain(
    app: Flask, context: None, cast: Cast, keys: Keys
) -> None:
    for _ in range(2):  # the first seal of a chain, and one that follows
        add(cast.northside, cast)
        later = clock.now() + 2 * SEALED
        mine, its = (seals.prepare(cast.northside.id, keys=keys, now=later) for _ in range(2))
        assert mine is not None
        assert its is not None
        assert seals.put(its, keys=keys)
        db.session.rollback()  # killed: nothing of it is left
        assert seals.put(its, keys=keys)
        db.session.commit()
        assert not seals.put(mine, keys=keys)
        db.session.rollback()
    assert found(keys) == []


def test_many_are_sealed_part_by_part(app: Flask, context: None, cast: Cast, keys: Keys) -> None:
    add(cast.northside, cast, seals.MOST_LINES + 1)
    assert seal(app) == 2
    assert found(keys) == []


def test_it_goes_on_beside_the_web(app: Flask, context: None, cast: Cast, keys: Keys) -> None:
    at = clock.now() - timedelta(hours=1)
    old = {"clinic_id": cast.northside.id, "id": id_at(at), "at": at, "action": Action.REMOVED}
    db.session.execute(insert(Activity).values(**old, details={}))
    db.session.commit()

    def is_sealed() -> bool:
        there = db.session.scalars(select(Seal.number)).all() == [1]
        db.session.rollback()
        return there

    crew = composition.crew_of(app, 1)
    thread = threading.Thread(target=crew.run)
    thread.start()
    try:
        until(is_sealed)
    finally:
        crew.stop()
        thread.join()
    assert found(keys) == []
