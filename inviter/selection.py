"""What is done to several invitations at once: each for itself, and what became of how many.

Many are done in parts, with a commit after each, or others would wait too long to write.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import count

from inviter import invitations
from inviter.invitations import (
    Closed,
    Disowned,
    InvitedAnew,
    JustSent,
    NoMessage,
    Overtaken,
    TooLate,
)
from inviter.keys import Keys
from inviter.models import Clinic, Invitation, User
from inviter.status import Status

MOST = 1000
IN_A_PART = 100


class Why(StrEnum):
    """Why nothing was done to one."""

    ACCEPTED = "accepted"
    REMOVED = "removed"
    JUST_SENT = "just sent"
    DISOWNED = "disowned"
    NO_MESSAGE = "no message"
    OVERTAKEN = "overtaken"
    INVITED_ANEW = "invited anew"
    TOO_LATE = "too late"


@dataclass(frozen=True, slots=True)
class Outcome:
    """To how many it was done; to how many not, and why."""

    done: int = 0
    refused: Counter[Why] = field(default_factory=Counter)

    def __add__(self, other: "Outcome") -> "Outcome":
        """Of two parts together."""
        return Outcome(self.done + other.done, self.refused + other.refused)


def parts(ids: Iterable[int]) -> Iterator[list[int]]:
    """Each once and in the order of ids, so many at a time that a commit after each is soon."""
    ordered = sorted(set(ids))[:MOST]
    for start in range(0, len(ordered), IN_A_PART):
        yield ordered[start : start + IN_A_PART]


def resend(
    clinic: Clinic,
    ids: Sequence[int],
    *,
    by: User,
    keys: Keys,
    sms: bool,
    now: datetime,
    after: int = 0,
) -> Outcome:
    """Send again to each that may be: none that was sent in the last minutes, so that the same
    press twice sends once. `after` so many that earlier parts have sent, whose turn comes first."""
    place = count(after)

    def resend_one(each: Invitation) -> None:
        seen, here = each.generation, next(place)
        invitations.resend(each, seen=seen, by=by, keys=keys, sms=sms, now=now, place=here)

    return _each(clinic, ids, resend_one)


def sendable(clinic: Clinic, ids: Sequence[int], *, sms: bool, now: datetime) -> Outcome:
    """What `resend` would do. Changes nothing."""
    return _each(clinic, ids, lambda each: invitations.check_resend(each, sms=sms, now=now))


def remove(clinic: Clinic, ids: Sequence[int], *, by: User, now: datetime) -> Outcome:
    """All at the same instant, by which they are restored together: every part with one `now`."""
    return _each(clinic, ids, lambda each: invitations.remove(each, by=by, now=now))


def restore(clinic: Clinic, removed_at: datetime, *, by: User, now: datetime) -> Outcome:
    """In the order of `duplicates.in_line`."""
    removed = invitations.removed_at_once(clinic, removed_at)
    return _each_of(removed, lambda each: invitations.restore(each, by=by, now=now))


def _each(clinic: Clinic, ids: Iterable[int], act: Callable[[Invitation], object]) -> Outcome:
    """In the order of ids: in opposite orders two people would wait for each other."""
    return _each_of(invitations.these(clinic, sorted(set(ids))[:MOST]), act)


def _each_of(found: Iterable[Invitation], act: Callable[[Invitation], object]) -> Outcome:
    done, refused = 0, Counter[Why]()
    for each in found:
        why = _refusal(act, each)
        if why:
            refused[why] += 1
        else:
            done += 1
    return Outcome(done, refused)


def _refusal(act: Callable[[Invitation], object], invitation: Invitation) -> Why | None:
    try:
        act(invitation)
    except Closed as closed:
        return Why.ACCEPTED if closed.status == Status.ACCEPTED else Why.REMOVED
    except (JustSent, Disowned, NoMessage, Overtaken, InvitedAnew, TooLate) as refused:
        return WHYS[type(refused)]
    return None


WHYS: dict[type[Exception], Why] = {
    JustSent: Why.JUST_SENT,
    Disowned: Why.DISOWNED,
    NoMessage: Why.NO_MESSAGE,
    Overtaken: Why.OVERTAKEN,
    InvitedAnew: Why.INVITED_ANEW,
    TooLate: Why.TOO_LATE,
}
