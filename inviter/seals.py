"""Seals over the lines of activity: a chain for each clinic, so that any change to what happened
shows.

Lines are written plainly; some minutes later they are sealed, in the order of their ids. A seal
lists the ids it is over. So a line that was committed late, with an id lower than those sealed
already, is simply in a later seal (`late`): it is in the chain, and no sign of meddling.
A chain cut short holds together: its head says how long it is, and one head how many chains there
are. Who undoes the whole database to an earlier state is found by the log, which names each seal.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, exists, func, select, update

from inviter.db import change, db, id_at, id_span, insert
from inviter.keys import Keys
from inviter.models import NO_CLINIC, Activity, Clinic, Seal, SealHead
from inviter.scope import across_clinics

SETTLE = timedelta(minutes=5)
"""So old a line is sealed: nearly all that began before it are committed by then."""
LOOK_BACK = timedelta(hours=1)
"""So long after its id was made a line may be committed, and is sealed all the same."""
MOST_LINES = 1_000
MOST_CLINICS = 1_000

SEAL, HEAD = "activity seal", "activity seals"
"""What the keys are for."""

Lines = Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class Next:
    """The next seal of a chain, ready to be put at its end."""

    clinic_id: int
    number: int
    ids: tuple[int, ...]
    last_id: int
    mac: str
    head_mac: str
    sealed_at: datetime


def due(*, now: datetime) -> list[int]:
    """Clinics with lines to be sealed; but for late ones."""
    is_new = exists().where(
        Activity.clinic_id == Clinic.id,
        Activity.id > func.coalesce(SealHead.last_id, 0),
        Activity.id <= id_at(now - SETTLE),
    )
    query = (
        select(Clinic.id)
        .outerjoin(SealHead, SealHead.clinic_id == Clinic.id)
        .where(is_new)
        .order_by(func.coalesce(SealHead.last_id, 0), Clinic.id)  # who has waited the longest
        .limit(MOST_CLINICS)
    )
    with across_clinics():
        return list(db.session.scalars(query))


def due_late(*, now: datetime) -> list[int]:
    """Clinics where a line may have been committed after later ones were sealed."""
    recent = SealHead.last_id > id_at(now - 2 * LOOK_BACK - SETTLE)
    query = select(SealHead.clinic_id).where(recent, SealHead.clinic_id != NO_CLINIC)
    with across_clinics():
        return list(db.session.scalars(query.order_by(SealHead.clinic_id)))


def prepare(clinic_id: int, *, keys: Keys, now: datetime, late: bool = False) -> Next | None:
    """Over the next lines, or those that came late; None where there are none."""
    head = db.session.execute(
        select(SealHead.number, SealHead.last_id).where(SealHead.clinic_id == clinic_id)
    ).one_or_none()
    last_number, last_id = head or (0, 0)
    if late:
        found = _late(clinic_id, last_id, now)
    else:
        found = _lines(clinic_id, Activity.id > last_id, Activity.id <= id_at(now - SETTLE))
    if not found:
        return None
    number, last_id = last_number + 1, max(last_id, found[-1].id)
    before = db.session.scalar(
        select(Seal.mac).where(Seal.clinic_id == clinic_id, Seal.number == last_number)
    )
    return Next(
        clinic_id=clinic_id,
        number=number,
        ids=tuple(each.id for each in found),
        last_id=last_id,
        mac=keys.mac(SEAL, text_of(clinic_id, number, before, now, found)),
        head_mac=keys.mac(HEAD, text_of_head(clinic_id, number, last_id)),
        sealed_at=now,
    )


def put(made: Next, *, keys: Keys) -> bool:
    """Whether it is at the end of the chain now; where not, another worker was first, and nothing
    of this may be committed."""
    head = {"number": made.number, "last_id": made.last_id, "mac": made.head_mac}
    is_put = _move(made.clinic_id, head) if made.number > 1 else _begin(made.clinic_id, head, keys)
    if is_put:
        db.session.add(
            Seal(
                clinic_id=made.clinic_id,
                number=made.number,
                ids=pack(made.ids),
                mac=made.mac,
                sealed_at=made.sealed_at,
            )
        )
        db.session.flush()
    return is_put


def text_of(
    clinic_id: int, number: int, before: str | None, sealed_at: datetime, lines: Lines
) -> str:
    """All that a seal is over, in one way only to write it."""
    told = [
        [each.id, each.at.isoformat(), each.by_id, each.action, each.invitation_id, each.details]
        for each in lines
    ]
    return json.dumps([clinic_id, number, before, sealed_at.isoformat(), told], sort_keys=True)


def text_of_head(clinic_id: int, number: int, last_id: int) -> str:
    return f"{clinic_id} {number} {last_id}"


def pack(ids: Sequence[int]) -> bytes:
    return struct.pack(f">{len(ids)}q", *ids)


def unpack(ids: bytes) -> tuple[int, ...]:
    """Raises struct.error where they are no ids."""
    return struct.unpack(f">{len(ids) // 8}q", ids)


def _lines(clinic_id: int, *where: Any) -> Lines:
    query = select(*Activity.__table__.c).where(Activity.clinic_id == clinic_id, *where)
    return db.session.execute(query.order_by(Activity.id).limit(MOST_LINES)).all()


def _late(clinic_id: int, last_id: int, now: datetime) -> Lines:
    """Of the last hour before the last that is sealed, those in no seal."""
    since = last_id - id_span(LOOK_BACK)
    places = (Activity.id > since, Activity.id <= last_id)
    ids = db.session.scalars(select(Activity.id).where(Activity.clinic_id == clinic_id, *places))
    # A line is sealed after it was made; the hour more is for hosts whose clocks differ.
    made_by = now - 3 * LOOK_BACK - SETTLE
    over = db.session.scalars(
        select(Seal.ids).where(Seal.clinic_id == clinic_id, Seal.sealed_at > made_by)
    )
    sealed = {each for packed in over for each in unpack(packed) if each > since}
    late = sorted(each for each in ids if each not in sealed)[:MOST_LINES]
    return _lines(clinic_id, Activity.id.in_(late)) if late else []


def _move(clinic_id: int, head: dict[str, Any]) -> bool:
    here = (SealHead.clinic_id == clinic_id, SealHead.number == head["number"] - 1)
    return change(update(SealHead).where(*here).values(**head)) == 1


def _begin(clinic_id: int, head: dict[str, Any], keys: Keys) -> bool:
    """A chain, which the head of all chains counts."""
    new = insert(SealHead).values(clinic_id=clinic_id, **head).on_conflict_do_nothing()
    if not change(new):
        return False
    if clinic_id == NO_CLINIC:
        return True
    before = db.session.scalar(select(SealHead.number).where(SealHead.clinic_id == NO_CLINIC)) or 0
    mac = keys.mac(HEAD, text_of_head(NO_CLINIC, before + 1, 0))
    counted = {"number": before + 1, "last_id": 0, "mac": mac}
    return _move(NO_CLINIC, counted) if before else _begin(NO_CLINIC, counted, keys)
