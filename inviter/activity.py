"""The record of who did what, when. Lines are only ever added; they hold ids, never values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, select

from inviter import budgets, opt_outs
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Activity, Invitation, User

ACTIVITIES: Any = Activity.__table__


class Action(StrEnum):
    INVITED = "invited"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "sending failed"
    IN_DOUBT = "sending in doubt"
    SUPPRESSED = "not sent: opted out"
    PUT_OFF = "put off to the next day"
    OPTED_OUT = "opted out"
    OPTED_IN = "opted in"
    ACCEPTED = "accepted"
    RENEWED = "renewed by the patient"
    DISOWNED = "not for this person"
    RESENT = "resent"
    REMOVED = "removed"
    RESTORED = "restored"
    CONTACT_CHANGED = "contact changed"
    PROVIDER_CHANGED = "provider changed"
    CODE_SHOWN = "code shown"
    CODE_GIVEN = "code given"
    CODE_BLOCKED = "code tried too often"
    CODE_REPLACED = "code replaced"
    PATIENT_REMOVED = "patient removed"
    EXPORTED = "exported"
    UPLOADED = "file uploaded"
    IMPORTED = "file invited"
    IMPORT_CANCELLED = "import cancelled"
    CONTACTS_ERASED = "contacts erased"
    PATIENT_ERASED = "patient erased"
    SECOND_FACTOR_RESET = "second factor reset"
    SETTINGS_CHANGED = "settings changed"
    VIEWED = "viewed"


class View(StrEnum):
    """What someone looked at."""

    INVITED = "invited"
    PATIENTS = "patients"
    INVITATION = "invitation"
    IMPORT = "import"
    ACTIVITY = "activity"


VIEWED_EVERY = timedelta(minutes=15)
"""Who looks at the same again within it is not written down again."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, for people to read."""

    at: datetime
    action: Action
    by: str | None
    """A name; None for what the system did, and for patients, whose accounts have none."""
    details: dict[str, Any]


def record(
    action: Action,
    *,
    clinic_id: int,
    now: datetime,
    by: User | None = None,
    invitation_id: int | None = None,
    **details: Any,
) -> None:
    """`by` is None for what the system does. `details` hold ids and words of ours."""
    db.session.add(
        Activity(
            clinic_id=clinic_id,
            at=now,
            by_id=by.id if by else None,
            action=action,
            invitation_id=invitation_id,
            details=details,
        )
    )


def record_all(lines: Iterable[dict[str, Any]]) -> None:
    """Many at once, by the names of the columns: far cheaper than each."""
    if rows := list(lines):
        db.session.connection().execute(insert(ACTIVITIES), rows)


@dataclass(frozen=True, slots=True)
class Look:
    """Someone looked at something of a clinic; at which invitation or file, where it is one."""

    clinic_id: int
    by_id: int
    view: View
    thing_id: int | None = None


def viewed(look: Look, *, keys: Keys, now: datetime) -> bool:
    """Whether it had to be written down. By the budget it is once, however many look at once."""
    key = keys.mac("viewed", f"{look.clinic_id} {look.by_id} {look.view} {look.thing_id}")
    if not budgets.spend("viewed", key, most=1, within=VIEWED_EVERY, now=now):
        return False
    at_import = {"import_id": look.thing_id} if look.view == View.IMPORT else {}
    db.session.add(
        Activity(
            clinic_id=look.clinic_id,
            at=now,
            by_id=look.by_id,
            action=Action.VIEWED,
            invitation_id=look.thing_id if look.view == View.INVITATION else None,
            details={"view": look.view, **at_import},
        )
    )
    db.session.flush()
    return True


def of(invitation: Invitation) -> list[Line]:
    """All that happened to an invitation, the newest last. Who looked at it is another question.

    Of one from a file the record has a line for its whole batch: who invited whom, and when, the
    invitation says itself.
    """
    found = db.session.execute(
        select(Activity.at, Activity.action, User.name, Activity.details)
        .outerjoin(User, User.id == Activity.by_id)
        .where(
            Activity.clinic_id == invitation.clinic_id,
            Activity.invitation_id == invitation.id,
            Activity.action != Action.VIEWED,
        )
        .order_by(Activity.at, Activity.id)
    )
    lines = [Line(at, Action(action), name or None, details) for at, action, name, details in found]
    if not any(each.action == Action.INVITED for each in lines) and invitation.invited_by:
        lines.insert(
            0, Line(invitation.invited_at, Action.IMPORTED, invitation.invited_by.name, {})
        )
    lines += [*_erased(invitation, lines), *_opting(invitation)]
    return sorted(lines, key=lambda each: each.at)


def _erased(invitation: Invitation, lines: Iterable[Line]) -> Iterator[Line]:
    """Of those whose time was over the record has a line for many; asked for, each has its own."""
    was_asked = any(each.action == Action.PATIENT_ERASED for each in lines)
    if invitation.erased_at and not was_asked:
        yield Line(invitation.erased_at, Action.CONTACTS_ERASED, None, {})


def _opting(invitation: Invitation) -> Iterator[Line]:
    """When messages were stopped, or welcome again: kept by address, and not with invitations.

    What was before one was invited is another's story.
    """
    for each in opt_outs.of(invitation):
        times = ((each.opted_out_at, Action.OPTED_OUT), (each.lifted_at, Action.OPTED_IN))
        for at, action in times:
            if at and at >= invitation.invited_at:
                yield Line(at, action, None, {"channel": each.channel})
