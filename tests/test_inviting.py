"""Inviting: who is the same patient, and one invitation whatever is pressed twice."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import cycle

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from inviter import duplicates, invitations, inviting
from inviter.db import db
from inviter.duplicates import Fate
from inviter.inviting import KeyUsed, OutOfCodes
from inviter.keys import Keys
from inviter.models import Activity, Confirmation, Delivery, Invitation, Membership
from inviter.roster import Recipient
from inviter.status import Sending
from tests.at_once import at_once
from tests.factories import Cast, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

KEY = "a-key-of-22-characters"


def fate(cast: Cast, who: Recipient) -> Fate:
    return duplicates.check(cast.northside, [who])[0].fate


def confirm(
    cast: Cast, keys: Keys, now: datetime, *people: Recipient, key: str = KEY, **others: object
) -> Confirmation:
    options = {"provider": cast.osei, "by": cast.ana, "sms": True} | others
    return inviting.invite(cast.northside, people, key=key, keys=keys, now=now, **options)  # type: ignore[arg-type]


def count(table: type) -> int:
    return db.session.scalar(select(func.count()).select_from(table)) or 0


def test_an_invitation_lasts_to_the_end_of_the_day_at_the_clinic(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    made = invite(cast.northside, recipient(), provider=cast.osei, by=cast.ana, keys=keys, now=now)
    assert made.expires_at == datetime.fromisoformat("2026-06-11T23:59:59-06:00")


def test_expiry_follows_the_clinics_calendar_not_utcs(cast: Cast) -> None:
    late_evening = datetime.fromisoformat("2026-05-12T23:30:00-06:00")
    assert invitations.expiry(cast.northside, late_evening) == datetime.fromisoformat(
        "2026-06-11T23:59:59-06:00"
    )


@pytest.mark.parametrize(
    ("contacts", "ways", "sending"),
    [
        ({"email": "ada@example.org"}, ["email"], Sending.UNDER_WAY),
        ({"phone": "306 555 0142"}, ["sms"], Sending.UNDER_WAY),
        ({"email": "ada@example.org", "phone": "3065550142"}, ["email", "sms"], Sending.UNDER_WAY),
        ({"phone": "+44 7911 123456"}, [], Sending.NONE),
        ({}, [], Sending.NONE),
    ],
)
def test_each_contact_gets_one_message(
    cast: Cast,
    keys: Keys,
    now: datetime,
    contacts: dict[str, str],
    ways: list[str],
    sending: Sending,
) -> None:
    confirm(cast, keys, now, recipient("Ada Fixture", **contacts))
    queued = db.session.scalars(select(Delivery.channel).order_by(Delivery.channel)).all()
    assert list(queued) == ways
    assert db.session.scalars(select(Invitation.sending)).one() == sending


def test_no_text_is_queued_where_texts_are_off(cast: Cast, keys: Keys, now: datetime) -> None:
    confirm(cast, keys, now, recipient("Ada Fixture", phone="306 555 0142"), sms=False)
    assert count(Delivery) == 0


def test_inviting_is_recorded_without_a_name(cast: Cast, keys: Keys, now: datetime) -> None:
    confirm(cast, keys, now, recipient("Ada Fixture", email="ada@example.org"))
    line = db.session.scalars(select(Activity)).one()
    assert (line.action, line.by_id, line.details) == ("invited", cast.ana.id, {})


SAME = [
    ("same email", {"email": "ada@example.org"}, {"email": "ada@example.org"}),
    ("same phone", {"phone": "306 555 0142"}, {"phone": "(306) 555-0142"}),
    (
        "same phone, other email",
        {"phone": "3065550142", "email": "a@example.org"},
        {"phone": "3065550142", "email": "b@example.org"},
    ),
    ("no contact before", {}, {"email": "ada@example.org"}),
    ("no contact now", {"email": "ada@example.org"}, {}),
    ("no contact at all", {}, {}),
]


@pytest.mark.parametrize(("before", "again"), [each[1:] for each in SAME], ids=[e[0] for e in SAME])
@pytest.mark.parametrize("name", ["Ada Fixture", "ADA FIXTURE", "Âda Fíxture"])
def test_the_same_patient_gets_no_second_invitation(
    cast: Cast,
    keys: Keys,
    now: datetime,
    before: dict[str, str],
    again: dict[str, str],
    name: str,
) -> None:
    confirm(cast, keys, now, recipient("Ada Fixture", **before))
    second = confirm(cast, keys, now, recipient(name, **again), key="another-key-0000000000")
    assert [each[0] for each in second.outcome] == [Fate.ALREADY_INVITED]
    assert (count(Invitation), count(Delivery)) == (1, len(before))


OTHER = [
    ("Ben Fixture", {"email": "ada@example.org"}),
    ("Ada Fixture", {"email": "another@example.org"}),
    ("Ada Fixture", {"phone": "306 555 0199"}),
]


@pytest.mark.parametrize(("name", "contacts"), OTHER)
def test_families_and_namesakes_are_other_patients(
    cast: Cast, keys: Keys, now: datetime, name: str, contacts: dict[str, str]
) -> None:
    confirm(cast, keys, now, recipient("Ada Fixture", email="ada@example.org"))
    assert fate(cast, recipient(name, **contacts)) == Fate.INVITED


def test_a_shared_contact_is_pointed_out(cast: Cast, keys: Keys, now: datetime) -> None:
    confirm(cast, keys, now, recipient("Ada Fixture", email="ada@example.org"))
    checked = duplicates.check(cast.northside, [recipient("Ben Fixture", email="ada@example.org")])
    assert checked[0].same_contact == ("Ada Fixture",)


def test_another_clinics_invitation_counts_for_nothing(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    who = recipient("Ada Fixture", email="ada@example.org")
    invite(cast.southside, who, provider=cast.lind, by=cast.sam, keys=keys, now=now)
    assert fate(cast, who) == Fate.INVITED


def test_a_removed_patient_may_be_invited_anew(cast: Cast, keys: Keys, now: datetime) -> None:
    who = recipient("Ada Fixture", email="ada@example.org")
    made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
    made.removed_at = now
    db.session.commit()
    again = confirm(cast, keys, now, who)
    assert again.outcome[0][0] == Fate.INVITED


def test_the_same_person_twice_in_one_form_is_invited_once(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    ada, ben = recipient("Ada Fixture", email="ada@example.org"), recipient("Ben Sample")
    made = confirm(cast, keys, now, ada, ben, recipient("ada fixture"))
    assert [each[0] for each in made.outcome] == [Fate.INVITED, Fate.INVITED, Fate.REPEATED]
    assert made.outcome[2][1] == made.outcome[0][1]
    assert count(Invitation) == 2


def test_the_outcome_keeps_the_order_typed(cast: Cast, keys: Keys, now: datetime) -> None:
    people = [recipient("Zoe Last"), recipient("Ada First"), recipient("Mia Middle")]
    made = confirm(cast, keys, now, *people)
    names = dict(map(tuple, db.session.execute(select(Invitation.id, Invitation.first_name))))
    assert [names[each[1]] for each in made.outcome] == ["Zoe", "Ada", "Mia"]


def test_the_same_key_gives_the_same_answer(cast: Cast, keys: Keys, now: datetime) -> None:
    who = recipient("Ada Fixture", email="ada@example.org")
    first = confirm(cast, keys, now, who).outcome
    db.session.commit()
    again = confirm(cast, keys, now + timedelta(days=1), who)
    assert again.outcome == first
    assert (count(Invitation), count(Delivery), count(Activity)) == (1, 1, 1)


def test_other_content_under_a_used_key_is_refused(cast: Cast, keys: Keys, now: datetime) -> None:
    confirm(cast, keys, now, recipient("Ada Fixture"))
    with pytest.raises(KeyUsed):
        confirm(cast, keys, now, recipient("Ben Sample"))
    with pytest.raises(KeyUsed):
        confirm(cast, keys, now, recipient("Ada Fixture"), by=cast.tallgrass)
    assert count(Invitation) == 1


def test_a_code_that_is_taken_is_drawn_again(cast: Cast, keys: Keys, now: datetime) -> None:
    drawn = iter(["000042", "000042", "000042", "000043"])
    confirm(
        cast, keys, now, recipient("Ada Fixture"), recipient("Ben Sample"), new_code=drawn.__next__
    )
    macs = set(db.session.scalars(select(Invitation.code_mac)))
    assert macs == {
        keys.code_mac(code, clinic_id=cast.northside.id) for code in ("000042", "000043")
    }


def test_a_clinic_without_free_codes_is_told(cast: Cast, keys: Keys, now: datetime) -> None:
    same = cycle(["000042"])
    with pytest.raises(OutOfCodes):
        confirm(
            cast,
            keys,
            now,
            recipient("Ada Fixture"),
            recipient("Ben Sample"),
            new_code=same.__next__,
        )


def test_the_database_holds_neither_code_nor_link(cast: Cast, keys: Keys, now: datetime) -> None:
    made = invite(
        cast.northside,
        recipient("Ada Fixture"),
        provider=cast.osei,
        by=cast.ana,
        keys=keys,
        now=now,
    )
    code = keys.open_code(made.code_sealed or "", clinic_id=made.clinic_id, invitation_id=made.id)
    row = db.session.execute(select(Invitation.__table__)).one()
    assert not any(code in str(value) for value in row if isinstance(value, str))
    assert keys.link_token(made.link_id, made.link_version) not in map(str, row)


def test_a_provider_of_another_clinic_cannot_stand_on_an_invitation(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    with pytest.raises(IntegrityError):
        confirm(cast, keys, now, recipient("Ada Fixture"), provider=cast.lind)
    db.session.rollback()


def test_fifty_identical_confirmations_at_once_leave_one_set_of_rows(
    app: Flask, cast: Cast, keys: Keys, now: datetime
) -> None:
    people = [
        recipient("Ada Fixture", email="ada@example.org"),
        recipient("Ben Sample", phone="306 555 0142"),
        recipient("Cy Nobody"),
    ]

    def press() -> object:
        made = confirm(cast, keys, now, *people)
        db.session.commit()
        return made.outcome

    answers = at_once(app, *[press] * 50)
    assert all(answer == answers[0] for answer in answers)
    assert (count(Invitation), count(Delivery), count(Activity)) == (3, 2, 3)
    assert count(Confirmation) == 1


def test_two_people_confirming_the_same_patients_at_once_leave_one_invitation_each(
    app: Flask, cast: Cast, keys: Keys, now: datetime
) -> None:
    people = [recipient(f"Person {chr(97 + n)}", email=f"p{n}@example.org") for n in range(12)]

    def press(by: object, key: str, order: list[Recipient]) -> Callable[[], object]:
        def job() -> object:
            made = confirm(cast, keys, now, *order, by=by, key=key)
            db.session.commit()
            return [each[0] for each in made.outcome]

        return job

    answers = at_once(
        app,
        press(cast.ana, "the-key-of-ana-0000000", people),
        press(cast.tallgrass, "the-key-of-jon-0000000", people[::-1]),
    )
    fates = [each for answer in answers for each in answer]  # type: ignore[attr-defined]
    assert sorted(fates) == sorted([Fate.INVITED] * 12 + [Fate.ALREADY_INVITED] * 12)
    assert (count(Invitation), count(Delivery)) == (12, 12)


@pytest.mark.parametrize("round", range(10))
def test_a_patient_without_contact_and_one_of_the_name_at_once_are_one(
    app: Flask, cast: Cast, keys: Keys, now: datetime, round: int
) -> None:
    def press(one: Recipient) -> Callable[[], object]:
        def job() -> object:
            made = confirm(cast, keys, now, one, key=f"the-key-{one.email or 'bare'}"[:22])
            db.session.commit()
            return [each[0] for each in made.outcome]

        return job

    both = recipient("Ada Fixture"), recipient("Ada Fixture", email="ada@example.org")
    fates = [fate for answer in at_once(app, *map(press, both)) for fate in answer]  # type: ignore[attr-defined]
    assert sorted(fates) == [Fate.ALREADY_INVITED, Fate.INVITED]
    assert count(Invitation) == 1


def test_a_membership_is_a_provider_a_clinic_admin_or_both(cast: Cast) -> None:
    db.session.add(
        Membership(
            clinic_id=cast.lakeview.id,
            user_id=cast.sam.id,
            is_admin=False,
            is_provider=False,
            joined_at=cast.lakeview.created_at,
        )
    )
    with pytest.raises(IntegrityError):
        db.session.flush()
    db.session.rollback()
