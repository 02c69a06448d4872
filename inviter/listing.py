"""Invited Patients: what is looked for -> ids in order -> the rows of a page, and what needs doing.

Ids are found and sorted in one index alone, up to just above what is counted; only the rows of a
page are read. Nothing here changes anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.orm import joinedload

from inviter import contacts, search, status
from inviter.db import db, holds
from inviter.keys import Keys, Unreadable
from inviter.models import (
    EXPIRING,
    TROUBLED,
    WITHOUT_MESSAGE,
    Channel,
    Clinic,
    Delivery,
    Invitation,
    Kind,
    Membership,
    Patient,
    User,
)
from inviter.status import DeliveryState, Moment, Sending, Status

PER_PAGE = 25
MOST_PAGES = 40
COUNT_LIMIT = PER_PAGE * MOST_PAGES
LAST = 0
"""The number of the last page, where there are too many to count."""
ACCEPTED_STAY = timedelta(hours=72)
SOON = timedelta(days=3)

Row = TypeVar("Row")

log = structlog.get_logger()


class Column(StrEnum):
    """The columns of Invited Patients, in the order that holds until someone chooses."""

    NAME = "name"
    PROVIDER = "provider"
    INVITED = "invited"
    ACCEPTED = "accepted"
    PHONE = "phone"
    EMAIL = "email"
    CODE = "code"
    STATUS = "status"


SORTABLE = tuple(each for each in Column if each != Column.CODE)
"""A code is stored encrypted: it has no order."""


class Attention(StrEnum):
    """What someone should do something about."""

    CODE = "code"
    ERROR = "error"
    SOON = "soon"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is looked for, and in what order. As it stands: everyone, the newest first."""

    text: str = ""
    status: Status | None = None
    attention: Attention | None = None
    provider_id: int | None = None
    sort: Column = Column.INVITED
    is_descending: bool = True


