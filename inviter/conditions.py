"""The rules of Invited Patients as SQL: who is listed, who is looked for, in what order.

The words about a status are the twin of `status.of`. All but a code is decided by what one index
holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, func, literal, not_, or_, select, text

from inviter import contacts, search
from inviter.db import holds
from inviter.keys import Keys
from inviter.models import EXPIRING, TROUBLED, WITHOUT_MESSAGE, Clinic, Invitation, Patient
from inviter.status import Moment, Sending, Status

ACCEPTED_STAY = timedelta(hours=72)
SOON = timedelta(days=3)


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


def listed(place: Place) -> tuple[ColumnElement[bool], ...]:
    stays = place.at.now - ACCEPTED_STAY
    return (
        Invitation.clinic_id == place.clinic.id,
        Invitation.removed_at.is_(None),
        or_(Invitation.accepted_at.is_(None), Invitation.accepted_at > stays),
    )


def looked_for(place: Place, wanted: Filter) -> list[ColumnElement[bool]]:
    found = []
    if wanted.status:
        found.append(has_status(wanted.status, place.at, is_listed=True))
    if wanted.attention:
        found.append(needs(wanted.attention, place.at))
    if wanted.provider_id is not None:
        found.append(Invitation.provider_id == wanted.provider_id)
    typed = search.read(wanted.text)
    if typed.words:
        words = and_(*(has_word(Invitation, each, place.providers) for each in typed.words))
        found.append(or_(words, _has_code(place, typed.code)) if typed.code else words)
    return found


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


def _has_code(place: Place, code: str) -> ColumnElement[bool]:
    """By its HMAC, found once and not row by row."""
    clinic_id = place.clinic.id
    coded = select(Invitation.id).where(
        Invitation.clinic_id == clinic_id,
        Invitation.code_mac.in_(place.keys.code_macs(code, clinic_id=clinic_id)),
    )
    return Invitation.id == coded.scalar_subquery()


def needs(kind: Attention, at: Moment) -> ColumnElement[bool]:
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


def order(place: Place, wanted: Filter, *, backwards: bool) -> list[ColumnElement[Any]]:
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
