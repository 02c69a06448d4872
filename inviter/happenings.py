"""What happened at a clinic, the newest first: by whom, of what kind, to which patient, when.

A page begins after a line, wherever new ones came since, and costs the same however many there are.
Nothing here changes anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, and_, func, literal, select, tuple_

from inviter import search
from inviter.activity import Action
from inviter.db import UtcDateTime, db, holds
from inviter.models import Activity, Clinic, Import, Invitation, User

PER_PAGE = 50
MOST_NAMED = 200
"""Of more patients than these one has to type more."""


class Kind(StrEnum):
    INVITATIONS = "invitations"
    MESSAGES = "messages"
    CODES = "codes"
    CONTACTS = "contacts"
    FILES = "files"
    LOOKS = "looks"
    ACCOUNTS = "accounts"
    SETTINGS = "settings"


KINDS: dict[Kind, tuple[Action, ...]] = {
    Kind.INVITATIONS: (
        *(Action.INVITED, Action.IMPORTED, Action.RESENT, Action.REMOVED, Action.RESTORED),
        *(Action.ACCEPTED, Action.PATIENT_REMOVED, Action.RENEWED, Action.DISOWNED),
    ),
    Kind.MESSAGES: (
        *(Action.SENT, Action.DELIVERED, Action.FAILED, Action.IN_DOUBT, Action.SUPPRESSED),
        *(Action.OPTED_OUT, Action.OPTED_IN, Action.PUT_OFF),
    ),
    Kind.CODES: (
        *(Action.CODE_SHOWN, Action.CODE_GIVEN, Action.CODE_BLOCKED, Action.CODE_REPLACED),
    ),
    Kind.CONTACTS: (
        *(Action.CONTACT_CHANGED, Action.PROVIDER_CHANGED),
        *(Action.CONTACTS_ERASED, Action.PATIENT_ERASED),
    ),
    Kind.FILES: (Action.UPLOADED, Action.IMPORTED, Action.IMPORT_CANCELLED),
    Kind.LOOKS: (Action.VIEWED, Action.EXPORTED),
    Kind.ACCOUNTS: (Action.SECOND_FACTOR_RESET,),
    Kind.SETTINGS: (Action.SETTINGS_CHANGED,),
}


class TooMany(Exception):
    """More patients have such a name than can be looked through."""


class Spot(NamedTuple):
    """A line's place among all."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`since` and `until` are days of the clinic's calendar, both included."""

    by_id: int | None = None
    kind: Kind | None = None
    patient: str = ""
    since: date | None = None
    until: date | None = None


class Happening(NamedTuple):
    id: int
    at: datetime
    action: str
    by: str | None
    """A name; None for what the system did, and for patients, whose accounts have none."""
    invitation_id: int | None
    patient: str
    file: str
    details: dict[str, Any]

    @property
    def spot(self) -> Spot:
        return Spot(self.at, self.id)


@dataclass(frozen=True, slots=True)
class Page:
    rows: Sequence[Happening]
    newer: Spot | None = None
    """What comes before the first, where anything does."""
    older: Spot | None = None


Conditions = Sequence[ColumnElement[bool]]


def conditions(clinic: Clinic, wanted: Wanted) -> Conditions:
    """What its lines have to meet. Raises TooMany."""
    found = [Activity.clinic_id == clinic.id]
    if wanted.by_id is not None:
        found.append(Activity.by_id == wanted.by_id)
    if wanted.kind:
        found.append(Activity.action.in_(KINDS[wanted.kind]))
    if wanted.patient:
        found.append(Activity.invitation_id.in_(_named(clinic, wanted.patient)))
    if wanted.since:
        found.append(Activity.at >= _midnight(wanted.since, clinic))
    if wanted.until and wanted.until < date.max:
        found.append(Activity.at < _midnight(wanted.until + timedelta(days=1), clinic))
    return found


def page(where: Conditions, *, before: Spot | None = None, after: Spot | None = None) -> Page:
    """Those older than `before`, or newer than `after`; else the newest."""
    if after:
        found = _lines(where, after=after, limit=PER_PAGE + 1)
        if len(found) > PER_PAGE:
            rows = found[:PER_PAGE][::-1]
            return Page(rows, newer=rows[0].spot, older=rows[-1].spot)
        before = None  # fewer are newer than fill a page: it is the first
    found = _lines(where, before=before, limit=PER_PAGE + 1)
    rows = found[:PER_PAGE]
    return Page(
        rows,
        newer=rows[0].spot if rows and before else None,
        older=rows[-1].spot if len(found) > PER_PAGE else None,
    )


def earlier(where: Conditions, now: datetime) -> Conditions:
    """Without what happens from now on."""
    return [*where, Activity.at < now]


def count(where: Conditions) -> int:
    return db.session.scalar(select(func.count()).select_from(Activity).where(*where)) or 0


def batches(where: Conditions, *, size: int) -> Iterator[Sequence[Happening]]:
    """All of them, the newest first; those that come meanwhile are left out."""
    before = None
    while rows := _lines(where, before=before, limit=size):
        yield rows
        before = rows[-1].spot


def _lines(
    where: Conditions, *, before: Spot | None = None, after: Spot | None = None, limit: int
) -> list[Happening]:
    """`after` reads from there on, so the oldest come first."""
    here = tuple_(Activity.at, Activity.id)
    query = (
        select(Activity, User.name, Invitation.first_name, Invitation.last_name)
        .outerjoin(User, User.id == Activity.by_id)
        .outerjoin(
            Invitation,
            and_(
                Invitation.clinic_id == Activity.clinic_id, Invitation.id == Activity.invitation_id
            ),
        )
        .where(*where)
        .limit(limit)
    )
    if after:
        query = query.where(here > _spot(after)).order_by(Activity.at, Activity.id)
    else:
        query = query.order_by(Activity.at.desc(), Activity.id.desc())
        query = query.where(here < _spot(before)) if before else query
    found = db.session.execute(query).all()
    files = _files([line for line, *_names in found])
    return [
        Happening(
            id=line.id,
            at=line.at,
            action=line.action,
            by=name or None,
            invitation_id=line.invitation_id,
            patient=f"{first or ''} {last or ''}".strip(),
            file=files.get(line.details.get("import_id"), ""),
            details=line.details,
        )
        for line, name, first, last in found
    ]


def _files(lines: Sequence[Activity]) -> dict[int | None, str]:
    ids = {each.details["import_id"] for each in lines if "import_id" in each.details}
    if not ids:
        return {}
    here = (Import.clinic_id == lines[0].clinic_id, Import.id.in_(ids))
    found = db.session.execute(select(Import.id, Import.file_name).where(*here))
    return {each.id: each.file_name for each in found}


def _named(clinic: Clinic, typed: str) -> list[int]:
    """Invitations of patients with all these words in their name; removed ones too."""
    words = [each.name for each in search.read(typed).words]
    if not all(words):  # one that cannot stand in a name
        return []
    parts = (holds(Invitation.name_key, each) for each in words)
    query = select(Invitation.id).where(Invitation.clinic_id == clinic.id, *parts)
    found = list(db.session.scalars(query.limit(MOST_NAMED + 1)))
    if len(found) > MOST_NAMED:
        raise TooMany
    return found


def _spot(spot: Spot) -> Any:
    return tuple_(literal(spot.at, UtcDateTime), literal(spot.id, BigInteger))


def _midnight(day: date, clinic: Clinic) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(clinic.time_zone))
