"""A large demo for measuring: the clinics of the demo and others, and a crowd invited to them.

The same seed gives the same people, codes, ids and times before now; only what secures them
(nonces, uniquifiers) is new each time. Who knows the seed knows the codes. Every message is
settled: nothing of this may ever be sent.
"""

import gc
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from inviter import codes, crowd, demo, invitations, keeping, status, team
from inviter.activity import Action
from inviter.db import ID_SEQUENCE_BITS, Base, db
from inviter.keys import Keys
from inviter.many_rows import bulk
from inviter.models import Activity, Channel, Clinic, Delivery, How, Invitation, Kind, Patient, User
from inviter.status import DeliveryState, Sending

LARGEST = crowd.PHONES  # so that contacts differ; half of the codes that there are
BATCH = 10_000
PATIENTS_PER_ACCOUNT = 10
OLDEST_ID = 100_000_000_000  # in the time of `new_id` March 2023: as long as its ids, and earlier

Row = dict[str, Any]
Rows = dict[type[Base], list[Row]]


class Impossible(ValueError):
    """The text says what to ask for instead."""


def spread(clinics: int | None, invitations: int | None) -> list[int]:
    """How many each clinic holds: Northside a sixth, the rest equal, what is left over first.

    None means as few as the demo has: its clinics, its invitations for each clinic. Raises
    Impossible.
    """
    fewest, each_has = len(demo.CLINICS), len(demo.NAMES)
    clinics = fewest if clinics is None else clinics
    if clinics < fewest:
        raise Impossible(f"Give at least {fewest} clinics: those of the demo are always there.")
    invitations = clinics * each_has if invitations is None else invitations
    if invitations < fewest * each_has:
        raise Impossible(f"Give at least {fewest * each_has} invitations, as the demo has.")
    northside = invitations // 6
    each, left = divmod(invitations - northside, clinics - 1)
    shares = [northside, *(each + (place < left) for place in range(clinics - 1))]
    if max(shares) > LARGEST:
        raise Impossible(
            f"A clinic can have {LARGEST} invitations here, not {max(shares)}:"
            " give fewer invitations, or more clinics."
        )
    return shares


def tidy() -> None:
    """After the commit. PostgreSQL reads an index alone only once the tables are vacuumed; SQLite
    plans as the indexes were meant without statistics."""
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("VACUUM ANALYZE")


class LargeDemo:
    """Everything is drawn in the order in which it is asked for. Flushes; the caller commits."""

    def __init__(
        self,
        seed: int,
        *,
        password: str,
        new_uniquifier: Callable[[], str],
        keys: Keys,
        now: datetime,
    ) -> None:
        """`password` is hashed already; everyone has it, patients too."""
        self.random = Random(seed)  # noqa: S311  (to be the same each time; it protects nobody)
        self.password, self.new_uniquifier = password, new_uniquifier
        self.keys, self.now = keys, now
        self._ids_made = 0

    def new_id(self) -> int:
        """Rising and even: the next one up is free, for a second row that belongs to the first."""
        self._ids_made += 1
        few = self.random.getrandbits(ID_SEQUENCE_BITS - 1) << 1
        return (OLDEST_ID + self._ids_made) << ID_SEQUENCE_BITS | few

    def add_clinics(self, count: int) -> list[Clinic]:
        """Those of the demo first, with the people who work there; nobody is invited yet."""
        clinics = demo.add_clinics(
            password=self.password,
            new_uniquifier=self.new_uniquifier,
            now=self.now - crowd.SPAN,
            new_id=self.new_id,
        )
        return clinics + [self._add_clinic(number) for number in range(len(clinics), count)]

    def invite(self, clinic: Clinic, count: int, *, batch: int = BATCH) -> None:
        """So many at a time, so that memory stays small."""
        desk = _Desk(self, clinic, count)
        gc.disable()  # rows have no cycles; to look for some takes a quarter of the time
        try:
            for start in range(0, count, batch):
                _keep(desk.invite(range(start, min(start + batch, count))))
        finally:
            gc.enable()

    def _add_clinic(self, number: int) -> Clinic:
        clinic = Clinic(
            id=self.new_id(),
            slug=f"clinic-{number + 1}",
            name=crowd.clinic_name(number),
            phone=f"306 555 01{number % 100:02}",
            time_zone=demo.TIME_ZONE,
            created_at=self.now - crowd.SPAN,
        )
        db.session.add(clinic)
        self._add_staff(clinic, "admin", is_admin=True)
        for place in range(self.random.randint(1, 3)):
            self._add_staff(clinic, f"provider-{place + 1}" if place else "provider")
        return clinic

    def _add_staff(self, clinic: Clinic, role: str, *, is_admin: bool = False) -> None:
        name = " ".join(crowd.name(self.random))
        user = User(
            id=self.new_id(),
            name=name if is_admin else f"Dr. {name}",
            email=f"{role}@{clinic.slug}.example.org",
            password=self.password,
            fs_uniquifier=self.new_uniquifier(),
            created_at=clinic.created_at,
        )
        db.session.add(user)
        db.session.flush()
        team.add(clinic, user, admin=is_admin, provider=not is_admin, now=clinic.created_at)


