"""What whoever opened a link answers without joining: a new link, please; this is not for me."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from inviter import (
    activity,
    contacts,
    invitations,
    joining,
    opt_outs,
    replies,
    selection,
    settling,
)
from inviter.activity import Action
from inviter.db import db
from inviter.invitations import Disowned, Overtaken
from inviter.keys import Keys
from inviter.models import Answer, Channel, Delivery, How, Invitation
from inviter.reports import Report
from inviter.selection import Why
from inviter.settling import Result
from inviter.status import DeliveryState
from tests.at_once import at_once
from tests.conftest import SECRET
from tests.factories import Cast, account, claim, invite, is_waiting, recipient

pytestmark = pytest.mark.usefixtures("context")

KEYS = Keys(SECRET)
EMAIL, NUMBER = "ada@example.org", "306 555 0142"
LATER = timedelta(hours=1)
SENT = Result(Answer.ACCEPTED)

Make = Callable[..., Invitation]


@pytest.fixture
def make(cast: Cast, keys: Keys, now: datetime) -> Make:
    def made(email: str | None = EMAIL, phone: str | None = None) -> Invitation:
        who = recipient("Ada Fixture", email=email, phone=phone)
        return invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)

    return made


@pytest.fixture
def invitation(make: Make, now: datetime) -> Invitation:
    """Sent by email."""
    made = make()
    send(SENT, now)
    return made


def send(result: Result, now: datetime) -> list[str | None]:
    """Whereto a worker sends at that moment."""
    claimed = claim(9, now=now)
    for each in claimed:
        settling.settle(each, result, now=now)
    db.session.commit()
    return [each.sent_to for each in claimed if not each.opted_out]


def actions(invitation: Invitation) -> list[Action]:
    return [each.action for each in activity.of(invitation)]


def now_is(invitation: Invitation) -> Invitation:
    """As the database has it."""
    db.session.flush()
    db.session.refresh(invitation)
    return invitation


class TestNewLink:
    def test_the_contact_on_file_gets_the_same_link_again_and_time_to_use_it(
        self, invitation: Invitation
    ) -> None:
        then, before = invitation.expires_at, (invitation.link_version, invitation.code_sealed)
        assert replies.renew(invitation, keys=KEYS, sms=True, now=then)
        assert send(SENT, then) == [EMAIL]
        assert joining.closed_by(now_is(invitation), now=then) is None
        assert (invitation.link_version, invitation.code_sealed) == before

    def test_staff_see_that_the_patient_did_it(self, invitation: Invitation) -> None:
        replies.renew(invitation, keys=KEYS, sms=True, now=invitation.expires_at)
        line = activity.of(invitation)[-1]
        assert (line.action, line.by) == (Action.RENEWED, None)

    @pytest.mark.parametrize("how", ["open", "removed_at", "accepted_at", "disowned_at"])
    def test_of_what_is_not_merely_expired_nothing_is_sent(
        self, invitation: Invitation, how: str
    ) -> None:
        then = invitation.expires_at
        if how == "open":
            then -= LATER
        else:
            setattr(invitation, how, then - LATER)
        db.session.commit()
        assert not replies.renew(invitation, keys=KEYS, sms=True, now=then)
        assert not is_waiting(then)
        assert now_is(invitation).generation == 1

    def test_without_a_contact_nothing_is_sent(self, make: Make) -> None:
        made = make(email=None)
        assert not replies.renew(made, keys=KEYS, sms=True, now=made.expires_at)
        assert now_is(made).generation == 1

    def test_where_texts_are_off_a_number_is_no_contact(self, make: Make, now: datetime) -> None:
        made = make(email=None, phone=NUMBER)
        send(SENT, now)
        assert not replies.renew(made, keys=KEYS, sms=False, now=made.expires_at)

    def test_who_opted_out_gets_nothing_and_another_way_all(
        self, make: Make, now: datetime
    ) -> None:
        made = make(phone=NUMBER)
        send(SENT, now)
        opt_outs.add(Channel.EMAIL, EMAIL, Report.UNSUBSCRIBED, at=now)
        then = made.expires_at
        assert replies.renew(made, keys=KEYS, sms=True, now=then)
        assert send(SENT, then) == ["+13065550142"]
        opt_outs.add(Channel.SMS, "+13065550142", Report.STOPPED, at=now)
        then = now_is(made).expires_at
        assert not replies.renew(made, keys=KEYS, sms=True, now=then)
        assert not is_waiting(then)

    def test_pressed_many_times_at_once_it_is_sent_once(
        self, app: Flask, invitation: Invitation
    ) -> None:
        then = invitation.expires_at

        def press() -> bool:
            mine = db.session.get_one(Invitation, (invitation.clinic_id, invitation.id))
            done = replies.renew(mine, keys=KEYS, sms=True, now=then)
            db.session.commit()
            return done

        assert at_once(app, *[press] * 8).count(True) == 1
        assert send(SENT, then) == [EMAIL]

    def test_it_is_asked_for_three_times_a_day_and_from_one_place_twenty_times_an_hour(
        self, invitation: Invitation, keys: Keys, now: datetime
    ) -> None:
        def ask(network: str, at: datetime) -> bool:
            return replies.may_ask(invitation, network, keys=keys, now=at)

        assert [ask(f"192.0.2.{place}", now) for place in range(4)] == [True] * 3 + [False]
        tomorrow = now + timedelta(days=1)
        assert ask("192.0.2.9", tomorrow)
        for _ in range(19):
            ask("192.0.2.9", tomorrow)
        invitation = Invitation(clinic_id=invitation.clinic_id, id=1)
        assert not ask("192.0.2.9", tomorrow)
        assert ask("192.0.2.10", tomorrow)


class TestNotForMe:
    def test_staff_see_it_once(self, invitation: Invitation, now: datetime) -> None:
        assert replies.disown(invitation, now=now)
        assert replies.disown(invitation, now=now + LATER)
        assert now_is(invitation).disowned_at == now
        assert actions(invitation).count(Action.DISOWNED) == 1

    def test_what_is_queued_is_not_sent(self, make: Make, now: datetime) -> None:
        made = make(phone=NUMBER)
        replies.disown(made, now=now)
        assert not is_waiting(now + timedelta(days=9))

    def test_who_said_so_is_not_told_who_has_joined(
        self, invitation: Invitation, now: datetime
    ) -> None:
        replies.disown(invitation, now=now)
        mei = account("mei@example.org")
        joining.accept(now_is(invitation), account=mei, how=How.LINK, now=now)
        assert send(SENT, now + LATER) == []

    def test_what_is_being_sent_is_not_tried_again(self, make: Make, now: datetime) -> None:
        made = make()
        claimed = claim(9, now=now)
        replies.disown(made, now=now)
        for each in claimed:
            settling.settle(each, Result(Answer.REFUSED, "busy", again=True), now=now)
        assert set(db.session.scalars(select(Delivery.state))) == {DeliveryState.WITHDRAWN}

    @pytest.mark.parametrize("how", ["removed_at", "accepted_at", "expires_at"])
    def test_a_closed_invitation_is_not_marked(
        self, invitation: Invitation, now: datetime, how: str
    ) -> None:
        setattr(invitation, how, now)
        db.session.commit()
        assert not replies.disown(invitation, now=now)
        assert Action.DISOWNED not in actions(invitation)

    def test_a_link_that_was_replaced_marks_nothing(
        self, invitation: Invitation, now: datetime
    ) -> None:
        with db.engine.begin() as connection:
            db.session.commit()
            connection.execute(Invitation.__table__.update().values(link_version=2))
        assert not replies.disown(invitation, now=now)

    def test_it_is_sent_again_only_by_who_is_sure(
        self, cast: Cast, invitation: Invitation, now: datetime
    ) -> None:
        replies.disown(invitation, now=now)
        how = {"seen": 1, "by": cast.ana, "keys": KEYS, "sms": True, "now": now + LATER}
        with pytest.raises(Disowned):
            invitations.resend(invitation, **how)
        invitations.resend(invitation, **how, sure=True)
        assert now_is(invitation).disowned_at is None
        assert send(SENT, now + LATER) == [EMAIL]

    def test_of_many_at_once_it_is_left_out(
        self, cast: Cast, invitation: Invitation, now: datetime
    ) -> None:
        replies.disown(invitation, now=now)
        done = selection.resend(
            cast.northside, [invitation.id], by=cast.ana, keys=KEYS, sms=True, now=now + LATER
        )
        assert done.refused == {Why.DISOWNED: 1}

    def test_said_while_someone_resends_it_stops_that(
        self, app: Flask, cast: Cast, invitation: Invitation, now: datetime
    ) -> None:
        def say() -> None:
            mine = db.session.get_one(Invitation, (invitation.clinic_id, invitation.id))
            replies.disown(mine, now=now)
            db.session.commit()

        db.session.commit()
        at_once(app, say)
        with pytest.raises(Overtaken):
            invitations.resend(
                invitation, seen=1, by=cast.ana, keys=KEYS, sms=True, now=now + LATER
            )

    def test_another_contact_ends_it_and_the_old_link_with_it(
        self, cast: Cast, make: Make, keys: Keys, now: datetime
    ) -> None:
        made = make()
        send(Result(Answer.REFUSED, "no-such-address"), now)  # so the link came another way
        replies.disown(made, now=now)
        changed = invitations.change_contact(
            made, email="right@example.org", phone=None, by=cast.ana, keys=keys, now=now
        )
        assert changed
        assert (now_is(made).disowned_at, made.link_version) == (None, 2)

    def test_a_number_more_does_not_end_it(
        self, cast: Cast, invitation: Invitation, keys: Keys, now: datetime
    ) -> None:
        replies.disown(invitation, now=now)
        number = contacts.phone(NUMBER, ("CA",))
        invitations.change_contact(
            invitation, email=EMAIL, phone=number, by=cast.ana, keys=keys, now=now
        )
        assert now_is(invitation).disowned_at == now

    def test_who_has_the_name_joins_all_the_same(
        self, invitation: Invitation, now: datetime
    ) -> None:
        replies.disown(invitation, now=now)
        who = account("x@example.org")
        assert joining.accept(invitation, account=who, how=How.LINK, now=now)
