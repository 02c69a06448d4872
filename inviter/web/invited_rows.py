"""A row of Invited Patients, in words where words are shown: made 25 times a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from flask_babel import gettext as _

from inviter import invitations
from inviter.listing import InvitedRow
from inviter.models import Channel, Clinic
from inviter.status import Status
from inviter.web import addresses, formats, guards, outcomes


class Invited(NamedTuple):
    """One line of Invited Patients, in words where words are shown."""

    id: str
    name: str
    provider: str
    invited: str
    invited_at: str
    accepted: str
    accepted_at: str
    phone: str | None
    email: str | None
    code: str | None
    is_erased: bool
    status: Status
    detail: Sequence[str]
    seen: str
    can_act: bool
    can_send: bool
    can_give_code: bool
    can_undo: bool
    needs_fix: bool
    asks: str


@dataclass(frozen=True, slots=True)
class Words:
    """What stands in every row, put into the reader's language once; %s is the patient."""

    not_yet: str
    not_given: str
    erased: str
    select: str
    resend: str
    resend_to: str
    remove: str
    remove_of: str
    fix: str
    fix_for: str
    code_given: str
    code_given_to: str
    statuses: Mapping[str, str]


@cache
def words(language: str) -> Words:
    """In the reader's language, which is `language`: made once for each."""
    return Words(
        not_yet=_("Not yet"),
        not_given=_("Not given"),
        erased=_("Erased"),
        select=_("Select %s"),
        resend=_("Resend Invite"),
        resend_to=_("Resend Invite to %s"),
        remove=_("Remove Invite"),
        remove_of=_("Remove Invite of %s"),
        fix=_("Fix and resend"),
        fix_for=_("Fix and resend to %s"),
        code_given=_("Code given"),
        code_given_to=_("Code given to %s"),
        statuses={each.value: formats.status(each) for each in addresses.STATUSES},
    )


def shown(row: InvitedRow, clinic: Clinic, *, now: datetime, sms: bool, asks: bool) -> Invited:
    """`asks`: whether to send again is a question where the last sending was just now."""
    can_act = row.status not in (Status.ACCEPTED, Status.REMOVED)
    since = now - (row.resent_at or row.invited_at)
    accepted = row.accepted_at
    return Invited(
        id=str(row.id),
        name=row.name,
        provider=row.provider,
        invited=formats.day(row.invited_at, clinic),
        invited_at=row.invited_at.isoformat(),
        accepted=formats.day(accepted, clinic) if accepted else "",
        accepted_at=accepted.isoformat() if accepted else "",
        phone=row.phone,
        email=row.email,
        code=row.code,
        is_erased=row.erased_at is not None,
        status=row.status,
        detail=outcomes.row_details(row, clinic, now=now),
        seen=str(row.generation),
        can_act=can_act,
        can_send=bool(_channels(row, sms=sms)),
        can_give_code=_needs_code(row),
        can_undo=invitations.can_undo(row, now),
        needs_fix=row.status == Status.ERROR_SENDING or (can_act and row.disowned_at is not None),
        asks=_question(row, since) if asks and can_act else "",
    )


def _question(row: InvitedRow, since: timedelta) -> str:
    if row.disowned_at:
        return formats.asks(row.name, None)
    return formats.asks(row.name, since) if since < invitations.RESEND_PAUSE else ""


def _needs_code(row: InvitedRow) -> bool:
    is_open = row.status in (Status.PENDING, Status.ERROR_SENDING)
    is_open = is_open and row.code is not None
    return is_open and row.code_given_at is None and outcomes.is_code_needed(row.sent)


def reached(row: Any) -> Sequence[Channel]:
    """The channels on which messages can be sent."""
    return _channels(row, sms=guards.settings().sms != "off")


def _channels(row: Any, *, sms: bool) -> Sequence[Channel]:
    return invitations.channels(email=row.email, can_text=row.can_text, sms=sms)