def _keep(rows: Rows) -> None:
    for model, made in rows.items():
        if made:
            table = db.metadata.tables[model.__tablename__]
            bulk(
                db.session.connection(), table, [*made[0]], (tuple(each.values()) for each in made)
            )


class _Sent(NamedTuple):
    """What became of one message."""

    channel: Channel
    state: DeliveryState
    doubt_since: datetime | None


class _Desk:
    """The front desk of one clinic, where so many were invited over the last two years."""

    def __init__(self, whole: LargeDemo, clinic: Clinic, count: int) -> None:
        self.whole, self.random, self.clinic, self.count = whole, whole.random, clinic, count
        self.clinic_id, self.admin_id = clinic.id, team.admins(clinic)[0].id
        self.provider_ids = [each.id for each in team.providers(clinic)]
        self.codes = self.random.sample(range(10**codes.LENGTH), count)
        self.namesakes: Counter[str] = Counter()
        self.joined = 0
        self.account: Row = {}

    def invite(self, places: range) -> Rows:
        """The rows of these by table, in the order of foreign keys; the oldest first."""
        rows: Rows = {User: [], Invitation: [], Delivery: [], Patient: [], Activity: []}
        for place in places:
            person = crowd.person(self.random, place)
            invited_at = self.whole.now - crowd.ago(self.random, place, self.count)
            sent = self._sent(person, invited_at)
            invitation = self._invitation(place, person, invited_at, sent)
            rows[Invitation].append(invitation)
            rows[Delivery] += [self._delivery(invitation, each) for each in sent]
            rows[Activity].append(
                self._line(Action.INVITED, invitation, invitation["invited_by_id"])
            )
            if invitation["accepted_at"]:
                self._join(invitation, rows)
        return rows

    def _sent(self, person: crowd.Person, at: datetime) -> list[_Sent]:
        ways = invitations.channels(email=person.email, can_text=bool(person.phone), sms=True)
        states = crowd.states(self.random, len(ways))
        return [
            _Sent(way, state, at if state == DeliveryState.IN_DOUBT else None)
            for way, state in zip(ways, states, strict=True)
        ]

    def _invitation(
        self, place: int, person: crowd.Person, invited_at: datetime, sent: list[_Sent]
    ) -> Row:
        invitation_id, provider_id = self.whole.new_id(), self.random.choice(self.provider_ids)
        sending, doubt_since = status.amount_to(sent)
        given_at = None if sent else self._by_now(invited_at, crowd.until_given(self.random))
        can_join = given_at is not None or sending in (Sending.SENT, Sending.IN_DOUBT)
        wait = crowd.until_accepted(self.random) if can_join else None
        self.namesakes[person.name_key] += 1
        expires_at = invitations.expiry(self.clinic, invited_at)
        accepted_at = self._by_now(invited_at, wait)
        return {
            "clinic_id": self.clinic_id,
            "id": invitation_id,
            **person._asdict(),
            "can_text": person.phone is not None,
            "twin": self.namesakes[person.name_key] - 1,
            "provider_id": provider_id,
            "invited_by_id": self.random.choice((provider_id, self.admin_id)),
            "invited_at": invited_at,
            "expires_at": expires_at,
            "accepted_at": accepted_at,
            "erased_at": None,
            **self._code(place, invitation_id),
            **self._kept(accepted_at, expires_at),
            "code_given_at": given_at,
            "link_id": crowd.link_id(self.random),
            "link_version": 1,
            "generation": 1,
            "sending": sending,
            "doubt_since": doubt_since,
        }

    def _code(self, place: int, invitation_id: int) -> Row:
        keys, clinic_id = self.whole.keys, self.clinic_id
        code = f"{self.codes[place]:0{codes.LENGTH}}"
        return {
            "code_sealed": keys.seal_code(code, clinic_id=clinic_id, invitation_id=invitation_id),
            "code_mac": keys.code_mac(code, clinic_id=clinic_id),
        }

    def _kept(self, accepted_at: datetime | None, expires_at: datetime) -> Row:
        """What `keeping` would have erased by now."""
        ended = accepted_at or expires_at
        if ended > self.whole.now - keeping.CODE_RESTS:
            return {}
        if accepted_at:
            return keeping.NO_CODE
        return keeping.NO_CODE | keeping.NO_CONTACT | {"erased_at": ended + keeping.CODE_RESTS}

    def _by_now(self, at: datetime, wait: timedelta | None) -> datetime | None:
        """So long after a time, if that is not yet to come."""
        return None if wait is None or at + wait >= self.whole.now else at + wait

    def _delivery(self, invitation: Row, sent: _Sent) -> Row:
        at = invitation["invited_at"]
        return {
            "clinic_id": invitation["clinic_id"],
            "id": invitation["id"] | (sent.channel == Channel.SMS),
            "kind": Kind.INVITATION,
            "channel": sent.channel,
            "invitation_id": invitation["id"],
            "generation": 1,
            "state": sent.state,
            "reason": "no-such-address" if sent.state == DeliveryState.FAILED else None,
            "queued_at": at,
            "settled_at": None if sent.doubt_since else at,
            "doubt_since": sent.doubt_since,
            "turn": 0,
            "attempts": 1,
        }

    def _join(self, invitation: Row, rows: Rows) -> None:
        if self.joined % PATIENTS_PER_ACCOUNT == 0:
            self.account = self._open_account(invitation["invited_at"])
            rows[User].append(self.account)
        self.joined += 1
        has_contact = invitation["email"] or invitation["phone"]
        how = How.LINK if has_contact and self.random.random() < 0.8 else How.CODE
        rows[Patient].append(self._patient(invitation, how))
        rows[Activity].append(self._line(Action.ACCEPTED, invitation, self.account["id"], how=how))

    def _open_account(self, at: datetime) -> Row:
        number = self.joined // PATIENTS_PER_ACCOUNT + 1
        return {
            "id": self.whole.new_id(),
            "name": "",
            "email": f"family-{number}@{self.clinic.slug}.example.org",
            "password": self.whole.password,
            "is_active": True,
            "fs_uniquifier": self.whole.new_uniquifier(),
            "created_at": at,
        }

    def _patient(self, invitation: Row, how: How) -> Row:
        same = ("clinic_id", "id", "provider_id", "first_name", "last_name", "name_key", "phone")
        return {
            **{name: invitation[name] for name in same},
            "email": invitation["email"] or self.account["email"],
            "user_id": self.account["id"],
            "invitation_id": invitation["id"],
            "joined_at": invitation["accepted_at"],
            "how": how,
        }

    def _line(self, action: Action, invitation: Row, by_id: int, **details: Any) -> Row:
        is_first = action == Action.INVITED
        return {
            "clinic_id": invitation["clinic_id"],
            "id": invitation["id"] | (not is_first),
            "at": invitation["invited_at" if is_first else "accepted_at"],
            "by_id": by_id,
            "action": action,
            "invitation_id": invitation["id"],
            "details": details,
        }
