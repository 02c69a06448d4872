"""Invited Patients: what is looked for -> ids in order -> the rows of a page, and what needs doing.

Ids are found and sorted in one index alone, up to just above what is counted; only the rows of a
page are read. Nothing here changes anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

import structlog
from sqlalchemy import BindParameter, ScalarSelect, Select, and_, bindparam, func, literal, select
from sqlalchemy.orm import joinedload

from inviter import conditions, opt_outs, status
from inviter.conditions import CLINIC, INVITATION, Attention, Column, Filter, Place, Words
from inviter.db import db
from inviter.keys import Keys, Unreadable
from inviter.models import Channel, Clinic, Delivery, Invitation, Kind, OptOut
from inviter.status import DeliveryState, Status
from inviter.team import Provider

PER_PAGE = 25
MOST_PAGES = 40
COUNT_LIMIT = PER_PAGE * MOST_PAGES
LAST = 0
"""The number of the last page, where there are too many to count."""

Row = TypeVar("Row")

log = structlog.get_logger()


class Sent(NamedTuple):
    """One message of the current send, as far as we know."""

    channel: Channel
    state: DeliveryState
    reason: str | None
    opted_out: bool = False
    """Whether whoever got it, or would have, wants no more now."""


class InvitedRow(NamedTuple):
    id: int
    name: str
    provider: str
    invited_at: datetime
    resent_at: datetime | None
    accepted_at: datetime | None
    removed_at: datetime | None
    erased_at: datetime | None
    expires_at: datetime
    code_given_at: datetime | None
    disowned_at: datetime | None
    has_other_contact: bool | None
    phone: str | None
    email: str | None
    can_text: bool
    code: str | None
    code_tries: int
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
    per_page: int = PER_PAGE

    @property
    def is_capped(self) -> bool:
        return self.total > self.limit

    @property
    def last(self) -> int:
        return max(1, min(MOST_PAGES, -(-self.total // self.per_page)))


def page(place: Place, wanted: Filter, number: int) -> Page[InvitedRow]:
    """A page too far is the first. Accepted ones leave 72 hours after acceptance."""
    if number == LAST:
        return _last_page(place, wanted)
    number = number if 1 <= number <= MOST_PAGES else 1
    total, shown = _counted_page(place, wanted, number)
    if number > 1 and not shown:
        number, (total, shown) = 1, _counted_page(place, wanted, 1)
    return Page(rows(place, shown), number, total)


def _last_page(place: Place, wanted: Filter) -> Page[InvitedRow]:
    """Where it has a number it holds what is left over, else as much as any."""
    total, ends = _counted_page(place, wanted, LAST)
    if total > COUNT_LIMIT:
        return Page(rows(place, ends[::-1]), LAST, total)
    number = max(1, -(-total // PER_PAGE))
    shown = ends[: total - (number - 1) * PER_PAGE]
    return Page(rows(place, shown[::-1]), number, total)


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
    shape, given = _shape(place, wanted)
    query = _ids(shape, backwards=backwards).limit(limit)
    return list(db.session.scalars(query, given))


def _counted_page(place: Place, wanted: Filter, number: int) -> tuple[int, list[int]]:
    """How many match, counted to just above the limit, and the ids of one page: in one scan.

    For the last page from the other end, and so the last first.
    """
    shape, given = _shape(place, wanted)
    counted = db.session.execute(_page_ids(shape, number), given).all()
    return (counted[0][0] if counted else 0), [each for _, each in counted]


class _Shape(NamedTuple):
    """All that a statement is made of: what is typed is left open in it."""

    wanted: Filter
    typed: Words
    providers: tuple[Provider, ...]
    """Where it is sorted by them."""


def _shape(place: Place, wanted: Filter) -> tuple[_Shape, dict[str, Any]]:
    """And what is left open."""
    typed, words = conditions.words(wanted.text, place.providers)
    providers = place.providers if wanted.sort == Column.PROVIDER else ()
    shape = _Shape(replace(wanted, text="x" if typed.ways else ""), typed, providers)
    return shape, {**conditions.given(place, wanted), **words}


@lru_cache(maxsize=256)
def _page_ids(shape: _Shape, number: int) -> Select[int, int]:
    """To put a statement together costs more than to run it: each is kept."""
    limited = _ids(shape, backwards=number == LAST).limit(COUNT_LIMIT + 1)
    found = limited.cte("found").prefix_with("MATERIALIZED")
    count = select(func.count()).select_from(found).scalar_subquery()
    start = (max(number, 1) - 1) * PER_PAGE
    return select(count, found.c.id).limit(PER_PAGE).offset(start)


def _ids(shape: _Shape, *, backwards: bool) -> Select[int]:
    return (
        select(INVITATION.id)
        .where(*conditions.LISTED, *conditions.looked_for(shape.wanted, shape.typed))
        .order_by(*conditions.order(shape.wanted, shape.providers, backwards=backwards))
    )


DELIVERY = Delivery.__table__.c
OPTED_OUT = OptOut.channel.is_not(None).label("opted_out")
SENT = (DELIVERY.channel, DELIVERY.state, DELIVERY.reason, OPTED_OUT)
IDS: BindParameter[int] = bindparam("ids", expanding=True)
ROWS = (
    select(
        INVITATION.clinic_id,
        INVITATION.id,
        INVITATION.first_name,
        INVITATION.last_name,
        INVITATION.provider_id,
        INVITATION.phone_typed,
        INVITATION.email,
        INVITATION.can_text,
        INVITATION.invited_at,
        INVITATION.resent_at,
        INVITATION.expires_at,
        INVITATION.accepted_at,
        INVITATION.removed_at,
        INVITATION.erased_at,
        INVITATION.code_sealed,
        INVITATION.code_given_at,
        INVITATION.code_tries,
        INVITATION.disowned_at,
        INVITATION.has_other_contact,
        INVITATION.generation,
        INVITATION.sending,
        INVITATION.doubt_since,
        *SENT,
    )
    .outerjoin_from(
        Invitation.__table__,
        Delivery.__table__,
        and_(
            DELIVERY.clinic_id == INVITATION.clinic_id,
            DELIVERY.invitation_id == INVITATION.id,
            DELIVERY.generation == INVITATION.generation,
            DELIVERY.kind == Kind.INVITATION,
            DELIVERY.state != DeliveryState.WITHDRAWN,
        ),
    )
    .outerjoin(OptOut, opt_outs.stands_for(DELIVERY.channel, INVITATION.email, INVITATION.phone))
    .where(INVITATION.clinic_id == CLINIC, INVITATION.id.in_(IDS))
    .order_by(INVITATION.id, DELIVERY.channel)
)
"""A line for each message of the current send; one where there is none."""


def rows(place: Place, ids: Sequence[int]) -> list[InvitedRow]:
    """Of these ids, in their order, removed ones too; those of other clinics are left out."""
    lines = db.session.execute(ROWS, {"clinic": place.clinic.id, "ids": list(ids)})
    names = {each.id: each.name for each in place.providers}
    together = (list(some) for _id, some in groupby(lines, key=attrgetter("id")))
    made = {some[0].id: _row(place, names, some) for some in together}
    return [made[each] for each in ids if each in made]


def _counted(kind: Attention) -> ScalarSelect[int]:
    some = select(literal(1)).where(INVITATION.clinic_id == CLINIC, conditions.needs(kind))
    limited = some.limit(COUNT_LIMIT + 1).subquery()
    return select(func.count()).select_from(limited).scalar_subquery()


ATTENTION = select(*(_counted(each) for each in Attention))


def attention(place: Place) -> dict[Attention, int]:
    """How many need each kind of attention, counted to just above the limit."""
    counts = db.session.execute(ATTENTION, conditions.given(place, Filter())).one()
    return dict(zip(Attention, counts, strict=True))


def these(clinic: Clinic, ids: Sequence[int]) -> list[Invitation]:
    """Invitations of this clinic by id, in no particular order."""
    return list(
        db.session.scalars(
            select(Invitation)
            .where(Invitation.clinic_id == clinic.id, Invitation.id.in_(ids))
            .options(joinedload(Invitation.invited_by))
        )
    )


MESSAGES = ROWS.with_only_columns(INVITATION.id, *SENT)


def messages_of(clinic: Clinic, ids: Iterable[int]) -> dict[int, list[Sent]]:
    """The messages of each invitation's current send, email first; by invitation id."""
    lines = db.session.execute(MESSAGES, {"clinic": clinic.id, "ids": list(ids)})
    return {each: _sent(some) for each, some in groupby(lines, key=attrgetter("id"))}


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


def _row(place: Place, names: Mapping[int, str], lines: Sequence[Any]) -> InvitedRow:
    facts = lines[0]
    return InvitedRow(
        id=facts.id,
        name=f"{facts.first_name} {facts.last_name}".strip(),
        provider=names.get(facts.provider_id, ""),
        invited_at=facts.invited_at,
        resent_at=facts.resent_at,
        accepted_at=facts.accepted_at,
        removed_at=facts.removed_at,
        erased_at=facts.erased_at,
        expires_at=facts.expires_at,
        code_given_at=facts.code_given_at,
        disowned_at=facts.disowned_at,
        has_other_contact=facts.has_other_contact,
        phone=facts.phone_typed,
        email=facts.email,
        can_text=facts.can_text,
        code=code_of(facts, keys=place.keys),
        code_tries=facts.code_tries,
        generation=facts.generation,
        status=status.of(facts, now=place.at.now, doubt_after=place.at.doubt_after),
        sent=_sent(lines),
    )


def _sent(lines: Iterable[Any]) -> list[Sent]:
    return [Sent(*each[-len(SENT) :]) for each in lines if each.channel]
