"""Joining: found by link or by code and name; one statement decides who accepted."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from inviter import activity, joining, patients, settling
from inviter.activity import Action
from inviter.db import db
from inviter.joining import Closed
from inviter.keys import Keys
from inviter.models import (
    Activity,
    Answer,
    Channel,
    Delivery,
    How,
    Invitation,
    Kind,
    Patient,
    User,
)
from inviter.settling import Result
from inviter.status import DeliveryState, Sending, Status
from tests.at_once import at_once
from tests.factories import Cast, account, claim, invite, is_waiting, recipient

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def invitation(cast: Cast, keys: Keys, now: datetime) -> Invitation:
    who = recipient("Ada Fixture", email="ada@example.org", phone="306 555 0142")
    return invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)


def code_of(invitation: Invitation, keys: Keys) -> str:
    return keys.open_code(
        invitation.code_sealed or "",
        clinic_id=invitation.clinic_id,
        invitation_id=invitation.id,
    )


def joined() -> int:
    return db.session.scalar(select(func.count()).select_from(Patient)) or 0


def test_the_link_leads_to_its_invitation(invitation: Invitation, keys: Keys) -> None:
    found = joining.by_link(keys.link_token(invitation.link_id, 1), keys=keys)
    assert found is not None
    assert (found.id, found.clinic.slug, found.provider.name) == (
        invitation.id,
        "northside",
        "Dr. Amira Osei",
    )


@pytest.mark.parametrize("token", ["", "x", "é" * 43, "A" * 43, "A" * 10_000, "\0", "%00"])
def test_what_is_no_link_leads_nowhere(invitation: Invitation, keys: Keys, token: str) -> None:
    assert joining.by_link(token, keys=keys) is None


def test_an_old_version_of_the_link_leads_nowhere(invitation: Invitation, keys: Keys) -> None:
    token = keys.link_token(invitation.link_id, 1)
    invitation.link_version = 2
    db.session.flush()
    assert joining.by_link(token, keys=keys) is None


@pytest.mark.parametrize(
    "typed", [("Ada", "Fixture"), ("ADA", "fixture"), (" Ada ", "Fixture "), ("Âda", "Fíxture")]
)
def test_a_code_counts_with_the_name(
    cast: Cast, invitation: Invitation, keys: Keys, now: datetime, typed: tuple[str, str]
) -> None:
    code = code_of(invitation, keys)
    found = joining.by_code(cast.northside, code, *typed, keys=keys, now=now)
    assert found is not None
    assert found.id == invitation.id


def test_a_code_does_not_count_with_another_name_or_clinic(
    cast: Cast, invitation: Invitation, keys: Keys, now: datetime
) -> None:
    code = code_of(invitation, keys)
    assert joining.by_code(cast.northside, code, "Ben", "Fixture", keys=keys, now=now) is None
    assert joining.by_code(cast.lakeview, code, "Ada", "Fixture", keys=keys, now=now) is None
    other = f"{(int(code) + 1) % 1_000_000:06}"
    assert joining.by_code(cast.northside, other, "Ada", "Fixture", keys=keys, now=now) is None


def close(invitation: Invitation, how: str, now: datetime) -> None:
    setattr(invitation, how, now)
    db.session.commit()


CLOSED = [
    ("removed_at", Status.REMOVED),
    ("accepted_at", Status.ACCEPTED),
    ("expires_at", Status.EXPIRED),
]


@pytest.mark.parametrize(("how", "status"), CLOSED)
def test_a_closed_invitation_can_be_accepted_by_nobody(
    cast: Cast, invitation: Invitation, keys: Keys, now: datetime, how: str, status: Status
) -> None:
    close(invitation, how, now)
    code = code_of(invitation, keys)
    assert joining.by_code(cast.northside, code, "Ada", "Fixture", keys=keys, now=now) is None
    assert joining.closed_by(invitation, now=now) == status
    with pytest.raises(Closed) as refused:
        joining.accept(invitation, account=account("x@example.org"), how=How.LINK, now=now)
    assert refused.value.status == status
    assert joined() == 0


def test_accepting_makes_a_patient_of_the_clinic(invitation: Invitation, now: datetime) -> None:
    who = account("parent@example.org")
    patient = joining.accept(invitation, account=who, how=How.CODE, now=now)
    assert (patient.name, patient.user_id, patient.how) == ("Ada Fixture", who.id, How.CODE)
    assert patient.email == "ada@example.org"
    assert db.session.scalars(select(Invitation.accepted_at)).one() == now
    lines = db.session.scalars(select(Activity.action).order_by(Activity.id)).all()
    assert lines == ["invited", "accepted"]


def test_what_is_still_queued_is_not_sent_to_who_has_joined(
    invitation: Invitation, now: datetime
) -> None:
    joining.accept(invitation, account=account("x@example.org"), how=How.CODE, now=now)
    assert states(Kind.INVITATION) == {DeliveryState.WITHDRAWN}


def test_what_is_being_sent_is_not_tried_again_to_who_has_joined(
    invitation: Invitation, now: datetime
) -> None:
    claimed = claim(9, now=now)
    joining.accept(invitation, account=account("x@example.org"), how=How.CODE, now=now)
    for each in claimed:
        settling.settle(each, Result(Answer.REFUSED, "busy", again=True), now=now)
    assert states(Kind.INVITATION) == {DeliveryState.WITHDRAWN}


def states(kind: Kind) -> set[DeliveryState]:
    return set(db.session.scalars(select(Delivery.state).where(Delivery.kind == kind)))


def settle_all(result: Result, now: datetime) -> list[tuple[Kind, Channel, str | None]]:
    """What a worker sends at that moment, and whereto."""
    claimed = claim(9, now=now)
    for each in claimed:
        settling.settle(each, result, now=now)
    return [(each.delivery.kind, each.delivery.channel, each.sent_to) for each in claimed]


def join(invitation: Invitation, now: datetime, who: User | None = None) -> Patient:
    who = who or account("x@example.org")
    return joining.accept(invitation, account=who, how=How.LINK, now=now)


TOLD = [
    (Kind.JOINED, Channel.EMAIL, "ada@example.org"),
    (Kind.JOINED, Channel.SMS, "+13065550142"),
]


def test_whoever_was_invited_is_told_of_joining_once(invitation: Invitation, now: datetime) -> None:
    settle_all(Result(Answer.ACCEPTED), now)
    who = account("x@example.org")
    join(invitation, now, who)
    join(invitation, now, who)
    assert sorted(settle_all(Result(Answer.ACCEPTED), now)) == TOLD
    assert not is_waiting(now + timedelta(days=9))
    assert invitation.sending == Sending.SENT


def test_who_joins_before_the_invitation_left_is_told_all_the_same(
    invitation: Invitation, now: datetime
) -> None:
    join(invitation, now)
    assert sorted(settle_all(Result(Answer.ACCEPTED), now)) == TOLD


def test_an_address_that_does_not_exist_is_not_told(invitation: Invitation, now: datetime) -> None:
    settle_all(Result(Answer.REFUSED, "no-such-address"), now)
    join(invitation, now)
    assert not is_waiting(now)


def test_telling_is_tried_again_and_its_failure_is_none_of_the_invitation(
    invitation: Invitation, now: datetime
) -> None:
    settle_all(Result(Answer.ACCEPTED), now)
    join(invitation, now)
    settle_all(Result(Answer.REFUSED, "busy", again=True), now)
    later = now + timedelta(hours=1)
    assert len(settle_all(Result(Answer.REFUSED, "mailbox-full"), later)) == 2
    db.session.refresh(invitation)
    assert (states(Kind.JOINED), invitation.sending) == ({DeliveryState.FAILED}, Sending.SENT)
    line = activity.of(invitation)[-1]
    assert (line.action, line.details["kind"]) == (Action.FAILED, Kind.JOINED)


def test_a_refused_acceptance_tells_nobody(invitation: Invitation, now: datetime) -> None:
    settle_all(Result(Answer.ACCEPTED), now)
    with pytest.raises(Closed):
        join(invitation, invitation.expires_at)
    assert states(Kind.JOINED) == set()


@pytest.mark.parametrize(
    ("email", "phone", "is_other"),
    [
        ("ada@example.org", None, False),
        (None, "+13065550142", False),
        ("x@example.org", None, True),
        (None, "+13065550199", True),
    ],
)
def test_an_account_with_none_of_the_invited_contacts_is_marked(
    invitation: Invitation, now: datetime, email: str | None, phone: str | None, is_other: bool
) -> None:
    join(invitation, now, account(email, phone=phone))
    db.session.refresh(invitation)
    assert invitation.has_other_contact is is_other
    assert activity.of(invitation)[-1].details["has_other_contact"] is is_other


def test_who_was_given_the_code_alone_has_no_other_contact(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    made = invite(cast.northside, recipient(), provider=cast.osei, by=cast.ana, keys=keys, now=now)
    join(made, now)
    assert made.has_other_contact is False
    assert not is_waiting(now)


def test_a_refused_acceptance_withdraws_nothing(invitation: Invitation, now: datetime) -> None:
    with pytest.raises(Closed):
        joining.accept(
            invitation,
            account=account("x@example.org"),
            how=How.CODE,
            now=invitation.expires_at,
        )
    assert is_waiting(now)


def test_a_patient_gets_the_contact_that_staff_put_right_meanwhile(
    app: Flask, invitation: Invitation, now: datetime
) -> None:
    def put_right() -> None:
        db.session.execute(update(Invitation).values(email="right@example.org"))
        db.session.commit()

    who = account("parent@example.org")
    db.session.commit()
    at_once(app, put_right)
    patient = joining.accept(invitation, account=who, how=How.LINK, now=now)
    assert patient.email == "right@example.org"


def test_who_was_removed_from_the_clinic_finds_the_old_invitation_closed(
    cast: Cast, invitation: Invitation, now: datetime
) -> None:
    who = account("parent@example.org")
    patient = joining.accept(invitation, account=who, how=How.LINK, now=now)
    patients.remove(patient, by=cast.ana, now=now)
    assert joining.patient_of(invitation) is None
    assert joining.patients_of(who) == []
    with pytest.raises(Closed) as refused:
        joining.accept(invitation, account=who, how=How.LINK, now=now)
    assert refused.value.status == Status.REMOVED


def test_an_invitation_expires_at_its_moment_and_not_before(
    invitation: Invitation, now: datetime
) -> None:
    last = invitation.expires_at - timedelta(microseconds=1)
    assert joining.closed_by(invitation, now=last) is None
    assert joining.closed_by(invitation, now=invitation.expires_at) == Status.EXPIRED


def test_one_account_can_hold_several_patients(
    cast: Cast, invitation: Invitation, keys: Keys, now: datetime
) -> None:
    parent = account("parent@example.org")
    who = recipient("Ben Fixture", email="ada@example.org")
    other = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
    joining.accept(invitation, account=parent, how=How.LINK, now=now)
    joining.accept(other, account=parent, how=How.LINK, now=now)
    assert joined() == 2


def test_a_link_that_was_replaced_meanwhile_accepts_nothing(
    invitation: Invitation, now: datetime
) -> None:
    who = account("parent@example.org")
    db.session.commit()
    with db.engine.begin() as connection:
        connection.execute(Invitation.__table__.update().values(link_version=2))
    with pytest.raises(Closed):
        joining.accept(invitation, account=who, how=How.LINK, now=now)


def press(invitation: Invitation, who: User, now: datetime) -> Callable[[], object]:
    def job() -> object:
        mine = db.session.get_one(Invitation, (invitation.clinic_id, invitation.id))
        try:
            patient = joining.accept(mine, account=who, how=How.LINK, now=now)
        except Closed as closed:
            return closed.status
        db.session.commit()
        return patient.id

    return job


def test_a_hundred_presses_make_one_patient(
    app: Flask, invitation: Invitation, now: datetime
) -> None:
    who = account("parent@example.org")
    db.session.commit()
    answers = at_once(app, *[press(invitation, who, now)] * 100)
    assert len(set(answers)) == 1
    assert joined() == 1


def test_of_many_accounts_at_once_one_wins(
    app: Flask, invitation: Invitation, now: datetime
) -> None:
    people = [account(f"p{number}@example.org") for number in range(16)]
    db.session.commit()
    answers = at_once(app, *[press(invitation, who, now) for who in people])
    assert answers.count(Status.ACCEPTED) == 15
    assert joined() == 1


def test_an_address_has_one_account(cast: Cast, now: datetime) -> None:
    opened = joining.open_account(
        email="new@example.org", phone=None, password="x", uniquifier="one", now=now
    )
    assert opened is not None
    again = joining.open_account(
        email="new@example.org", phone=None, password="y", uniquifier="two", now=now
    )
    assert again is None


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("northside", ["Northside Family Clinic"]),
        ("FAMILY", ["Northside Family Clinic"]),
        ("clinic", ["Lakeview Walk-in Clinic", "Northside Family Clinic"]),
        ("", []),
        ("%", []),
        ("_", []),
        ("x' OR 1=1 --", []),
    ],
)
def test_a_clinic_is_found_by_its_name_or_short_name(
    cast: Cast, typed: str, found: list[str]
) -> None:
    assert [each.name for each in joining.clinics_named(typed)] == found
