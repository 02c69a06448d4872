"""A patient is forgotten: nothing names them any more, and what was done is still told."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event

import pytest
from flask import Flask
from sqlalchemy import select

import app as composition
from inviter import drafts, erasing, imports, invitations, joining, keeping, mending
from inviter.activity import Action
from inviter.bulk import Reader
from inviter.db import db
from inviter.invitations import Closed, TooLate
from inviter.keys import Keys
from inviter.mending import Cells
from inviter.models import (
    Activity,
    Channel,
    Delivery,
    How,
    Import,
    ImportRow,
    Invitation,
    OptOut,
    Patient,
    User,
)
from inviter.reports import Report
from inviter.roster import Fate, check
from inviter.spreadsheets import Row
from inviter.status import DeliveryState
from tests.factories import Cast, account, invite, recipient
from tests.waiting import LONG

pytestmark = pytest.mark.usefixtures("context")

EMAIL, NUMBER = "zq.canary@example.org", "306 555 0187"
NAME = "Zephyrine Quillfeather"
TRACES = re.compile("zephyrine|quillfeather|zq.canary|3065550187|306 555 0187", re.IGNORECASE)
REGIONS = ("CA", "US")


@pytest.fixture
def canary(cast: Cast, keys: Keys, now: datetime) -> Invitation:
    return invited(cast, keys, now, NAME, EMAIL, NUMBER)


def invited(cast: Cast, keys: Keys, now: datetime, name: str, *way: str | None) -> Invitation:
    who = recipient(name, email=way[0], phone=way[1])
    return invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)


def erase(made: Invitation, cast: Cast, keys: Keys, now: datetime) -> int:
    count = erasing.erase(made, by=cast.ana, keys=keys, reader=Reader(REGIONS), now=now)
    db.session.commit()
    return count


def traces(but: object = None) -> list[str]:
    """Tables that still name them."""
    found = []
    for table in db.metadata.sorted_tables:
        if table is not but and TRACES.search(repr(db.session.execute(select(table)).all())):
            found.append(table.name)
    db.session.commit()
    return found


def upload(cast: Cast, now: datetime, *rows: Row) -> None:
    made = imports.begin(
        cast.northside,
        provider=cast.osei,
        by=cast.ana,
        file_name="patients.csv",
        content_mac="x",
        ignored=(),
        now=now,
    )
    imports.write(made, list(check(rows, REGIONS)))
    imports.open_up(made, by=cast.ana, now=now)
    db.session.commit()


def test_nothing_of_who_was_invited_and_joined_is_left(
    app: Flask, cast: Cast, keys: Keys, canary: Invitation, now: datetime
) -> None:
    """A message is kept, a file and a draft name them."""
    db.session.commit()
    composition.worker_of(app).work_once(now=now)
    joining.accept(canary, account=account("parent@example.org"), how=How.LINK, now=now)
    first, last = NAME.split()
    upload(cast, now, Row(2, first, last, EMAIL, ""), Row(3, "Ben", "Fixture", "b@example.org", ""))
    fields = [("rows-0-first_name", first), ("rows-0-last_name", last), ("rows-0-email", EMAIL)]
    fields += [("rows-1-first_name", "Ben"), ("rows-1-last_name", "Fixture")]
    drafts.keep(cast.northside, fields, key="k", by=cast.osei, keys=keys, now=now)
    db.session.commit()
    assert {"invitation", "patient", "import_row", "mailbox_message"} <= set(traces())

    assert erase(canary, cast, keys, now) == 1

    assert traces() == []
    kept = drafts.kept(cast.northside, by=cast.osei, keys=keys, now=now)
    assert kept == [(name, "" if "rows-0" in name else value) for name, value in fields]
    rows = db.session.scalars(select(ImportRow).order_by(ImportRow.number)).all()
    assert [(each.first_name, each.fate) for each in rows] == [
        ("", Fate.SKIPPED),
        ("Ben", Fate.READY),
    ]
    assert db.session.scalars(select(Patient.removed_at)).all() == [now]
    assert db.session.scalar(select(User.email).where(User.email == "parent@example.org"))


def test_a_row_that_could_not_be_read_goes_with_its_name(
    cast: Cast, keys: Keys, canary: Invitation, now: datetime
) -> None:
    first, last = NAME.split()
    unread = Row(2, first, last, "Jr", "not an email", extra=True, beyond=[EMAIL, NUMBER])
    upload(cast, now, unread, Row(3, "Ben", "Fixture", "no", ""))
    assert {"invitation", "import_row"} <= set(traces())
    erase(canary, cast, keys, now)
    rows = db.session.scalars(select(ImportRow).order_by(ImportRow.number)).all()
    assert [each.first_name for each in rows] == ["", "Ben"]
    assert traces() == []


def test_a_page_that_was_opened_before_writes_nothing_back(
    cast: Cast, keys: Keys, canary: Invitation, now: datetime
) -> None:
    first, last = NAME.split()
    upload(cast, now, Row(2, first, last, EMAIL, ""), Row(3, "Ben", "", "b@example.org", ""))
    erase(canary, cast, keys, now)
    made = db.session.scalars(select(Import)).one()
    shown = [Cells(2, first, last, EMAIL, ""), Cells(3, "Ben", "Fixture", "b@example.org", "")]
    mending.mend(made, shown, regions=REGIONS, now=now)
    db.session.commit()
    assert traces() == []
    rows = db.session.scalars(select(ImportRow).order_by(ImportRow.number)).all()
    assert [(each.last_name, each.fate) for each in rows] == [
        ("", Fate.SKIPPED),
        ("Fixture", Fate.READY),
    ]


def test_who_is_being_forgotten_is_not_written_back_by_who_mends_meanwhile(
    app: Flask, cast: Cast, keys: Keys, canary: Invitation, now: datetime
) -> None:
    """On PostgreSQL; SQLite has one writer."""
    first, last = NAME.split()
    upload(cast, now, Row(2, first, last, EMAIL, ""))
    begins = Event()

    def mend() -> None:
        begins.set()
        with app.app_context():
            made = db.session.scalars(select(Import)).one()
            shown = [Cells(2, first, last, "other@example.org", "")]
            mending.mend(made, shown, regions=REGIONS, now=now)
            db.session.commit()

    erasing.erase(canary, by=cast.ana, keys=keys, reader=Reader(REGIONS), now=now)
    with ThreadPoolExecutor() as pool:
        mended = pool.submit(mend)
        assert begins.wait(LONG)
        time.sleep(0.3)  # it has got as far as it can
        db.session.commit()
        mended.result()
    (row,) = db.session.scalars(select(ImportRow)).all()
    assert (row.first_name, row.email, row.name_key, row.fate) == ("", "", "", Fate.SKIPPED)


def test_the_record_stays_as_it_was_and_tells_of_it(
    cast: Cast, keys: Keys, canary: Invitation, now: datetime
) -> None:
    lines = select(Activity.__table__).order_by(Activity.id)
    before = db.session.execute(lines).all()
    erase(canary, cast, keys, now)
    after = db.session.execute(lines).all()
    assert after[: len(before)] == before
    assert [(each.action, each.invitation_id, each.by_id) for each in after[len(before) :]] == [
        (Action.PATIENT_ERASED, canary.id, cast.ana.id)
    ]


def test_done_twice_it_is_done_once(
    cast: Cast, keys: Keys, canary: Invitation, now: datetime
) -> None:
    assert [erase(canary, cast, keys, now) for _ in range(2)] == [1, 0]
    erased = select(Activity.id).where(Activity.action == Action.PATIENT_ERASED)
    assert len(db.session.scalars(erased).all()) == 1


def test_other_invitations_of_the_same_patient_go_too_and_no_namesakes(
    cast: Cast, keys: Keys, canary: Invitation, now: datetime
) -> None:
    invitations.remove(canary, by=cast.ana, now=now)
    again = invited(cast, keys, now, NAME, EMAIL, None)
    namesake = invited(cast, keys, now, NAME, "other@example.org", None)
    relative = invited(cast, keys, now, "Ada Quillfeather", EMAIL, None)
    assert erase(again, cast, keys, now) == 2
    names = {each.id: each.name for each in db.session.scalars(select(Invitation))}
    assert (names[canary.id], names[again.id]) == ("", "")
    assert (names[namesake.id], names[relative.id]) == (NAME, "Ada Quillfeather")


def test_what_is_queued_is_not_sent_and_nothing_opens_or_comes_back(
    cast: Cast, keys: Keys, canary: Invitation, now: datetime
) -> None:
    token = keys.link_token(canary.link_id, canary.link_version)
    erase(canary, cast, keys, now)
    states = db.session.scalars(select(Delivery.state)).all()
    assert set(states) == {DeliveryState.WITHDRAWN}
    found = joining.by_link(token, keys=keys)
    assert found is not None and joining.closed_by(found, now=now)
    assert not invitations.can_undo(canary, now)
    with pytest.raises(TooLate):
        invitations.restore(canary, by=cast.ana, now=now)
    with pytest.raises(Closed):
        invitations.remove(canary, by=cast.ana, now=now)


def test_who_said_stop_is_remembered_so_that_nobody_writes_again(
    cast: Cast, keys: Keys, canary: Invitation, now: datetime
) -> None:
    stop = {
        "channel": Channel.EMAIL,
        "address": EMAIL,
        "report": Report.STOPPED,
        "opted_out_at": now,
    }
    db.session.add(OptOut(**stop))
    db.session.commit()
    erase(canary, cast, keys, now)
    assert traces() == ["opt_out"]


def test_the_command_erases_once_and_knows_only_its_clinic(
    app: Flask, cast: Cast, canary: Invitation
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        db.session.rollback()
        done = app.test_cli_runner().invoke(args=["erase-patient", *arguments])
        return done.exit_code, done.output

    number = str(canary.id)
    assert run("lakeview", number) == (1, "Error: There is no such invitation at this clinic.\n")
    assert run("nowhere", number) == (1, "Error: There is no clinic nowhere.\n")
    assert run("northside", number) == (0, "Erased in 1 invitations.\n")
    assert run("northside", number) == (0, "Nothing was left to erase.\n")
    assert traces() == []


def test_a_clinics_own_settings_are_changed_and_told(app: Flask, cast: Cast) -> None:
    db.session.commit()
    asked = ["set-clinic", "northside", "--keep-contacts-days", "7"]
    done = app.test_cli_runner().invoke(args=asked)
    assert done.output == (
        "expiry days: 30, idle minutes: 30, keep contacts days: 7, time zone: America/Regina\n"
    )
    asked = [*asked[:2], "--time-zone", "Mars/Olympus"]
    refused = app.test_cli_runner().invoke(args=asked)
    assert refused.output == "Error: There is no time zone Mars/Olympus; try America/Regina\n"
    db.session.rollback()
    done = app.test_cli_runner().invoke(args=[*asked[:3], "America/Toronto"])
    assert done.output.endswith("time zone: America/Toronto\n")
    asked = ["set-clinic", "northside", "--keep-contacts-days"]
    refused = app.test_cli_runner().invoke(args=[*asked, "2"])
    assert refused.exit_code == 2
    assert "3<=x<=90" in refused.output


def test_a_time_that_is_over_finds_nothing_left(
    cast: Cast, keys: Keys, canary: Invitation, now: datetime
) -> None:
    """What keeping does later changes nothing that was asked for."""
    erase(canary, cast, keys, now)
    for _ in keeping.erase_old(now=now + timedelta(days=40)):
        db.session.commit()
    counted = select(Activity.id).where(Activity.action == Action.CONTACTS_ERASED)
    assert db.session.scalars(counted).all() == []
