"""How often passwords, codes and forgotten passwords may be tried: for one account, and from one
address of the internet. Whether an account is there makes no difference.
"""

import ipaddress
from datetime import timedelta

from flask import current_app, g, request
from flask_babel import gettext as _

from inviter import budgets
from inviter.db import db
from inviter.keys import Keys

SIGN_IN = "sign in"
SECOND_FACTOR = "second factor"
PASSWORD = "current password"
FORGOTTEN = "forgotten password"
RESET = "reset password"

WINDOW = timedelta(minutes=15)
MOST = {SIGN_IN: 10, SECOND_FACTOR: 5, PASSWORD: 10, FORGOTTEN: 3, RESET: 10}
MOST_A_DAY = {SIGN_IN: 100, SECOND_FACTOR: 30, PASSWORD: 100, FORGOTTEN: 10, RESET: 100}
"""For one account. Of the million codes of an app three count at once: a day's tries find one in
10,000."""
MOST_FROM_ONE_ADDRESS = 300
"""A whole clinic signs in from one in the morning."""
REFUSED = 429


def may_try(purpose: str, account: str) -> bool:
    """Counts this try, and commits that, whatever becomes of it."""
    is_within = is_address_within(purpose) and all(
        budgets.spend(name, _key(name, account), most=most, within=within, now=g.now)
        for name, most, within in _budgets(purpose)
    )
    db.session.commit()
    g.tries_are_spent = not is_within
    return is_within


def is_address_within(purpose: str) -> bool:
    """Counts a try from this visitor's address; of IPv6 from its /64, which one household has."""
    name = f"{purpose}, address"
    key = _key(name, network(request.remote_addr or ""))
    is_within = budgets.spend(name, key, most=MOST_FROM_ONE_ADDRESS, within=WINDOW, now=g.now)
    db.session.commit()
    g.tries_are_spent = not is_within
    return is_within


def forget(purpose: str, account: str) -> None:
    """It was they: with the caller's commit those of the day begin anew too."""
    for name, _most, _within in _budgets(purpose):
        budgets.clear(name, _key(name, account))


def are_spent() -> bool:
    """Whether this request was refused for that."""
    return bool(g.get("tries_are_spent", False))


def status_of(errors: object) -> int:
    return (REFUSED if are_spent() else 422) if errors else 200


def words() -> str:
    return _("Too many tries. Try again in 15 minutes.")


def _budgets(purpose: str) -> list[tuple[str, int, timedelta]]:
    return [
        (purpose, MOST[purpose], WINDOW),
        (f"{purpose}, day", MOST_A_DAY[purpose], timedelta(days=1)),
    ]


def _key(name: str, counted: str) -> str:
    keys: Keys = current_app.extensions["keys"]
    return budgets.key(name, counted, keys=keys)


def network(address: str) -> str:
    """Whom an address stands for: of IPv6 its /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    found = getattr(found, "ipv4_mapped", None) or found
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))
