"""Invited Patients and Patients: a page at a time, in a fixed number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import ColumnElement, Select, and_, false, func, literal, not_, or_, select
from sqlalchemy.orm import joinedload

from inviter import status
from inviter.db import db
from inviter.keys import Keys, Unreadable
from inviter.models import Channel, Clinic, Delivery, How, Invitation, Kind, Patient, User
from inviter.status import DeliveryState, Sending, Status

PER_PAGE = 25
MOST_PAGES = 40
COUNT_LIMIT = PER_PAGE * MOST_PAGES
ACCEPTED_STAY = timedelta(hours=72)

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
    accepted_at: datetime | None
    expires_at: datetime
    phone: str | None
    email: str | None
    code: str | None
    status: Status
    sent: Sequence[Sent]


@dataclass(frozen=True, slots=True)
class PatientRow:
    id: int
    name: str
    provider: str
    joined_at: datetime
    phone: str | None
    email: str | None
    how: How


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


def invited(
    clinic: Clinic, number: int, *, keys: Keys, doubt_after: timedelta, now: datetime
) -> Page[InvitedRow]:
    """Newest first. Accepted ones leave 72 hours after acceptance; a page too far is the first."""
    found, number, total = _page(
        select(Invitation, User.name)
        .join(User, User.id == Invitation.provider_id)
        .where(*_listed(clinic, now))
        .order_by(Invitation.invited_at.desc(), Invitation.id.desc()),
        number,
    )
    sent = messages_of(clinic, [invitation for invitation, _ in found])
    rows = [
        InvitedRow(
            id=each.id,
            name=each.name,
            provider=provider,
            invited_at=each.invited_at,
            accepted_at=each.accepted_at,
            expires_at=each.expires_at,
            phone=each.phone_typed,
            email=each.email,
            code=code_of(each, keys=keys),
            status=status.of(each, now=now, doubt_after=doubt_after),
            sent=sent.get(each.id, ()),
        )
        for each, provider in found
    ]
    return Page(rows, number, total)


def patients(clinic: Clinic, number: int) -> Page[PatientRow]:
    """Who has joined, the latest first."""
    found, number, total = _page(
        select(Patient, User.name)
        .join(User, User.id == Patient.provider_id)
        .where(Patient.clinic_id == clinic.id, Patient.removed_at.is_(None))
        .order_by(Patient.joined_at.desc(), Patient.id.desc()),
        number,
    )
    rows = [
        PatientRow(
            id=each.id,
            name=each.name,
            provider=provider,
            joined_at=each.joined_at,
            phone=each.phone,
            email=each.email,
            how=each.how,
        )
        for each, provider in found
    ]
    return Page(rows, number, total)


def these(clinic: Clinic, ids: Sequence[int]) -> list[Invitation]:
    """Invitations of this clinic by id, in no particular order."""
    return list(
        db.session.scalars(
            select(Invitation)
            .where(Invitation.clinic_id == clinic.id, Invitation.id.in_(ids))
            .options(joinedload(Invitation.invited_by))
        )
    )


def patients_by_id(clinic: Clinic, ids: Sequence[int]) -> list[Patient]:
    return list(
        db.session.scalars(
            select(Patient).where(Patient.clinic_id == clinic.id, Patient.id.in_(ids))
        )
    )


def messages_of(clinic: Clinic, invitations: Sequence[Invitation]) -> dict[int, list[Sent]]:
    """The messages of each invitation's current send, email first."""
    current = {each.id: each.generation for each in invitations}
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
            Delivery.invitation_id.in_(current),
            Delivery.kind == Kind.INVITATION,
        )
        .order_by(Delivery.channel)
    )
    sent: dict[int, list[Sent]] = {}
    for invitation_id, generation, channel, state, reason in found:
        if invitation_id and generation == current[invitation_id]:
            sent.setdefault(invitation_id, []).append(Sent(channel, state, reason))
    return sent


def code_of(invitation: Invitation, *, keys: Keys) -> str | None:
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


def has_status(wanted: Status, *, now: datetime, doubt_after: timedelta) -> ColumnElement[bool]:
    """The SQL twin of `status.of`: the same words in the same order."""
    in_doubt = and_(
        Invitation.sending == Sending.IN_DOUBT, Invitation.doubt_since <= now - doubt_after
    )
    rules: list[tuple[Status, ColumnElement[bool]]] = [
        (Status.REMOVED, Invitation.removed_at.is_not(None)),
        (Status.ACCEPTED, Invitation.accepted_at.is_not(None)),
        (
            Status.ERROR_SENDING,
            or_(Invitation.sending == Sending.FAILED, func.coalesce(in_doubt, false())),
        ),
        (Status.EXPIRED, Invitation.expires_at <= now),
    ]
    earlier: list[ColumnElement[bool]] = []
    for word, rule in rules:
        if word == wanted:
            return and_(rule, *earlier)
        earlier.append(not_(rule))
    return and_(*earlier)


def _listed(clinic: Clinic, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Invitation.clinic_id == clinic.id,
        Invitation.removed_at.is_(None),
        or_(Invitation.accepted_at.is_(None), Invitation.accepted_at > now - ACCEPTED_STAY),
    )


def _page(query: Select[*tuple[Any, ...]], number: int) -> tuple[Sequence[Any], int, int]:
    """The rows of a page, its number, and how many there are, counted to just above the limit.

    A page that is not there is the first.
    """
    some = query.order_by(None).with_only_columns(literal(1)).limit(COUNT_LIMIT + 1).subquery()
    total = db.session.execute(select(func.count()).select_from(some)).scalar_one()
    if not 1 <= number <= MOST_PAGES or (number - 1) * PER_PAGE >= total:
        number = 1
    rows = db.session.execute(query.limit(PER_PAGE).offset((number - 1) * PER_PAGE)).all()
    return rows, number, total
