"""How often an Invite Code may be tried in vain: from one address, and for one name at a clinic.

A try counts before anything is looked at, so that of many at once none slips through; the right one
is given back.
"""

from datetime import datetime, timedelta
from enum import Enum, auto

from inviter import budgets
from inviter.contacts import name_key
from inviter.keys import Keys
from inviter.models import Clinic

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOST_FROM_ONE_ADDRESS = 20
MOST_FOR_ONE_NAME = 10
ADDRESS, NAME = "code, address", "code, name"


class Verdict(Enum):
    MAY_TRY = auto()
    ADDRESS_SPENT = auto()
    NAME_SPENT = auto()


class Try:
    """One try of a name at a clinic, from a network; whether an invitation has the name or not."""

    def __init__(self, clinic: Clinic, first: str, last: str, network: str, *, keys: Keys) -> None:
        whose = f"{clinic.id} {name_key(first, last)}"
        self._address = keys.mac(f"budget of {ADDRESS}", network)
        self._name = keys.mac(f"budget of {NAME}", whose)

    def count(self, *, now: datetime) -> Verdict:
        """The caller commits, whatever comes of it."""
        if not budgets.spend(
            ADDRESS, self._address, most=MOST_FROM_ONE_ADDRESS, within=HOUR, now=now
        ):
            return Verdict.ADDRESS_SPENT
        is_within = budgets.spend(NAME, self._name, most=MOST_FOR_ONE_NAME, within=DAY, now=now)
        return Verdict.MAY_TRY if is_within else Verdict.NAME_SPENT

    def give_back(self) -> None:
        """It was the right code, with the caller's commit."""
        budgets.give_back(ADDRESS, self._address)
        budgets.give_back(NAME, self._name)
