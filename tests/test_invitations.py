"""What staff do with an invitation: sent again, taken back, put right; of two at once, one."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from inviter import activity, contacts, invitations, inviting, joining, settling
from inviter.claiming import Claimed
from inviter.contacts import Phone
from inviter.db import db
from inviter.duplicates import Fate
from inviter.invitations import (
    RESEND_PAUSE,
    UNDO_FOR,
    Closed,
    GivenHow,
    GivenTo,
    InvitedAnew,
    JustSent,
    NoMessage,
    Overtaken,
    TooLate,
)
from inviter.keys import Keys
from inviter.models import Answer, Channel, Clinic, Delivery, How, Invitation, Kind, Patient
from inviter.readdressing import OutOfCodes
from inviter.roster import Recipient
from inviter.settling import Result
from inviter.status import DeliveryState, Sending, Status
from tests import factories
from tests.at_once import at_once
from tests.conftest import SECRET
from tests.counting import counted
from tests.factories import Cast, account, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

KEYS = Keys(SECRET)
MOMENT = timedelta(microseconds=1)
EMAIL, OTHER_EMAIL = "ada@example.org", "ada.fixture@example.com"
NUMBER, OTHER_NUMBER = "306 555 0142", "306 555 0199"
ACCEPTED = Result(Answer.ACCEPTED)
REFUSED = Result(Answer.REFUSED, "refused")
BUSY = Result(Answer.REFUSED, "busy", again=True)
UNKNOWN = Result(Answer.UNKNOWN, "no-answer")
QUEUED, WITHDRAWN = DeliveryState.QUEUED, DeliveryState.WITHDRAWN
CLOSED = [("accepted_at", Status.ACCEPTED), ("removed_at", Status.REMOVED)]

Make = Callable[..., Invitation]
Job = Callable[[], object]


@pytest.fixture
def make(cast: Cast, keys: Keys, now: datetime) -> Make:
    """An invitation to Northside, committed, as `of` gives it."""

    def made(
        name: str = "Ada Fixture",
        *,
        email: str | None = None,
        phone: str | None = None,
        at: datetime = now,
    ) -> Invitation:
        who = recipient(name, email=email, phone=phone)
        options = {"provider": cast.osei, "by": cast.ana, "keys": keys, "now": at}
        return fresh(invite(cast.northside, who, **options))  # type: ignore[arg-type]

    return made


@pytest.fixture
def ada(make: Make) -> Invitation:
    """By email and by text, both queued."""
    return make(email=EMAIL, phone=NUMBER)


@pytest.fixture
def later(now: datetime) -> datetime:
    """When nobody asks any more whether one is sure."""
    return now + RESEND_PAUSE


def fresh(invitation: Invitation) -> Invitation:
    """As it stands, the transaction closed."""
    clinic = db.session.get_one(Clinic, invitation.clinic_id)
    found = invitations.of(clinic, invitation.id)
    assert found is not None
    db.session.commit()
    return found


def number(text: str) -> Phone:
    phone = contacts.phone(text, ("CA", "US"))
    assert phone is not None
    return phone


def resend(
    invitation: Invitation, cast: Cast, now: datetime, *, seen: int = 1, sure: bool = False
) -> None:
    invitations.resend(
        invitation, seen=seen, by=cast.tallgrass, keys=KEYS, sms=True, now=now, sure=sure
    )
    db.session.commit()


def remove(invitation: Invitation, cast: Cast, now: datetime) -> None:
    invitations.remove(invitation, by=cast.ana, now=now)
    db.session.commit()


def restore(invitation: Invitation, cast: Cast, now: datetime) -> None:
    invitations.restore(invitation, by=cast.ana, now=now)
    db.session.commit()


def accept(invitation: Invitation, now: datetime, address: str = "parent@example.org") -> Patient:
    patient = joining.accept(invitation, account=account(address), how=How.LINK, now=now)
    db.session.commit()
    return patient


def claim(now: datetime) -> list[Claimed]:
    claimed = factories.claim(100, now=now)
    db.session.commit()
    return claimed


def settle_all(result: Result, now: datetime) -> None:
    for claimed in claim(now):
        settling.settle(claimed, result, now=now)
    db.session.commit()


def states(invitation: Invitation, generation: int = 1) -> list[DeliveryState]:
    """Of its messages of one send; email first."""
    found = db.session.scalars(
        select(Delivery.state)
        .where(Delivery.invitation_id == invitation.id, Delivery.generation == generation)
        .order_by(Delivery.channel)
    ).all()
    db.session.commit()
    return list(found)


def actions(invitation: Invitation) -> list[str]:
    found = [line.action.value for line in activity.of(invitation)]
    db.session.commit()
    return found


def code_of(invitation: Invitation, keys: Keys) -> str:
    place = {"clinic_id": invitation.clinic_id, "invitation_id": invitation.id}
    return keys.open_code(invitation.code_sealed or "", **place)


def count(table: type) -> int:
    found = db.session.scalar(select(func.count()).select_from(table)) or 0
    db.session.commit()
    return found


def outcome(job: Job) -> object:
    """What came of it: its answer, or the kind of refusal."""
    try:
        answer = job()
        db.session.commit()
    except (Closed, Overtaken, InvitedAnew, joining.Closed) as refused:
        db.session.rollback()
        return type(refused)
    return answer


def mine(invitation: Invitation) -> Invitation:
    """Read anew in the session of whoever calls, whose transaction stays open."""
    clinic = db.session.get_one(Clinic, invitation.clinic_id)
    found = invitations.of(clinic, invitation.id)
    assert found is not None
    return found


class TestOf:
    def test_it_comes_with_the_people_it_names(self, ada: Invitation) -> None:
        db.session.expunge_all()
        found = fresh(ada)
        assert (found.clinic.slug, found.provider.name, found.invited_by.name) == (
            "northside",
            "Dr. Amira Osei",
            "Ana Moreau",
        )

    def test_another_clinics_is_not_found(self, cast: Cast, ada: Invitation) -> None:
        assert invitations.of(cast.southside, ada.id) is None

    def test_a_removed_one_is_found(self, cast: Cast, ada: Invitation, now: datetime) -> None:
        remove(ada, cast, now)
        assert fresh(ada).removed_at == now

    def test_it_is_as_it_stands_now(self, app: Flask, cast: Cast, ada: Invitation) -> None:
        def change_it() -> None:
            db.session.execute(update(Invitation).values(generation=7))
            db.session.commit()

        at_once(app, change_it)
        assert fresh(ada).generation == 7

    def test_several_come_in_the_order_of_ids(self, cast: Cast, make: Make) -> None:
        made = [make(f"Person {letter}").id for letter in "abc"]
        found = invitations.these(cast.northside, made[::-1])
        assert [each.id for each in found] == made
        assert invitations.these(cast.southside, made) == []


class TestResend:
    def test_each_channel_gets_one_more_message(
        self, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        settle_all(ACCEPTED, later)
        resend(fresh(ada), cast, later)
        assert states(ada, 2) == [QUEUED, QUEUED]
        assert (ada.generation, ada.sending) == (2, Sending.UNDER_WAY)

    def test_what_was_queued_before_is_not_sent_as_well(
        self, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        resend(ada, cast, later)
        assert states(ada, 1) == [WITHDRAWN, WITHDRAWN]
        assert {each.delivery.generation for each in claim(later)} == {2}

    def test_what_was_being_sent_and_was_refused_for_now_is_not_tried_again(
        self, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        claimed = claim(later)
        resend(ada, cast, later)
        for each in claimed:
            settling.settle(each, BUSY, now=later)
        assert states(ada, 1) == [WITHDRAWN, WITHDRAWN]
        assert fresh(ada).sending == Sending.UNDER_WAY

    def test_an_earlier_send_that_ends_late_says_nothing_about_this_one(
        self, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        claimed = claim(later)
        resend(ada, cast, later)
        for each in claimed:
            settling.settle(each, REFUSED, now=later)
        db.session.commit()
        assert fresh(ada).sending == Sending.UNDER_WAY

    def test_code_and_link_stay_but_the_expiry_is_renewed(
        self, cast: Cast, keys: Keys, ada: Invitation, now: datetime
    ) -> None:
        before = (code_of(ada, keys), ada.link_id, ada.link_version)
        days_later = now + timedelta(days=20)
        resend(ada, cast, days_later)
        assert (code_of(ada, keys), ada.link_id, ada.link_version) == before
        assert ada.expires_at == invitations.expiry(cast.northside, days_later)
        assert ada.resent_at == days_later

    def test_what_is_in_hand_is_the_new_state_of_the_row(
        self, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        settle_all(REFUSED, later)
        resend(ada, cast, later)
        in_hand = (ada.generation, ada.sending, ada.resent_at, ada.provider.name)
        found = fresh(ada)
        assert (found.generation, found.sending, found.resent_at, found.provider.name) == in_hand

    def test_it_is_recorded(self, cast: Cast, ada: Invitation, later: datetime) -> None:
        resend(ada, cast, later)
        line = activity.of(ada)[-1]
        assert (line.action, line.by, line.details) == ("resent", "Dr. Jon Tallgrass", {})

    def test_those_of_many_take_later_turns(self, cast: Cast, make: Make, later: datetime) -> None:
        first, second = make("Ada Fixture", email=EMAIL), make("Ben Sample", email=EMAIL)
        for place, each in ((1, first), (0, second)):
            invitations.resend(
                each, seen=1, by=cast.ana, keys=KEYS, sms=True, now=later, place=place
            )
        db.session.commit()
        assert [each.delivery.invitation_id for each in claim(later)] == [second.id, first.id]

    def test_an_expired_one_lives_again(
        self, cast: Cast, ada: Invitation, keys: Keys, now: datetime
    ) -> None:
        settle_all(ACCEPTED, now)
        much_later = ada.expires_at + timedelta(days=3)
        resend(fresh(ada), cast, much_later)
        assert joining.closed_by(ada, now=much_later) is None

    @pytest.mark.parametrize(("how", "status"), CLOSED)
    def test_a_closed_one_is_refused(
        self, cast: Cast, ada: Invitation, later: datetime, how: str, status: Status
    ) -> None:
        setattr(ada, how, later)
        db.session.commit()
        with pytest.raises(Closed) as refused:
            resend(ada, cast, later)
        assert refused.value.status == status
        assert states(ada, 2) == []

    @pytest.mark.parametrize(("how", "status"), CLOSED)
    def test_one_that_was_closed_since_it_was_read_is_refused(
        self, app: Flask, cast: Cast, ada: Invitation, later: datetime, how: str, status: Status
    ) -> None:
        def close() -> None:
            db.session.execute(update(Invitation).values({how: later}))
            db.session.commit()

        at_once(app, close)
        with pytest.raises(Closed) as refused:
            resend(ada, cast, later)
        assert refused.value.status == status
        assert states(ada, 2) == []

    def test_what_someone_else_resent_meanwhile_is_refused(
        self, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        resend(ada, cast, later)
        with pytest.raises(Overtaken):
            resend(fresh(ada), cast, later + RESEND_PAUSE, seen=1, sure=True)
        assert states(ada, 3) == []

    def test_what_was_resent_since_it_was_read_is_refused(
        self, app: Flask, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        at_once(app, lambda: resend(mine(ada), cast, later))
        with pytest.raises(Overtaken):
            resend(ada, cast, later)
        assert states(ada, 2) == [QUEUED, QUEUED]

    def test_what_got_another_email_since_it_was_read_is_refused(
        self, app: Flask, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        def take_email_away() -> None:
            db.session.execute(update(Invitation).values(email=None))
            db.session.commit()

        at_once(app, take_email_away)
        with pytest.raises(Overtaken):
            resend(ada, cast, later)

    @pytest.mark.parametrize("phone", [None, "+44 7911 123456"])
    def test_where_nothing_can_be_sent_it_is_refused(
        self, cast: Cast, make: Make, later: datetime, phone: str | None
    ) -> None:
        bare = make(phone=phone)
        with pytest.raises(NoMessage):
            resend(bare, cast, later)
        assert fresh(bare).generation == 1

    def test_where_texts_are_off_a_number_is_no_way(
        self, cast: Cast, make: Make, later: datetime
    ) -> None:
        made = make(phone=NUMBER)
        with pytest.raises(NoMessage):
            invitations.resend(made, seen=1, by=cast.ana, keys=KEYS, sms=False, now=later)

    def test_within_fifteen_minutes_one_is_asked(
        self, cast: Cast, ada: Invitation, now: datetime, later: datetime
    ) -> None:
        with pytest.raises(JustSent) as refused:
            resend(ada, cast, later - MOMENT)
        assert refused.value.at == now
        assert states(ada, 2) == []

    def test_the_fifteen_minutes_begin_anew_with_each_send(
        self, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        resend(ada, cast, later)
        with pytest.raises(JustSent) as refused:
            resend(ada, cast, later + RESEND_PAUSE - MOMENT, seen=2)
        assert refused.value.at == later

    def test_who_is_sure_is_not_asked(self, cast: Cast, ada: Invitation, now: datetime) -> None:
        resend(ada, cast, now, sure=True)
        assert states(ada, 2) == [QUEUED, QUEUED]

    def test_where_no_message_was_sent_one_is_not_asked(
        self, cast: Cast, make: Make, keys: Keys, now: datetime
    ) -> None:
        bare = make()
        invitations.change_contact(bare, email=EMAIL, phone=None, by=cast.ana, keys=keys, now=now)
        resend(bare, cast, now)
        assert states(bare, 2) == [QUEUED]

    def test_where_every_message_failed_one_is_not_asked(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        settle_all(REFUSED, now)
        resend(fresh(ada), cast, now)
        assert states(ada, 2) == [QUEUED, QUEUED]

    def test_what_it_would_do_is_told_without_doing_it(
        self, cast: Cast, ada: Invitation, now: datetime, later: datetime
    ) -> None:
        ways = invitations.check_resend(ada, sms=True, now=later)
        assert ways == [Channel.EMAIL, Channel.SMS]
        with pytest.raises(JustSent):
            invitations.check_resend(ada, sms=True, now=now)
        assert states(ada, 2) == []

    def test_many_at_once_send_one_set(
        self, app: Flask, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        jobs = [lambda: outcome(lambda: resend(mine(ada), cast, later))] * 16
        answers = at_once(app, *jobs)
        assert sorted(answers, key=str) == [Overtaken] * 15 + [None]
        assert states(ada, 2) == [QUEUED, QUEUED]
        assert actions(ada) == ["invited", "resent"]

    def test_against_accepting_at_once_nothing_is_sent_after(
        self, app: Flask, cast: Cast, make: Make, later: datetime
    ) -> None:
        made = [make(f"Person {letter}", email=EMAIL) for letter in "abcdefgh"]
        senders = [lambda e=e: outcome(lambda: resend(mine(e), cast, later)) for e in made]
        patients = [
            lambda e=e: outcome(lambda: accept(mine(e), later, f"{e.id}@example.org").id)
            for e in made
        ]
        answers = at_once(app, *patients, *senders)
        assert count(Patient) == 8
        assert all(isinstance(each, int) for each in answers[:8])
        assert set(answers[8:]) <= {None, Closed}
        assert {each.delivery.kind for each in claim(later)} == {Kind.JOINED}


class TestRemove:
    def test_nobody_gets_in_any_more(
        self, cast: Cast, keys: Keys, ada: Invitation, now: datetime
    ) -> None:
        remove(ada, cast, now)
        code, link = code_of(ada, keys), keys.link_token(ada.link_id, 1)
        assert joining.by_code(cast.northside, code, "Ada", "Fixture", keys=keys, now=now) is None
        by_link = joining.by_link(link, keys=keys)
        assert by_link is not None
        assert joining.closed_by(by_link, now=now) == Status.REMOVED
        with pytest.raises(joining.Closed):
            accept(by_link, now)

    def test_what_is_queued_is_not_sent(self, cast: Cast, ada: Invitation, now: datetime) -> None:
        remove(ada, cast, now)
        assert claim(now + timedelta(days=9)) == []
        assert states(ada) == [WITHDRAWN, WITHDRAWN]
        assert ada.sending == Sending.NONE

    def test_what_is_being_sent_is_not_tried_again(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        claimed = claim(now)
        remove(ada, cast, now)
        for each in claimed:
            settling.settle(each, BUSY, now=now)
        assert states(ada) == [WITHDRAWN, WITHDRAWN]

    def test_it_is_recorded(self, cast: Cast, ada: Invitation, now: datetime) -> None:
        remove(ada, cast, now)
        assert actions(ada) == ["invited", "removed"]

    def test_twice_is_refused(self, cast: Cast, ada: Invitation, now: datetime) -> None:
        remove(ada, cast, now)
        with pytest.raises(Closed) as refused:
            remove(ada, cast, now + MOMENT)
        assert refused.value.status == Status.REMOVED
        assert fresh(ada).removed_at == now

    def test_after_acceptance_it_is_refused(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        accept(ada, now)
        with pytest.raises(Closed) as refused:
            remove(ada, cast, now)
        assert refused.value.status == Status.ACCEPTED

    def test_against_accepting_at_once_one_wins(
        self, app: Flask, cast: Cast, make: Make, now: datetime
    ) -> None:
        made = [make(f"Person {letter}", email=EMAIL) for letter in "abcdefgh"]
        removers = [lambda e=e: outcome(lambda: remove(mine(e), cast, now)) for e in made]
        patients = [
            lambda e=e: outcome(lambda: accept(mine(e), now, f"{e.id}@example.org").id)
            for e in made
        ]
        at_once(app, *removers, *patients)
        for each in map(fresh, made):
            assert (each.removed_at is None) != (each.accepted_at is None)
        assert count(Patient) == sum(fresh(each).accepted_at is not None for each in made)

    def test_against_claiming_at_once_nothing_stays_queued(
        self, app: Flask, cast: Cast, make: Make, now: datetime
    ) -> None:
        made = [make(f"Person {letter}", email=EMAIL, phone=NUMBER) for letter in "abcdefgh"]
        removers = [lambda e=e: remove(mine(e), cast, now) for e in made]
        claimed = at_once(app, lambda: claim(now), lambda: claim(now), *removers)
        taken = {each.delivery.id for some in claimed[:2] for each in some or []}
        found = dict(map(tuple, db.session.execute(select(Delivery.id, Delivery.state))))
        assert {each for each, state in found.items() if state == DeliveryState.SENDING} == taken
        assert set(found.values()) <= {DeliveryState.SENDING, WITHDRAWN}

    def test_against_settling_at_once_nothing_is_queued_anew(
        self, app: Flask, cast: Cast, make: Make, now: datetime
    ) -> None:
        made = [make(f"Person {letter}", email=EMAIL, phone=NUMBER) for letter in "abcdefgh"]
        removers = [lambda e=e: remove(mine(e), cast, now) for e in made]

        def settle(claimed: Claimed) -> None:
            settling.settle(claimed, BUSY, now=now)
            db.session.commit()

        settlers = [lambda c=c: settle(c) for c in claim(now)]
        at_once(app, *removers, *settlers)
        assert [states(each) for each in made] == [[WITHDRAWN, WITHDRAWN]] * 8


class TestRestore:
    def test_code_link_and_expiry_are_as_before(
        self, cast: Cast, keys: Keys, ada: Invitation, now: datetime
    ) -> None:
        before = (code_of(ada, keys), ada.link_id, ada.link_version, ada.expires_at)
        remove(ada, cast, now)
        restore(ada, cast, now + timedelta(hours=1))
        assert (code_of(ada, keys), ada.link_id, ada.link_version, ada.expires_at) == before
        assert joining.closed_by(ada, now=now) is None

    def test_what_the_removal_withdrew_is_sent_after_all(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        remove(ada, cast, now)
        restore(ada, cast, now)
        assert ada.sending == Sending.UNDER_WAY
        assert len(claim(now)) == 2

    def test_what_was_refused_for_now_in_between_is_tried_again(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        claimed = claim(now)
        remove(ada, cast, now)
        for each in claimed:
            settling.settle(each, BUSY, now=now)
        restore(ada, cast, now)
        assert states(ada) == [QUEUED, QUEUED]

    def test_an_earlier_sends_messages_stay_withdrawn(
        self, cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        resend(ada, cast, later)
        remove(ada, cast, later)
        restore(ada, cast, later)
        assert (states(ada, 1), states(ada, 2)) == ([WITHDRAWN, WITHDRAWN], [QUEUED, QUEUED])

    def test_what_was_withdrawn_for_another_reason_stays_so(
        self, cast: Cast, keys: Keys, ada: Invitation, now: datetime
    ) -> None:
        phone = number(NUMBER)
        invitations.change_contact(
            ada, email=OTHER_EMAIL, phone=phone, by=cast.ana, keys=keys, now=now
        )
        remove(ada, cast, now)
        restore(ada, cast, now)
        assert states(ada) == [WITHDRAWN, QUEUED]

    def test_what_has_expired_meanwhile_is_not_sent(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        remove(ada, cast, now)
        db.session.execute(update(Invitation).values(expires_at=now + MOMENT))
        restore(ada, cast, now + MOMENT)
        assert states(ada) == [WITHDRAWN, WITHDRAWN]
        assert fresh(ada).removed_at is None

    def test_who_shares_a_contact_is_not_asked_for(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        remove(ada, cast, now)
        with counted() as statements:
            restore(ada, cast, now)
        assert not [each for each in statements if "invitation.email IN" in each]

    def test_what_was_sent_is_known_as_sent(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        settle_all(ACCEPTED, now)
        remove(ada, cast, now)
        restore(ada, cast, now)
        assert ada.sending == Sending.SENT
        assert claim(now) == []

    def test_it_is_recorded(self, cast: Cast, ada: Invitation, now: datetime) -> None:
        remove(ada, cast, now)
        restore(ada, cast, now + MOMENT)
        assert actions(ada) == ["invited", "removed", "restored"]

    def test_to_the_end_of_24_hours_and_no_longer(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        remove(ada, cast, now)
        with pytest.raises(TooLate):
            restore(ada, cast, now + UNDO_FOR + MOMENT)
        restore(ada, cast, now + UNDO_FOR)
        assert ada.removed_at is None

    def test_where_someone_else_did_nothing_happens(
        self, app: Flask, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        remove(ada, cast, now)
        at_once(app, lambda: restore(mine(ada), cast, now))
        restore(ada, cast, now)
        assert actions(ada) == ["invited", "removed", "restored"]

    def test_who_was_invited_anew_is_told(
        self, cast: Cast, make: Make, ada: Invitation, now: datetime
    ) -> None:
        remove(ada, cast, now)
        anew = make(email=EMAIL)
        with pytest.raises(InvitedAnew) as refused:
            restore(fresh(ada), cast, now)
        assert refused.value.known is anew
        assert fresh(ada).removed_at == now

    def test_who_was_invited_anew_by_name_alone_is_told(
        self, cast: Cast, make: Make, ada: Invitation, now: datetime
    ) -> None:
        remove(ada, cast, now)
        make()
        with pytest.raises(InvitedAnew):
            restore(fresh(ada), cast, now)

    def test_who_joined_meanwhile_is_told(
        self, cast: Cast, make: Make, ada: Invitation, now: datetime
    ) -> None:
        remove(ada, cast, now)
        patient = accept(make(email=EMAIL), now)
        with pytest.raises(InvitedAnew) as refused:
            restore(fresh(ada), cast, now)
        assert refused.value.known is patient

    def test_a_namesake_whom_staff_told_apart_is_no_obstacle(
        self, cast: Cast, keys: Keys, make: Make, now: datetime
    ) -> None:
        first = make()
        second = Recipient("Ada", "Fixture", first.name_key, None, None, is_different=True)
        other = invite(cast.northside, second, provider=cast.osei, by=cast.ana, keys=keys, now=now)
        for each in (first, fresh(other)):
            remove(each, cast, now)
            restore(each, cast, now)
            assert fresh(each).removed_at is None

    def test_nor_is_one_who_has_joined(
        self, cast: Cast, keys: Keys, make: Make, now: datetime
    ) -> None:
        first = make()
        second = Recipient("Ada", "Fixture", first.name_key, None, None, is_different=True)
        other = invite(cast.northside, second, provider=cast.osei, by=cast.ana, keys=keys, now=now)
        remove(first, cast, now)
        accept(other, now)
        restore(first, cast, now)
        assert fresh(first).removed_at is None

    def test_once_accepted_it_is_refused(self, cast: Cast, ada: Invitation, now: datetime) -> None:
        accept(ada, now)
        with pytest.raises(Closed) as refused:
            restore(ada, cast, now)
        assert refused.value.status == Status.ACCEPTED

    def test_against_inviting_anew_at_once_one_wins(
        self, app: Flask, cast: Cast, keys: Keys, make: Make, now: datetime
    ) -> None:
        people = [
            recipient(f"Person {letter}", email=f"{letter}@example.org") for letter in "abcdefgh"
        ]
        made = [make(each.name, email=each.email) for each in people]
        for each in made:
            remove(each, cast, now)

        def anew(who: Recipient) -> object:
            press = {"provider": cast.osei, "by": cast.ana, "sms": True, "keys": keys, "now": now}
            done = inviting.invite(cast.northside, [who], key=who.name, **press)  # type: ignore[arg-type]
            return done.outcome[0][0]

        restorers = [lambda e=e: outcome(lambda: restore(mine(e), cast, now)) for e in made]
        inviters = [lambda who=who: outcome(lambda: anew(who)) for who in people]
        answers = at_once(app, *restorers, *inviters)
        for restored, invited in zip(answers[:8], answers[8:], strict=True):
            assert (restored, invited) in (
                (None, Fate.ALREADY_INVITED),
                (InvitedAnew, Fate.INVITED),
            )
        live = select(func.count()).select_from(Invitation).where(Invitation.removed_at.is_(None))
        assert db.session.scalar(live) == 8

    def test_a_refusal_leaves_the_rest_of_the_transaction(
        self, app: Flask, cast: Cast, make: Make, now: datetime
    ) -> None:
        removed, other = make(email=EMAIL), make("Ben Sample", email=EMAIL)
        remove(removed, cast, now)
        make(email=EMAIL)
        invitations.remove(other, by=cast.ana, now=now)
        with pytest.raises(InvitedAnew):
            invitations.restore(fresh(removed), by=cast.ana, now=now)
        db.session.commit()
        assert fresh(other).removed_at == now


@pytest.mark.parametrize(
    ("removed", "accepted", "can"),
    [
        (None, None, False),
        (timedelta(0), None, True),
        (UNDO_FOR, None, True),
        (UNDO_FOR + MOMENT, None, False),
        (timedelta(0), timedelta(0), False),
    ],
)
def test_a_removal_can_be_undone_for_a_day_unless_the_patient_had_joined(
    now: datetime, removed: timedelta | None, accepted: timedelta | None, can: bool
) -> None:
    facts = Invitation(
        removed_at=None if removed is None else now - removed,
        accepted_at=None if accepted is None else now - accepted,
    )
    assert invitations.can_undo(facts, now) == can


class TestRemovedAtOnce:
    def test_those_of_that_instant_in_the_order_of_inviting(
        self, cast: Cast, make: Make, now: datetime
    ) -> None:
        made = [make(f"Person {letter}") for letter in "abcd"]
        for each in (made[2], made[0]):
            remove(each, cast, now)
        remove(made[1], cast, now + MOMENT)
        found = invitations.removed_at_once(cast.northside, now)
        assert found == [made[0], made[2]]

    def test_not_another_clinics_and_none_that_was_accepted(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        remove(ada, cast, now)
        assert invitations.removed_at_once(cast.southside, now) == []
        db.session.execute(update(Invitation).values(accepted_at=now))
        db.session.commit()
        assert invitations.removed_at_once(cast.northside, now) == []


class TestChangeContact:
    @pytest.fixture
    def change(self, cast: Cast, keys: Keys, now: datetime) -> Callable[..., bool]:
        def changed(
            invitation: Invitation,
            *,
            email: str | None = EMAIL,
            phone: str | None = NUMBER,
            **others: object,
        ) -> bool:
            code_changed = invitations.change_contact(
                invitation,
                email=email,
                phone=number(phone) if phone else None,
                by=cast.ana,
                keys=keys,
                now=now,
                **others,  # type: ignore[arg-type]
            )
            db.session.commit()
            return code_changed

        return changed

    def test_the_new_contacts_stand_on_the_invitation(
        self, change: Callable[..., bool], ada: Invitation
    ) -> None:
        change(ada, email=OTHER_EMAIL, phone="(306) 555-0199")
        found = fresh(ada)
        assert (found.email, found.phone, found.phone_typed, found.can_text) == (
            OTHER_EMAIL,
            "+13065550199",
            "(306) 555-0199",
            True,
        )

    def test_contacts_can_be_taken_away(self, change: Callable[..., bool], ada: Invitation) -> None:
        change(ada, email=None, phone=None)
        found = fresh(ada)
        assert (found.email, found.phone, found.phone_typed, found.can_text) == (
            None,
            None,
            None,
            False,
        )

    def test_nothing_changed_does_nothing(
        self, change: Callable[..., bool], ada: Invitation
    ) -> None:
        assert not change(ada, phone="(306) 555-0142")
        assert fresh(ada).phone_typed == NUMBER
        assert states(ada) == [QUEUED, QUEUED]
        assert actions(ada) == ["invited"]

    def test_it_is_recorded_without_the_values(
        self, change: Callable[..., bool], ada: Invitation
    ) -> None:
        change(ada, email=OTHER_EMAIL)
        line = activity.of(ada)[-1]
        assert (line.action, line.details) == (
            "contact changed",
            {"fields": ["email"], "code_changed": False},
        )

    def test_what_is_queued_for_the_old_contact_is_not_sent(
        self, change: Callable[..., bool], ada: Invitation, now: datetime
    ) -> None:
        change(ada, email=OTHER_EMAIL)
        assert states(ada) == [WITHDRAWN, QUEUED]
        assert [each.delivery.channel for each in claim(now)] == [Channel.SMS]

    def test_without_a_message_left_there_is_none_under_way(
        self, change: Callable[..., bool], ada: Invitation
    ) -> None:
        change(ada, email=None, phone=None)
        assert ada.sending == Sending.NONE

    @pytest.mark.parametrize("result", [ACCEPTED, UNKNOWN])
    @pytest.mark.parametrize("contact", [{"email": OTHER_EMAIL}, {"phone": None}])
    def test_whoever_may_have_got_the_old_code_cannot_use_it(
        self,
        change: Callable[..., bool],
        cast: Cast,
        keys: Keys,
        ada: Invitation,
        now: datetime,
        result: Result,
        contact: dict[str, str | None],
    ) -> None:
        old_code, old_link = code_of(ada, keys), keys.link_token(ada.link_id, 1)
        settle_all(result, now)
        assert change(ada, **contact)
        typed = (old_code, "Ada", "Fixture")
        assert joining.by_code(cast.northside, *typed, keys=keys, now=now) is None
        assert joining.by_link(old_link, keys=keys) is None
        typed = (code_of(ada, keys), "Ada", "Fixture")
        assert joining.by_code(cast.northside, *typed, keys=keys, now=now) is ada
        assert joining.by_link(keys.link_token(ada.link_id, 2), keys=keys) is ada

    def test_one_that_is_being_sent_may_arrive(
        self, change: Callable[..., bool], ada: Invitation, now: datetime
    ) -> None:
        claim(now)
        assert change(ada, email=OTHER_EMAIL)

    def test_one_of_an_earlier_send_counts_too(
        self, change: Callable[..., bool], cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        settle_all(ACCEPTED, later)
        resend(fresh(ada), cast, later)
        settle_all(REFUSED, later)
        assert change(ada, email=OTHER_EMAIL)

    @pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.SUPPRESSED])
    def test_where_the_old_message_failed_for_certain_the_code_stays(
        self,
        change: Callable[..., bool],
        keys: Keys,
        ada: Invitation,
        state: DeliveryState,
    ) -> None:
        before = (code_of(ada, keys), ada.link_version)
        db.session.execute(update(Delivery).values(state=state))
        assert not change(ada, email=OTHER_EMAIL, phone=None)
        assert (code_of(ada, keys), ada.link_version) == before

    def test_a_message_on_the_other_channel_changes_no_code(
        self, change: Callable[..., bool], ada: Invitation, now: datetime
    ) -> None:
        email, text = claim(now)
        settling.settle(email, REFUSED, now=now)
        settling.settle(text, ACCEPTED, now=now)
        assert not change(ada, email=OTHER_EMAIL)

    def test_a_contact_that_is_only_added_changes_no_code(
        self, change: Callable[..., bool], make: Make, now: datetime
    ) -> None:
        made = make(email=EMAIL)
        settle_all(ACCEPTED, now)
        assert not change(made, phone=NUMBER)

    def test_nor_is_one_that_comes_back(
        self, change: Callable[..., bool], ada: Invitation, now: datetime
    ) -> None:
        settle_all(ACCEPTED, now)
        assert change(ada, phone=None)
        assert not change(ada, phone=OTHER_NUMBER)

    def test_what_was_sent_with_the_old_code_amounts_to_nothing(
        self, change: Callable[..., bool], cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        email, _text = claim(now)
        settling.settle(email, ACCEPTED, now=now)
        change(ada, email=OTHER_EMAIL)
        found = fresh(ada)
        assert (found.generation, found.sending, found.resent_at) == (2, Sending.NONE, None)
        resend(found, cast, now + MOMENT, seen=2)
        assert fresh(ada).sending == Sending.UNDER_WAY

    def test_what_is_queued_by_another_way_is_not_sent_with_a_code_nobody_was_told_of(
        self, change: Callable[..., bool], ada: Invitation, now: datetime
    ) -> None:
        db.session.execute(
            update(Delivery)
            .where(Delivery.channel == Channel.EMAIL)
            .values(state=DeliveryState.SENT)
        )
        change(ada, email=OTHER_EMAIL)
        assert claim(now) == []

    def test_a_late_answer_about_the_old_code_changes_nothing(
        self, change: Callable[..., bool], ada: Invitation, now: datetime
    ) -> None:
        sent = claim(now)
        change(ada, email=OTHER_EMAIL)
        for each in sent:
            settling.settle(each, ACCEPTED, now=now)
        db.session.commit()
        assert fresh(ada).sending == Sending.NONE

    def test_a_code_that_never_was_sent_stays(
        self, change: Callable[..., bool], cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        settle_all(ACCEPTED, later)
        assert change(ada, email=OTHER_EMAIL)
        assert not change(ada, email=EMAIL)
        resend(fresh(ada), cast, later, seen=2)
        settle_all(ACCEPTED, later)
        assert change(ada, email=OTHER_EMAIL)

    def test_what_someone_else_put_right_meanwhile_is_not_undone(
        self, app: Flask, change: Callable[..., bool], ada: Invitation
    ) -> None:
        shown = (ada.email, ada.phone)
        at_once(app, lambda: change(mine(ada), email=OTHER_EMAIL))
        with pytest.raises(Overtaken):
            change(ada, phone=OTHER_NUMBER, seen=1, shown=shown)
        found = fresh(ada)
        assert (found.email, found.phone) == (OTHER_EMAIL, shown[1])

    def test_nor_is_it_where_it_was_sent_again(
        self, change: Callable[..., bool], cast: Cast, ada: Invitation, later: datetime
    ) -> None:
        shown = (ada.email, ada.phone)
        resend(ada, cast, later)
        with pytest.raises(Overtaken):
            change(ada, email=OTHER_EMAIL, seen=1, shown=shown)

    def test_of_two_at_once_who_change_it_one_is_told(
        self, app: Flask, change: Callable[..., bool], ada: Invitation
    ) -> None:
        emails = [f"{letter}@example.org" for letter in "abcdefgh"]
        shown = (ada.email, ada.phone)

        def put_right(email: str) -> object:
            return outcome(lambda: change(mine(ada), email=email, shown=shown))

        answers = at_once(app, *[lambda e=e: put_right(e) for e in emails])
        assert sorted(answers, key=str) == [Overtaken] * 7 + [False]

    def test_what_is_so_already_is_no_change(
        self, change: Callable[..., bool], ada: Invitation
    ) -> None:
        change(ada, email=OTHER_EMAIL)
        assert not change(ada, email=OTHER_EMAIL, shown=(EMAIL, ada.phone))

    def test_a_code_that_changed_is_not_given_yet(
        self, change: Callable[..., bool], cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        settle_all(ACCEPTED, now)
        given = {"how": GivenHow.ON_PAPER, "to": GivenTo.PATIENT}
        invitations.give_code(ada, **given, by=cast.ana, now=now)
        change(ada, email=OTHER_EMAIL)
        assert fresh(ada).code_given_at is None

    def test_a_code_that_is_taken_is_drawn_again(
        self,
        change: Callable[..., bool],
        keys: Keys,
        make: Make,
        ada: Invitation,
        now: datetime,
    ) -> None:
        taken = code_of(make("Ben Sample"), keys)
        free = f"{(int(taken) + 1) % 1_000_000:06}"
        settle_all(ACCEPTED, now)
        assert change(ada, email=OTHER_EMAIL, new_code=iter([taken, taken, free]).__next__)
        assert code_of(fresh(ada), keys) == free

    def test_a_clinic_without_free_codes_is_told_and_nothing_changed(
        self,
        change: Callable[..., bool],
        keys: Keys,
        make: Make,
        ada: Invitation,
        now: datetime,
    ) -> None:
        taken = code_of(make("Ben Sample"), keys)
        settle_all(ACCEPTED, now)
        with pytest.raises(OutOfCodes):
            change(ada, email=OTHER_EMAIL, new_code=lambda: taken)
        assert fresh(ada).email == EMAIL

    def test_a_message_refused_for_now_is_not_tried_at_the_new_contact(
        self, change: Callable[..., bool], ada: Invitation, now: datetime
    ) -> None:
        email, text = claim(now)
        change(ada, email=OTHER_EMAIL)
        for each in (email, text):
            settling.settle(each, BUSY, now=now)
        assert states(ada) == [WITHDRAWN, WITHDRAWN]

    def test_fixed_and_resent_in_one_go(
        self, cast: Cast, keys: Keys, ada: Invitation, now: datetime
    ) -> None:
        settle_all(REFUSED, now)
        invitations.change_contact(
            ada, email=OTHER_EMAIL, phone=None, by=cast.ana, keys=keys, now=now
        )
        resend(ada, cast, now)
        (claimed,) = claim(now)
        assert claimed.sent_to == OTHER_EMAIL
        assert actions(ada)[-2:] == ["contact changed", "resent"]

    @pytest.mark.parametrize(("how", "status"), CLOSED)
    def test_a_closed_one_is_refused(
        self,
        app: Flask,
        change: Callable[..., bool],
        ada: Invitation,
        now: datetime,
        how: str,
        status: Status,
    ) -> None:
        def close() -> None:
            db.session.execute(update(Invitation).values({how: now}))
            db.session.commit()

        at_once(app, close)
        with pytest.raises(Closed) as refused:
            change(ada, email=OTHER_EMAIL)
        assert refused.value.status == status
        assert fresh(ada).email == EMAIL

    def test_becoming_someone_who_is_invited_already_is_refused(
        self, change: Callable[..., bool], make: Make, ada: Invitation
    ) -> None:
        other = make(email=OTHER_EMAIL)
        with pytest.raises(InvitedAnew) as refused:
            change(ada, email=OTHER_EMAIL)
        assert refused.value.known is other
        assert (fresh(ada).email, states(ada)) == (EMAIL, [QUEUED, QUEUED])

    def test_becoming_a_patient_is_refused(
        self, change: Callable[..., bool], make: Make, ada: Invitation, now: datetime
    ) -> None:
        patient = accept(make(email=OTHER_EMAIL), now)
        with pytest.raises(InvitedAnew) as refused:
            change(ada, email=OTHER_EMAIL)
        assert refused.value.known is patient

    def test_a_family_may_share_a_contact(
        self, change: Callable[..., bool], make: Make, ada: Invitation
    ) -> None:
        make("Ben Fixture", email=OTHER_EMAIL)
        change(ada, email=OTHER_EMAIL)
        assert fresh(ada).email == OTHER_EMAIL

    def test_two_who_become_the_same_at_once_are_not_both(
        self, app: Flask, cast: Cast, keys: Keys, make: Make, now: datetime
    ) -> None:
        made = [make(email=f"{letter}@example.org") for letter in "abcdefgh"]

        def become(invitation: Invitation) -> object:
            new = {"email": OTHER_EMAIL, "phone": None, "by": cast.ana}
            return invitations.change_contact(mine(invitation), **new, keys=keys, now=now)  # type: ignore[arg-type]

        answers = at_once(app, *[lambda e=e: outcome(lambda: become(e)) for e in made])
        assert sorted(answers, key=str) == [InvitedAnew] * 7 + [False]
        assert [fresh(each).email for each in made].count(OTHER_EMAIL) == 1

    def test_against_claiming_at_once_what_left_costs_the_code(
        self, app: Flask, cast: Cast, keys: Keys, make: Make, now: datetime
    ) -> None:
        made = [make(f"Person {letter}", email=EMAIL) for letter in "abcdefgh"]

        def change(invitation: Invitation) -> object:
            new = {"email": OTHER_EMAIL, "phone": None, "by": cast.ana}
            return invitations.change_contact(mine(invitation), **new, keys=keys, now=now)  # type: ignore[arg-type]

        jobs = [lambda e=e: outcome(lambda: change(e)) for e in made]
        code_changed, _ = (answers := at_once(app, *jobs, lambda: claim(now)))[:8], answers[8]
        left = [states(each) == [DeliveryState.SENDING] for each in made]
        assert code_changed == left


class TestChangeProvider:
    def test_the_patient_joins_the_new_provider(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        invitations.change_provider(ada, cast.tallgrass, by=cast.ana, now=now)
        db.session.commit()
        assert ada.provider.name == "Dr. Jon Tallgrass"
        assert accept(ada, now).provider_id == cast.tallgrass.id
        assert actions(ada) == ["invited", "provider changed", "accepted"]

    def test_also_where_the_page_was_opened_before(
        self, app: Flask, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        def change() -> None:
            invitations.change_provider(mine(ada), cast.tallgrass, by=cast.ana, now=now)
            db.session.commit()

        at_once(app, change)
        assert accept(ada, now).provider_id == cast.tallgrass.id

    def test_the_same_provider_changes_nothing(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        invitations.change_provider(ada, cast.osei, by=cast.ana, now=now)
        assert actions(ada) == ["invited"]

    def test_once_accepted_it_is_refused(
        self, app: Flask, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        at_once(app, lambda: accept(mine(ada), now))
        with pytest.raises(Closed):
            invitations.change_provider(ada, cast.tallgrass, by=cast.ana, now=now)
        assert fresh(ada).provider_id == cast.osei.id


class TestCode:
    def test_a_code_that_was_handed_over_is_noted(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        given = {"how": GivenHow.BY_PHONE, "to": GivenTo.RELATIVE}
        invitations.give_code(ada, **given, by=cast.ana, now=now)
        line = activity.of(ada)[-1]
        assert ada.code_given_at == now
        assert (line.action, line.details) == ("code given", {"how": "by phone", "to": "relative"})

    def test_a_closed_invitations_code_is_not_handed_over(
        self, app: Flask, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        at_once(app, lambda: remove(mine(ada), cast, now))
        with pytest.raises(Closed):
            invitations.give_code(
                ada, how=GivenHow.ON_PAPER, to=GivenTo.PATIENT, by=cast.ana, now=now
            )
        assert actions(ada) == ["invited", "removed"]

    def test_who_looked_at_a_code_is_kept(self, cast: Cast, ada: Invitation, now: datetime) -> None:
        invitations.show_code(ada, by=cast.tallgrass, now=now)
        line = activity.of(ada)[-1]
        assert (line.action, line.by, line.at) == ("code shown", "Dr. Jon Tallgrass", now)


class TestActivity:
    def test_the_newest_line_is_last_with_who_did_it(
        self, cast: Cast, ada: Invitation, now: datetime
    ) -> None:
        settle_all(REFUSED, now + MOMENT)
        remove(ada, cast, now + timedelta(hours=1))
        lines = activity.of(ada)
        assert [(each.action.value, each.by) for each in lines] == [
            ("invited", "Ana Moreau"),
            ("sending failed", None),
            ("sending failed", None),
            ("removed", "Ana Moreau"),
        ]

    def test_a_patient_has_no_name_there(self, ada: Invitation, now: datetime) -> None:
        accept(ada, now)
        assert activity.of(ada)[-1].by is None

    def test_another_invitations_lines_are_not_among_them(
        self, make: Make, ada: Invitation
    ) -> None:
        make("Ben Sample")
        assert actions(ada) == ["invited"]
