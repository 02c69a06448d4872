"""The rules of Invited Patients as SQL: who is listed, who is looked for, in what order.

The words about a status are the twin of `status.of`. All but a code is decided by what one index
holds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnCollection,
    ColumnElement,
    String,
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
from inviter.models import (
    BLOCKED,
    DISOWNED,
    EXPIRING,
    TROUBLED,
    WITHOUT_MESSAGE,
    Clinic,
    Invitation,
)
from inviter.status import Moment, Status
from inviter.team import Provider

ACCEPTED_STAY = timedelta(hours=72)
SOON = timedelta(days=3)

INVITATION = Invitation.__table__.c
"""Rows of the list are tuples: a statement about a table costs half of one about a model."""

Columns = ColumnCollection[str, ColumnElement[Any]]
"""Of a table."""


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
    BLOCKED = "blocked"
    ERROR = "error"
    SOON = "soon"
    EXPIRED = "expired"
    DISOWNED = "disowned"


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
class Place:
    """From where the list is looked at: the clinic, its providers by name, the moment."""

    clinic: Clinic
    providers: tuple[Provider, ...]
    keys: Keys
    at: Moment


CLINIC = bindparam("clinic", type_=BigInteger)
CODES: BindParameter[str] = bindparam("codes", expanding=True)
NOW = bindparam("now", type_=UtcDateTime)
DOUBTED = bindparam("doubted", type_=UtcDateTime)
SOON_ENDS = bindparam("soon_ends", type_=UtcDateTime)
STAYS = bindparam("stays", type_=UtcDateTime)
"""What conditions leave open, so that they are built once and not with every page."""


class Words(NamedTuple):
    """What is typed, as far as it shapes a statement: of each word, whether it is looked for in
    names, among providers, in email addresses and in numbers; and whether it is a whole code."""

    ways: tuple[tuple[bool, bool, bool, bool], ...]
    is_code: bool


def words(text: str, providers: Sequence[Provider]) -> tuple[Words, dict[str, Any]]:
    """And the words themselves, by the names under which they are left open."""
    typed, left_open, ways = search.read(text), dict[str, Any](), []
    for place, word in enumerate(typed.words):
        named = [each.id for each in providers if word.name in contacts.fold(each.name)]
        named = named if word.name else []
        left_open[f"name{place}"], left_open[f"named{place}"] = word.name, named
        left_open[f"email{place}"], left_open[f"digits{place}"] = word.email, word.digits
        ways.append((bool(word.name), bool(named), bool(word.email), bool(word.digits)))
    return Words(tuple(ways), typed.code is not None), left_open


def given(place: Place, wanted: Filter) -> dict[str, Any]:
    """What fills in the rest."""
    clinic_id, code = place.clinic.id, search.read(wanted.text).code
    macs = place.keys.code_macs(code, clinic_id=clinic_id) if code else []
    return {"clinic": clinic_id, "codes": macs, **moments(place.at)}


def moments(at: Moment) -> dict[str, datetime]:
    return {
        "now": at.now,
        "doubted": at.now - at.doubt_after,
        "soon_ends": at.now + SOON,
        "stays": at.now - ACCEPTED_STAY,
    }


LISTED: Sequence[ColumnElement[bool]] = (
    INVITATION.clinic_id == CLINIC,
    INVITATION.removed_at.is_(None),
    or_(INVITATION.accepted_at.is_(None), INVITATION.accepted_at > STAYS),
)
FAILED = or_(
    INVITATION.sending == literal_column("'failed'"),
    func.coalesce(
        and_(INVITATION.sending == literal_column("'in doubt'"), INVITATION.doubt_since <= DOUBTED),
        false(),
    ),
)
STATUSES: Sequence[tuple[Status, ColumnElement[bool]]] = (
    (Status.REMOVED, INVITATION.removed_at.is_not(None)),
    (Status.ACCEPTED, INVITATION.accepted_at.is_not(None)),
    (Status.ERROR_SENDING, FAILED),
    (Status.EXPIRED, INVITATION.expires_at <= NOW),
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

CODED = select(INVITATION.id).where(INVITATION.clinic_id == CLINIC, INVITATION.code_mac.in_(CODES))
"""Whose Invite Code it is, by its HMAC: found once and not row by row."""

NEWEST: Sequence[ColumnElement[Any]] = (
    INVITATION.invited_at,
    INVITATION.id,
)


def looked_for(wanted: Filter, typed: Words) -> list[ColumnElement[bool]]:
    """By everything but the text, which is left open."""
    found = []
    if typed.ways:
        has_all = and_(*has_words(INVITATION, typed))
        found.append(or_(has_all, INVITATION.id.in_(CODED)) if typed.is_code else has_all)
    if wanted.provider_id is not None:
        found.append(INVITATION.provider_id == wanted.provider_id)
    if wanted.status:
        found.append(has_status(wanted.status, is_listed=True))
        if _reads_all(wanted) and wanted.status in FEWER:
            found.append(and_(text(FEWER[wanted.status])))
    if wanted.attention:
        found.append(needs(wanted.attention))
    return found


def has_words(table: Columns, typed: Words) -> Iterator[ColumnElement[bool]]:
    """Each in the name, the name of the provider, the email address, or the number."""
    for place, (name, named, email, digits) in enumerate(typed.ways):
        providers: BindParameter[int] = bindparam(f"named{place}", expanding=True)
        ways = (
            (name, holds(table.name_key, bindparam(f"name{place}", type_=String))),
            (named, table.provider_id.in_(providers)),
            (email, holds(table.email, bindparam(f"email{place}", type_=String))),
            (digits, holds(table.phone, bindparam(f"digits{place}", type_=String))),
        )
        yield or_(false(), *(way for is_one, way in ways if is_one))


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
        return and_(text(WITHOUT_MESSAGE), INVITATION.expires_at > NOW)
    if kind == Attention.BLOCKED:
        return and_(text(BLOCKED), INVITATION.expires_at > NOW)
    if kind == Attention.ERROR:
        return and_(text(TROUBLED), has_status(Status.ERROR_SENDING, is_listed=True))
    if kind == Attention.DISOWNED:
        return and_(text(DISOWNED))
    if kind == Attention.EXPIRED:
        return and_(text(EXPIRING), has_status(Status.EXPIRED, is_listed=True))
    soon = INVITATION.expires_at <= SOON_ENDS
    return and_(text(EXPIRING), has_status(Status.PENDING, is_listed=True), soon)


def order(
    wanted: Filter, providers: Sequence[Provider], *, backwards: bool
) -> list[ColumnElement[Any]]:
    """Blanks last whichever way; the newest first among equals. The same on both databases."""
    keys: list[tuple[ColumnElement[Any], bool]]
    if wanted.sort == Column.INVITED:
        falls = wanted.is_descending
        keys = [(key, falls) for key in NEWEST]
    else:
        sorted_by = _sort_key(wanted.sort, providers)
        keys = [(sorted_by.is_(None), False), (sorted_by, wanted.is_descending)]
        keys += [(key, True) for key in NEWEST]
    return [key.desc() if falls != backwards else key.asc() for key, falls in keys]


def _sort_key(column: Column, providers: Sequence[Provider]) -> ColumnElement[Any]:
    if column == Column.PROVIDER:
        ranks = {each.id: rank for rank, each in enumerate(providers)}
        return case(ranks, value=INVITATION.provider_id) if ranks else literal(0)
    if column == Column.STATUS:
        ranked = ((rule, URGENCY.index(word)) for word, rule in STATUSES[1:])
        return case(*ranked, else_=URGENCY.index(Status.PENDING))
    plain: dict[Column, Any] = {
        Column.NAME: INVITATION.name_key,
        Column.ACCEPTED: INVITATION.accepted_at,
        Column.PHONE: INVITATION.phone,
        Column.EMAIL: INVITATION.email,
    }
    sorted_by: ColumnElement[Any] = plain[column]
    return sorted_by
