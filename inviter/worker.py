"""Sends what is queued: claim and write the attempt, commit, call, settle.

Killed at any point, it loses nothing and repeats nothing: before the commit the delivery is still
queued, after it the delivery is in doubt until evidence comes (`outbox`).
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy.exc import OperationalError

from inviter import logs, outbox, settling
from inviter.config import Config
from inviter.db import db, reading, server_now
from inviter.messages import Messages
from inviter.models import Answer, Channel
from inviter.outbox import Claimed
from inviter.reports import OPTED_OUT
from inviter.senders import Sender
from inviter.senders.mailbox import Mailbox
from inviter.settling import Result

THREADS = 16
POLL = 0.5  # seconds
AFTER_TROUBLE = 5.0  # seconds
SETTLE_WAITS = (0.1, 0.5, 2.0, 5.0, 15.0, 30.0)  # seconds

log = structlog.get_logger()


def senders_for(
    settings: Config, context: Callable[[], AbstractContextManager[object]]
) -> dict[Channel, Sender]:
    """As the settings say. Only what is asked for is imported: the packages are large."""
    senders: dict[Channel, Sender] = {}
    if settings.email == "mailbox":
        senders[Channel.EMAIL] = Mailbox(context)
    elif settings.email == "smtp":
        from inviter.senders.smtp import Smtp

        senders[Channel.EMAIL] = Smtp(settings.smtp_url)
    elif settings.email == "sendgrid":
        from inviter.senders.sendgrid import SendGrid

        senders[Channel.EMAIL] = SendGrid(settings.sendgrid_api_key, settings.sendgrid_url)
    if settings.sms == "mailbox":
        senders[Channel.SMS] = Mailbox(context)
    elif settings.sms == "twilio":
        from inviter.senders.twilio import Twilio

        senders[Channel.SMS] = Twilio(
            settings.twilio_account_sid,
            settings.twilio_auth_token,
            sender=settings.twilio_from,
            base_url=settings.base_url,
            url=settings.twilio_url,
        )
    return senders


def keep_at(work: Callable[[], float], stopping: threading.Event) -> None:
    """Pass after pass until stopped; each says how many seconds to wait before the next, and
    survives a database out of reach."""
    while not stopping.is_set():
        stopping.wait(_survived(work))


def _survived(work: Callable[[], float]) -> float:
    try:
        return work()
    except OperationalError as error:
        log.error("database out of reach", reason=type(error.orig).__name__)
    except Exception as error:
        log.error("worker pass failed", reason=type(error).__name__, where=logs.where(error))
    return AFTER_TROUBLE


class Runs(Protocol):
    """Works until it is stopped."""

    def run(self) -> None: ...
    def stop(self) -> None: ...


class Crew:
    """Several that work side by side, a thread each."""

    def __init__(self, *workers: Runs) -> None:
        self._workers = workers

    def run(self) -> None:
        """Until `stop`, and all have finished what they had begun."""
        threads = [threading.Thread(target=each.run) for each in self._workers]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    def stop(self) -> None:
        for each in self._workers:
            each.stop()


class Worker:
    """One thread on the database, several on the providers."""

    def __init__(
        self,
        *,
        context: Callable[[], AbstractContextManager[object]],
        messages: Messages,
        senders: Mapping[Channel, Sender],
        threads: int = THREADS,
    ) -> None:
        self._context = context
        self._messages = messages
        self._senders = senders
        self._threads = threads
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until `stop`; what is in flight then is finished."""
        keep_at(lambda: 0 if self.work_once() else POLL, self._stopping)

    def stop(self) -> None:
        self._stopping.set()

    def work_once(self, *, now: datetime | None = None) -> int:
        """One pass; how many deliveries were taken up. `now` is the database's unless given."""
        with self._context():
            now = now or server_now()
            with reading():
                is_waiting = outbox.is_waiting(now)
            if not is_waiting:
                return 0
            if lapsed := settling.doubt_lapsed(now=now):
                log.warning("deliveries in doubt", count=lapsed)
            claimed = outbox.claim(self._threads, now=now)
            db.session.commit()  # before the first call: all that may be called is written down
            db.session.expunge_all()  # the threads read these rows: no session may reload them
            began = time.monotonic()
            with ThreadPoolExecutor(self._threads) as pool:
                calls = {pool.submit(self._send, each): each for each in claimed}
                for call in as_completed(calls):
                    took = timedelta(seconds=time.monotonic() - began)
                    self._settle(calls[call], call.result(), now=now + took)
        return len(claimed)

    def _settle(self, claimed: Claimed, result: Result, *, now: datetime) -> None:
        """Write down an answer, or keep at it: a database that is busy or restarts costs time.

        What can't be written in the end is in doubt when its lease lapses. None keeps the others.
        """
        for wait in SETTLE_WAITS:
            try:
                settling.settle(claimed, result, now=now)
                db.session.commit()
                return
            except OperationalError as error:
                db.session.rollback()
                log.error("answer not written yet", reason=type(error.orig).__name__)
                time.sleep(wait)  # also while stopping: the answer is known, and must be kept
            except Exception as error:
                db.session.rollback()
                log.error("answer can't be written", where=logs.where(error))
                break
        log.error("answer lost", delivery=claimed.delivery.id, answer=result.answer)

    def _send(self, claimed: Claimed) -> Result:
        """In a thread of the pool, with an app context of its own."""
        with self._context():
            return self._call(claimed)

    def _call(self, claimed: Claimed) -> Result:
        """One call, whose end is always told: a message that can't be written never left."""
        if claimed.opted_out:
            return Result(Answer.REFUSED, OPTED_OUT)
        sender = self._senders.get(claimed.delivery.channel)
        if sender is None:
            return Result(Answer.REFUSED, "channel-off")
        try:
            message = self._messages.render(claimed.delivery)
        except Exception as error:
            log.error("message not written", delivery=claimed.delivery.id, reason=repr(type(error)))
            return Result(Answer.REFUSED, "not-written")
        try:
            return sender.send(message, attempt_id=claimed.attempt_id)
        except Exception as error:
            log.error("sender broke", delivery=claimed.delivery.id, reason=repr(type(error)))
            return Result(Answer.UNKNOWN, "no-answer")
