"""A row of an uploaded file in words: who it is, how it stands and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _

from inviter import contacts, duplicates, roster
from inviter.bulk import Reader
from inviter.imports import DONE, TO_INVITE
from inviter.models import Clinic, ImportRow, Invitation
from inviter.roster import Fate, Recipient
from inviter.status import Moment
from inviter.web import checked, formats, guards, mending_forms
from inviter.web.mending_forms import RowToFix


@dataclass(frozen=True, slots=True)
class RowShown:
    """`tick`: the field "This is a different person" where only the name is the same."""

    number: int
    name: str
    email: str
    phone: str
    notes: Sequence[str]
    known_url: str
    tick: Any
    can_change: bool
    can_check: bool
    """Those who knew them do no longer."""
    can_leave_out: bool
    can_put_back: bool


def shown(
    row: ImportRow,
    *,
    reader: Reader,
    known: Invitation | None,
    may_change: bool,
    same_contact: Sequence[str] = (),
) -> RowShown:
    """As it is read; as it was typed, where it cannot be. `known`: by which the clinic knows them
    already."""
    who = _recipient(row, reader)
    typed = mending_forms.form_of(row)
    name = f"{typed.first_name.data} {typed.last_name.data}".strip()
    return RowShown(
        number=row.number,
        name=who.name if who else name,
        email=(who.email or "") if who else typed.email.data,
        phone=(who.phone.typed if who.phone else "") if who else typed.phone.data,
        notes=[*_notes(row, who, known), *checked.same_contact(same_contact)],
        known_url=_url_of(known) if known else "",
        tick=typed.is_different if row.by_name_only and may_change else None,
        can_change=may_change and row.fate not in (Fate.NEEDS_FIXING, *DONE),
        can_check=may_change and row.fate == Fate.ALREADY_INVITED and not _stands(known),
        can_leave_out=may_change and row.fate in TO_INVITE,
        can_put_back=may_change and row.fate == Fate.SKIPPED,
    )


def same_contact(
    rows: Sequence[ImportRow], reader: Reader, clinic: Clinic
) -> dict[int, Sequence[str]]:
    """By their numbers, of those who would be invited: the names of others at the clinic, and
    among these, who have the same email or mobile number."""
    read = {each.number: _recipient(each, reader) for each in rows}
    people = {number: who for number, who in read.items() if who}
    names = duplicates.same_contact(clinic.id, list(people.values()))
    return dict(zip(people, names, strict=True))


def _recipient(row: ImportRow, reader: Reader) -> Recipient | None:
    """None where it needs fixing."""
    ticks = {"one_name": row.one_name, "is_different": row.is_different}
    return roster.check_row(row, reader, **ticks).recipient


def _notes(row: ImportRow, who: Recipient | None, known: Invitation | None) -> list[str]:
    if row.fate == Fate.NEEDS_FIXING:
        return [RowToFix(row).all_problems]
    if row.fate in TO_INVITE and who:
        apart = [_("Said to be a different person")] if row.is_different else []
        return [*apart, *mending_forms.changed(row.changes), *_reached(who)]
    if row.fate == Fate.DUPLICATE_IN_FILE:
        return [_("The same as row %(number)s", number=row.duplicate_of)]
    if known and row.fate == Fate.ALREADY_INVITED:
        at = Moment(g.now, guards.settings().doubt_after)
        return [checked.known(known, g.clinic, at)]
    if known and known.accepted_at and row.fate == Fate.ALREADY_PATIENT:
        return [_("Joined %(day)s", day=formats.day(known.accepted_at, g.clinic))]
    return []


def _reached(who: Recipient) -> list[str]:
    meant = contacts.email_hint(who.email) if who.email else None
    hint = _("Did you mean %(address)s?", address=meant) if meant else ""
    return checked.notes_to_invite(who, hint, sms=guards.settings().sms != "off")


def _stands(invitation: Invitation | None) -> bool:
    return bool(invitation and not (invitation.removed_at or invitation.erased_at))


def _url_of(invitation: Invitation) -> str:
    return url_for("invitations.page", slug=g.clinic.slug, invitation_id=invitation.id)
