"""The large demo: as many as asked for, the same for the same seed, and nothing left to be sent."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from inviter import activity, clock, joining, keeping, large_demo, status, team
from inviter.activity import Action
from inviter.db import Base, db
from inviter.keys import Keys
from inviter.large_demo import Impossible, LargeDemo, spread
from inviter.listing import code_of
from inviter.models import Activity, Clinic, Delivery, Invitation, Patient, User
from inviter.status import DeliveryState, Status
from tests.conftest import NOW
from tests.factories import hashed_password
from tests.visitors import Visitor

DOUBT_AFTER = timedelta(minutes=15)
SHARES = spread(5, 600)


def fill(keys: Keys, *, seed: int = 1, batch: int = large_demo.BATCH) -> list[Clinic]:
    numbers = iter(range(10_000))
    large = LargeDemo(
        seed,
        password=hashed_password(),
        new_uniquifier=lambda: f"uniquifier {next(numbers)}",
        keys=keys,
        now=NOW,
    )
    clinics = large.add_clinics(len(SHARES))
    for clinic, share in zip(clinics, SHARES, strict=True):
        large.invite(clinic, share, batch=batch)
    return clinics


@pytest.fixture
def filled(context: None, keys: Keys) -> Iterator[list[Clinic]]:
    yield fill(keys)
    db.session.rollback()


def everything(keys: Keys) -> dict[str, list[tuple[Any, ...]]]:
    """All rows; of what is sealed, what it says."""
    found = {}
    for model in (Clinic, User, Invitation, Delivery, Patient, Activity):
        columns = [each for each in model.__table__.columns if each.name != "code_sealed"]
        rows = db.session.execute(select(*columns).order_by(*model.__table__.primary_key))
        found[model.__tablename__] = [tuple(row) for row in rows]
    sealed = select(Invitation).order_by(Invitation.clinic_id, Invitation.id)
    found["codes"] = [(code_of(each, keys=keys),) for each in db.session.scalars(sealed)]
    return found


def rows_of(model: type[Base]) -> list[Any]:
    return list(db.session.scalars(select(model)))


def test_northside_holds_a_sixth_and_the_rest_share_equally() -> None:
    assert spread(101, 1_200_000) == [200_000, *([10_000] * 100)]
    assert spread(5, 603) == [100, 126, 126, 126, 125]
    assert spread(None, 60) == [10, 25, 25]
    assert sum(spread(7, None)) == 7 * 12


IMPOSSIBLE = [
    (2, 600, "Give at least 3 clinics: those of the demo are always there."),
    (-1, None, "Give at least 3 clinics"),
    (5, 35, "Give at least 36 invitations, as the demo has."),
    (3, 1_300_000, "give fewer invitations, or more clinics."),
]


@pytest.mark.parametrize(("clinics", "invitations", "text"), IMPOSSIBLE)
def test_what_cannot_be_is_refused_with_what_to_ask_for(
    clinics: int, invitations: int | None, text: str
) -> None:
    with pytest.raises(Impossible, match=text):
        spread(clinics, invitations)


def test_every_clinic_has_its_share_and_an_invited_line_for_each(filled: list[Clinic]) -> None:
    for model, where in ((Invitation, True), (Activity, Activity.action == Action.INVITED)):
        query = select(model.clinic_id, func.count()).where(where).group_by(model.clinic_id)
        counted = dict(db.session.execute(query).all())
        assert [counted[each.id] for each in filled] == SHARES


def test_the_clinics_of_the_demo_are_there_with_their_people(filled: list[Clinic]) -> None:
    slugs = [each.slug for each in filled]
    assert slugs == ["northside", "lakeview", "southside", "clinic-4", "clinic-5"]
    staff = [each.name for each in team.providers(filled[0])]
    assert staff == ["Dr. Amira Osei", "Dr. Jon Tallgrass"]
    for clinic in filled[3:]:
        assert [each.email for each in team.admins(clinic)] == [f"admin@{clinic.slug}.example.org"]
        provider = team.user_with(f"provider@{clinic.slug}.example.org")
        assert provider
        assert [each.id for each in team.providers(clinic)] == [provider.id]


def test_the_same_seed_gives_the_same_data_in_batches_of_any_size(
    context: None, keys: Keys
) -> None:
    drawn = []
    for seed, batch in ((1, 1000), (1, 7), (2, 1000)):
        fill(keys, seed=seed, batch=batch)
        drawn.append(everything(keys))
        db.session.rollback()
    assert drawn[0] == drawn[1]
    assert drawn[0]["codes"] != drawn[2]["codes"]
    assert drawn[0]["invitation"] != drawn[2]["invitation"]


def test_every_status_is_there_and_some_accepted_of_late(filled: list[Clinic]) -> None:
    found = rows_of(Invitation)
    statuses = Counter(status.of(each, now=NOW, doubt_after=DOUBT_AFTER) for each in found)
    assert set(statuses) == set(Status) - {Status.REMOVED}
    assert 0.4 < statuses[Status.ACCEPTED] / len(found) < 0.65
    assert any(each.accepted_at and NOW - each.accepted_at < timedelta(hours=72) for each in found)
    for each in found:
        assert each.invited_at < NOW
        assert each.accepted_at is None or each.invited_at < each.accepted_at < each.expires_at


def test_nothing_is_left_to_be_sent_and_invitations_know_how_theirs_went(
    filled: list[Clinic],
) -> None:
    deliveries: dict[int, list[Delivery]] = {}
    for each in rows_of(Delivery):
        assert each.state not in (DeliveryState.QUEUED, DeliveryState.SENDING)
        deliveries.setdefault(each.invitation_id, []).append(each)
    for invitation in rows_of(Invitation):
        sent = deliveries.get(invitation.id, [])
        assert status.amount_to(sent) == (invitation.sending, invitation.doubt_since)
        ways = [invitation.email, invitation.phone]
        assert invitation.erased_at or len(sent) == sum(each is not None for each in ways)


def test_nothing_is_left_to_be_erased_either(filled: list[Clinic]) -> None:
    assert any(each.erased_at for each in rows_of(Invitation))
    assert list(keeping.erase_old(now=NOW)) == []


def test_who_accepted_is_a_patient_with_an_account(filled: list[Clinic]) -> None:
    patients = {(each.clinic_id, each.invitation_id): each for each in rows_of(Patient)}
    accepted = [each for each in rows_of(Invitation) if each.accepted_at]
    assert len(patients) == len(accepted)
    for each in accepted:
        patient = patients[each.clinic_id, each.id]
        assert (patient.name, patient.joined_at) == (each.name, each.accepted_at)
        account = db.session.get_one(User, patient.user_id)
        assert not team.is_staff(account) and account.created_at <= patient.joined_at
        assert [line.action for line in activity.of(each)] == [Action.INVITED, Action.ACCEPTED]


def test_an_invitation_opens_by_its_code_and_by_its_link(filled: list[Clinic], keys: Keys) -> None:
    query = select(Invitation).where(
        Invitation.clinic_id == filled[0].id,
        Invitation.accepted_at.is_(None),
        Invitation.expires_at > NOW,
    )
    for each in db.session.scalars(query.limit(5)).all():
        code = code_of(each, keys=keys)
        assert code
        names = each.first_name, each.last_name
        assert joining.by_code(filled[0], code, *names, keys=keys, now=NOW) is each
        assert joining.by_link(keys.link_token(each.link_id, each.link_version), keys=keys) is each


def test_the_command_fills_a_large_one_where_people_can_sign_in(app: Flask) -> None:
    asked = ["demo", "--clinics", "4", "--invitations", "240", "--password", "a quiet river"]
    done = app.test_cli_runner().invoke(args=asked)
    assert done.exit_code == 0, done.output
    assert "Northside Family Clinic: 40 invitations; 1 of 4 clinics" in done.output
    assert "a quiet river" in done.output
    for address in ("ana@example.org", "provider@clinic-4.example.org"):
        someone = Visitor(app.test_client()).sign_in(address, "a quiet river")
        assert someone.path.endswith("/invite")
    with app.app_context():
        newest = db.session.scalar(select(func.max(Invitation.invited_at)))
        assert newest is not None and clock.now() - newest < timedelta(days=20)