@dataclass(frozen=True, slots=True)
class Provider:
    """Someone for whom patients were or may be invited here."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """From where the list is looked at: the clinic, its providers by name, the moment."""

    clinic: Clinic
    providers: Sequence[Provider]
    keys: Keys
    at: Moment


@dataclass(frozen=True, slots=True)
class Sent:
    """One message of the current send, as far as we know."""

    channel: Channel
    state: DeliveryState
    reason: str | None


@dataclass(frozen=True, slots=True)
class InvitedRow:
    id: int
    name: str
    provider: str
    invited_at: datetime
    resent_at: datetime | None
    accepted_at: datetime | None
    removed_at: datetime | None
    expires_at: datetime
    code_given_at: datetime | None
    phone: str | None
    email: str | None
    can_text: bool
    code: str | None
    generation: int
    status: Status
    sent: Sequence[Sent]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """`total` is exact up to `limit` and stands for "more" above it."""

    rows: Sequence[Row]
    number: int
    total: int
    limit: int = COUNT_LIMIT

    @property
    def is_capped(self) -> bool:
        return self.total > self.limit

    @property
    def last(self) -> int:
        return max(1, min(MOST_PAGES, -(-self.total // PER_PAGE)))


def providers(clinic: Clinic) -> list[Provider]:
    """In the order of sorting; also those who left, whose invitations are still listed."""
    found = db.session.execute(
        select(User.id, User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.clinic_id == clinic.id, Membership.is_provider)
    )
    known = [Provider(user_id, name) for user_id, name in found]
    return sorted(known, key=lambda each: (contacts.fold(each.name), each.name, each.id))


def page(place: Place, wanted: Filter, number: int) -> Page[InvitedRow]:
    """A page too far is the first. Accepted ones leave 72 hours after acceptance."""
    ids = matching(place, wanted)
    if number == LAST and len(ids) > COUNT_LIMIT:
        ends = matching(place, wanted, limit=PER_PAGE, backwards=True)
        return Page(rows(place, ends[::-1]), LAST, len(ids))
    number, shown = cut(ids, number)
    return Page(rows(place, shown), number, len(ids))


def cut(ids: Sequence[int], number: int) -> tuple[int, Sequence[int]]:
    """The page's number and ids; LAST is the last, and one that is not there the first."""
    if number == LAST:
        number = -(-len(ids) // PER_PAGE)
    if not 1 <= number <= MOST_PAGES or (number - 1) * PER_PAGE >= len(ids):
        number = 1
    return number, ids[(number - 1) * PER_PAGE : number * PER_PAGE]


def matching(
    place: Place,
    wanted: Filter,
    *,
    limit: int | None = COUNT_LIMIT + 1,
    backwards: bool = False,
) -> list[int]:
    """Ids of what is looked for, in order, or from the end; one more than is counted tells that."""
    query = (
        select(Invitation.id)
        .where(*_listed(place), *_looked_for(place, wanted))
        .order_by(*_order(place, wanted, backwards=backwards))
        .limit(limit)
    )
    return list(db.session.scalars(query))


def rows(place: Place, ids: Sequence[int]) -> list[InvitedRow]:
    """Of these ids, in their order, removed ones too; those of other clinics are left out."""
    found = db.session.execute(
        select(*COLUMNS).where(Invitation.clinic_id == place.clinic.id, Invitation.id.in_(ids))
    ).all()
    names = {each.id: each.name for each in place.providers}
    sent = messages_of(place.clinic, {each.id: each.generation for each in found})
    made = {
        each.id: _row(place, each, names.get(each.provider_id, ""), sent.get(each.id, ()))
        for each in found
    }
    return [made[each] for each in ids if each in made]


def attention(place: Place) -> dict[Attention, int]:
    """How many need each kind of attention, counted to just above the limit."""
    counts = []
    for each in Attention:
        some = select(literal(1)).where(
            Invitation.clinic_id == place.clinic.id, _needs(each, place.at)
        )
        counted = select(func.count()).select_from(some.limit(COUNT_LIMIT + 1).subquery())
        counts.append(counted.scalar_subquery())
    return dict(zip(Attention, db.session.execute(select(*counts)).one(), strict=True))


def these(clinic: Clinic, ids: Sequence[int]) -> list[Invitation]:
    """Invitations of this clinic by id, in no particular order."""
    return list(
        db.session.scalars(
            select(Invitation)
            .where(Invitation.clinic_id == clinic.id, Invitation.id.in_(ids))
            .options(joinedload(Invitation.invited_by))
        )
    )


def messages_of(clinic: Clinic, generations: Mapping[int, int]) -> dict[int, list[Sent]]:
    """The messages of each invitation's current send, email first; by invitation id."""
    found = db.session.execute(
        select(
            Delivery.invitation_id,
            Delivery.generation,
            Delivery.channel,
            Delivery.state,
            Delivery.reason,
        )
        .where(
            Delivery.clinic_id == clinic.id,
            Delivery.invitation_id.in_(generations),
            Delivery.kind == Kind.INVITATION,
        )
        .order_by(Delivery.channel)
    )
    sent: dict[int, list[Sent]] = {}
    for invitation_id, generation, channel, state, reason in found:
        if invitation_id and generation == generations[invitation_id]:
            sent.setdefault(invitation_id, []).append(Sent(channel, state, reason))
    return sent


def code_of(invitation: Any, *, keys: Keys) -> str | None:
    """The Invite Code, for staff to read out; None once it is cleared, or no secret opens it."""
    if invitation.code_sealed is None:
        return None
    try:
        return keys.open_code(
            invitation.code_sealed, clinic_id=invitation.clinic_id, invitation_id=invitation.id
        )
    except Unreadable:
        log.error("code unreadable: is a secret missing?", invitation=invitation.id)
        return None


def has_status(wanted: Status, at: Moment, *, is_listed: bool = False) -> ColumnElement[bool]:
    """The SQL twin of `status.of`: the same words in the same order.

    What `is_listed` is not removed: asked about that, SQLite would have to look beside the index.
    """
    earlier: list[ColumnElement[bool]] = []
    for word, rule in _statuses(at)[is_listed:]:
        if word == wanted:
            return and_(rule, *earlier)
        earlier.append(not_(rule))
    return and_(*earlier)


def has_word(
    table: type[Invitation] | type[Patient], word: search.Word, providers: Sequence[Provider]
) -> ColumnElement[bool]:
    """In the name, the email address, the number, or the name of the provider."""
    ways: list[ColumnElement[bool]] = [false()]
    if word.name:
        ways.append(holds(table.name_key, word.name))
        named = [each.id for each in providers if word.name in contacts.fold(each.name)]
        if named:
            ways.append(table.provider_id.in_(named))
    if word.email:
        ways.append(holds(table.email, word.email))
    if word.digits:
        ways.append(holds(table.phone, word.digits))
    return or_(*ways)


COLUMNS = (
    Invitation.clinic_id,
    Invitation.id,
    Invitation.first_name,
    Invitation.last_name,
    Invitation.provider_id,
    Invitation.phone_typed,
    Invitation.email,
    Invitation.can_text,
    Invitation.invited_at,
    Invitation.resent_at,
    Invitation.expires_at,
    Invitation.accepted_at,
    Invitation.removed_at,
    Invitation.code_sealed,
    Invitation.code_given_at,
    Invitation.generation,
    Invitation.sending,
    Invitation.doubt_since,
)


def _row(place: Place, facts: Any, provider: str, sent: Sequence[Sent]) -> InvitedRow:
    return InvitedRow(
        id=facts.id,
        name=f"{facts.first_name} {facts.last_name}".strip(),
        provider=provider,
        invited_at=facts.invited_at,
        resent_at=facts.resent_at,
        accepted_at=facts.accepted_at,
        removed_at=facts.removed_at,
        expires_at=facts.expires_at,
        code_given_at=facts.code_given_at,
        phone=facts.phone_typed,
        email=facts.email,
        can_text=facts.can_text,
        code=code_of(facts, keys=place.keys),
        generation=facts.generation,
        status=status.of(facts, now=place.at.now, doubt_after=place.at.doubt_after),
        sent=sent,
    )


def _listed(place: Place) -> tuple[ColumnElement[bool], ...]:
    stays = place.at.now - ACCEPTED_STAY
    return (
        Invitation.clinic_id == place.clinic.id,
        Invitation.removed_at.is_(None),
        or_(Invitation.accepted_at.is_(None), Invitation.accepted_at > stays),
    )


def _looked_for(place: Place, wanted: Filter) -> list[ColumnElement[bool]]:
    found = []
    if wanted.status:
        found.append(has_status(wanted.status, place.at, is_listed=True))
    if wanted.attention:
        found.append(_needs(wanted.attention, place.at))
    if wanted.provider_id is not None:
        found.append(Invitation.provider_id == wanted.provider_id)
    looked_for = search.read(wanted.text)
    if looked_for.words:
        words = and_(*(has_word(Invitation, each, place.providers) for each in looked_for.words))
        found.append(or_(words, _has_code(place, looked_for.code)) if looked_for.code else words)
    return found


def _has_code(place: Place, code: str) -> ColumnElement[bool]:
    """By its HMAC, found once and not row by row."""
    clinic_id = place.clinic.id
    coded = select(Invitation.id).where(
        Invitation.clinic_id == clinic_id,
        Invitation.code_mac.in_(place.keys.code_macs(code, clinic_id=clinic_id)),
    )
    return Invitation.id == coded.scalar_subquery()


def _needs(kind: Attention, at: Moment) -> ColumnElement[bool]:
    """The first part of each is the rule of a small index."""
    if kind == Attention.CODE:
        return and_(text(WITHOUT_MESSAGE), Invitation.expires_at > at.now)
    if kind == Attention.ERROR:
        return and_(text(TROUBLED), has_status(Status.ERROR_SENDING, at, is_listed=True))
    if kind == Attention.EXPIRED:
        return and_(text(EXPIRING), has_status(Status.EXPIRED, at, is_listed=True))
    soon = Invitation.expires_at <= at.now + SOON
    return and_(text(EXPIRING), has_status(Status.PENDING, at, is_listed=True), soon)


def _statuses(at: Moment) -> list[tuple[Status, ColumnElement[bool]]]:
    """All but Pending, which is the rest."""
    in_doubt = and_(
        Invitation.sending == Sending.IN_DOUBT, Invitation.doubt_since <= at.now - at.doubt_after
    )
    failed = or_(Invitation.sending == Sending.FAILED, func.coalesce(in_doubt, false()))
    return [
        (Status.REMOVED, Invitation.removed_at.is_not(None)),
        (Status.ACCEPTED, Invitation.accepted_at.is_not(None)),
        (Status.ERROR_SENDING, failed),
        (Status.EXPIRED, Invitation.expires_at <= at.now),
    ]


URGENCY = (Status.ERROR_SENDING, Status.EXPIRED, Status.PENDING, Status.ACCEPTED)
"""The order of sorting by status."""


NEWEST: tuple[ColumnElement[Any], ...] = (
    Invitation.invited_at.expression,
    Invitation.id.expression,
)


def _order(place: Place, wanted: Filter, *, backwards: bool) -> list[ColumnElement[Any]]:
    """Blanks last whichever way; the newest first among equals. The same on both databases."""
    keys: list[tuple[ColumnElement[Any], bool]]
    if wanted.sort == Column.INVITED:
        falls = wanted.is_descending
        keys = [(key, falls) for key in NEWEST]
    else:
        sorted_by = _sort_key(place, wanted.sort)
        keys = [(sorted_by.is_(None), False), (sorted_by, wanted.is_descending)]
        keys += [(key, True) for key in NEWEST]
    return [key.desc() if falls != backwards else key.asc() for key, falls in keys]


def _sort_key(place: Place, column: Column) -> ColumnElement[Any]:
    if column == Column.PROVIDER:
        ranks = {each.id: rank for rank, each in enumerate(place.providers)}
        return case(ranks, value=Invitation.provider_id) if ranks else literal(0)
    if column == Column.STATUS:
        ranked = ((rule, URGENCY.index(word)) for word, rule in _statuses(place.at)[1:])
        return case(*ranked, else_=URGENCY.index(Status.PENDING))
    plain: dict[Column, Any] = {
        Column.NAME: Invitation.name_key,
        Column.ACCEPTED: Invitation.accepted_at,
        Column.PHONE: Invitation.phone,
        Column.EMAIL: Invitation.email,
    }
    sorted_by: ColumnElement[Any] = plain[column]
    return sorted_by
