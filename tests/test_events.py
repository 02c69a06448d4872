"""Providers' events: taken once, in any order, whatever else goes on."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from inviter import (
    activity,
    doubt,
    events,
    invitations,
    inviting,
    joining,
    opt_outs,
    outbox,
    settling,
)
from inviter.activity import Action
from inviter.claiming import LEASE, Claimed
from inviter.db import db
from inviter.events import Event
from inviter.keys import Keys
from inviter.models import (
    Activity,
    Answer,
    Channel,
    Delivery,
    How,
    Invitation,
    Kind,
    OptOut,
    ProviderEvent,
)
from inviter.reports import OPTED_OUT, Report
from inviter.settling import Result
from inviter.status import DeliveryState, Sending
from tests import factories
from tests.at_once import at_once
from tests.conftest import SECRET
from tests.factories import Cast, account, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

ACCEPTED = Result(Answer.ACCEPTED, reference="theirs")
REFUSED = Result(Answer.REFUSED, "refused")
BUSY = Result(Answer.REFUSED, "busy", again=True)
UNKNOWN = Result(Answer.UNKNOWN, "no-answer")
UNWANTED = Result(Answer.REFUSED, OPTED_OUT)

KEYS = Keys(SECRET)
EMAIL, NUMBER = "ada@example.org", "+13065550142"
SECOND = timedelta(seconds=1)
OUTCOMES = (
    (Report.TAKEN, DeliveryState.SENT),
    (Report.DELIVERED, DeliveryState.DELIVERED),
    (Report.BOUNCED, DeliveryState.FAILED),
)


@pytest.fixture
def ada(cast: Cast, keys: Keys, now: datetime) -> Invitation:
    """An email is queued."""
    who = recipient("Ada Fixture", email=EMAIL)
    return invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)


@pytest.fixture
def by_both(cast: Cast, keys: Keys, now: datetime) -> Invitation:
    """An email and a text are queued."""
    who = recipient("Ada Fixture", email=EMAIL, phone="306 555 0142")
    return invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)


Many = Callable[[int], list[Claimed]]


@pytest.fixture
def many(cast: Cast, keys: Keys, now: datetime) -> Many:
    """That many messages, sent as far as we know."""

    def made(count: int) -> list[Claimed]:
        letters = "abcdefghijklmnopqrstuvwxyz"
        people = [
            recipient(f"Person {letters[n // 26]}{letters[n % 26]}", email=f"p{n}@example.org")
            for n in range(count)
        ]
        inviting.invite(
            cast.northside,
            people,
            provider=cast.osei,
            by=cast.ana,
            key="many",
            keys=keys,
            sms=True,
            now=now,
        )
        claimed = claim(now, count)
        for each in claimed:
            settling.settle(each, ACCEPTED, now=now)
        db.session.commit()
        return claimed

    return made


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


def take(*some: Event, now: datetime) -> int:
    new = events.take(some, now=now)
    db.session.commit()
    return new


def event(
    claimed: Claimed,
    report: Report,
    at: datetime,
    *,
    reason: str | None = None,
    name: str = "",
) -> Event:
    return Event(
        provider="sendgrid",
        id=f"{claimed.attempt_id} {name or report}",
        report=report,
        channel=claimed.delivery.channel,
        occurred_at=at,
        attempt_id=claimed.attempt_id,
        reason=reason,
        address=claimed.sent_to,
    )


def texted(report: Report, at: datetime, *, name: str = "") -> Event:
    return Event("twilio", f"SM{name or report}", report, Channel.SMS, at, address=NUMBER)


def delivery(claimed: Claimed) -> Delivery:
    """As it stands in the database."""
    key = (claimed.delivery.clinic_id, claimed.delivery.id)
    found = db.session.get(Delivery, key, populate_existing=True)
    assert found is not None
    db.session.commit()
    return found


def state(claimed: Claimed) -> DeliveryState:
    return delivery(claimed).state


def fresh(invitation: Invitation) -> Invitation:
    db.session.refresh(invitation)
    db.session.commit()
    return invitation


def lines(invitation: Invitation) -> list[tuple[str, str | None]]:
    found = db.session.execute(
        select(Activity.action, Activity.details)
        .where(Activity.invitation_id == invitation.id)
        .order_by(Activity.at, Activity.id)
    ).all()
    db.session.commit()
    return [(action, details.get("reason")) for action, details in found]


def count(model: type) -> int:
    found = db.session.scalar(select(func.count()).select_from(model))
    db.session.commit()
    return found or 0


class TestTake:
    def test_a_bounce_hours_later_flips_the_invitation_and_says_why(
        self, ada: Invitation, now: datetime
    ) -> None:
        claimed, later = claim_one(now), now + timedelta(hours=5)
        settle(claimed, ACCEPTED, now)
        assert fresh(ada).sending == Sending.SENT
        take(event(claimed, Report.BOUNCED, later, reason="mailbox-full"), now=later)
        assert (state(claimed), delivery(claimed).reason) == (DeliveryState.FAILED, "mailbox-full")
        assert delivery(claimed).settled_at == later
        assert fresh(ada).sending == Sending.FAILED
        assert lines(ada)[-1] == ("sending failed", "mailbox-full")

    def test_one_channel_that_arrived_is_enough(self, by_both: Invitation, now: datetime) -> None:
        claimed = {each.delivery.channel: each for each in claim(now)}
        for each in claimed.values():
            settle(each, ACCEPTED, now)
        take(event(claimed[Channel.EMAIL], Report.BOUNCED, now, reason="came-back"), now=now)
        assert fresh(by_both).sending == Sending.SENT
        take(event(claimed[Channel.SMS], Report.DELIVERED, now), now=now)
        assert fresh(by_both).sending == Sending.SENT
        take(event(claimed[Channel.SMS], Report.BOUNCED, now, reason="no-texts"), now=now)
        assert fresh(by_both).sending == Sending.FAILED

    def test_a_repeated_event_is_taken_once(self, ada: Invitation, now: datetime) -> None:
        claimed = claim_one(now)
        settle(claimed, ACCEPTED, now)
        arrived = event(claimed, Report.DELIVERED, now)
        assert [take(arrived, arrived, now=now) for _ in range(3)] == [1, 0, 0]
        assert [action for action, _ in lines(ada)] == ["invited", "sent", "delivered"]
        assert count(ProviderEvent) == 1

    def test_an_unknown_attempt_changes_nothing(self, ada: Invitation, now: datetime) -> None:
        claimed = claim_one(now)
        foreign = event(claimed, Report.BOUNCED, now)._replace(attempt_id="f" * 32)
        assert take(foreign, now=now) == 0
        assert state(claimed) == DeliveryState.SENDING
        assert count(ProviderEvent) == count(OptOut) == 0

    def test_nothing_at_all_is_taken_too(self, now: datetime) -> None:
        assert take(now=now) == 0

    def test_nothing_happens_in_the_future(self, ada: Invitation, now: datetime) -> None:
        claimed = claim_one(now)
        take(event(claimed, Report.DELIVERED, now + timedelta(days=9)), now=now)
        assert delivery(claimed).settled_at == now

    @pytest.mark.parametrize(("report", "then"), OUTCOMES)
    def test_it_settles_doubt_whenever_it_comes(
        self, ada: Invitation, now: datetime, report: Report, then: DeliveryState
    ) -> None:
        claimed, later = claim_one(now), now + timedelta(days=20)
        settle(claimed, UNKNOWN, now)
        assert fresh(ada).sending == Sending.IN_DOUBT
        take(event(claimed, report, later), now=later)
        assert (state(claimed), delivery(claimed).doubt_since) == (then, None)
        assert fresh(ada).sending != Sending.IN_DOUBT
        assert fresh(ada).doubt_since is None

    @pytest.mark.parametrize("accepted_or_removed", ["accepted_at", "removed_at"])
    def test_what_is_closed_stays_so(
        self, ada: Invitation, now: datetime, accepted_or_removed: str
    ) -> None:
        claimed = claim_one(now)
        settle(claimed, ACCEPTED, now)
        db.session.execute(update(Invitation).values({accepted_or_removed: now}))
        db.session.commit()
        take(event(claimed, Report.BOUNCED, now), now=now)
        assert state(claimed) == DeliveryState.FAILED
        assert getattr(fresh(ada), accepted_or_removed) == now

    def test_an_earlier_send_is_told_but_the_present_one_counts(
        self, ada: Invitation, cast: Cast, now: datetime
    ) -> None:
        first, later = claim_one(now), now + timedelta(days=1)
        settle(first, ACCEPTED, now)
        invitations.resend(fresh(ada), seen=1, by=cast.ana, keys=KEYS, sms=True, now=later)
        db.session.commit()
        settle(claim_one(later), ACCEPTED, later)
        take(event(first, Report.BOUNCED, later), now=later)
        assert state(first) == DeliveryState.FAILED
        assert fresh(ada).sending == Sending.SENT

    def test_account_mail_has_its_facts_too(self, cast: Cast, now: datetime) -> None:
        outbox.put_account_mail(cast.ana, Kind.PASSWORD_RESET, now=now)
        db.session.commit()
        claimed = claim_one(now)
        take(event(claimed, Report.BOUNCED, now, reason="mailbox-full"), now=now)
        assert state(claimed) == DeliveryState.FAILED
        assert count(Activity) == 0


class TestBeforeTheCallIsSettled:
    @pytest.mark.parametrize("result", [ACCEPTED, REFUSED, BUSY, UNKNOWN, UNWANTED])
    @pytest.mark.parametrize(("report", "then"), OUTCOMES)
    def test_what_the_provider_reported_stands(
        self, ada: Invitation, now: datetime, report: Report, then: DeliveryState, result: Result
    ) -> None:
        claimed = claim_one(now)
        take(event(claimed, report, now), now=now)
        assert state(claimed) == then
        assert not settle(claimed, result, now + SECOND)
        assert state(claimed) == then
        assert len(lines(ada)) == 2
        assert claim(now + timedelta(days=99)) == []

    def test_a_lapsed_lease_leaves_no_doubt_about_it(self, ada: Invitation, now: datetime) -> None:
        claimed = claim_one(now)
        take(event(claimed, Report.DELIVERED, now), now=now)
        assert doubt.of_lapsed(now=now + 2 * LEASE) == 0

    @pytest.mark.parametrize(("report", "then"), OUTCOMES)
    def test_what_waits_for_another_try_is_not_sent_again(
        self, ada: Invitation, now: datetime, report: Report, then: DeliveryState
    ) -> None:
        claimed = claim_one(now)
        settle(claimed, BUSY, now)
        assert state(claimed) == DeliveryState.QUEUED
        take(event(claimed, report, now), now=now)
        assert state(claimed) == then
        assert claim(now + timedelta(days=99)) == []

    def test_a_second_try_does_not_hide_the_first(self, ada: Invitation, now: datetime) -> None:
        first, later = claim_one(now), now + timedelta(hours=1)
        settle(first, BUSY, now)
        second = claim_one(later)
        take(event(second, Report.TAKEN, later), now=later)
        take(event(first, Report.DELIVERED, later), now=later)
        assert state(second) == DeliveryState.DELIVERED


class TestOrder:
    def test_46_copies_of_5_events_in_every_order_end_in_one_state(
        self, many: Many, now: datetime
    ) -> None:
        reports = (
            *((Report.TAKEN, None), (Report.DEFERRED, None), (Report.DELIVERED, None)),
            *((Report.BOUNCED, "mailbox-full"), (Report.COMPLAINED, None)),
        )
        orders, dice = list(permutations(range(5))), random.Random(1)
        ends = set()
        for claimed, order in zip(many(len(orders)), orders, strict=True):
            five = [
                event(claimed, report, now + place * SECOND, reason=reason)
                for place, (report, reason) in enumerate(reports)
            ]
            taken = 0
            for some in _posted([five[place] for place in order], dice):
                taken += take(*some, now=now + timedelta(hours=1))
            assert taken == 5
            ends.add(self._end(claimed))
        assert ends == {
            (DeliveryState.FAILED, "mailbox-full", now + 3 * SECOND, Sending.FAILED, 4 * SECOND)
        }
        assert count(ProviderEvent) == 5 * len(orders)

    def _end(self, claimed: Claimed) -> tuple[object, ...]:
        found = delivery(claimed)
        invitation = db.session.scalars(
            select(Invitation).where(Invitation.id == found.invitation_id)
        ).one()
        (opted_out,) = opt_outs.of(invitation)
        since = opted_out.opted_out_at - claimed.delivery.queued_at
        end = (found.state, found.reason, found.settled_at, fresh(invitation).sending, since)
        assert opted_out.lifted_at is None
        return end

    def test_at_once_each_is_taken_by_one_and_nobody_waits_for_ever(
        self, app: Flask, many: Many, now: datetime
    ) -> None:
        claimed = many(6)
        found = [
            event(each, report, now)
            for each in claimed
            for report in (Report.TAKEN, Report.DELIVERED, Report.COMPLAINED, Report.BOUNCED)
        ]

        def post(seed: int) -> Callable[[], int]:
            mixed = random.Random(seed).sample(found, len(found))
            halves = (mixed[:12], mixed[12:])
            return lambda: sum(take(*some, now=now) for some in halves)

        assert sum(at_once(app, *[post(seed) for seed in range(6)])) == len(found)
        assert {state(each) for each in claimed} == {DeliveryState.FAILED}

    def test_at_once_with_the_end_of_the_calls(
        self, app: Flask, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        for name in "abcdefgh":
            who = recipient(f"Person {name}", email=f"{name}@example.org", phone="306 555 0142")
            invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
        claimed = claim(now)
        found = [event(each, Report.DELIVERED, now) for each in claimed]
        at_once(
            app,
            lambda: take(*found, now=now),
            lambda: [settle(each, ACCEPTED, now) for each in claimed],
            lambda: take(*found[::-1], now=now),
            lambda: [settle(each, UNKNOWN, now) for each in claimed[::-1]],
        )
        assert {state(each) for each in claimed} == {DeliveryState.DELIVERED}
        sendings = db.session.scalars(select(Invitation.sending)).all()
        assert set(sendings) == {Sending.SENT}


def _posted(order: Sequence[Event], dice: random.Random) -> Iterator[list[Event]]:
    """46 copies, shuffled, a few at a time; first heard of in this order."""
    places = [place % len(order) for place in range(46)]
    dice.shuffle(places)
    names = dict(zip(dict.fromkeys(places), order, strict=True))
    while places:
        yield [names[places.pop(0)] for _ in range(min(dice.randint(1, 9), len(places)))]


class TestOptingOut:
    def test_stop_is_for_every_message_after_it(
        self, by_both: Invitation, cast: Cast, now: datetime
    ) -> None:
        for each in claim(now):
            settle(each, ACCEPTED, now)
        take(texted(Report.STOPPED, now), now=now)
        later = now + timedelta(days=1)
        invitations.resend(fresh(by_both), seen=1, by=cast.ana, keys=KEYS, sms=True, now=later)
        db.session.commit()
        unwanted = {each.delivery.channel: each.opted_out for each in claim(later)}
        assert unwanted == {Channel.EMAIL: False, Channel.SMS: True}

    def test_it_is_for_messages_queued_before_it_too(
        self, by_both: Invitation, now: datetime
    ) -> None:
        take(texted(Report.STOPPED, now), now=now)
        assert {each.opted_out for each in claim(now) if each.sent_to == NUMBER} == {True}

    def test_it_holds_at_every_clinic(self, cast: Cast, keys: Keys, now: datetime) -> None:
        take(texted(Report.STOPPED, now), now=now)
        who = recipient("Ada Fixture", phone="306 555 0142")
        invite(cast.southside, who, provider=cast.lind, by=cast.sam, keys=keys, now=now)
        assert claim_one(now).opted_out

    def test_it_is_no_matter_of_another_number_or_channel(
        self, cast: Cast, keys: Keys, now: datetime
    ) -> None:
        take(texted(Report.STOPPED, now), now=now)
        opt_outs.add(Channel.EMAIL, NUMBER, Report.STOPPED, at=now)
        who = recipient("Bo Fixture", email=EMAIL, phone="306 555 0143")
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
        assert {each.opted_out for each in claim(now)} == {False}

    def test_what_is_not_wanted_is_suppressed_and_told(
        self, by_both: Invitation, now: datetime
    ) -> None:
        take(texted(Report.STOPPED, now), now=now)
        for each in claim(now):
            settle(each, UNWANTED if each.opted_out else REFUSED, now)
        states = set(db.session.scalars(select(Delivery.state)))
        assert states == {DeliveryState.SUPPRESSED, DeliveryState.FAILED}
        assert fresh(by_both).sending == Sending.FAILED
        assert ("not sent: opted out", "opted-out") in lines(by_both)

    def test_start_lifts_it(self, by_both: Invitation, now: datetime) -> None:
        take(texted(Report.STOPPED, now), now=now)
        take(texted(Report.STARTED, now + SECOND), now=now + SECOND)
        assert not any(each.opted_out for each in claim(now))

    def test_a_stop_repeated_after_a_start_is_no_new_one(
        self, by_both: Invitation, now: datetime
    ) -> None:
        take(texted(Report.STOPPED, now), now=now)
        take(texted(Report.STARTED, now + SECOND), now=now + SECOND)
        take(texted(Report.STOPPED, now + 2 * SECOND), now=now + 2 * SECOND)
        assert not any(each.opted_out for each in claim(now))

    def test_another_stop_after_a_start_counts(self, by_both: Invitation, now: datetime) -> None:
        for place, report in enumerate((Report.STOPPED, Report.STARTED, Report.STOPPED)):
            at = now + place * SECOND
            take(texted(report, at, name=f"{place}"), now=at)
        assert any(each.opted_out for each in claim(now))

    def test_a_start_without_a_stop_is_not_kept(self, now: datetime) -> None:
        take(texted(Report.STARTED, now), now=now)
        assert count(OptOut) == 0

    @pytest.mark.parametrize(
        "report", [Report.COMPLAINED, Report.UNSUBSCRIBED, Report.OPTED_OUT], ids=str
    )
    def test_who_unsubscribes_or_calls_it_spam_opts_out(
        self, ada: Invitation, cast: Cast, now: datetime, report: Report
    ) -> None:
        claimed = claim_one(now)
        settle(claimed, ACCEPTED, now)
        take(event(claimed, report, now), now=now)
        invitations.resend(fresh(ada), seen=1, by=cast.ana, keys=KEYS, sms=True, sure=True, now=now)
        db.session.commit()
        assert claim_one(now).opted_out

    def test_a_refusal_because_of_it_is_remembered(
        self, by_both: Invitation, now: datetime
    ) -> None:
        claimed = {each.delivery.channel: each for each in claim(now)}
        settle(claimed[Channel.SMS], UNWANTED, now)
        assert state(claimed[Channel.SMS]) == DeliveryState.SUPPRESSED
        assert opt_outs.among([(Channel.SMS, NUMBER), (Channel.EMAIL, EMAIL)]) == {
            (Channel.SMS, NUMBER)
        }

    def test_what_was_not_called_opts_nobody_out_anew(
        self, by_both: Invitation, now: datetime
    ) -> None:
        take(texted(Report.STOPPED, now), now=now)
        claimed = {each.delivery.channel: each for each in claim(now)}
        take(texted(Report.STARTED, now + SECOND), now=now + SECOND)
        settle(claimed[Channel.SMS], UNWANTED, now + 2 * SECOND)
        assert opt_outs.among([(Channel.SMS, NUMBER)]) == set()

    def test_account_mail_is_not_sent_either(self, cast: Cast, now: datetime) -> None:
        assert cast.ana.email is not None
        opt_outs.add(Channel.EMAIL, cast.ana.email, Report.COMPLAINED, at=now)
        outbox.put_account_mail(cast.ana, Kind.PASSWORD_RESET, now=now)
        assert claim_one(now).opted_out

    def test_the_history_tells_when(self, by_both: Invitation, now: datetime) -> None:
        take(texted(Report.STOPPED, now + SECOND), now=now + SECOND)
        take(texted(Report.STARTED, now + 2 * SECOND), now=now + 2 * SECOND)
        told = [each.action for each in activity.of(by_both)]
        assert told == [Action.INVITED, Action.OPTED_OUT, Action.OPTED_IN]

    def test_but_nothing_of_before_one_was_invited(
        self, by_both: Invitation, now: datetime
    ) -> None:
        take(texted(Report.STOPPED, now - SECOND), now=now - SECOND)
        assert [each.action for each in activity.of(by_both)] == [Action.INVITED]


def test_what_became_of_the_notice_of_joining_says_nothing_of_the_invitation(
    ada: Invitation, now: datetime
) -> None:
    settle(claim_one(now), ACCEPTED, now)
    joining.accept(ada, account=account("ada@example.org"), how=How.LINK, now=now)
    notice = claim_one(now)
    settle(notice, ACCEPTED, now)
    take(event(notice, Report.BOUNCED, now), now=now)
    assert fresh(ada).sending == Sending.SENT
    line = activity.of(ada)[-1]
    assert (line.action, line.details["kind"]) == (Action.FAILED, Kind.JOINED)


class TestWhoMayHoldTheCode:
    @pytest.mark.parametrize(
        ("reports", "may"),
        [
            ([Report.BOUNCED], False),
            ([Report.TAKEN, Report.BOUNCED], False),
            ([Report.DELIVERED, Report.BOUNCED], True),
            ([Report.BOUNCED, Report.COMPLAINED], True),
            ([Report.OPTED_OUT], False),
            ([Report.COMPLAINED], True),
        ],
    )
    def test_what_was_once_delivered_may_have_been_read(
        self, ada: Invitation, now: datetime, reports: list[Report], may: bool
    ) -> None:
        claimed = claim_one(now)
        settle(claimed, ACCEPTED, now)
        for each in reports:
            take(event(claimed, each, now), now=now)
        assert outbox.may_have_arrived(fresh(ada), [Channel.EMAIL]) is may
