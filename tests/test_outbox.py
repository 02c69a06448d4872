"""The journal: nothing is called twice by itself, nothing is lost, every doubt is shown."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from inviter import doubt, inviting, outbox, settling
from inviter.activity import Action
from inviter.claiming import LEASE, Claimed
from inviter.db import db
from inviter.keys import Keys
from inviter.models import (
    Activity,
    Answer,
    Attempt,
    Channel,
    Clinic,
    Delivery,
    Invitation,
    Kind,
    User,
)
from inviter.settling import FIRST_WAIT, LONGEST_WAIT, MOST_ATTEMPTS, Result
from inviter.status import DeliveryState, Sending
from tests import factories
from tests.at_once import at_once
from tests.factories import Cast, account, invite, is_waiting, recipient

pytestmark = pytest.mark.usefixtures("context")

MOMENT = timedelta(microseconds=1)
LAPSED = LEASE + MOMENT
ACCEPTED = Result(Answer.ACCEPTED, reference="theirs")
REFUSED = Result(Answer.REFUSED, "refused")
BUSY = Result(Answer.REFUSED, "busy", again=True)
UNKNOWN = Result(Answer.UNKNOWN, "no-answer")

InviteMany = Callable[..., list[Invitation]]


@pytest.fixture
def invite_many(cast: Cast, keys: Keys, now: datetime) -> InviteMany:
    """With one press of the button, by email, and by text too with `texts`."""

    def made(
        count: int,
        *,
        clinic: Clinic = cast.northside,
        provider: User = cast.osei,
        texts: bool = False,
    ) -> list[Invitation]:
        names = [f"Person {chr(97 + place // 26)}{chr(97 + place % 26)}" for place in range(count)]
        confirmation = inviting.invite(
            clinic,
            [
                recipient(
                    name,
                    email=f"p{place}@example.org",
                    phone=f"306 555 {place:04}" if texts else None,
                )
                for place, name in enumerate(names)
            ],
            provider=provider,
            by=cast.ana,
            key=clinic.slug,
            keys=keys,
            sms=True,
            now=now,
        )
        db.session.commit()
        ids = [each for _fate, each in confirmation.outcome]
        found = db.session.scalars(select(Invitation).where(Invitation.id.in_(ids))).all()
        db.session.commit()
        return list(found)

    return made


@pytest.fixture
def invitation(cast: Cast, keys: Keys, now: datetime) -> Invitation:
    """One email is queued."""
    who = recipient("Ada Fixture", email="ada@example.org")
    return invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)


@pytest.fixture
def by_both(cast: Cast, keys: Keys, now: datetime) -> Invitation:
    """An email and a text are queued."""
    who = recipient("Ada Fixture", email="ada@example.org", phone="306 555 0142")
    return invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)


def claim(now: datetime, limit: int = 100) -> list[Claimed]:
    claimed = factories.claim(limit, now=now)
    db.session.commit()
    return claimed


def claim_one(now: datetime) -> Claimed:
    (claimed,) = claim(now)
    return claimed


def settle(claimed: Claimed, result: Result, now: datetime) -> bool:
    was_ours = settling.settle(claimed, result, now=now)
    db.session.commit()
    return was_ours


def sweep(now: datetime) -> int:
    lapsed = doubt.of_lapsed(now=now)
    db.session.commit()
    return lapsed


def delivery(claimed: Claimed) -> Delivery:
    """As it stands in the database."""
    key = (claimed.delivery.clinic_id, claimed.delivery.id)
    found = db.session.get(Delivery, key, populate_existing=True)
    assert found is not None
    db.session.commit()
    return found


def state(claimed: Claimed) -> DeliveryState:
    return delivery(claimed).state


def sending(invitation: Invitation) -> Sending:
    db.session.refresh(invitation)
    db.session.commit()
    return invitation.sending


def attempts() -> Sequence[Attempt]:
    found = db.session.scalars(
        select(Attempt).order_by(Attempt.started_at).execution_options(populate_existing=True)
    ).all()
    db.session.commit()
    return found


def lines(invitation: Invitation) -> list[str]:
    """What the activity of an invitation says, oldest first."""
    found = db.session.scalars(
        select(Activity.action)
        .where(Activity.invitation_id == invitation.id)
        .order_by(Activity.at, Activity.id)
    ).all()
    db.session.commit()
    return list(found)


class TestPut:
    def test_each_channel_gets_a_message_and_the_invitation_is_under_way(
        self, by_both: Invitation, now: datetime
    ) -> None:
        claimed = claim(now)
        assert {each.delivery.channel for each in claimed} == {Channel.EMAIL, Channel.SMS}
        assert sending(by_both) == Sending.UNDER_WAY

    def test_without_a_channel_nothing_is_queued(
        self, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        made = invite(
            cast.northside, recipient(), provider=cast.osei, by=cast.ana, keys=keys, now=now
        )
        assert sending(made) == Sending.NONE
        assert not is_waiting(now)

    def test_three_of_another_clinic_come_between_a_hundred_of_one(
        self, invite_many: InviteMany, cast: Cast, now: datetime
    ) -> None:
        invite_many(100)
        few = invite_many(3, clinic=cast.lakeview, provider=cast.tallgrass)
        first = {each.delivery.invitation_id for each in claim(now, limit=8)}
        assert {each.id for each in few} <= first
        assert len(first) == 8

    def test_those_of_one_press_leave_in_the_order_typed(
        self, invite_many: InviteMany, now: datetime
    ) -> None:
        invite_many(5)
        emails = [each.delivery.invitation.email for each in claim(now) if each.delivery.invitation]
        assert emails == [f"p{place}@example.org" for place in range(5)]


class TestClaim:
    def test_what_is_claimed_is_ours_with_an_attempt_for_each(
        self, by_both: Invitation, now: datetime
    ) -> None:
        claimed = claim(now)
        assert {state(each) for each in claimed} == {DeliveryState.SENDING}
        assert {each.id for each in attempts()} == {each.attempt_id for each in claimed}
        assert {each.ended_at for each in attempts()} == {None}

    def test_a_crash_before_the_commit_leaves_it_queued(
        self, invitation: Invitation, now: datetime
    ) -> None:
        assert factories.claim(1, now=now)
        db.session.rollback()
        assert not attempts()
        assert claim_one(now)

    def test_what_is_claimed_is_not_claimed_again(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claim_one(now)
        assert claim(now) == []
        assert claim(now + timedelta(days=365)) == []

    def test_no_more_are_taken_than_can_be_sent_at_once(
        self, invite_many: InviteMany, now: datetime
    ) -> None:
        invite_many(5)
        assert [len(claim(now, limit=2)) for _ in range(4)] == [2, 2, 1, 0]

    def test_several_claimers_never_get_the_same(
        self, app: Flask, invite_many: InviteMany, now: datetime
    ) -> None:
        invite_many(40, texts=True)

        def take_all() -> list[int]:
            return [each.delivery.id for _ in range(40) for each in claim(now, limit=3)]

        taken = [each for some in at_once(app, *[take_all] * 4) for each in some]
        assert len(taken) == len(set(taken)) == 80
        assert len(attempts()) == 80

    def test_a_claimer_passes_over_what_another_is_taking(
        self, app: Flask, invite_many: InviteMany, now: datetime
    ) -> None:
        if db.engine.dialect.name == "sqlite":
            pytest.skip("SQLite has one writer: the other waits")
        invite_many(3)

        def claim_without_waiting() -> list[Claimed]:
            db.session.execute(text("SET LOCAL lock_timeout = '1s'"))
            return claim(now)

        first = factories.claim(2, now=now)
        (rest,) = at_once(app, claim_without_waiting)
        assert (len(first), len(rest)) == (2, 1)

    def test_a_message_can_be_written_from_it_without_the_database(
        self, by_both: Invitation, now: datetime
    ) -> None:
        claimed = claim(now)
        db.session.expunge_all()
        for each in claimed:
            assert each.delivery.invitation is not None
            assert each.delivery.invitation.clinic.name == "Northside Family Clinic"
            assert each.delivery.invitation.provider.name == "Dr. Amira Osei"


class TestSettle:
    def test_what_was_accepted_is_sent(self, invitation: Invitation, now: datetime) -> None:
        claimed = claim_one(now)
        assert settle(claimed, ACCEPTED, now)
        assert state(claimed) == DeliveryState.SENT
        assert sending(invitation) == Sending.SENT
        assert lines(invitation) == ["invited", "sent"]

    def test_the_attempt_tells_how_it_ended(self, invitation: Invitation, now: datetime) -> None:
        settle(claim_one(now), ACCEPTED, now + LEASE)
        (attempt,) = attempts()
        assert (attempt.answer, attempt.provider_reference) == (Answer.ACCEPTED, "theirs")
        assert attempt.ended_at == now + LEASE

    def test_what_was_refused_for_good_has_failed(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claimed = claim_one(now)
        settle(claimed, REFUSED, now)
        assert (state(claimed), delivery(claimed).reason) == (DeliveryState.FAILED, "refused")
        assert sending(invitation) == Sending.FAILED
        assert lines(invitation) == ["invited", "sending failed"]
        assert claim(now + timedelta(days=365)) == []

    def test_what_was_refused_for_now_is_queued_again(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claimed = claim_one(now)
        settle(claimed, BUSY, now)
        assert state(claimed) == DeliveryState.QUEUED
        assert sending(invitation) == Sending.UNDER_WAY
        assert lines(invitation) == ["invited"]

    def test_it_comes_back_exactly_when_the_provider_said(
        self, invitation: Invitation, now: datetime
    ) -> None:
        settle(claim_one(now), replace(BUSY, wait=timedelta(seconds=7)), now)
        assert claim(now + timedelta(seconds=7) - MOMENT) == []
        assert not is_waiting(now + timedelta(seconds=7) - MOMENT)
        assert is_waiting(now + timedelta(seconds=7))
        assert claim_one(now + timedelta(seconds=7))

    def test_each_wait_is_twice_as_long_and_after_the_last_it_has_failed(
        self, invitation: Invitation, now: datetime
    ) -> None:
        for number in range(1, MOST_ATTEMPTS):
            claimed = claim_one(now)
            settle(claimed, BUSY, now)
            comes_back = delivery(claimed).not_before
            usual = min(FIRST_WAIT * 2 ** (number - 1), LONGEST_WAIT)
            assert comes_back is not None
            assert 0.75 * usual <= comes_back - now <= 1.25 * usual
            now = comes_back
        claimed = claim_one(now)
        settle(claimed, BUSY, now)
        assert (state(claimed), delivery(claimed).reason) == (DeliveryState.FAILED, "busy")
        assert claim(now + timedelta(days=365)) == []
        assert len(attempts()) == MOST_ATTEMPTS

    def test_an_end_that_nobody_saw_is_in_doubt(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claimed = claim_one(now)
        settle(claimed, UNKNOWN, now)
        assert state(claimed) == DeliveryState.IN_DOUBT
        assert (sending(invitation), invitation.doubt_since) == (Sending.IN_DOUBT, now)
        assert lines(invitation) == ["invited", "sending in doubt"]

    def test_what_is_in_doubt_is_never_sent_again_by_itself(
        self, invitation: Invitation, now: datetime
    ) -> None:
        settle(claim_one(now), UNKNOWN, now)
        for later in (timedelta(0), LAPSED, timedelta(days=999)):
            assert not is_waiting(now + later)
            assert sweep(now + later) == 0
            assert claim(now + later) == []

    def test_under_another_claim_nothing_is_settled(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claimed = claim_one(now)
        for result in (ACCEPTED, REFUSED, BUSY, UNKNOWN):
            assert not settle(replace(claimed, claim="another"), result, now)
        assert state(claimed) == DeliveryState.SENDING
        assert sending(invitation) == Sending.UNDER_WAY
        assert lines(invitation) == ["invited"]

    @pytest.mark.parametrize("first", [ACCEPTED, REFUSED, BUSY])
    def test_what_is_settled_stays_settled(
        self, invitation: Invitation, now: datetime, first: Result
    ) -> None:
        claimed = claim_one(now)
        settle(claimed, first, now)
        before = state(claimed)
        for result in (ACCEPTED, REFUSED, BUSY, UNKNOWN):
            assert not settle(claimed, result, now)
        assert state(claimed) == before

    def test_a_result_written_twice_is_told_once(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claimed = claim_one(now)
        settle(claimed, UNKNOWN, now)
        assert not settle(claimed, UNKNOWN, now + LEASE)
        assert sending(invitation) == Sending.IN_DOUBT
        assert invitation.doubt_since == now
        assert lines(invitation) == ["invited", "sending in doubt"]

    def test_one_channel_that_arrives_is_enough(self, by_both: Invitation, now: datetime) -> None:
        email, text = claim(now)
        settle(email, REFUSED, now)
        assert sending(by_both) == Sending.UNDER_WAY
        settle(text, ACCEPTED, now)
        assert sending(by_both) == Sending.SENT
        assert lines(by_both) == ["invited", "sending failed", "sent"]

    def test_when_both_channels_fail_the_invitation_has_failed(
        self, by_both: Invitation, now: datetime
    ) -> None:
        for claimed in claim(now):
            settle(claimed, REFUSED, now)
        assert sending(by_both) == Sending.FAILED

    def test_the_line_names_the_channel_and_the_reason(
        self, invitation: Invitation, now: datetime
    ) -> None:
        settle(claim_one(now), REFUSED, now)
        details = db.session.scalars(select(Activity.details).order_by(Activity.id)).all()
        assert details[-1] == {"channel": "email", "reason": "refused"}

    def test_an_earlier_send_says_nothing_about_the_current_one(
        self, invitation: Invitation, now: datetime
    ) -> None:
        earlier = claim_one(now)
        invitation.generation = 2
        outbox.put(invitation, [Channel.EMAIL], place=0, now=now)
        db.session.commit()
        settle(claim_one(now), REFUSED, now)
        settle(earlier, ACCEPTED, now)
        assert sending(invitation) == Sending.FAILED

    def test_two_channels_settled_at_once_both_count(
        self, app: Flask, invite_many: InviteMany, now: datetime
    ) -> None:
        made = invite_many(8, texts=True)
        claimed = claim(now)
        assert len(claimed) == 16
        at_once(app, *[lambda each=each: settle(each, REFUSED, now) for each in claimed])
        assert [sending(each) for each in made] == [Sending.FAILED] * 8

    @pytest.mark.parametrize(
        ("change", "because"),
        [
            ({"removed_at": datetime(2026, 5, 12, tzinfo=UTC)}, Action.REMOVED),
            ({"accepted_at": datetime(2026, 5, 12, tzinfo=UTC)}, Action.ACCEPTED),
            ({"generation": 2}, Action.RESENT),
            ({"email": "another@example.org"}, Action.CONTACT_CHANGED),
            ({"email": None}, Action.CONTACT_CHANGED),
        ],
    )
    def test_what_was_overtaken_is_not_tried_again(
        self, invitation: Invitation, now: datetime, change: dict[str, object], because: Action
    ) -> None:
        claimed = claim_one(now)
        db.session.execute(update(Invitation).values(change))
        settle(claimed, BUSY, now)
        assert (state(claimed), delivery(claimed).reason) == (DeliveryState.WITHDRAWN, because)
        assert claim(now + timedelta(days=365)) == []

    def test_another_phone_keeps_no_email_from_being_tried_again(
        self, by_both: Invitation, now: datetime
    ) -> None:
        email, text = claim(now)
        db.session.execute(update(Invitation).values(phone=None, can_text=False))
        settle(email, BUSY, now)
        settle(text, BUSY, now)
        assert (state(email), state(text)) == (DeliveryState.QUEUED, DeliveryState.WITHDRAWN)

    @pytest.mark.parametrize(
        ("result", "then"),
        [
            (ACCEPTED, DeliveryState.SENT),
            (REFUSED, DeliveryState.FAILED),
            (UNKNOWN, DeliveryState.IN_DOUBT),
        ],
    )
    def test_any_other_end_is_told_of_a_removed_one_too(
        self, invitation: Invitation, now: datetime, result: Result, then: DeliveryState
    ) -> None:
        claimed = claim_one(now)
        db.session.execute(update(Invitation).values(removed_at=now))
        settle(claimed, result, now)
        assert state(claimed) == then

    def test_the_last_refusal_of_a_removed_one_is_a_failure(
        self, invitation: Invitation, now: datetime
    ) -> None:
        db.session.execute(update(Delivery).values(attempts=MOST_ATTEMPTS - 1))
        claimed = claim_one(now)
        db.session.execute(update(Invitation).values(removed_at=now))
        settle(claimed, BUSY, now)
        assert state(claimed) == DeliveryState.FAILED

    def test_what_was_withdrawn_leaves_no_line(self, invitation: Invitation, now: datetime) -> None:
        claimed = claim_one(now)
        db.session.execute(update(Invitation).values(removed_at=now))
        settle(claimed, BUSY, now)
        assert lines(invitation) == ["invited"]
        assert sending(invitation) == Sending.NONE


class TestWithdraw:
    def withdraw(self, invitation: Invitation, *channels: Channel, because: Action) -> None:
        outbox.withdraw(invitation, channels or Channel, because=because)
        db.session.commit()

    def test_what_is_queued_is_never_claimed(self, by_both: Invitation, now: datetime) -> None:
        self.withdraw(by_both, because=Action.REMOVED)
        assert claim(now + timedelta(days=365)) == []
        assert sending(by_both) == Sending.NONE

    def test_what_waits_for_its_next_try_is_queued_too(
        self, invitation: Invitation, now: datetime
    ) -> None:
        settle(claim_one(now), BUSY, now)
        self.withdraw(invitation, because=Action.REMOVED)
        assert not is_waiting(now + timedelta(days=365))

    def test_the_other_channel_is_left(self, by_both: Invitation, now: datetime) -> None:
        self.withdraw(by_both, Channel.EMAIL, because=Action.CONTACT_CHANGED)
        assert claim_one(now).delivery.channel == Channel.SMS
        assert sending(by_both) == Sending.UNDER_WAY

    def test_another_invitation_is_left(self, invite_many: InviteMany, now: datetime) -> None:
        first, second = invite_many(2)
        self.withdraw(first, because=Action.REMOVED)
        assert claim_one(now).delivery.invitation_id == second.id

    def test_what_is_claimed_stays_claimed(self, invitation: Invitation, now: datetime) -> None:
        claimed = claim_one(now)
        self.withdraw(invitation, because=Action.REMOVED)
        assert settle(claimed, ACCEPTED, now)
        assert state(claimed) == DeliveryState.SENT

    def test_who_withdraws_waits_for_a_claim_and_finds_it_taken(
        self, app: Flask, invitation: Invitation, now: datetime
    ) -> None:
        if db.engine.dialect.name == "sqlite":
            pytest.skip("SQLite has one writer")
        held = factories.claim(1, now=now)
        with ThreadPoolExecutor(1) as pool:
            withdrawing = pool.submit(at_once, app, lambda: self.withdraw_anew(invitation))
            time.sleep(0.3)
            assert not withdrawing.done()
            db.session.commit()
            withdrawing.result()
        assert state(held[0]) == DeliveryState.SENDING

    def withdraw_anew(self, invitation: Invitation) -> None:
        self.withdraw(invitation, because=Action.REMOVED)

    def test_a_claimer_passes_over_what_is_being_withdrawn(
        self, app: Flask, invitation: Invitation, now: datetime
    ) -> None:
        if db.engine.dialect.name == "sqlite":
            pytest.skip("SQLite has one writer")
        outbox.withdraw(invitation, because=Action.REMOVED)
        (taken,) = at_once(app, lambda: claim(now))
        db.session.commit()
        assert taken == []

    def test_only_what_the_removal_withdrew_is_queued_again(
        self, by_both: Invitation, now: datetime
    ) -> None:
        self.withdraw(by_both, Channel.EMAIL, because=Action.CONTACT_CHANGED)
        self.withdraw(by_both, because=Action.REMOVED)
        outbox.requeue(by_both)
        assert claim_one(now).delivery.channel == Channel.SMS
        assert sending(by_both) == Sending.UNDER_WAY

    def test_nothing_of_an_earlier_send_is_queued_again(
        self, invitation: Invitation, now: datetime
    ) -> None:
        self.withdraw(invitation, because=Action.REMOVED)
        invitation.generation = 2
        outbox.requeue(invitation)
        assert claim(now) == []


class TestDoubtLapsed:
    def test_nothing_is_doubted_while_its_lease_lasts(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claimed = claim_one(now)
        assert not is_waiting(now + LEASE)
        assert sweep(now + LEASE) == 0
        assert state(claimed) == DeliveryState.SENDING

    def test_a_crash_after_the_commit_leaves_it_in_doubt_since_its_lease_ended(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claimed = claim_one(now)
        assert is_waiting(now + LAPSED)
        assert sweep(now + timedelta(hours=1)) == 1
        assert state(claimed) == DeliveryState.IN_DOUBT
        assert (sending(invitation), invitation.doubt_since) == (Sending.IN_DOUBT, now + LEASE)
        assert lines(invitation) == ["invited", "sending in doubt"]

    def test_it_is_doubted_once(self, invitation: Invitation, now: datetime) -> None:
        claim_one(now)
        assert [sweep(now + LAPSED), sweep(now + LAPSED)] == [1, 0]
        assert lines(invitation) == ["invited", "sending in doubt"]

    def test_what_is_doubted_is_never_sent_again_by_itself(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claim_one(now)
        sweep(now + LAPSED)
        assert claim(now + timedelta(days=999)) == []
        assert not is_waiting(now + timedelta(days=999))

    def test_one_channel_in_doubt_and_one_that_left_is_no_doubt(
        self, by_both: Invitation, now: datetime
    ) -> None:
        _lost, text = claim(now)
        settle(text, ACCEPTED, now)
        sweep(now + LAPSED)
        assert sending(by_both) == Sending.SENT

    def test_who_finishes_late_turns_doubt_into_certainty(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claimed = claim_one(now)
        sweep(now + LAPSED)
        assert settle(claimed, ACCEPTED, now + timedelta(hours=1))
        assert state(claimed) == DeliveryState.SENT
        assert (sending(invitation), invitation.doubt_since) == (Sending.SENT, None)
        assert lines(invitation) == ["invited", "sending in doubt", "sent"]

    def test_who_finishes_late_without_an_answer_adds_nothing(
        self, invitation: Invitation, now: datetime
    ) -> None:
        claimed = claim_one(now)
        sweep(now + LAPSED)
        assert not settle(claimed, UNKNOWN, now + timedelta(hours=1))
        assert sending(invitation) == Sending.IN_DOUBT
        assert invitation.doubt_since == now + LEASE
        assert lines(invitation) == ["invited", "sending in doubt"]

    def test_sweepers_and_those_who_settle_do_not_wait_for_each_other_in_circles(
        self, app: Flask, invite_many: InviteMany, now: datetime
    ) -> None:
        made = invite_many(8, texts=True)
        claimed = claim(now)
        late = now + LAPSED
        sweepers = [lambda: sweep(late)] * 4
        settlers = [lambda each=each: settle(each, ACCEPTED, late) for each in claimed]
        at_once(app, *sweepers, *settlers)
        assert {state(each) for each in claimed} == {DeliveryState.SENT}
        assert [sending(each) for each in made] == [Sending.SENT] * 8

    def test_several_sweepers_doubt_each_once(
        self, app: Flask, invite_many: InviteMany, now: datetime
    ) -> None:
        made = invite_many(8)
        claim(now)
        assert sum(at_once(app, *[lambda: sweep(now + LAPSED)] * 4)) == 8
        assert {tuple(lines(each)) for each in made} == {("invited", "sending in doubt")}


class TestAccountMail:
    @pytest.fixture
    def user(self, cast: Cast, now: datetime) -> User:
        outbox.put_account_mail(cast.ana, Kind.PASSWORD_RESET, now=now)
        db.session.commit()
        return cast.ana

    def test_it_goes_to_the_person_by_email(self, user: User, now: datetime) -> None:
        claimed = claim_one(now)
        db.session.expunge_all()
        assert claimed.delivery.user is not None
        assert claimed.delivery.user.email == user.email
        assert claimed.delivery.channel == Channel.EMAIL

    def test_who_has_no_email_gets_a_text(self, cast: Cast, now: datetime) -> None:
        outbox.put_account_mail(account(phone="+13065550142"), Kind.PASSWORD_RESET, now=now)
        assert claim_one(now).delivery.channel == Channel.SMS

    @pytest.mark.parametrize(
        ("result", "then"),
        [
            (ACCEPTED, DeliveryState.SENT),
            (REFUSED, DeliveryState.FAILED),
            (BUSY, DeliveryState.QUEUED),
            (UNKNOWN, DeliveryState.IN_DOUBT),
        ],
    )
    def test_it_is_settled_like_any_other(
        self, user: User, now: datetime, result: Result, then: DeliveryState
    ) -> None:
        claimed = claim_one(now)
        assert settle(claimed, result, now)
        assert state(claimed) == then

    def test_its_crash_is_doubted_too(self, user: User, now: datetime) -> None:
        claimed = claim_one(now)
        assert sweep(now + LAPSED) == 1
        assert state(claimed) == DeliveryState.IN_DOUBT
        assert claim(now + timedelta(days=999)) == []

    def test_it_leaves_no_line_at_any_clinic(self, user: User, now: datetime) -> None:
        settle(claim_one(now), ACCEPTED, now)
        assert db.session.scalars(select(Activity)).all() == []

    def test_the_same_may_be_asked_for_twice(self, user: User, now: datetime) -> None:
        outbox.put_account_mail(user, Kind.PASSWORD_RESET, now=now)
        assert len(claim(now)) == 2


def test_the_clock_of_a_lease_is_the_claimers(invitation: Invitation, now: datetime) -> None:
    claimed = claim_one(now)
    db.session.execute(update(Delivery).values(queued_at=now - timedelta(days=30)))
    db.session.commit()
    assert delivery(claimed).leased_until == now + LEASE
    assert sweep(now + LEASE) == 0
