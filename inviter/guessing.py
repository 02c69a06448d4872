"""How often an Invite Code may be tried in vain (security.md, "The 6-digit code").

A try counts before anything is looked at, so that of many at once none slips through; the right one
is given back. From one address, and with one name, there are so many. At one clinic and in all
there are so many a day: after them whoever tries also types the contact on file, so that nobody can
shut a clinic's door.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from statistics import median

from sqlalchemy import ColumnElement, select, update

from inviter import activity, budgets, codes, joining, readdressing
from inviter.activity import Action
from inviter.contacts import name_key
from inviter.db import db
from inviter.keys import Keys
from inviter.models import MOST_CODE_TRIES, Clinic, Invitation

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BASELINE_DAYS = 7
MOST_FROM_ONE_ADDRESS = 20
MOST_AT_ONE_CLINIC = 100
LEAST_IN_ALL, MOST_OF_BASELINE = 1000, 3
MOST_WRONG_NAMES = 5
MOST_NAMES_BY_LINK = 10
ADDRESS, CLINIC, ALL = "code, address", "code, clinic", "code, all"
BY_LINK = "name, link"


class Verdict(Enum):
    """What a try came to, as far as its visitor is told."""

    FOUND = auto()
    REFUSED = auto()
    ADDRESS_SPENT = auto()
    NEEDS_CONTACT = auto()


@dataclass(frozen=True, slots=True)
class Typed:
    """What the visitor typed, read; the contact only where it was asked for."""

    code: str
    first: str
    last: str
    email: str | None = None
    number: str | None = None


def needs_contact(clinic: Clinic, *, keys: Keys, now: datetime) -> bool:
    """Whether wrong codes were tried so often lately that the contact on file is asked for too."""
    key = budgets.key(CLINIC, clinic.id, keys=keys)
    here = budgets.left(CLINIC, key, most=MOST_AT_ONE_CLINIC, within=DAY, now=now)
    in_all = budgets.left(ALL, _day(now), most=_most_in_all(now), within=DAY, now=now)
    return not (here and in_all)


def guess(
    clinic: Clinic,
    typed: Typed,
    network: str,
    *,
    keys: Keys,
    now: datetime,
    new_code: Callable[[], str] = codes.random_code,
) -> tuple[Verdict, Invitation | None]:
    """One try. The caller commits, whatever comes of it.

    Wrong code, wrong name, expired, removed, used: the same statements, and the same answer.
    """
    address = budgets.key(ADDRESS, network, keys=keys)
    here = budgets.key(CLINIC, clinic.id, keys=keys)
    if not budgets.spend(ADDRESS, address, most=MOST_FROM_ONE_ADDRESS, within=HOUR, now=now):
        return Verdict.ADDRESS_SPENT, None
    is_within = budgets.spend(CLINIC, here, most=MOST_AT_ONE_CLINIC, within=DAY, now=now)
    is_within &= budgets.spend(ALL, _day(now), most=_most_in_all(now), within=DAY, now=now)
    _count_with_name(clinic, typed, 1)
    found = joining.by_code(clinic, typed.code, typed.first, typed.last, keys=keys, now=now)
    if not is_within and not (typed.email or typed.number):
        _count_with_name(clinic, typed, -1)  # nothing is told of it
        return Verdict.NEEDS_CONTACT, None
    if found and (is_within or joining.has_contact(found, typed.email, typed.number)):
        for purpose, key in ((ADDRESS, address), (CLINIC, here), (ALL, _day(now))):
            budgets.give_back(purpose, key)
        _count_with_name(clinic, typed, -1)
        return Verdict.FOUND, found
    _tell_of_blocked(clinic, typed, now)
    _count_wrong_name(clinic, typed, keys, now, new_code)
    return Verdict.REFUSED, None


def may_name(invitation: Invitation, *, keys: Keys, now: datetime) -> bool:
    """Whether who holds the link may say who they are: so many wrong names a day.

    The caller commits, and gives it back (`was_named`) where the name is right.
    """
    key = budgets.key(BY_LINK, _present(invitation), keys=keys)
    return budgets.spend(BY_LINK, key, most=MOST_NAMES_BY_LINK, within=DAY, now=now)


def was_named(invitation: Invitation, *, keys: Keys) -> None:
    budgets.give_back(BY_LINK, budgets.key(BY_LINK, _present(invitation), keys=keys))


def _present(invitation: Invitation) -> str:
    """Who sends it again, or replaces the link, gives its names new tries."""
    return f"{invitation.id} {invitation.link_version} {invitation.generation}"


def _count_with_name(clinic: Clinic, typed: Typed, more: int) -> None:
    """For whoever has this name, until staff send it again; without end for whom nobody has
    invited: nothing can be found by their name."""
    counted = Invitation.code_tries + more
    db.session.execute(update(Invitation).where(*_named(clinic, typed)).values(code_tries=counted))


def _tell_of_blocked(clinic: Clinic, typed: Typed, now: datetime) -> None:
    """With the last try that they have. The first one after it says no more."""
    last_try = Invitation.code_tries == MOST_CODE_TRIES
    query = select(Invitation.id).where(*_named(clinic, typed), last_try)
    for each in db.session.scalars(query):
        _record(Action.CODE_BLOCKED, clinic, each, now)


def _count_wrong_name(
    clinic: Clinic, typed: Typed, keys: Keys, now: datetime, new_code: Callable[[], str]
) -> None:
    """A code that comes with other names again and again is known to someone, and is replaced."""
    counted = (
        update(Invitation)
        .where(
            Invitation.clinic_id == clinic.id,
            Invitation.code_mac.in_(keys.code_macs(typed.code, clinic_id=clinic.id)),
            Invitation.name_key != name_key(typed.first, typed.last),
            Invitation.accepted_at.is_(None),
            Invitation.removed_at.is_(None),
            Invitation.expires_at > now,
        )
        .values(wrong_names=Invitation.wrong_names + 1)
        .returning(Invitation)
        .execution_options(populate_existing=True)
    )
    for each in db.session.scalars(counted).all():
        if each.wrong_names >= MOST_WRONG_NAMES:
            readdressing.replace_code(each, keys=keys, new_code=new_code)
            _record(Action.CODE_REPLACED, clinic, each.id, now)


def _named(clinic: Clinic, typed: Typed) -> tuple[ColumnElement[bool], ...]:
    return (
        Invitation.clinic_id == clinic.id,
        Invitation.name_key == name_key(typed.first, typed.last),
        Invitation.accepted_at.is_(None),
        Invitation.removed_at.is_(None),
        Invitation.erased_at.is_(None),
    )


def _record(action: Action, clinic: Clinic, invitation_id: int, now: datetime) -> None:
    activity.record(action, clinic_id=clinic.id, invitation_id=invitation_id, now=now)
    db.session.flush()


def _most_in_all(now: datetime) -> int:
    """Three times what the last seven days had, in the median, so that one attack is not what the
    next is measured by."""
    days = [_day(now - DAY * ago) for ago in range(1, BASELINE_DAYS + 1)]
    known = budgets.spent(ALL, days)
    had = [*known, *[0] * (BASELINE_DAYS - len(known))]
    return max(LEAST_IN_ALL, int(MOST_OF_BASELINE * median(had)))


def _day(now: datetime) -> str:
    return now.date().isoformat()
