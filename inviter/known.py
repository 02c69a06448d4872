"""Whom a clinic knows already, of many people at once: as `duplicates` says it of each, but only
by ids. Of the rows of a file the database itself finds the namesakes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, BindParameter, bindparam, select, true

from inviter.db import db
from inviter.duplicates import Fate, Likeness, likeness_of
from inviter.models import Import, ImportRow, Invitation, Patient
from inviter.roster import Fate as OfRow
from inviter.roster import Recipient

NAMES: BindParameter[str] = bindparam("names", expanding=True)
CLINIC, FILE = bindparam("clinic", type_=BigInteger), bindparam("file", type_=BigInteger)
FIRST, LAST = bindparam("first", type_=BigInteger), bindparam("last", type_=BigInteger)
INVITATION, PATIENT, ROW = Invitation.__table__.c, Patient.__table__.c, ImportRow.__table__.c
AS_PATIENT = (
    *(PATIENT.name_key, PATIENT.email, PATIENT.phone, PATIENT.invitation_id),
    true().label("has_joined"),
)
AS_INVITED = (
    *(INVITATION.name_key, INVITATION.email, INVITATION.phone),
    INVITATION.id.label("invitation_id"),
    INVITATION.accepted_at.is_not(None).label("has_joined"),
)
PATIENTS = (PATIENT.clinic_id == CLINIC, PATIENT.removed_at.is_(None))
INVITED = (
    *(INVITATION.clinic_id == CLINIC, INVITATION.removed_at.is_(None)),
    INVITATION.erased_at.is_(None),
)
ROWS = (
    *(ROW.clinic_id == CLINIC, ROW.import_id == FILE, ROW.number.between(FIRST, LAST)),
    ROW.fate.in_((OfRow.READY, OfRow.CHANGED)),
)
KNOWN_PATIENTS = select(*AS_PATIENT).where(*PATIENTS, PATIENT.name_key.in_(NAMES))
KNOWN_INVITATIONS = select(*AS_INVITED).where(*INVITED, INVITATION.name_key.in_(NAMES))
PATIENTS_OF_ROWS = select(ROW.number, *AS_PATIENT).where(
    *ROWS, *PATIENTS, PATIENT.name_key == ROW.name_key
)
INVITATIONS_OF_ROWS = select(ROW.number, *AS_INVITED).where(
    *ROWS, *INVITED, INVITATION.name_key == ROW.name_key
)
BARE_OF_ROWS = INVITATIONS_OF_ROWS.where(
    *(INVITATION.email.is_(None), INVITATION.phone.is_(None)),
    INVITATION.twin >= 0,  # always so: SQLite takes their own index then
)


class Met(NamedTuple):
    """As whom the clinic knows someone already."""

    fate: Fate
    invitation_id: int
    by_name_only: bool


def of(clinic_id: int, recipients: Sequence[Recipient]) -> list[Met | None]:
    """As `duplicates.check` of each alone: no contact is compared with those of others."""
    here = {"clinic": clinic_id, "names": list({each.name_key for each in recipients})}
    by_name = _grouped((KNOWN_PATIENTS, KNOWN_INVITATIONS), here) if recipients else {}
    return [_meet(each, by_name.get(each.name_key, ())) for each in recipients]


def of_rows(made: Import, people: Mapping[int, Recipient]) -> dict[int, Met]:
    """As `of`, for rows of a file that are written down; by row number, whoever is known."""
    return _met_of(people, _namesakes(made, people, INVITATIONS_OF_ROWS))


def by_name_of_rows(made: Import, people: Mapping[int, Recipient]) -> dict[int, Met]:
    """The same but for who is known by an invitation with the same contact: to whom the unique
    indexes refuse a second one. Most rows have a contact and are then compared with few."""
    met = _met_of(people, _namesakes(made, people, BARE_OF_ROWS))
    bare = {number: who for number, who in people.items() if not (who.email or who.phone)}
    found = zip(bare, of(made.clinic_id, list(bare.values())), strict=True)
    return met | {number: who for number, who in found if who}


def _namesakes(
    made: Import, people: Mapping[int, Recipient], invitations: Any
) -> Mapping[int, Sequence[Any]]:
    """By row number."""
    if not people:
        return {}
    here = {"clinic": made.clinic_id, "file": made.id, "first": min(people), "last": max(people)}
    return _grouped((PATIENTS_OF_ROWS, invitations), here)


def _met_of(
    people: Mapping[int, Recipient], namesakes: Mapping[int, Sequence[Any]]
) -> dict[int, Met]:
    met = ((number, _meet(people[number], found)) for number, found in namesakes.items())
    return {number: who for number, who in met if who}


def _meet(recipient: Recipient, of_the_name: Iterable[Any]) -> Met | None:
    for each in of_the_name:
        if likeness := likeness_of(recipient, each.name_key, each.email, each.phone):
            fate = Fate.ALREADY_PATIENT if each.has_joined else Fate.ALREADY_INVITED
            return Met(fate, each.invitation_id, likeness == Likeness.NAME)
    return None


def _grouped(queries: Iterable[Any], here: dict[str, Any]) -> dict[Any, list[Any]]:
    """By the first column; who has joined counts first."""
    found: dict[Any, list[Any]] = {}
    for query in queries:
        for each in db.session.execute(query, here):
            found.setdefault(each[0], []).append(each)
    return found
