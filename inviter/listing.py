"""Invited Patients: what is looked for -> ids in order -> the rows of a page, and what needs doing.

Ids are found and sorted in one index alone, up to just above what is counted; only the rows of a
page are read. Nothing here changes anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import BindParameter, ScalarSelect, Select, bindparam, func, literal, select
from sqlalchemy.orm import joinedload

from inviter import conditions, contacts, status
from inviter.conditions import CLINIC, Attention, Filter, Place, Provider
from inviter.db import db
from inviter.keys import Keys, Unreadable
from inviter.models import Channel, Clinic, Delivery, Invitation, Kind, Membership, User
from inviter.status import DeliveryState, Status

PER_PAGE = 25
MOST_PAGES = 40
COUNT_LIMIT = PER_PAGE * MOST_PAGES
LAST = 0
"""The number of the last page, where there are too many to count."""

Row = TypeVar("Row")

log = structlog.get_logger()


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


PROVIDERS = (
    select(User.id, User.name)
    .join(Membership, Membership.user_id == User.id)
    .where(Membership.clinic_id == CLINIC, Membership.is_provider)
)


def providers(clinic: Clinic) -> list[Provider]:
    """In the order of sorting; also those who left, whose invitations are still listed."""
    found = db.session.execute(PROVIDERS, {"clinic": clinic.id})
    known = [Provider(user_id, name) for user_id, name in found]
    return sorted(known, key=lambda each: (contacts.fold(each.name), each.name, each.id))


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
    query = _query(place, wanted, backwards=backwards).limit(limit)
    return list(db.session.scalars(query, _given(place)))


def _counted_page(place: Place, wanted: Filter, number: int) -> tuple[int, list[int]]:
    """How many match, counted to just above the limit, and the ids of one page: in one scan.

    For the last page from the other end, and so the last first.
    """
    limited = _query(place, wanted, backwards=number == LAST).limit(COUNT_LIMIT + 1)
    found = limited.cte("found").prefix_with("MATERIALIZED")
    count = select(func.count()).select_from(found).scalar_subquery()
    start = (max(number, 1) - 1) * PER_PAGE
    shown = select(count, found.c.id).limit(PER_PAGE).offset(start)
    counted = db.session.execute(shown, _given(place)).all()
    return (counted[0][0] if counted else 0), [each for _, each in counted]


def _query(place: Place, wanted: Filter, *, backwards: bool = False) -> Select[int]:
    return (
        select(Invitation.id)
        .where(*conditions.LISTED, *conditions.looked_for(place, wanted))
        .order_by(*conditions.order(place, wanted, backwards=backwards))
    )


def _given(place: Place) -> dict[str, Any]:
    """What the conditions leave open."""
    return {"clinic": place.clinic.id, **conditions.moments(place.at)}


IDS: BindParameter[int] = bindparam("ids", expanding=True)
ROWS = select(
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
).where(Invitation.clinic_id == CLINIC, Invitation.id.in_(IDS))


def rows(place: Place, ids: Sequence[int]) -> list[InvitedRow]:
    """Of these ids, in their order, removed ones too; those of other clinics are left out."""
    found = db.session.execute(ROWS, {"clinic": place.clinic.id, "ids": list(ids)}).all()
    names = {each.id: each.name for each in place.providers}
    sent = messages_of(place.clinic, {each.id: each.generation for each in found})
    made = {
        each.id: _row(place, each, names.get(each.provider_id, ""), sent.get(each.id, ()))
        for each in found
    }
    return [made[each] for each in ids if each in made]


def _counted(kind: Attention) -> ScalarSelect[int]:
    some = select(literal(1)).where(Invitation.clinic_id == CLINIC, conditions.needs(kind))
    limited = some.limit(COUNT_LIMIT + 1).subquery()
    return select(func.count()).select_from(limited).scalar_subquery()


ATTENTION = select(*(_counted(each) for each in Attention))


def attention(place: Place) -> dict[Attention, int]:
    """How many need each kind of attention, counted to just above the limit."""
    counts = db.session.execute(ATTENTION, _given(place)).one()
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


MESSAGES = (
    select(
        Delivery.invitation_id,
        Delivery.generation,
        Delivery.channel,
        Delivery.state,
        Delivery.reason,
    )
    .where(
        Delivery.clinic_id == CLINIC,
        Delivery.invitation_id.in_(IDS),
        Delivery.kind == Kind.INVITATION,
        Delivery.state != DeliveryState.WITHDRAWN,
    )
    .order_by(Delivery.channel)
)


def messages_of(clinic: Clinic, generations: Mapping[int, int]) -> dict[int, list[Sent]]:
    """The messages of each invitation's current send, email first; by invitation id."""
    found = db.session.execute(MESSAGES, {"clinic": clinic.id, "ids": list(generations)})
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
