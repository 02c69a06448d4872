"""What is kept only so long: contacts of who came to nothing, and every code after its end."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

import app as composition
from inviter import activity, contacts, invitations, joining, keeping, patients
from inviter.activity import Action
from inviter.db import db
from inviter.invitations import InvitedAnew
from inviter.keeping import CODE_RESTS
from inviter.keys import Keys
from inviter.listing import code_of
from inviter.models import Activity, Clinic, How, Invitation, MailboxMessage, Patient
from tests.factories import Cast, account, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

EMAIL, NUMBER = "ada@example.org", "306 555 0142"
DAY, MOMENT = timedelta(days=1), timedelta(seconds=1)
Make = Callable[..., Invitation]


@pytest.fixture
def make(cast: Cast, keys: Keys, now: datetime) -> Make:
    """Invited to Northside, where contacts are kept for 30 days."""

    def made(name: str = "Ada Fixture", email: str | None = EMAIL) -> Invitation:
        who = recipient(name, email=email, phone=NUMBER if email else None)
        return invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)

    return made


def keep(now: datetime, size: int = keeping.BATCH) -> None:
    for _ in keeping.erase_old(now=now, size=size):
        db.session.commit()
    db.session.commit()


def now_is(made: Invitation) -> Invitation:
    clinic = db.session.get_one(Clinic, made.clinic_id)
    found = invitations.of(clinic, made.id)
    assert found is not None
    db.session.commit()
    return found


def contact(made: Invitation) -> tuple[object, ...]:
    found = now_is(made)
    return found.email, found.phone, found.phone_typed, found.can_text, bool(found.erased_at)


NOTHING = (None, None, None, False, True)


class TestContacts:
    def test_those_of_the_expired_are_erased_when_the_days_are_over(self, make: Make) -> None:
        ada = make()
        keep(ada.expires_at + 30 * DAY - MOMENT)
        assert contact(ada)[0] == EMAIL
        keep(ada.expires_at + 30 * DAY)
        assert contact(ada) == NOTHING
        assert now_is(ada).name == "Ada Fixture"

    def test_those_of_the_removed_are_and_of_who_joined_are_not(
        self, make: Make, cast: Cast, now: datetime
    ) -> None:
        ada, ben = make(), make("Ben Fixture", "ben@example.org")
        invitations.remove(ada, by=cast.ana, now=now)
        joining.accept(ben, account=account("ben@example.org"), how=How.LINK, now=now)
        db.session.commit()
        keep(now + 30 * DAY - MOMENT)
        assert contact(ada)[0] == EMAIL
        keep(now + 90 * DAY)
        assert contact(ada) == NOTHING
        assert contact(ben)[0] == "ben@example.org"

    def test_who_was_removed_after_joining_is_erased_as_a_patient_too(
        self, make: Make, cast: Cast, now: datetime
    ) -> None:
        ada = make()
        patient = joining.accept(ada, account=account(EMAIL), how=How.LINK, now=now)
        patients.remove(patient, by=cast.ana, now=now)
        db.session.commit()
        keep(now + 30 * DAY)
        assert contact(ada) == NOTHING
        found = db.session.execute(select(Patient.first_name, Patient.email, Patient.phone)).one()
        assert found == ("Ada", None, None)

    def test_a_clinic_says_how_long(self, make: Make, cast: Cast, now: datetime) -> None:
        ada = make()
        invitations.remove(ada, by=cast.ana, now=now)
        db.session.execute(update(Clinic).values(keep_contacts_days=3))
        db.session.commit()
        keep(now + 3 * DAY - MOMENT)
        assert contact(ada)[0] == EMAIL
        keep(now + 3 * DAY)
        assert contact(ada) == NOTHING
        assert now_is(ada).code_mac is not None, "nobody else may draw it yet"

    def test_the_record_counts_them_and_the_history_tells(self, make: Make) -> None:
        made = [make(), make("Ben Fixture", "ben@example.org"), make("Cy Fixture", None)]
        late = made[0].expires_at + 30 * DAY
        keep(late)
        keep(late + DAY)
        erased = select(Activity.details).where(Activity.action == Action.CONTACTS_ERASED)
        assert db.session.scalars(erased).all() == [{"count": 2}]
        told = [[each.action for each in activity.of(now_is(one))] for one in made]
        assert [Action.CONTACTS_ERASED in each for each in told] == [True, True, False]

    def test_a_message_that_is_kept_instead_of_sent_goes_too(
        self, app: Flask, make: Make, now: datetime
    ) -> None:
        ada = make()
        db.session.commit()
        composition.worker_of(app).work_once(now=now)
        assert db.session.scalars(select(MailboxMessage.sent_to)).first()
        db.session.commit()
        keep(now_is(ada).expires_at + 30 * DAY)
        assert db.session.scalars(select(MailboxMessage.sent_to)).all() == []

    def test_more_than_fit_in_one_transaction(self, make: Make) -> None:
        made = [make(f"{name} Fixture", f"{name}@example.org") for name in ("a", "b", "c")]
        keep(made[0].expires_at + 30 * DAY, size=2)
        assert [contact(each) for each in made] == [NOTHING] * 3

    def test_who_is_sent_it_again_meanwhile_keeps_it(
        self, make: Make, cast: Cast, keys: Keys
    ) -> None:
        ada, ben = make(), make("Ben Fixture", "ben@example.org")
        late = ada.expires_at + 30 * DAY
        going = keeping.erase_old(now=late, size=1)
        next(going)
        db.session.commit()
        found = now_is(ben)
        invitations.resend(found, seen=1, by=cast.ana, keys=keys, sms=True, now=late)
        db.session.commit()
        for _ in going:
            db.session.commit()
        assert contact(ada) == NOTHING
        assert contact(ben)[0] == "ben@example.org"


class TestAfterwards:
    """The name alone is left of who was invited."""

    @pytest.fixture
    def ada(self, make: Make) -> Invitation:
        made = make()
        keep(made.expires_at + 30 * DAY)
        return now_is(made)

    @pytest.fixture
    def late(self, ada: Invitation) -> datetime:
        return ada.expires_at + 31 * DAY

    def test_the_same_patient_may_be_invited_anew(
        self, ada: Invitation, cast: Cast, keys: Keys, late: datetime
    ) -> None:
        who = recipient("Ada Fixture", email=EMAIL)
        anew = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=late)
        assert anew.id != ada.id
        with pytest.raises(InvitedAnew):
            self.give_contact(ada, cast, keys, late)

    def test_who_gives_a_contact_opens_it_anew_with_another_code(
        self, ada: Invitation, cast: Cast, keys: Keys, late: datetime
    ) -> None:
        assert (ada.code_mac, ada.code_sealed) == (None, None)
        self.give_contact(ada, cast, keys, late)
        found = now_is(ada)
        assert (found.email, found.erased_at) == (EMAIL, None)
        assert found.expires_at > late
        code = code_of(found, keys=keys) or ""
        invitation = joining.by_code(cast.northside, code, "Ada", "Fixture", keys=keys, now=late)
        assert invitation is not None
        keep(late + DAY)
        assert contact(ada)[0] == EMAIL

    @pytest.mark.parametrize("is_sent", [True, False])
    def test_a_link_that_may_have_reached_someone_else_opens_nothing_then(
        self, app: Flask, make: Make, cast: Cast, keys: Keys, now: datetime, is_sent: bool
    ) -> None:
        ben = make("Ben Fixture", "ben@example.org")
        db.session.commit()
        if is_sent:
            composition.worker_of(app).work_once(now=now)
        late = now_is(ben).expires_at + 30 * DAY
        keep(late)
        self.give_contact(now_is(ben), cast, keys, late)
        assert now_is(ben).link_version == (2 if is_sent else 1)

    def test_its_removal_can_be_undone_even_if_the_patient_was_invited_anew(
        self, ada: Invitation, cast: Cast, keys: Keys, late: datetime
    ) -> None:
        invitations.remove(ada, by=cast.ana, now=late)
        who = recipient("Ada Fixture", email=EMAIL)
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=late)
        assert invitations.can_undo(ada, late)
        invitations.restore(ada, by=cast.ana, now=late)
        assert contact(ada) == NOTHING
        assert now_is(ada).removed_at is None

    def give_contact(self, ada: Invitation, cast: Cast, keys: Keys, now: datetime) -> None:
        email = contacts.email(EMAIL)
        invitations.change_contact(ada, email=email, phone=None, by=cast.ana, keys=keys, now=now)
        db.session.commit()


class TestCodes:
    """A code rests before others may draw it."""

    @pytest.fixture
    def kept_long(self, context: None, cast: Cast) -> None:
        db.session.execute(update(Clinic).values(keep_contacts_days=90))
        db.session.commit()

    @pytest.mark.usefixtures("kept_long")
    @pytest.mark.parametrize("end", ["accepted", "removed", "expired"])
    def test_it_is_held_for_30_days_after_the_end(
        self, make: Make, cast: Cast, now: datetime, end: str
    ) -> None:
        ada = make()
        if end == "accepted":
            joining.accept(ada, account=account(EMAIL), how=How.LINK, now=now)
        elif end == "removed":
            invitations.remove(ada, by=cast.ana, now=now)
        db.session.commit()
        ended = ada.expires_at if end == "expired" else now
        keep(ended + CODE_RESTS - MOMENT)
        assert now_is(ada).code_mac is not None
        keep(ended + CODE_RESTS)
        assert (now_is(ada).code_mac, now_is(ada).code_sealed) == (None, None)
        assert contact(ada)[0] == EMAIL

    @pytest.mark.usefixtures("kept_long")
    def test_who_is_sent_it_again_gets_another_under_the_same_link(
        self, make: Make, cast: Cast, keys: Keys
    ) -> None:
        ada = make()
        late = ada.expires_at + CODE_RESTS
        keep(late)
        taken = code_of(make("Ben Fixture", "ben@example.org"), keys=keys) or ""
        drawn = iter((taken, taken, "012345"))
        found = now_is(ada)
        invitations.resend(
            *(found,), seen=1, by=cast.ana, keys=keys, sms=True, now=late, new_code=drawn.__next__
        )
        db.session.commit()
        after = now_is(ada)
        assert code_of(after, keys=keys) == "012345"
        assert (after.link_id, after.link_version) == (ada.link_id, 1)
        keep(late + MOMENT)
        assert code_of(now_is(ada), keys=keys) == "012345"

    def test_nothing_is_done_to_who_is_still_invited(self, make: Make, now: datetime) -> None:
        ada = make()
        keep(ada.expires_at)
        assert now_is(ada).code_mac is not None


def test_another_clinics_days_are_its_own(
    make: Make, cast: Cast, keys: Keys, now: datetime
) -> None:
    there = cast.southside
    theirs = invite(
        there, recipient(email=EMAIL), provider=cast.lind, by=cast.sam, keys=keys, now=now
    )
    db.session.execute(update(Clinic).where(Clinic.id == there.id).values(keep_contacts_days=90))
    db.session.commit()
    ada = make()
    keep(ada.expires_at + 31 * DAY)
    assert contact(ada) == NOTHING
    assert contact(theirs)[0] == EMAIL
