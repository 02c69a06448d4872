"""Whether all that was sealed is as it was: walks every chain, and says what is wrong with it.

It only reads. What is not sealed yet is counted and cannot be judged, but should not be old: an
earlier end of a chain, put back with all that came later taken away, shows by that alone.
"""

import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from inviter.db import db, id_at, id_span
from inviter.keys import Keys
from inviter.models import NO_CLINIC, Activity, Clinic, Seal, SealHead
from inviter.scope import across_clinics
from inviter.seals import HEAD, LOOK_BACK, SEAL, SETTLE, text_of, text_of_head, unpack

UNSEALED = "was put in among older ones, or its seal is gone"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What does not hold. `clinic` is its short name, or empty where it is about all of them."""

    clinic: str
    place: str
    what: str


@dataclass(slots=True)
class Counts:
    """What was gone through so far."""

    clinics: int = 0
    seals: int = 0
    sealed: int = 0
    unsealed: int = 0


@dataclass(slots=True)
class _Chain:
    clinic: Any
    head: Row[Any] | None
    number: int = 0
    before: str | None = None
    sealed: int = 0


def troubles(*, keys: Keys, counts: Counts, now: datetime) -> Iterator[Trouble]:
    """One for each place; adds up `counts` on the way."""
    with across_clinics():
        heads = {each.clinic_id: each for each in db.session.execute(select(*_HEADS))}
    clinics = db.session.execute(select(Clinic.id, Clinic.slug).order_by(Clinic.slug)).all()
    yield from _of_heads(heads, [each.slug for each in clinics if each.id not in heads], keys)
    for clinic in clinics:
        chain = _Chain(clinic, heads.get(clinic.id))
        yield from _of_clinic(chain, keys, counts, now)
        yield from _of_overdue(chain, now)


_HEADS = SealHead.__table__.c


def _of_heads(heads: dict[int, Row[Any]], without: list[str], keys: Keys) -> Iterator[Trouble]:
    """Whether a whole chain is gone."""
    all_of_them = heads.get(NO_CLINIC)
    there = len(heads) - (all_of_them is not None)
    said = all_of_them.number if all_of_them else 0
    if all_of_them and not _is_head(all_of_them, keys):
        yield Trouble("", "all chains", "how many there are was changed")
    if said > there:
        names = ", ".join(without) or "a clinic that is gone"
        yield Trouble("", "all chains", f"{said - there} of {said} are gone: of {names}")
    if said < there:
        yield Trouble("", "all chains", f"there are {there}, and only {said} are counted")


def _of_clinic(chain: _Chain, keys: Keys, counts: Counts, now: datetime) -> Iterator[Trouble]:
    slug, head = chain.clinic.slug, chain.head
    length = head.number if head else 0
    if head and not _is_head(head, keys):
        yield Trouble(slug, "the chain", "how long it is was changed")
    for seal in _seals(chain):
        if seal.number != chain.number + 1:
            yield Trouble(slug, _seals_between(chain.number + 1, seal.number - 1), "gone")
        yield from _of_seal(chain, seal, keys)
        chain.number, chain.before = seal.number, seal.mac
        counts.seals += 1
    if chain.number < length:
        yield Trouble(slug, _seals_between(chain.number + 1, length), "gone, at the end")
    if chain.number and not head:
        yield Trouble(slug, "the chain", "how long it is is gone")
    yield from _of_unsealed(chain, counts, now)
    counts.clinics += 1
    counts.sealed += chain.sealed


def _of_seal(chain: _Chain, seal: Row[Any], keys: Keys) -> Iterator[Trouble]:
    slug, place = chain.clinic.slug, f"seal {seal.number}"
    try:
        ids = unpack(seal.ids)
    except struct.error:
        yield Trouble(slug, place, "the seal was changed")
        return
    lines = _lines(chain.clinic.id, ids)
    chain.sealed += len(lines)
    if gone := [each for each in ids if each not in lines]:
        yield Trouble(slug, f"{place}, line {gone[0]}", f"{len(gone)} of {len(ids)} lines are gone")
        return
    found = [lines[each] for each in ids]
    text = text_of(chain.clinic.id, seal.number, chain.before, seal.sealed_at, found)
    if not any(hmac.compare_digest(seal.mac, each) for each in keys.macs(SEAL, text)):
        when = f"of {found[0].at:%Y-%m-%d %H:%M} to {found[-1].at:%Y-%m-%d %H:%M} UTC"
        where = f"{place}, lines {ids[0]} to {ids[-1]} {when}" if ids else place
        yield Trouble(slug, where, "a line, this seal or the one before it was changed")


def _of_unsealed(chain: _Chain, counts: Counts, now: datetime) -> Iterator[Trouble]:
    """What stands among sealed lines and was not there when they were sealed."""
    clinic_id, last_id = chain.clinic.id, chain.head.last_id if chain.head else 0
    of_clinic = Activity.clinic_id == clinic_id
    total = db.session.scalar(select(func.count()).select_from(Activity).where(of_clinic)) or 0
    counts.unsealed += max(total - chain.sealed, 0)
    up_to = select(func.count()).select_from(Activity).where(of_clinic, Activity.id <= last_id)
    if (db.session.scalar(up_to) or 0) <= chain.sealed:
        return
    sealed = {each for seal in _seals(chain) for each in _readable(seal.ids)}
    may_come_late = last_id > id_at(now - 3 * LOOK_BACK - SETTLE)
    old = Activity.id <= last_id - (id_span(LOOK_BACK) if may_come_late else 0)
    lines = db.session.scalars(select(Activity.id).where(of_clinic, old).order_by(Activity.id))
    for each in lines:
        if each not in sealed:
            yield Trouble(chain.clinic.slug, f"line {each}", UNSEALED)


def _of_overdue(chain: _Chain, now: datetime) -> Iterator[Trouble]:
    last_id = chain.head.last_id if chain.head else 0
    overdue = db.session.scalar(
        select(func.count()).where(
            Activity.clinic_id == chain.clinic.id,
            Activity.id > last_id,
            Activity.id < id_at(now - LOOK_BACK - SETTLE),
        )
    )
    if overdue:
        what = f"{overdue} lines older than an hour have no seal: no worker ran, or it was removed"
        yield Trouble(chain.clinic.slug, "the chain", what)


def _seals(chain: _Chain) -> Iterator[Row[Any]]:
    """Those that its head knew of when it was read, and none that a worker adds meanwhile."""
    query = select(*Seal.__table__.c).where(Seal.clinic_id == chain.clinic.id)
    if chain.head:
        query = query.where(Seal.number <= chain.head.number)
    yield from db.session.execute(query.order_by(Seal.number).execution_options(yield_per=100))


def _lines(clinic_id: int, ids: tuple[int, ...]) -> dict[int, Row[Any]]:
    query = select(*Activity.__table__.c).where(
        Activity.clinic_id == clinic_id, Activity.id.in_(ids)
    )
    return {each.id: each for each in db.session.execute(query)}


def _readable(packed: bytes) -> tuple[int, ...]:
    return unpack(packed) if len(packed) % 8 == 0 else ()


def _is_head(head: Row[Any], keys: Keys) -> bool:
    text = text_of_head(head.clinic_id, head.number, head.last_id)
    return any(hmac.compare_digest(head.mac, each) for each in keys.macs(HEAD, text))


def _seals_between(first: int, last: int) -> str:
    return f"seal {first}" if first == last else f"seals {first} to {last}"
