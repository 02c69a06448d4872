"""How many Invite Codes a clinic holds: the more there are, the sooner a guess meets one.

A code is held until it has rested (`keeping`). What a file has yet to invite counts as held.
"""

import time
from dataclasses import dataclass

from sqlalchemy import and_, func, literal, select

from inviter.db import db
from inviter.imports import TO_INVITE
from inviter.models import Import, ImportRow, ImportState, Invitation

MOST = 200_000
PLENTY = 50_000
PLENTY_FOR = 600  # seconds, in which nobody types as many

_plenty_until: dict[int, float] = {}


@dataclass(eq=False)
class NoRoom(Exception):
    """The clinic would hold more than it may."""

    room: int


def room(clinic_id: int) -> int:
    """How many more a clinic may hold now."""
    holds = (Invitation.clinic_id == clinic_id, Invitation.code_mac.is_not(None))
    its_file = and_(Import.clinic_id == ImportRow.clinic_id, Import.id == ImportRow.import_id)
    waits = (
        Import.clinic_id == clinic_id,
        Import.state == ImportState.INVITING,
        ImportRow.clinic_id == clinic_id,
        ImportRow.fate.in_(TO_INVITE),
    )
    queries = (
        select(literal(1)).select_from(Invitation).where(*holds),
        select(literal(1)).select_from(Import).join(ImportRow, its_file).where(*waits),
    )
    counts = [select(func.count()).select_from(each.limit(MOST).subquery()) for each in queries]
    return max(0, MOST - sum(db.session.scalar(each) or 0 for each in counts))


def check(clinic_id: int, wanted: int) -> None:
    """Whether so few more may be invited as one types. Raises NoRoom.

    To count 200,000 takes longer than to invite someone: who had plenty of room a short time ago is
    not counted again. For a file ask `room`.
    """
    if not wanted or time.monotonic() < _plenty_until.get(clinic_id, 0):
        return
    left = room(clinic_id)
    if left < wanted:
        raise NoRoom(left)
    if left >= PLENTY:
        _plenty_until[clinic_id] = time.monotonic() + PLENTY_FOR
