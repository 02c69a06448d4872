"""What is sealed is sealed anew under the current secret, so that an old one can be given up.

The web runs on meanwhile, under the new secret with the old ones listed: each row changes only if
it is as it was read. Cut off at any point, the next run finds what is left. Nothing is sealed anew
of links and recovery codes: of those only proofs are kept, or nothing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from inviter import drafts, second_factor
from inviter.db import change, db, reading
from inviter.keys import Keys, Unreadable
from inviter.models import Clinic, Draft, Invitation, User

BATCH = 250


class What(StrEnum):
    CODES = "codes"
    SECOND_FACTORS = "second factors"
    DRAFTS = "drafts"
    UNREADABLE = "unreadable"
    """None of the secrets opens it."""
    HELD_TWICE = "held twice"
    """Codes that another invitation of the clinic has under the current secret: they stay as they
    are until the other has rested."""


class _Code(NamedTuple):
    clinic: int
    invitation: int
    was: str
    sealed: str
    mac: str


INVITATION = Invitation.__table__.c
RESEAL = (
    update(Invitation.__table__)  # type: ignore[arg-type]
    .where(
        INVITATION.clinic_id == bindparam("clinic"),
        INVITATION.id == bindparam("invitation"),
        INVITATION.code_sealed == bindparam("was"),
    )
    .values(code_sealed=bindparam("sealed"), code_mac=bindparam("mac"))
)


def rotate(*, keys: Keys, size: int = BATCH) -> Iterator[Counter[What]]:
    """Some at a time, and what became of them. The caller commits each part."""
    with reading():
        clinic_ids = db.session.scalars(select(Clinic.id).order_by(Clinic.id)).all()
    for clinic_id in clinic_ids:
        for rows in _codes(clinic_id, size):
            done = Counter[What]()
            _write(_resealed(clinic_id, rows, keys, done), done)
            yield done
        yield _reseal_drafts(clinic_id, keys)
    yield _reseal_second_factors(keys)


def _codes(clinic_id: int, size: int) -> Iterator[Sequence[Any]]:
    """Read without keeping anyone from writing; in the order of ids."""
    query = select(INVITATION.id, INVITATION.code_sealed).order_by(INVITATION.id).limit(size)
    held = (INVITATION.clinic_id == clinic_id, INVITATION.code_sealed.is_not(None))
    last = 0
    while True:
        with reading():
            rows = db.session.execute(query.where(*held, INVITATION.id > last)).all()
        if not rows:
            return
        yield rows
        last = rows[-1].id


def _resealed(
    clinic_id: int, rows: Sequence[Any], keys: Keys, done: Counter[What]
) -> Iterator[_Code]:
    for id, was in rows:
        try:
            new = keys.reseal_code(was, clinic_id=clinic_id, invitation_id=id)
        except Unreadable:
            done[What.UNREADABLE] += 1
            continue
        if new:
            yield _Code(clinic_id, id, was, *new)


def _write(codes: Iterator[_Code], done: Counter[What]) -> None:
    """All at once; one by one where a code is held twice."""
    new = [each._asdict() for each in codes]
    if not new:
        return
    if _is_written(new):
        done[What.CODES] += len(new)
        return
    for each in new:
        done[What.CODES if _is_written([each]) else What.HELD_TWICE] += 1


def _is_written(rows: list[dict[str, Any]]) -> bool:
    try:
        with db.session.begin_nested():
            db.session.connection().execute(RESEAL, rows)
    except IntegrityError:
        return False
    return True


def _reseal_drafts(clinic_id: int, keys: Keys) -> Counter[What]:
    done = Counter[What]()
    found = select(Draft.user_id, Draft.sealed).where(Draft.clinic_id == clinic_id)
    for user_id, was in db.session.execute(found).all():
        if new := _opened(drafts.purpose_of(clinic_id, user_id), was, keys, done):
            here = (Draft.clinic_id == clinic_id, Draft.user_id == user_id, Draft.sealed == was)
            done[What.DRAFTS] += change(update(Draft).where(*here).values(sealed=new))
    return done


def _reseal_second_factors(keys: Keys) -> Counter[What]:
    done = Counter[What]()
    found = select(User.id, User.second_factor).where(User.second_factor.is_not(None))
    for id, was in db.session.execute(found).all():
        if new := _opened(second_factor.purpose_of(id), str(was), keys, done):
            same = update(User).where(User.id == id, User.second_factor == was)
            done[What.SECOND_FACTORS] += change(same.values(second_factor=new))
    return done


def _opened(purpose: str, sealed: str, keys: Keys, done: Counter[What]) -> str | None:
    """Sealed anew; None where it is under the current secret, or can't be opened."""
    try:
        return keys.reseal(purpose, sealed)
    except Unreadable:
        done[What.UNREADABLE] += 1
        return None
