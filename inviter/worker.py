"""Sends what is queued: claim and write the attempt, commit, call, settle.

Killed at any point, it loses nothing and repeats nothing: before the commit the delivery is still
queued, after it the delivery is in doubt until evidence comes (`claiming`).
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import count

import structlog
from sqlalchemy.exc import OperationalError

from inviter import claiming, doubt, logs, pauses, settling
from inviter.claiming import Claimed
from inviter.crew import POLL, keep_at
from inviter.daily_texts import DailyTexts
from inviter.db import db, reading, server_now
from inviter.messages import Messages
from inviter.models import Answer, Channel, Delivery, Kind
from inviter.pacing import Pace, Troubles, is_answer
from inviter.reports import EXPIRED, OPTED_OUT
from inviter.senders import Sender
from inviter.settling import NOT_CALLED, Ended, Result, refused_here

THREADS = 16
AHEAD = 4  # times as many are claimed as can be called at once
BATCH = 500
GATHER = 0.1  # seconds
SETTLE_WAITS = (0.1, 0.5, 2.0, 5.0, 15.0, 30.0)  # seconds

log = structlog.get_logger()


class Worker:
    """One thread on the database, several on the providers, which never wait for each other.

    A little more is claimed than can be called at once, so that no thread stands idle while the
    database is spoken to. What was not begun when the worker stops is released.
    """

    def __init__(
        self,
        *,
        context: Callable[[], AbstractContextManager[object]],
        messages: Messages,
        senders: Mapping[Channel, Sender],
        threads: int = THREADS,
        rates: Mapping[Channel, float] | None = None,
        daily: DailyTexts | None = None,
    ) -> None:
        self._context = context
        self._messages = messages
        self._senders = senders
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="call")
        self._in_hand: dict[Future[Result], Claimed] = {}
        self._channels = deque(Channel)
        self._paces = {channel: Pace(rate) for channel, rate in (rates or {}).items()}
        self._daily = daily
        self._troubles = Troubles()
        self._probes: dict[Channel, str] = {}
        """The attempt that may end the pause of a channel."""
        self._look_at = 0.0
        self._wake, self._stopping = threading.Event(), threading.Event()

    def run(self) -> None:
        """Until `stop`; then what is in flight is finished, and what was not begun released."""
        keep_at(self._go_on, self._stopping)
        with self._context():
            while self._in_hand:
                self._settle(self._any_ended(), server_now)
        self._pool.shutdown()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def work_once(self, *, now: datetime | None = None) -> int:
        """As many as there are threads, from the claim to the last answer; how many they were.

        `now` is the database's unless given.
        """
        with self._context():
            began, start = time.monotonic(), now or server_now()
            taken = self._take(self._threads, now=start)
            while self._in_hand:
                ended = self._any_ended()
                self._settle(ended, lambda: start + timedelta(seconds=time.monotonic() - began))
        return taken

    def _go_on(self) -> float:
        """Settle what has ended, claim where there is room, wait for either.

        Of both many at once: a pass costs its statements, not its messages.
        """
        self._wake.clear()
        with self._context():
            ended = [call for call in self._in_hand if call.done()]
            if ended:
                self._settle(ended, server_now)
            room = self._threads * AHEAD - len(self._in_hand)
            can_claim = room >= self._threads
            if can_claim and time.monotonic() >= self._look_at:
                self._look_at = time.monotonic() + POLL
                if self._take(room, now=server_now()) == room:
                    self._look_at = 0.0
        if not can_claim or self._look_at:
            self._wake.wait(POLL)
        return GATHER if self._in_hand else 0

    def _any_ended(self) -> Collection[Future[Result]]:
        return wait(self._in_hand, return_when=FIRST_COMPLETED).done

    def _take(self, room: int, *, now: datetime) -> int:
        """Claim what is due by the channels that are open, and hand it to the threads.

        Neither channel keeps the other from its turn, however much waits.
        """
        with reading():
            paused = pauses.standing()
            able = [each for each in self._channels if not pauses.is_shut(paused.get(each), now)]
            waiting, has_lapsed = claiming.waiting(now, able), doubt.has_lapsed(now)
        if has_lapsed and (lapsed := doubt.of_lapsed(now=now)):
            log.warning("deliveries in doubt", count=lapsed)
            db.session.commit()
        if not waiting:
            return 0
        in_trouble = sorted(paused.keys() & set(waiting))  # all workers in this order
        probing = [each for each in in_trouble if pauses.take_probe(paused[each], now=now)]
        taken = [one for each in probing for one in self._claim(each, 1, now)]
        for channel, most in _shares([each for each in waiting if each not in paused], room):
            taken += self._claim(channel, min(most, room - len(taken)), now)
        claimed = claiming.begin(taken, now=now, daily=self._daily)
        self._give_back(taken, claimed, probing)
        for each in claimed:
            if each.delivery.channel in probing:
                self._probes[each.delivery.channel] = each.attempt_id
        db.session.commit()  # before the first call: all that may be called is written down
        db.session.expunge_all()  # the threads read these rows: no session may reload them
        self._channels.rotate()
        begin_by = time.monotonic() + claiming.LEASE.total_seconds() / 2
        for each in claimed:
            call = self._pool.submit(self._send, each, begin_by)
            self._in_hand[call] = each
            call.add_done_callback(lambda _: self._wake.set())
        return len(taken)

    def _claim(self, channel: Channel, most: int, now: datetime) -> list[Delivery]:
        pace = self._paces.get(channel)
        most = min(most, pace.allows()) if pace else most
        taken = claiming.take(most, now=now, channel=channel) if most else []
        if pace:
            pace.spend(len(taken))
        return taken

    def _give_back(
        self,
        taken: Sequence[Delivery],
        claimed: Sequence[Claimed],
        probing: Collection[Channel],
    ) -> None:
        """What is put off to another day, or waits for its turn, uses up neither a probe nor the
        pace."""
        called = Counter(each.delivery.channel for each in claimed)
        for channel, put_off in (Counter(each.channel for each in taken) - called).items():
            if channel in self._paces:
                self._paces[channel].spend(-put_off)
        for channel in probing:
            if not called[channel]:
                pauses.give_probe_back(channel)
        if any(each.channel in probing and not called[each.channel] for each in taken):
            self._look_at = 0.0  # another may be called

    def _settle(self, ended: Collection[Future[Result]], tell_time: Callable[[], datetime]) -> None:
        """Write down answers, or keep at it: a database that is busy or restarts costs time.

        What a stopped worker can't write in the end is in doubt when its lease lapses.
        """
        calls = [Ended(self._in_hand.pop(each), _result(each)) for each in ended]
        calls = [self._troubles.judge(each) for each in calls]
        for first in range(0, len(calls), BATCH):
            self._keep_settling(calls[first : first + BATCH], tell_time)

    def _keep_settling(self, calls: list[Ended], tell_time: Callable[[], datetime]) -> None:
        for tried in count():
            if self._are_settled(calls, tell_time):
                return
            if self._stopping.is_set() and tried >= len(SETTLE_WAITS):
                break
            time.sleep(SETTLE_WAITS[min(tried, len(SETTLE_WAITS) - 1)])  # answers must be kept
        log.error("answers lost", count=len(calls))

    def _are_settled(self, calls: list[Ended], tell_time: Callable[[], datetime]) -> bool:
        """Whether that is done with: one that can't be written keeps none of the others."""
        try:
            now = tell_time()
            moved = settling.settle_all(calls, now=now)
            self._pause_or_resume(calls, now)
            settling.give_back(moved)
            db.session.commit()
        except OperationalError as error:
            db.session.rollback()
            log.error("answers not written yet", reason=type(error.orig).__name__)
            return False
        except Exception as error:
            db.session.rollback()
            if len(calls) > 1:
                for each in calls:
                    self._keep_settling([each], tell_time)
            else:
                delivery = calls[0].claimed.delivery.id
                log.error("answer can't be written", delivery=delivery, where=logs.where(error))
        return True

    def _pause_or_resume(self, calls: list[Ended], now: datetime) -> None:
        """A sender in trouble is paused as a whole, until a probe of it is answered.

        What was called before the pause and ends after it neither ends it nor uses up the probe.
        """
        for channel, reason in sorted(self._troubles.of(calls).items()):
            log.warning("channel paused", channel=channel, reason=reason)
            pauses.begin(channel, reason, now=now)
        for call in sorted(calls, key=lambda each: each.claimed.delivery.channel):
            channel = call.claimed.delivery.channel
            if self._probes.get(channel) != call.claimed.attempt_id:
                continue
            if not call.result.called:
                pauses.give_probe_back(channel)
                self._look_at = 0.0
            elif is_answer(call.result) and pauses.end(channel, called_at=call.claimed.at):
                log.info("channel goes on", channel=channel)

    def _send(self, claimed: Claimed, begin_by: float) -> Result:
        """In a thread of the pool, with an app context of its own."""
        if self._stopping.is_set() or time.monotonic() > begin_by:
            return NOT_CALLED  # late, the lease may have lapsed: the process was stopped meanwhile
        with self._context():
            return self._call(claimed)

    def _call(self, claimed: Claimed) -> Result:
        """One call, whose end is always told: a message that can't be written never left."""
        if claimed.opted_out:
            return refused_here(OPTED_OUT)
        invitation = claimed.delivery.invitation
        is_invited = invitation is not None and claimed.delivery.kind == Kind.INVITATION
        if invitation is not None and is_invited and invitation.expires_at <= claimed.at:
            return refused_here(EXPIRED)
        sender = self._senders.get(claimed.delivery.channel)
        if sender is None:
            return refused_here("channel-off")
        try:
            message = self._messages.render(claimed.delivery)
        except Exception as error:
            log.error("message not written", delivery=claimed.delivery.id, reason=repr(type(error)))
            return refused_here("not-written")
        try:
            return sender.send(message, attempt_id=claimed.attempt_id)
        except Exception as error:
            log.error("sender broke", delivery=claimed.delivery.id, reason=repr(type(error)))
            return Result(Answer.UNKNOWN, "no-answer")


def _shares(channels: Sequence[Channel], room: int) -> list[tuple[Channel, int]]:
    """How many of each channel, one after the other: half for the first while others wait too."""
    if len(channels) < 2:
        return [(each, room) for each in channels]
    first, *others = channels
    return [(first, -(-room // 2)), *((each, room) for each in others), (first, room)]


def _result(call: Future[Result]) -> Result:
    if call.exception():  # after the message was handed over, perhaps
        return Result(Answer.UNKNOWN, "no-answer")
    return call.result()
