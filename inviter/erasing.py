"""A patient wishes to be forgotten: name, email and number go wherever the clinic keeps them.

What was done stays, by ids, so that nothing of the record changes. The account is the person's own
and stays, as at other clinics; so does in `opt_out` the address of who said stop, or it would be
written to again.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, null, or_, select, update

from inviter import activity, drafts, keeping, outbox, roster
from inviter.activity import Action
from inviter.bulk import Reader
from inviter.contacts import name_key as name_key_of
from inviter.db import change, db
from inviter.duplicates import one_at_a_time
from inviter.keys import Keys
from inviter.models import Clinic, ImportRow, Invitation, Patient, User
from inviter.roster import Fate
from inviter.spreadsheets import Row

NO_NAME: dict[str, Any] = {"first_name": "", "last_name": "", "name_key": ""}
NO_CELLS: dict[str, Any] = {
    **NO_NAME,
    **{"email": "", "phone": ""},
    **{"beyond": null(), "problems": null(), "changes": null()},
}

CHANGED = (*NO_NAME, *keeping.NO_CONTACT, "removed_at", "erased_at")


def is_erased(invitation: Invitation) -> bool:
    """By wish: not only its contacts, since its time was over."""
    return not invitation.name


def erase(
    invitation: Invitation, *, by: User | None, keys: Keys, reader: Reader, now: datetime
) -> int:
    """Of all this patient's invitations at the clinic; how many there were, 0 once it was done.

    Those that stand are removed with it, nothing queued is sent, and who had joined belongs to the
    clinic no longer. There is no Undo.
    """
    clinic_id = invitation.clinic_id
    one_at_a_time(clinic_id)
    db.session.refresh(invitation, [*NO_NAME, "email", "phone"])
    if is_erased(invitation):
        return 0
    name_key, found = invitation.name_key, _of_the_patient(invitation)
    ids = [each.id for each in found]
    contacts = {each for one in found for each in (one.email, one.phone) if each}
    for each in found:
        removed_at = func.coalesce(Invitation.removed_at, now)
        here = (Invitation.clinic_id == clinic_id, Invitation.id == each.id)
        change(update(Invitation).where(*here).values(removed_at=removed_at, **NO_NAME))
        outbox.withdraw(each, because=Action.PATIENT_ERASED)
    _erase_patients(clinic_id, ids, now)
    keeping.erase_contacts(clinic_id, ids, now=now)
    _erase_rows(clinic_id, ids, name_key, contacts, reader)
    drafts.erase_rows_of(db.session.get_one(Clinic, clinic_id), name_key, keys=keys)
    for id in ids:
        activity.record(
            Action.PATIENT_ERASED, clinic_id=clinic_id, invitation_id=id, by=by, now=now
        )
    db.session.flush()
    for each in found:
        db.session.refresh(each, CHANGED)
    return len(ids)


def _of_the_patient(invitation: Invitation) -> list[Invitation]:
    """The same name with the same email or number; without any, only what is over. In the order
    of ids, in which everyone locks them."""
    named = (
        Invitation.clinic_id == invitation.clinic_id,
        Invitation.name_key == invitation.name_key,
    )
    found = [
        each
        for rows in (Invitation.removed_at.is_(None), Invitation.removed_at.is_not(None))
        for each in db.session.scalars(select(Invitation).where(*named, rows))
    ]
    same = [each for each in found if each.id == invitation.id or _is_same(each, invitation)]
    return sorted(same, key=lambda each: each.id)


def _is_same(other: Invitation, one: Invitation) -> bool:
    if other.email or other.phone:
        has_email = bool(one.email) and other.email == one.email
        return has_email or (bool(one.phone) and other.phone == one.phone)
    return other.removed_at is not None or other.erased_at is not None


def _erase_patients(clinic_id: int, ids: Collection[int], now: datetime) -> None:
    theirs = (Patient.clinic_id == clinic_id, Patient.invitation_id.in_(ids))
    removed_at = func.coalesce(Patient.removed_at, now)
    change(update(Patient).where(*theirs).values(removed_at=removed_at, **NO_NAME))


def _erase_rows(
    clinic_id: int,
    ids: Sequence[int],
    name_key: str,
    contacts: Collection[str],
    reader: Reader,
) -> None:
    """Of files that are not erased yet; who was still to be invited by one is left out of it."""
    unread = ImportRow.fate == Fate.NEEDS_FIXING
    theirs = or_(ImportRow.invitation_id.in_(ids), ImportRow.name_key == name_key, unread)
    found = db.session.scalars(select(ImportRow).where(ImportRow.clinic_id == clinic_id, theirs))
    for row in found.all():
        is_named = row.name_key == name_key or _typed_name_key(row) == name_key
        if row.invitation_id in ids or (is_named and _names_them(row, contacts, reader)):
            fate = Fate.INVITED if row.fate == Fate.INVITED else Fate.SKIPPED
            here = (ImportRow.clinic_id == clinic_id, ImportRow.import_id == row.import_id)
            one = (*here, ImportRow.number == row.number)
            change(update(ImportRow).where(*one).values(fate=fate, **NO_CELLS))


def _typed_name_key(row: ImportRow) -> str:
    """Of a row that could not be read, which has none of its own."""
    return name_key_of(row.first_name, row.last_name)


def _names_them(row: ImportRow, contacts: Iterable[str], reader: Reader) -> bool:
    typed = Row(row.number, row.first_name, row.last_name, row.email, row.phone, row.extra)
    who = roster.check_row(typed, reader, one_name=row.one_name).recipient
    if who is None:  # what is wrong with it may be the contact: it goes with the name
        return True
    return not (who.email or who.number) or bool({who.email, who.number} & set(contacts))
