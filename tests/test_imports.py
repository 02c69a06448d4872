"""Uploaded files: rows written down, mended, confirmed and invited, on both databases."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update

import app as composition
from inviter import (
    activity,
    duplicates,
    imports,
    invitations,
    inviting_many,
    mending,
    roster,
)
from inviter.db import change, db
from inviter.importer import FEWEST_ROWS, MOST_ROWS, WRITES_FOR, Importer, paced
from inviter.inviting_many import Overtaken
from inviter.keys import Keys
from inviter.mending import Cells, Finished
from inviter.models import (
    Activity,
    Channel,
    Delivery,
    Import,
    ImportRow,
    ImportState,
    Invitation,
)
from inviter.quotas import TooMany
from inviter.roster import Fate
from inviter.status import Sending
from tests.at_once import at_once
from tests.factories import Cast, invite, invite_batch, next_batch, recipient

REGIONS = ("CA", "US")
KEY, OTHER_KEY = "k" * 22, "o" * 22


class Typed(NamedTuple):
    """A row as a file has it."""

    number: int
    first_name: str
    last_name: str
    email: str = ""
    phone: str = ""
    extra: bool = False
    beyond: Sequence[str] | None = None


def people(count: int, *, start: int = 2) -> list[Typed]:
    """So many different ones, all ready."""
    return [
        Typed(start + n, "Pat", f"Test{chr(97 + n % 26)}{chr(97 + n // 26)}", f"p{n}@example.org")
        for n in range(count)
    ]


@pytest.fixture
def upload(cast: Cast, now: datetime, context: None) -> Callable[..., Import]:
    """A file with these rows, at Northside for Dr. Osei by Ana."""

    def write(*rows: Typed, content: str = "x") -> Import:
        made = imports.begin(
            cast.northside,
            provider=cast.osei,  # type: ignore[arg-type]
            by=cast.ana,
            file_name="patients.csv",
            content_mac=content,
            ignored=[],
            now=now,
        )
        for batch in imports.batches(roster.check(rows, REGIONS)):
            imports.write(made, batch)
            db.session.commit()
        imports.open_up(made, by=cast.ana, now=now)
        db.session.commit()
        return made

    return write


Upload = Callable[..., Import]


def fates(made: Import) -> dict[int, Fate]:
    query = select(ImportRow.number, ImportRow.fate).where(ImportRow.import_id == made.id)
    return dict(db.session.execute(query.order_by(ImportRow.number)).all())


def confirm(made: Import, cast: Cast, now: datetime, key: str = KEY, **most: int) -> None:
    inviting_many.confirm(made, key=key, by=cast.ana, now=now, **most)
    db.session.commit()


def work(keys: Keys, now: datetime, *, size: int = 1000) -> None:
    """Until nothing is left."""
    for _ in range(1000):
        try:
            if not invite_batch(keys, now, size=size):
                return
            db.session.commit()
        except Overtaken:
            db.session.rollback()  # another was first, and the next pass sees it
    raise AssertionError("it goes on for ever")


def count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


class TestWritingDown:
    def test_ready_rows_with_a_number_are_told_from_those_without(self, upload: Upload) -> None:
        pat = Typed(4, "Pat", "O`Test", phone="306 555 0143")
        wrong = Typed(5, "Di", "Test", "di@", "306 555 0144")
        made = upload(
            Typed(2, "Ada", "Fixture", "", "306 555 0142"), Typed(3, "Ben", "X"), pat, wrong
        )
        assert imports.ready_with_phone(made) == 2
        assert imports.ready(made) == 3

    def test_each_row_has_its_fate_from_file_and_database(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        ada = recipient("Ada Fixture", email="ada@example.org")
        before = invite(cast.northside, ada, provider=cast.osei, by=cast.ana, keys=keys)
        made = upload(
            Typed(2, "Bob", "Ready", "bob@example.org"),
            Typed(3, "ADA", "fixture", "ADA@example.org"),
            Typed(4, "Bob", "Ready", "bob@example.org"),
            Typed(5, "", "Nobody", "x"),
            Typed(7, "D‘Arcy", "Changed", "", "306 555 0142"),
        )
        assert fates(made) == {
            2: Fate.READY,
            3: Fate.ALREADY_INVITED,
            4: Fate.DUPLICATE_IN_FILE,
            5: Fate.NEEDS_FIXING,
            7: Fate.CHANGED,
        }
        known, twice, bad = (imports.row(made, number) for number in (3, 4, 5))
        assert known and twice and bad
        assert known.invitation_id == before.id
        assert twice.duplicate_of == 2
        assert bad.problems is not None
        assert set(bad.problems) == {"first_name", "email"}

    def test_another_clinics_people_are_unknown_here(
        self, upload: Upload, cast: Cast, keys: Keys
    ) -> None:
        ada = recipient("Ada Fixture", email="ada@example.org")
        invite(cast.lakeview, ada, provider=cast.tallgrass, by=cast.ana, keys=keys)
        assert fates(upload(Typed(2, "Ada", "Fixture", "ada@example.org"))) == {2: Fate.READY}

    def test_who_has_the_same_name_and_no_contact_is_known_by_name_only(
        self, upload: Upload, cast: Cast, keys: Keys
    ) -> None:
        invite(cast.northside, recipient("Ada Fixture"), provider=cast.osei, by=cast.ana, keys=keys)
        made = upload(Typed(2, "Ada", "Fixture", "ada@example.org"))
        row = imports.row(made, 2)
        assert row is not None
        assert (row.fate, row.by_name_only) == (Fate.ALREADY_INVITED, True)

    def test_a_file_that_is_still_being_read_is_nowhere(
        self, upload: Upload, cast: Cast, now: datetime
    ) -> None:
        made = upload(*people(1))
        made.state = ImportState.READING
        db.session.commit()
        assert imports.of(cast.northside, made.id) is None
        assert imports.page(cast.northside, 1) == []

    def test_a_file_is_its_clinics_alone(self, upload: Upload, cast: Cast) -> None:
        made = upload(*people(1))
        assert imports.of(cast.northside, made.id) is made
        assert imports.of(cast.lakeview, made.id) is None
        assert imports.page(cast.lakeview, 1) == []

    def test_what_is_dropped_leaves_nothing(self, upload: Upload) -> None:
        made = upload(*people(3))
        for _ in imports.drop(made):
            db.session.commit()
        assert (count(Import), count(ImportRow)) == (0, 0)

    def test_the_same_content_is_known_again(self, upload: Upload) -> None:
        first, other, again = upload(content="a"), upload(content="b"), upload(content="a")
        assert imports.earlier(again) is first
        assert imports.earlier(first) is None
        assert imports.earlier(other) is None

    def test_rows_are_erased_after_seven_days_and_their_counts_stay(
        self, upload: Upload, now: datetime
    ) -> None:
        made = upload(*people(3), Typed(9, "", "Nobody"))
        for _ in imports.erase_old(now=now + timedelta(days=6, hours=23)):
            raise AssertionError("too early")
        for _ in imports.erase_old(now=now + timedelta(days=7)):
            db.session.commit()
        db.session.commit()
        assert count(ImportRow) == 0
        assert imports.counts([made]) == {made.id: {Fate.READY: 3, Fate.NEEDS_FIXING: 1}}
        assert not imports.can_be_finished(made, now)

    def test_what_is_confirmed_in_its_last_second_is_not_erased(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        """Whoever pressed in time may be written down after erasing has begun."""
        files = upload(*people(1)), upload(*people(2, start=5))
        end = now + timedelta(days=7)
        going = imports.erase_old(now=end)
        next(going)
        db.session.commit()
        erased, other = sorted(files, key=lambda each: each.erased_at is None)
        assert (erased.erased_at, other.erased_at) == (end, None)
        confirm(other, cast, end - timedelta(seconds=1))
        for _ in going:
            db.session.commit()
        db.session.commit()
        assert set(fates(other).values()) == {Fate.READY}
        work(keys, end)
        assert set(fates(other).values()) == {Fate.INVITED}

    def test_erasing_that_was_cut_off_is_finished_later(
        self, upload: Upload, now: datetime
    ) -> None:
        made = upload(*people(3))
        imports.give_up(made, now=now)
        db.session.commit()
        counted = imports.counts([made])
        for _ in imports.erase_old(now=now):
            db.session.commit()
        assert count(ImportRow) == 0
        assert imports.counts([made]) == counted != {}
        assert list(imports.erase_old(now=now)) == []


class TestMending:
    def test_a_mended_row_is_ready(self, upload: Upload, now: datetime) -> None:
        made = upload(Typed(2, "", "Fixture", "ada@example.org"))
        mending.mend(
            made, [Cells(2, "Ada", "Fixture", "ada@example.org", "")], regions=REGIONS, now=now
        )
        assert fates(made) == {2: Fate.READY}

    def test_one_who_has_one_name_only_needs_the_tick(self, upload: Upload, now: datetime) -> None:
        made = upload(Typed(2, "Madonna", ""))
        assert fates(made) == {2: Fate.NEEDS_FIXING}
        cells = Cells(2, "Madonna", "", "", "", one_name=True)
        mending.mend(made, [cells], regions=REGIONS, now=now)
        assert fates(made) == {2: Fate.READY}

    def test_mended_into_someone_of_the_file_it_is_a_duplicate(
        self, upload: Upload, now: datetime
    ) -> None:
        made = upload(
            Typed(2, "Ada", "Fixture", "ada@example.org"),
            Typed(3, "", "Fixture", "ada@example.org"),
        )
        cells = Cells(3, "Ada", "Fixture", "ada@example.org", "")
        mending.mend(made, [cells], regions=REGIONS, now=now)
        assert fates(made) == {2: Fate.READY, 3: Fate.DUPLICATE_IN_FILE}

    def test_who_was_a_duplicate_is_ready_once_the_first_is_another(
        self, upload: Upload, now: datetime
    ) -> None:
        made = upload(*[Typed(n, "Ada", "Fixture", "ada@example.org") for n in (2, 3, 4)])
        cells = Cells(2, "Bob", "Fixture", "ada@example.org", "")
        mending.mend(made, [cells], regions=REGIONS, now=now)
        assert fates(made) == {2: Fate.READY, 3: Fate.READY, 4: Fate.DUPLICATE_IN_FILE}

    def test_leaving_out_the_first_lets_its_duplicate_in_and_back_again(
        self, upload: Upload, now: datetime
    ) -> None:
        made = upload(*[Typed(n, "Ada", "Fixture", "ada@example.org") for n in (2, 3)])
        mending.leave_out(made, 2, regions=REGIONS, now=now)
        assert fates(made) == {2: Fate.SKIPPED, 3: Fate.READY}
        mending.put_back(made, 2, regions=REGIONS, now=now)
        assert fates(made) == {2: Fate.READY, 3: Fate.DUPLICATE_IN_FILE}

    def test_a_namesake_may_be_said_to_be_a_different_person(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        invite(cast.northside, recipient("Ada Fixture"), provider=cast.osei, by=cast.ana, keys=keys)
        made = upload(Typed(2, "Ada", "Fixture"))
        assert fates(made) == {2: Fate.ALREADY_INVITED}
        cells = Cells(2, "Ada", "Fixture", "", "", is_different=True)
        mending.mend(made, [cells], regions=REGIONS, now=now)
        assert fates(made) == {2: Fate.READY}
        confirm(made, cast, now)
        work(keys, now)
        assert sorted(db.session.scalars(select(Invitation.twin))) == [0, 1]

    @pytest.mark.parametrize("state", [ImportState.INVITING, ImportState.CANCELLED])
    def test_nothing_is_mended_once_it_is_confirmed(
        self, upload: Upload, cast: Cast, now: datetime, state: ImportState
    ) -> None:
        made = upload(Typed(2, "", "Fixture"))
        made.state = state
        db.session.commit()
        with pytest.raises(Finished):
            mending.mend(made, [Cells(2, "Ada", "Fixture", "", "")], regions=REGIONS, now=now)
        with pytest.raises(Finished):
            mending.leave_out(made, 2, regions=REGIONS, now=now)

    def test_nothing_is_mended_after_seven_days(self, upload: Upload, now: datetime) -> None:
        made = upload(Typed(2, "", "Fixture"))
        with pytest.raises(Finished):
            mending.mend(
                made,
                [Cells(2, "Ada", "Fixture", "", "")],
                regions=REGIONS,
                now=now + timedelta(days=7),
            )

    def test_each_change_is_a_revision_that_is_not_confirmed_unseen(
        self, upload: Upload, cast: Cast, now: datetime
    ) -> None:
        made = upload(*people(2))
        seen = made.revision
        mending.leave_out(made, 3, regions=REGIONS, now=now)
        db.session.commit()
        with pytest.raises(Overtaken):
            inviting_many.confirm(made, key=KEY, by=cast.ana, now=now, seen=seen)
        db.session.rollback()
        inviting_many.confirm(made, key=KEY, by=cast.ana, now=now, seen=made.revision)

    def test_a_row_that_is_not_there_is_passed_over(self, upload: Upload, now: datetime) -> None:
        made = upload(*people(1))
        mending.mend(made, [Cells(99, "Ada", "Fixture", "", "")], regions=REGIONS, now=now)
        with pytest.raises(Finished):
            mending.leave_out(made, 99, regions=REGIONS, now=now)
        assert fates(made) == {2: Fate.READY}


class TestInviting:
    def test_all_that_are_ready_are_invited_and_the_rest_waits(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(
            Typed(2, "Ada", "Fixture", "ada@example.org", "306 555 0142"),
            Typed(3, "Bob", "Nocontact"),
            Typed(4, "", "Nobody"),
        )
        confirm(made, cast, now)
        work(keys, now)
        assert fates(made) == {2: Fate.INVITED, 3: Fate.INVITED, 4: Fate.NEEDS_FIXING}
        assert made.state == ImportState.OPEN
        ada, bob = db.session.scalars(
            select(Invitation).order_by(Invitation.id.desc())
        ).all()  # as in the file, the first on top
        assert (ada.first_name, ada.sending) == ("Ada", Sending.UNDER_WAY)
        assert (bob.first_name, bob.sending) == ("Bob", Sending.NONE)
        assert ada.provider_id == cast.osei.id
        assert ada.invited_by_id == cast.ana.id
        channels = select(Delivery.channel).where(Delivery.invitation_id == ada.id)
        assert set(db.session.scalars(channels)) == set(Channel)
        row = imports.row(made, 2)
        assert row is not None
        assert row.invitation_id == ada.id
        sealed = {"clinic_id": ada.clinic_id, "invitation_id": ada.id}
        code = keys.open_code(ada.code_sealed or "", **sealed)
        assert keys.code_mac(code, clinic_id=ada.clinic_id) == ada.code_mac

    def test_the_history_begins_with_who_confirmed_the_file(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(*people(1))
        confirm(made, cast, now)
        work(keys, now)
        invited = invitations.of(cast.northside, made.ids_to - 2)
        assert invited is not None
        lines = [(each.action, each.by) for each in activity.of(invited)]
        assert lines == [(activity.Action.IMPORTED, "Ana Moreau")]

    def test_what_was_mended_later_is_confirmed_later(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(*people(2), Typed(9, "", "Nobody"))
        confirm(made, cast, now)
        work(keys, now)
        mending.mend(made, [Cells(9, "Eve", "Nobody", "", "")], regions=REGIONS, now=now)
        confirm(made, cast, now, key=OTHER_KEY)
        work(keys, now)
        assert set(fates(made).values()) == {Fate.INVITED}
        assert count(Invitation) == 3

    def test_pressed_twice_it_happens_once(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(*people(3))
        confirm(made, cast, now)
        confirm(made, cast, now)
        with pytest.raises(Overtaken):
            confirm(made, cast, now, key=OTHER_KEY)
        work(keys, now)
        assert made.state == ImportState.OPEN
        confirm(made, cast, now)
        assert made.state == ImportState.OPEN
        work(keys, now)
        assert count(Invitation) == 3

    def test_pressed_again_it_does_not_invite_what_was_mended_since(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        """A form sent anew by Back and Reload: nobody has seen that row in the check."""
        made = upload(*people(2), Typed(9, "", "Nobody"))
        confirm(made, cast, now)
        work(keys, now)
        mending.mend(made, [Cells(9, "Eve", "Nobody", "", "")], regions=REGIONS, now=now)
        confirm(made, cast, now + timedelta(minutes=1))
        assert (made.state, made.confirmed_at) == (ImportState.OPEN, now)
        work(keys, now)
        assert fates(made)[9] == Fate.READY

    @pytest.mark.parametrize("size", [1, 3, 7, 1000])
    def test_batches_of_any_size_give_the_same(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime, size: int
    ) -> None:
        made = upload(*people(10))
        confirm(made, cast, now)
        work(keys, now, size=size)
        assert count(Invitation) == count(Delivery) == 10
        lines = select(Activity.details).where(Activity.action == "file invited")
        assert sum(each["count"] for each in db.session.scalars(lines)) == 10

    def test_a_batch_that_is_cut_off_leaves_nothing_and_is_done_again(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(*people(10))
        confirm(made, cast, now)
        invite_batch(keys, now, size=4)
        db.session.commit()
        invite_batch(keys, now, size=4)
        db.session.rollback()  # as a crash would
        assert count(Invitation) == count(Delivery) == 4
        work(keys, now, size=4)
        assert count(Invitation) == count(Delivery) == 10

    def test_who_was_invited_meanwhile_is_not_invited_again(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(*people(3))
        who = recipient("Pat Testba", email="p1@example.org")
        other = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        confirm(made, cast, now)
        work(keys, now)
        assert list(fates(made).values()) == [Fate.INVITED, Fate.ALREADY_INVITED, Fate.INVITED]
        row = imports.row(made, 3)
        assert row is not None
        assert row.invitation_id == other.id

    def test_a_code_that_is_held_is_drawn_again(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        draws = iter(["111111", "111111", "222222", "222222", "333333"])
        made = upload(*people(3))
        confirm(made, cast, now)
        invite_batch(keys, now, new_code=lambda: next(draws))
        assert count(Invitation) == 3

    def test_who_is_invited_while_a_batch_is_made_ready_is_not_invited_again(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        """By contact and name, by the name of who has no contact, and by the name alone."""
        made = upload(*people(3), Typed(5, "Bo", "Bare"))
        confirm(made, cast, now)
        batch = next_batch(keys, now)
        by_contact = recipient("Pat Testba", email="p1@example.org")
        by_name = recipient("Bo Bare", email="bo@example.org")
        for who in (by_contact, by_name, recipient("Pat Testca")):
            invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        db.session.commit()
        assert batch
        inviting_many.invite(batch, now=now)
        db.session.commit()
        known = Fate.ALREADY_INVITED
        assert list(fates(made).values()) == [Fate.INVITED, known, known, known]
        assert count(Invitation) == count(Delivery) + 1 == 4

    def test_a_batch_that_was_made_ready_before_it_was_cancelled_is_not_written(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(*people(3))
        confirm(made, cast, now)
        batch = next_batch(keys, now)
        assert batch
        inviting_many.cancel(made, by=cast.ana, now=now)
        db.session.commit()
        with pytest.raises(Overtaken):
            inviting_many.invite(batch, now=now)
        db.session.rollback()
        assert count(Invitation) == 0
        inviting_many.confirm(made, key=OTHER_KEY, by=cast.ana, now=now)
        db.session.commit()
        with pytest.raises(Overtaken):
            inviting_many.invite(batch, now=now)

    def test_a_batch_is_written_once_however_often_it_was_made_ready(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        confirm(upload(*people(5)), cast, now)
        batches = next_batch(keys, now, size=3), next_batch(keys, now, size=3)
        assert batches[0]
        assert batches[1]
        inviting_many.invite(batches[0], now=now)
        db.session.commit()
        with pytest.raises(Overtaken):
            inviting_many.invite(batches[1], now=now)
        db.session.rollback()
        work(keys, now)
        assert count(Invitation) == count(Delivery) == 5

    def test_a_batch_that_is_made_ready_before_the_one_ahead_is_written_goes_on_after_it(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        """With codes that the one ahead does not use, wherever they are drawn again."""
        made = upload(*people(4), Typed(6, "Di", "Unread"))
        confirm(made, cast, now)
        draws = iter(["111111", "222222", "222222", "111111", "333333", "444444", "555555"])
        first = next_batch(keys, now, size=2, new_code=lambda: next(draws))
        second = next_batch(keys, now, size=3, after=first, new_code=lambda: next(draws))
        end = next_batch(keys, now, after=second)
        assert first
        assert second
        assert end
        assert [each.number for each in second.people] == [6, 4, 5]  # in the order of names
        assert end.is_end
        assert next_batch(keys, now, after=end) is None
        for batch in (first, second, end):
            inviting_many.invite(batch, now=now)
            db.session.commit()
        assert set(fates(made).values()) == {Fate.INVITED}
        assert made.state == ImportState.OPEN

    def test_a_batch_goes_on_after_rows_that_can_no_longer_be_read(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(*people(2))
        confirm(made, cast, now)
        third = ImportRow.clinic_id == made.clinic_id, ImportRow.number == 3
        change(update(ImportRow).where(*third).values(email="pat@"))
        db.session.commit()
        last = next_batch(keys, now)
        assert last
        assert (list(last.to_fix), last.last) == ([3], 3)
        end = next_batch(keys, now, after=last)
        assert end
        assert end.is_end

    def test_who_is_known_is_decided_once_however_often_it_was_made_ready(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(Typed(2, "Ada", "Fixture"), Typed(3, "Bo", "Bare"))
        for name in ("Ada Fixture", "Bo Bare"):
            invite(cast.northside, recipient(name), provider=cast.osei, by=cast.ana, keys=keys)
        confirm(made, cast, now)
        batches = next_batch(keys, now), next_batch(keys, now)
        assert batches[0]
        assert batches[1]
        inviting_many.invite(batches[0], now=now)
        db.session.commit()
        with pytest.raises(Overtaken):
            inviting_many.invite(batches[1], now=now)
        db.session.rollback()
        assert set(fates(made).values()) == {Fate.ALREADY_INVITED}

    def test_rows_that_now_read_as_one_person_are_invited_once(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(*people(3))
        alike = ImportRow.clinic_id == made.clinic_id, ImportRow.number == 4
        first = people(1)[0]
        cells = {"last_name": first.last_name, "email": first.email}
        change(update(ImportRow).where(*alike).values(cells))
        confirm(made, cast, now)
        work(keys, now)
        assert list(fates(made).values()) == [Fate.INVITED, Fate.INVITED, Fate.ALREADY_INVITED]
        row = imports.row(made, 4)
        assert row is not None
        assert row.invitation_id == made.ids_to - 2

    def test_namesakes_whom_staff_told_apart_are_both_invited(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(Typed(2, "Ada", "Fixture"), Typed(3, "Ada", "Fixture"))
        cells = [Cells(3, is_different=True)]
        mending.mend(made, cells, regions=REGIONS, now=now)
        db.session.commit()
        confirm(made, cast, now)
        work(keys, now)
        assert set(fates(made).values()) == {Fate.INVITED}
        assert sorted(db.session.scalars(select(Invitation.twin))) == [0, 1]

    @pytest.mark.parametrize("size", [1, 1000])
    def test_who_was_told_apart_by_name_alone_stays_so(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime, size: int
    ) -> None:
        made = upload(Typed(2, "Ada", "Fixture", "ada@example.org"), Typed(3, "Ada", "Fixture"))
        mending.mend(made, [Cells(3, is_different=True)], regions=REGIONS, now=now)
        confirm(made, cast, now)
        work(keys, now, size=size)
        first, second = (invitations.of(cast.northside, made.ids_to - row) for row in (2, 3))
        assert first
        assert second
        assert first.twin != second.twin
        assert duplicates.same_as(second, None, None) is None

    def test_postgresql_is_told_that_its_tables_have_grown(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        if db.engine.dialect.name != "postgresql":
            pytest.skip("SQLite asks nobody how large a table is")
        confirm(upload(*people(10)), cast, now)
        work(keys, now)
        tables = ("invitation", "delivery", "import_row")
        known = text("SELECT reltuples FROM pg_class WHERE relname = ANY(:tables)")
        assert db.session.scalars(known, {"tables": list(tables)}).all() == [10, 10, 10]

    def test_cancelled_it_stops_and_says_how_many(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = upload(*people(10))
        confirm(made, cast, now)
        invite_batch(keys, now, size=4)
        db.session.commit()
        assert inviting_many.cancel(made, by=cast.ana, now=now) == 6
        db.session.commit()
        with pytest.raises(Overtaken):
            inviting_many.cancel(made, by=cast.ana, now=now)
        db.session.rollback()
        work(keys, now)
        assert count(Invitation) == 4
        assert imports.counts([made])[made.id] == {Fate.INVITED: 4, Fate.READY: 6}

    def test_more_than_the_clinic_may_invite_in_a_day_is_refused_and_what_is_stopped_is_not(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made, other = upload(*people(4)), upload(*people(2, start=12), content="y")
        for _ in range(2):
            confirm(made, cast, now, KEY, most=5)
        with pytest.raises(TooMany):
            confirm(other, cast, now, KEY, most=5)
        db.session.rollback()
        invite_batch(keys, now, size=2)
        inviting_many.cancel(made, by=cast.ana, now=now)
        db.session.commit()
        confirm(other, cast, now, KEY, most=5)

    def test_who_turns_out_to_be_known_or_unreadable_is_given_back_to_what_a_clinic_may_invite(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made, other = upload(*people(4)), upload(*people(2, start=12), content="y")
        who = recipient("Pat Testba", email="p1@example.org")
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        third = ImportRow.clinic_id == made.clinic_id, ImportRow.number == 4
        change(update(ImportRow).where(*third).values(email="pat@"))
        db.session.commit()
        confirm(made, cast, now, KEY, most=4)
        with pytest.raises(TooMany):
            confirm(other, cast, now, OTHER_KEY, most=4)
        db.session.rollback()
        work(keys, now)
        confirm(other, cast, now, OTHER_KEY, most=4)

    def test_nobody_is_known_by_what_the_file_says_of_others(
        self, upload: Upload, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        """A couple with one address are two patients."""
        made = upload(
            Typed(2, "Ada", "Fixture", "home@example.org"),
            Typed(3, "Bob", "Fixture", "home@example.org"),
        )
        confirm(made, cast, now)
        work(keys, now)
        assert count(Invitation) == 2


class TestImporter:
    """The one thread that works on all files."""

    @pytest.fixture
    def importer(self, app: Flask) -> Importer:
        return importer_of(app)

    def test_it_makes_the_next_batch_ready_while_one_is_written(
        self, importer: Importer, upload: Upload, cast: Cast, now: datetime
    ) -> None:
        made, other = upload(*people(350)), upload(*people(20, start=500), content="y")
        for each, key in ((made, KEY), (other, OTHER_KEY)):
            confirm(each, cast, now, key)
        db.session.remove()
        passes = 0
        while importer.work_once(now=now):
            passes += 1
        assert passes > 4
        assert count(Invitation) == count(Delivery) == 350
        told = [*fates(made).values(), *fates(other).values()]
        assert (told.count(Fate.INVITED), told.count(Fate.ALREADY_INVITED)) == (350, 20)

    def test_what_was_made_ready_before_it_was_cancelled_is_not_written(
        self, importer: Importer, upload: Upload, cast: Cast, now: datetime
    ) -> None:
        made = upload(*people(250))
        confirm(made, cast, now)
        db.session.remove()
        assert importer.work_once(now=now)
        this = select(Import).where(Import.clinic_id == made.clinic_id, Import.id == made.id)
        inviting_many.cancel(db.session.scalars(this).one(), by=cast.ana, now=now)
        db.session.commit()
        with pytest.raises(Overtaken):
            importer.work_once(now=now)
        assert not importer.work_once(now=now)
        assert list(fates(made).values()).count(Fate.INVITED) == 100

    def test_two_at_once_invite_each_once(
        self, app: Flask, upload: Upload, cast: Cast, now: datetime
    ) -> None:
        made, other = upload(*people(350)), upload(*people(350, start=500), content="y")
        for each, key in ((made, KEY), (other, OTHER_KEY)):
            confirm(each, cast, now, key)
        db.session.remove()

        def work_on() -> None:
            importer, found = importer_of(app), True
            while found:
                with suppress(Overtaken):
                    found = importer.work_once(now=now)

        at_once(app, work_on, work_on)
        assert count(Invitation) == count(Delivery) == 350
        told = [*fates(made).values(), *fates(other).values()]
        assert told.count(Fate.INVITED) == told.count(Fate.ALREADY_INVITED) == 350

    def test_a_batch_that_takes_long_makes_the_next_ones_smaller_within_bounds(self) -> None:
        assert paced(1000, WRITES_FOR) == 1000
        assert 700 <= paced(1000, WRITES_FOR * 9) < 1000 < paced(1000, WRITES_FOR / 9) <= 1200
        assert paced(FEWEST_ROWS, 60) == FEWEST_ROWS
        assert paced(MOST_ROWS, 0.001) == MOST_ROWS


def importer_of(app: Flask) -> Importer:
    """Which writes a hundred rows at a time."""
    made = composition.importer_of(app)
    made._size = FEWEST_ROWS
    return made


def test_two_uploads_of_the_same_people_in_opposite_orders_invite_each_once(
    app: Flask, upload: Upload, cast: Cast, keys: Keys, now: datetime
) -> None:
    everyone = people(300)
    turned = [each._replace(number=n) for n, each in enumerate(reversed(everyone), 2)]
    first, second = upload(*everyone), upload(*turned)
    for made in (first, second):
        confirm(made, cast, now)
    db.session.remove()
    at_once(app, *[lambda: work(keys, now, size=50)] * 2)
    found = [fates(made) for made in (first, second)]
    told = [fate for each in found for fate in each.values()]
    assert count(Invitation) == count(Delivery) == 300
    assert told.count(Fate.INVITED) == told.count(Fate.ALREADY_INVITED) == 300
