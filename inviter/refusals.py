"""Why nothing is done with an invitation: what `invitations` raises, which is where to get them."""

from dataclasses import dataclass
from datetime import datetime

from inviter.status import Status


@dataclass(eq=False)
class Closed(Exception):
    """It is not possible any more: accepted or removed."""

    status: Status


class Overtaken(Exception):
    """Someone else has resent or changed it since it was shown."""


@dataclass(eq=False)
class JustSent(Exception):
    """It was sent so short a time ago that one should be sure."""

    at: datetime


@dataclass(eq=False)
class Disowned(Exception):
    """Whoever got it said that it is not for them, so that one should be sure."""

    at: datetime


class NoMessage(Exception):
    """There is neither an email nor a number that gets texts: only the code can be given."""


class TooLate(Exception):
    """Undo is over."""
