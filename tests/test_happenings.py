"""What happened is found by who, what, whom and when, and paged from line to line."""

from datetime import date, datetime, timedelta

import pytest

from inviter import activity, happenings, invitations
from inviter.activity import Action
from inviter.db import db
from inviter.happenings import Happening, Kind, TooMany, Wanted
from inviter.keys import Keys
from inviter.models import Clinic, Import
from tests.factories import Cast, invite, recipient
from tests.test_listing import made

PER_PAGE = happenings.PER_PAGE


@pytest.fixture
def told(context: None, cast: Cast, keys: Keys, now: datetime) -> Clinic:
    """Ana invites Ada and Ben, Dr. Osei removes Ada's a day later; at Lakeview Ana invites Ada."""
    ada, *_others = (
        invite(clinic, recipient(name), provider=cast.tallgrass, by=cast.ana, keys=keys, now=now)
        for clinic, name in (
            (cast.northside, "Ada Fixture"),
            (cast.northside, "Ben Sample"),
            (cast.lakeview, "Ada Fixture"),
        )
    )
    invitations.remove(ada, by=cast.osei, now=now + timedelta(days=1))
    db.session.commit()
    return cast.northside


def found(clinic: Clinic, **wanted: object) -> list[tuple[str, str | None, str]]:
    page = happenings.page(happenings.conditions(clinic, Wanted(**wanted)))  # type: ignore[arg-type]
    return [(each.action, each.by, each.patient) for each in page.rows]


ADA_REMOVED = ("removed", "Dr. Amira Osei", "Ada Fixture")
ADA_INVITED = ("invited", "Ana Moreau", "Ada Fixture")
BEN_INVITED = ("invited", "Ana Moreau", "Ben Sample")


def test_the_newest_come_first_and_no_other_clinics(told: Clinic, cast: Cast) -> None:
    assert found(told) == [ADA_REMOVED, BEN_INVITED, ADA_INVITED]
    assert found(cast.lakeview) == [ADA_INVITED]
    assert found(cast.southside) == []


def test_it_is_narrowed_by_who_what_whom_and_when(told: Clinic, cast: Cast, now: datetime) -> None:
    assert found(told, by_id=cast.osei.id) == [ADA_REMOVED]
    assert found(told, by_id=7) == []
    assert found(told, kind=Kind.INVITATIONS) == [ADA_REMOVED, BEN_INVITED, ADA_INVITED]
    assert found(told, kind=Kind.LOOKS) == []
    assert found(told, patient="fixture ADA") == [ADA_REMOVED, ADA_INVITED]
    assert found(told, patient="ada sample") == []
    assert found(told, patient="%") == []
    day = now.date()
    assert found(told, since=day + timedelta(days=1)) == [ADA_REMOVED]
    assert found(told, until=day) == [BEN_INVITED, ADA_INVITED]
    assert found(told, since=day, until=day, patient="ada") == [ADA_INVITED]
    assert found(told, until=date.max) == found(told, since=date(1901, 1, 1)) == found(told)


def test_a_day_is_the_clinics(context: None, cast: Cast) -> None:
    """Regina is six hours behind."""
    for hour in (5, 6):
        at = datetime.fromisoformat(f"2026-05-12T0{hour}:00:00+00:00")
        activity.record(
            Action.EXPORTED, clinic_id=cast.northside.id, by=cast.ana, now=at, rows=hour
        )
    db.session.commit()
    where = happenings.conditions(cast.northside, Wanted(since=date(2026, 5, 12)))
    assert [each.details for each in happenings.page(where).rows] == [{"rows": 6}]
    where = happenings.conditions(cast.northside, Wanted(until=date(2026, 5, 11)))
    assert [each.details for each in happenings.page(where).rows] == [{"rows": 5}]


def test_pages_lead_through_all_lines_there_and_back(
    context: None, cast: Cast, now: datetime
) -> None:
    """Many at one instant, and one that comes meanwhile."""
    many = 2 * PER_PAGE + 1
    for number in range(many):
        at = now + timedelta(seconds=number // 3)
        known = {"clinic_id": cast.northside.id, "by": cast.ana, "now": at}
        activity.record(Action.EXPORTED, **known, rows=number)
    db.session.commit()
    where = happenings.conditions(cast.northside, Wanted())
    first = happenings.page(where)
    assert first.newer is None
    second = happenings.page(where, before=first.older)
    third = happenings.page(where, before=second.older)
    assert third.older is None
    rows = [*first.rows, *second.rows, *third.rows]
    assert [each.details["rows"] for each in rows] == list(reversed(range(many)))
    assert happenings.page(where, after=third.newer).rows == second.rows
    assert happenings.page(where, after=second.newer) == first
    later = now + timedelta(days=1)
    activity.record(Action.EXPORTED, clinic_id=cast.northside.id, now=later, rows=many)
    db.session.commit()
    assert happenings.page(where, before=first.older).rows == second.rows
    back = happenings.page(where, after=second.newer)
    assert back.rows == first.rows
    assert happenings.page(where, after=back.newer).rows[0].details["rows"] == many
    exported: list[Happening] = []
    for batch in happenings.batches(where, size=40):
        exported += batch
    assert [each.details["rows"] for each in exported] == list(reversed(range(many + 1)))
    assert happenings.count(where) == many + 1


def test_a_name_that_too_many_have_is_refused(
    context: None, cast: Cast, keys: Keys, now: datetime
) -> None:
    for _ in range(happenings.MOST_NAMED):
        db.session.add(made(cast, keys, now))
    db.session.flush()
    assert found(cast.northside, patient="ada") == []
    db.session.add(made(cast, keys, now))
    db.session.flush()
    with pytest.raises(TooMany):
        happenings.conditions(cast.northside, Wanted(patient="ada"))


def test_a_file_is_named(context: None, cast: Cast, now: datetime) -> None:
    file = Import(
        clinic_id=cast.northside.id,
        provider_id=cast.osei.id,
        uploaded_by_id=cast.ana.id,
        uploaded_at=now,
        file_name="patients.csv",
        content_mac="x",
        state="open",
    )
    db.session.add(file)
    db.session.flush()
    known = {"clinic_id": cast.northside.id, "import_id": file.id}
    activity.record(Action.UPLOADED, by=cast.ana, now=now, **known)
    db.session.flush()
    page = happenings.page(happenings.conditions(cast.northside, Wanted(kind=Kind.FILES)))
    assert [each.file for each in page.rows] == ["patients.csv"]
