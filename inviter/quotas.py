"""How many patients a clinic may invite: typed in an hour, from files in a day.

Whoever has someone's password could otherwise write to everyone there is in the clinic's name.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from inviter import budgets

TYPED, FROM_FILES = "typed invitations", "invitations from files"
WITHIN = {TYPED: timedelta(hours=1), FROM_FILES: timedelta(days=1)}
TYPED_PER_HOUR, FROM_FILES_PER_DAY = 2_000, 200_000


@dataclass(eq=False)
class TooMany(Exception):
    """More than are left: nobody is invited. All begins anew at `until`."""

    most: int
    left: int
    until: datetime


def count(purpose: str, clinic_id: int, many: int, *, most: int, now: datetime) -> None:
    """All of them or none, with the caller's commit. Raises TooMany."""
    key, within = str(clinic_id), WITHIN[purpose]
    if many and not budgets.take(purpose, key, many=many, most=most, within=within, now=now):
        raise _refusal(purpose, clinic_id, most, now)


def check(purpose: str, clinic_id: int, many: int, *, most: int, now: datetime) -> None:
    """Counts nothing. Raises TooMany where `count` would, as things stand."""
    refusal = _refusal(purpose, clinic_id, most, now)
    if many > refusal.left:
        raise refusal


def give_back(purpose: str, clinic_id: int, many: int) -> None:
    """So many were not invited after all."""
    budgets.give_back(purpose, str(clinic_id), many=many)


def _refusal(purpose: str, clinic_id: int, most: int, now: datetime) -> TooMany:
    key, within = str(clinic_id), WITHIN[purpose]
    left = budgets.left(purpose, key, most=most, within=within, now=now)
    return TooMany(most, left, budgets.ends_at(purpose, key, within=within, now=now))
