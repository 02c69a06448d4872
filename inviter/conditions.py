"""The rules of Invited Patients as SQL: who is listed, who is looked for, in what order.

The words about a status are the twin of `status.of`. All but a code is decided by what one index
holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    case,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    text,
)

from inviter import contacts, search
from inviter.db import UtcDateTime, holds
from inviter.keys import Keys
from inviter.models import EXPIRING, TROUBLED, WITHOUT_MESSAGE, Clinic, Invitation, Patient
from inviter.status import Moment, Status

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


CLINIC = bindparam("clinic", type_=BigInteger)
NOW = bindparam("now", type_=UtcDateTime)
DOUBTED = bindparam("doubted", type_=UtcDateTime)
SOON_ENDS = bindparam("soon_ends", type_=UtcDateTime)
STAYS = bindparam("stays", type_=UtcDateTime)
"""What conditions leave open, so that they are built once and not with every page."""


def moments(at: Moment) -> dict[str, datetime]:
    """What fills them in, beside the clinic."""
    return {
        "now": at.now,
        "doubted": at.now - at.doubt_after,
        "soon_ends": at.now + SOON,
        "stays": at.now - ACCEPTED_STAY,
    }


LISTED: Sequence[ColumnElement[bool]] = (
    Invitation.clinic_id == CLINIC,
    Invitation.removed_at.is_(None),
    or_(Invitation.accepted_at.is_(None), Invitation.accepted_at > STAYS),
)
FAILED = or_(
    Invitation.sending == literal_column("'failed'"),
    func.coalesce(
        and_(Invitation.sending == literal_column("'in doubt'"), Invitation.doubt_since <= DOUBTED),
        false(),
    ),
)
STATUSES: Sequence[tuple[Status, ColumnElement[bool]]] = (
    (Status.REMOVED, Invitation.removed_at.is_not(None)),
    (Status.ACCEPTED, Invitation.accepted_at.is_not(None)),
    (Status.ERROR_SENDING, FAILED),
    (Status.EXPIRED, Invitation.expires_at <= NOW),
)
"""All but Pending, which is the rest."""

FEWER = {
    Status.PENDING: EXPIRING,
    Status.EXPIRED: EXPIRING,
    Status.ERROR_SENDING: TROUBLED,
}
"""The words of a smaller index that holds all of a status."""

URGENCY = (Status.ERROR_SENDING, Status.EXPIRED, Status.PENDING, Status.ACCEPTED)
"""The order of sorting by status."""

NEWEST: Sequence[ColumnElement[Any]] = (
    Invitation.invited_at.expression,
    Invitation.id.expression,
)


def looked_for(place: Place, wanted: Filter) -> list[ColumnElement[bool]]:
    found = []
    typed = search.read(wanted.text)
    if typed.words:
        words = and_(*(has_word(Invitation, each, place.providers) for each in typed.words))
        found.append(or_(words, _has_code(place, typed.code)) if typed.code else words)
    if wanted.provider_id is not None:
        found.append(Invitation.provider_id == wanted.provider_id)
    if wanted.status:
        found.append(has_status(wanted.status, is_listed=True))
        if _reads_all(wanted) and wanted.status in FEWER:
            found.append(and_(text(FEWER[wanted.status])))
    if wanted.attention:
        found.append(needs(wanted.attention))
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


def _reads_all(wanted: Filter) -> bool:
    """Whether all must be looked at: else the newest of the list are soon enough found in it."""
    return bool(wanted.text) or wanted.sort != Column.INVITED


@cache
def has_status(wanted: Status, *, is_listed: bool = False) -> ColumnElement[bool]:
    """The SQL twin of `status.of`: the same words in the same order.

    What `is_listed` is not removed: asked about that, SQLite would have to look beside the index.
    """
    earlier: list[ColumnElement[bool]] = []
    for word, rule in STATUSES[is_listed:]:
        if word == wanted:
            return and_(rule, *earlier)
        earlier.append(not_(rule))
    return and_(*earlier)


@cache
def needs(kind: Attention) -> ColumnElement[bool]:
    """The first part of each is the rule of a small index."""
    if kind == Attention.CODE:
        return and_(text(WITHOUT_MESSAGE), Invitation.expires_at > NOW)
    if kind == Attention.ERROR:
        return and_(text(TROUBLED), has_status(Status.ERROR_SENDING, is_listed=True))
    if kind == Attention.EXPIRED:
        return and_(text(EXPIRING), has_status(Status.EXPIRED, is_listed=True))
    soon = Invitation.expires_at <= SOON_ENDS
    return and_(text(EXPIRING), has_status(Status.PENDING, is_listed=True), soon)


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
        ranked = ((rule, URGENCY.index(word)) for word, rule in STATUSES[1:])
        return case(*ranked, else_=URGENCY.index(Status.PENDING))
    plain: dict[Column, Any] = {
        Column.NAME: Invitation.name_key,
        Column.ACCEPTED: Invitation.accepted_at,
        Column.PHONE: Invitation.phone,
        Column.EMAIL: Invitation.email,
    }
    sorted_by: ColumnElement[Any] = plain[column]
    return sorted_by


def _has_code(place: Place, code: str) -> ColumnElement[bool]:
    """By its HMAC, found once and not row by row."""
    clinic_id = place.clinic.id
    coded = select(Invitation.id).where(
        Invitation.clinic_id == clinic_id,
        Invitation.code_mac.in_(place.keys.code_macs(code, clinic_id=clinic_id)),
    )
    return Invitation.id.in_(coded)
