"""Some rows of a confirmed file, made ready to be invited: read, checked, codes drawn and sealed.

All that takes time is done here, while only reading: nobody waits to write for it
(`inviting_many` writes them).
"""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from inviter import codes, invitations, roster
from inviter.bulk import Reader
from inviter.contacts import Problem
from inviter.db import any_of, db
from inviter.duplicates import in_line
from inviter.imports import TO_INVITE
from inviter.keys import Keys, new_link_ids
from inviter.models import Channel, Import, ImportRow, ImportState, Invitation
from inviter.readdressing import MOST_DRAWS, OutOfCodes
from inviter.roster import Recipient
from inviter.scope import across_clinics
from inviter.spreadsheets import Row
from inviter.status import Sending

ROW: Any = ImportRow.__table__.c


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a confirmed file, as they were read, with all that inviting them needs."""

    clinic_id: int
    import_id: int
    confirmed: tuple[str | None, datetime | None]
    """By which press: after another one the rows may say something else."""
    people: Sequence["One"]
    """In one order for everyone (`duplicates.in_line`), or two would wait for each other."""
    code_macs: Collection[str]
    """What their codes are found by."""
    alike: Mapping[str, Any]
    """What their invitations have in common."""
    to_fix: Mapping[int, Mapping[str, Problem]]
    """What can no longer be read, since a setting has changed; by row number."""

    size: int
    """How many rows were asked for."""

    @property
    def count(self) -> int:
        return len(self.people) + len(self.to_fix)

    @property
    def is_end(self) -> bool:
        """Nothing is left to be invited."""
        return self.count == 0

    @property
    def last(self) -> int:
        """The number of its last row, where it has any. It began at the first that was left: once
        it is written none before that is still to be invited."""
        return max([*self.to_fix, *(each.number for each in self.people)])


class One(NamedTuple):
    """A row, who it is, how they are reached, and what is their invitation's own but for `twin`."""

    number: int
    recipient: Recipient
    ways: Sequence[Channel]
    invitation: tuple[Any, ...]


def prepare(
    *,
    keys: Keys,
    reader: Reader,
    sms: bool,
    now: datetime,
    new_code: Callable[[], str] = codes.random_code,
    size: int = 1000,
    after: Batch | None = None,
) -> Batch | None:
    """Of any confirmed file, so that none waits for all of another; None where there is none.

    Only reads. `after` is one that is about to be written: what this one says is true once it is.
    """
    waiting = select(Import).where(Import.state == ImportState.INVITING)
    waiting = waiting.options(joinedload(Import.clinic)).execution_options(populate_existing=True)
    with across_clinics():
        found = db.session.scalars(waiting).all()
    if after and after.is_end:
        found = [each for each in found if each.id != after.import_id]
    if not found:
        return None
    made = secrets.choice(found)
    decided = after.last if after and after.import_id == made.id else 0
    people, to_fix = _read(_to_invite(made, size, after=decided), reader)
    people.sort(key=lambda each: (in_line(each[1]), each[1].is_different))
    taken = after.code_macs if after else ()
    drawn = _draw(made.clinic_id, len(people), keys, new_code, taken=taken)
    links = new_link_ids(len(people))
    at = made.confirmed_at or now
    common = _Common(made, keys, at, invitations.expiry(made.clinic, at), sms)
    return Batch(
        made.clinic_id,
        made.id,
        (made.confirm_key, made.confirmed_at),
        [
            common.one(*each, *code, link)
            for each, code, link in zip(people, drawn.items(), links, strict=True)
        ],
        frozenset(drawn),
        common.alike(),
        to_fix,
        size,
    )


@dataclass(frozen=True, slots=True)
class _Common:
    """What all invitations of one file share."""

    made: Import
    keys: Keys
    at: datetime
    """All were invited when it was confirmed: so they stand in the list as in the file."""
    expires_at: datetime
    sms: bool

    def one(self, number: int, who: Recipient, mac: str, code: str, link_id: str) -> One:
        clinic_id, invitation_id = self.made.clinic_id, self.made.ids_to - number
        first, last, name_key, email, phone, _ = who
        ways = invitations.channels(email=email, can_text=who.can_text, sms=self.sms)
        values = (
            *(invitation_id, first, last, name_key, email),
            *(phone or NO_PHONE),
            self.keys.seal_code(code, clinic_id=clinic_id, invitation_id=invitation_id),
            *(mac, link_id, Sending.UNDER_WAY if ways else Sending.NONE),
        )
        return One(number, who, ways, values)

    def alike(self) -> dict[str, Any]:
        return {
            "clinic_id": self.made.clinic_id,
            "provider_id": self.made.provider_id,
            "invited_by_id": self.made.confirmed_by_id,
            "invited_at": self.at,
            "expires_at": self.expires_at,
            "link_version": 1,
            "generation": 1,
        }


NO_PHONE = (None, None, False)


def _to_invite(made: Import, size: int, *, after: int) -> list[Any]:
    """The next of them in the order of the file: each fate by itself, as their index has them."""
    columns = (ROW.number, ROW.first_name, ROW.last_name, ROW.email, ROW.phone, ROW.extra)
    found: list[Any] = []
    for fate in TO_INVITE:
        query = select(*columns, ROW.one_name, ROW.is_different).where(
            *(ROW.clinic_id == made.clinic_id, ROW.import_id == made.id, ROW.fate == fate),
            ROW.number > after,
        )
        found += db.session.execute(query.order_by(ROW.number).limit(size)).all()
    return sorted(found, key=lambda row: row.number)[:size]


def _read(
    rows: Sequence[Any], reader: Reader
) -> tuple[list[tuple[int, Recipient]], dict[int, Mapping[str, Problem]]]:
    """Who the rows are, read again from what was typed, and what is wrong where nobody is."""
    people, to_fix = [], {}
    for *typed, one_name, is_different in rows:
        row = Row(*typed)
        checked = roster.check_row(row, reader, one_name=one_name, is_different=is_different)
        if checked.recipient:
            people.append((row.number, checked.recipient))
        else:
            to_fix[row.number] = checked.problems
    return people, to_fix


def _draw(
    clinic_id: int,
    count: int,
    keys: Keys,
    new_code: Callable[[], str],
    *,
    taken: Collection[str] = (),
) -> dict[str, str]:
    """So many codes that the clinic does not hold, by what they are found by, and which are none of
    those that are `taken`. Raises OutOfCodes."""
    drawn: dict[str, str] = {}
    is_of: dict[str, str] = {}  # also under secrets that were replaced
    for _ in range(MOST_DRAWS):
        while len(drawn) < count:
            code = new_code()
            macs = keys.code_macs(code, clinic_id=clinic_id)
            drawn[macs[0]] = code
            is_of |= dict.fromkeys(macs, macs[0])
        held = select(Invitation.code_mac).where(
            Invitation.clinic_id == clinic_id, any_of(Invitation.code_mac, is_of)
        )
        again = [*db.session.scalars(held), *filter(drawn.__contains__, taken)]
        if not again:
            return drawn
        for mac in again:
            drawn.pop(is_of[str(mac)], None)
        is_of = {mac: current for mac, current in is_of.items() if current in drawn}
    raise OutOfCodes(clinic_id)
