"""How fast a sender is handed messages, and when it is in trouble as a whole."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from inviter.models import Answer, Channel
from inviter.pauses import NO_ANSWER
from inviter.settling import OF_ITS_SENDER, Ended, Result

NO_ACCIDENT = 10
"""So many calls in a row without an answer are not the fault of their messages."""


class Pace:
    """So many a second at most; what a second left unused is not made up for."""

    def __init__(self, per_second: float, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._seconds = seconds
        self._at = seconds()
        self._left = 1.0

    def allows(self) -> int:
        at = self._seconds()
        self._left += (at - self._at) * self._per_second
        self._left, self._at = min(self._left, max(self._per_second, 1.0)), at
        return int(self._left)

    def spend(self, count: int) -> None:
        self._left -= count


class Troubles:
    """Tells a sender that is down from a message that is refused, by what came before."""

    def __init__(self) -> None:
        self._in_a_row = Counter[Channel]()

    def judge(self, call: Ended) -> Ended:
        """One that is refused for now like all before it is refused for its sender's sake."""
        channel = call.claimed.delivery.channel
        if call.result.counts_not or not call.result.called:
            return call
        self._in_a_row[channel] = 0 if is_answer(call.result) else self._in_a_row[channel] + 1
        if call.result.again and self._is_down(channel):
            return replace(call, result=replace(call.result, reason="overloaded"))
        return call

    def of(self, calls: Sequence[Ended]) -> dict[Channel, str]:
        """Which channels are in trouble by these calls, and why."""
        found = {}
        for call in calls:
            channel = call.claimed.delivery.channel
            if call.result.again and call.result.reason in OF_ITS_SENDER:
                found[channel] = call.result.reason or ""
            elif call.result.answer == Answer.UNKNOWN and self._is_down(channel):
                found[channel] = NO_ANSWER
        return found

    def _is_down(self, channel: Channel) -> bool:
        return self._in_a_row[channel] >= NO_ACCIDENT


def is_answer(result: Result) -> bool:
    """Whether the sender did its work: took the message, or said for good that it does not."""
    return result.answer != Answer.UNKNOWN and not result.again
