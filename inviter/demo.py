"""The demo: three clinics, their people, and a dozen invitations each, every status among them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from inviter import activity, codes, contacts, invitations, joining, status, team
from inviter.activity import Action
from inviter.db import change, db, new_id
from inviter.keys import Keys, new_link_id
from inviter.models import Channel, Clinic, Delivery, How, Invitation, Kind, User
from inviter.status import DeliveryState
from inviter.team import Provider

REGIONS = ("CA", "US")
TIME_ZONE = "America/Regina"


@dataclass(frozen=True, slots=True)
class Person:
    address: str
    name: str
    admin_at: tuple[str, ...] = ()
    provider_at: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        word, clinics = (
            ("Clinic Admin", self.admin_at) if self.admin_at else ("provider", self.provider_at)
        )
        return f"{word} at {' and '.join(clinics)}"


CLINICS = (
    ("northside", "Northside Family Clinic", "306 555 0100"),
    ("lakeview", "Lakeview Walk-in Clinic", "306 555 0110"),
    ("southside", "Southside Medical", "306 555 0120"),
)
PEOPLE = (
    Person("ana@example.org", "Ana Moreau", admin_at=("northside", "lakeview")),
    Person("osei@example.org", "Dr. Amira Osei", provider_at=("northside",)),
    Person("tallgrass@example.org", "Dr. Jon Tallgrass", provider_at=("northside", "lakeview")),
    Person("sam@example.org", "Sam Okafor", admin_at=("southside",)),
    Person("lind@example.org", "Dr. Maja Lind", provider_at=("southside",)),
)

NAMES = (
    "Ada Fixture",
    "Ben Sample",
    "Chidi Placeholder-Montgomery",
    "Dora Mockingham",
    "Emil Testcase",
    "Fatima Example",
    "François O’Neil",
    "Mei Nguyễn",
    "Noah Specimen",
    "Olivia Standin",
    "Priya Dummy",
    "Quentin Trial",
)


@dataclass(frozen=True, slots=True)
class Story:
    """What has happened to one of the invitations by now."""

    days_ago: float
    email: DeliveryState | None = None
    text: DeliveryState | None = None
    reason: str | None = None
    accepted_days_ago: float | None = None


SENT, DELIVERED, FAILED = DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.FAILED
STORIES = (
    Story(0.1, email=SENT, text=SENT),
    Story(0.3),
    Story(9, email=DELIVERED, accepted_days_ago=1.2),
    Story(2, email=FAILED, reason="no-such-address"),
    Story(41, text=SENT),
    Story(4, email=DELIVERED, text=DELIVERED),
    Story(5, email=SENT),
    Story(6, text=SENT),
    Story(33, email=SENT),
    Story(12, email=FAILED, text=DELIVERED, reason="no-such-address"),
    Story(20, email=DELIVERED, accepted_days_ago=18),
    Story(3, email=DeliveryState.IN_DOUBT),
)
"""One for each name. The one who joined 18 days ago is found under Patients only."""


def is_empty() -> bool:
    return db.session.scalar(select(Clinic.id).limit(1)) is None


def random_password() -> str:
    return secrets.token_urlsafe(12)


def fill(*, password: str, new_uniquifier: Callable[[], str], keys: Keys, now: datetime) -> None:
    """Fill an empty database. `password` is hashed already. Flushes; the caller commits."""
    for clinic in add_clinics(password=password, new_uniquifier=new_uniquifier, now=now):
        _fill_clinic(clinic, password, new_uniquifier, keys, now)
    db.session.flush()


def add_clinics(
    *,
    password: str,
    new_uniquifier: Callable[[], str],
    now: datetime,
    new_id: Callable[[], int] = new_id,
) -> list[Clinic]:
    """The clinics with the people who work there; nobody is invited yet."""
    clinics = {
        slug: Clinic(
            id=new_id(), slug=slug, name=name, phone=phone, time_zone=TIME_ZONE, created_at=now
        )
        for slug, name, phone in CLINICS
    }
    db.session.add_all(clinics.values())
    db.session.flush()
    for person in PEOPLE:
        user = User(
            id=new_id(),
            name=person.name,
            email=person.address,
            password=password,
            fs_uniquifier=new_uniquifier(),
            created_at=now,
        )
        db.session.add(user)
        db.session.flush()
        for slug in {*person.admin_at, *person.provider_at}:
            admin, provider = slug in person.admin_at, slug in person.provider_at
            team.add(clinics[slug], user, admin=admin, provider=provider, now=now)
    return list(clinics.values())


def _fill_clinic(
    clinic: Clinic,
    password: str,
    new_uniquifier: Callable[[], str],
    keys: Keys,
    now: datetime,
) -> None:
    providers = team.providers(clinic)
    by = team.admins(clinic)[0]
    for place, (name, story) in enumerate(zip(NAMES, STORIES, strict=True)):
        provider = providers[place % len(providers)]
        invitation = _invitation(clinic, name, place, story, provider, by, keys, now)
        if story.accepted_days_ago is not None:
            _join(invitation, password, new_uniquifier(), now - _days(story.accepted_days_ago))


def _invitation(
    clinic: Clinic,
    name: str,
    place: int,
    story: Story,
    provider: Provider,
    by: User,
    keys: Keys,
    now: datetime,
) -> Invitation:
    first, last = name.split(" ", 1)
    invited_at = now - _days(story.days_ago)
    invitation_id, code = new_id(), codes.random_code()
    email = f"{contacts.name_key(first, last).replace(' ', '.')}@example.org"
    phone = contacts.phone(f"306 555 01{place + 30}", REGIONS)
    assert phone is not None  # noqa: S101  (it is not blank)
    invitation = Invitation(
        clinic_id=clinic.id,
        id=invitation_id,
        first_name=first,
        last_name=last,
        name_key=contacts.name_key(first, last),
        email=email if story.email else None,
        phone=phone.e164 if story.text else None,
        phone_typed=phone.typed if story.text else None,
        can_text=bool(story.text),
        provider_id=provider.id,
        invited_by_id=by.id,
        invited_at=invited_at,
        expires_at=invitations.expiry(clinic, invited_at),
        code_sealed=keys.seal_code(code, clinic_id=clinic.id, invitation_id=invitation_id),
        code_mac=keys.code_mac(code, clinic_id=clinic.id),
        link_id=new_link_id(),
    )
    db.session.add(invitation)
    db.session.flush()
    deliveries = _deliveries(invitation, story, invited_at)
    db.session.add_all(deliveries)
    invitation.sending, invitation.doubt_since = status.amount_to(deliveries)
    activity.record(
        Action.INVITED, clinic_id=clinic.id, invitation_id=invitation_id, by=by, now=invited_at
    )
    return invitation


def _deliveries(invitation: Invitation, story: Story, at: datetime) -> list[Delivery]:
    """Settled long ago: nothing of the demo's past is waiting to be sent."""
    states = ((Channel.EMAIL, story.email), (Channel.SMS, story.text))
    return [
        Delivery(
            clinic_id=invitation.clinic_id,
            invitation_id=invitation.id,
            kind=Kind.INVITATION,
            channel=channel,
            state=state,
            reason=story.reason if state == FAILED else None,
            queued_at=at,
            settled_at=at,
            doubt_since=at if state == DeliveryState.IN_DOUBT else None,
            turn=0,
            attempts=1,
        )
        for channel, state in states
        if state
    ]


def _join(invitation: Invitation, password: str, uniquifier: str, at: datetime) -> None:
    """With the contact that was invited; who did at another clinic has the account already."""
    account = db.session.scalar(select(User).where(User.email == invitation.email))
    if account is None:
        account = User(
            email=invitation.email, password=password, fs_uniquifier=uniquifier, created_at=at
        )
        db.session.add(account)
        db.session.flush()
    joining.accept(invitation, account=account, how=How.LINK, now=at)
    change(
        update(Delivery)
        .where(Delivery.clinic_id == invitation.clinic_id, Delivery.kind == Kind.JOINED)
        .values(state=DeliveryState.DELIVERED, settled_at=at, attempts=1)
    )


def _days(count: float) -> timedelta:
    return timedelta(days=count)
