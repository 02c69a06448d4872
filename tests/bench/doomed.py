"""Web and workers that die at named points, again and again, for `tests.bench.nemesis`.

    python -m tests.bench.doomed NAME (web|worker) FOLDER --seed S --life N

Each life is a process of its own, forked from this one, which has loaded all it needs. It dies
where its turn says, after about N messages, and the next begins. FOLDER/NAME.pid holds who lives,
FOLDER/crashes a line for each death by our own hand. SIGTERM ends the life, and all.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import waitress
from flask import Flask
from sqlalchemy import event

import app as composition
from inviter import claiming, clock, config, crew, pauses, settling, worker
from inviter import db as database
from inviter.db import db
from inviter.messages import Messages
from inviter.models import Channel, Delivery
from inviter.senders import Message, Sender
from inviter.senders.chosen import senders_for
from inviter.senders.sendgrid import SendGrid
from inviter.settling import Ended, Result
from inviter.web import auth

POINTS = ("after claim", "before call", "after call", "before commit")
PER_CLAIM = 4  # messages, about
THREADS = 4
LEASE = timedelta(seconds=3)
SENDER_TIMEOUT = 0.5  # seconds


def hurry() -> None:
    """What takes minutes takes seconds, so that a run sees it often."""
    claiming.LEASE = LEASE
    settling.FIRST_WAIT, settling.LONGEST_WAIT = timedelta(seconds=0.2), timedelta(seconds=1)
    pauses.FIRST_PROBE = pauses.PROBE_EVERY = timedelta(seconds=0.3)
    pauses.DOUBTFUL_PROBE_EVERY = timedelta(seconds=1)
    worker.SETTLE_WAITS = (0.05, 0.1, 0.2, *(0.5,) * 20)
    crew.FIRST_AFTER_TROUBLE = crew.LAST_AFTER_TROUBLE = 0.3
    database.BUSY_TIMEOUT = 0.3


def be_ahead(of_others: timedelta) -> None:
    """The clock of a host is off; that of the database counts."""
    right = clock.now
    clock.now = lambda: right() + of_others


class Fate:
    """Dies at one point, the so-manieth time it is passed."""

    def __init__(self, point: str, passes: int, crashes: Path) -> None:
        self._point, self._left, self._crashes = point, passes, crashes
        self._lock = threading.Lock()

    def passes(self, point: str) -> None:
        if point != self._point:
            return
        with self._lock:
            self._left -= 1
            if self._left > 0:
                return
            file = os.open(self._crashes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, f"{point}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # the signal is on its way


class DoomedSender:
    def __init__(self, sender: Sender, fate: Fate) -> None:
        self._sender, self._fate = sender, fate

    def send(self, message: Message, *, attempt_id: str) -> Result:
        self._fate.passes("before call")
        result = self._sender.send(message, attempt_id=attempt_id)
        self._fate.passes("after call")
        return result


class DoomedWorker(worker.Worker):
    """The product's worker, which may die at the points that are its own."""

    def __init__(self, fate: Fate, **rest: Any) -> None:
        super().__init__(**rest)
        self._fate = fate
        self._has_claimed = False
        event.listen(db.session, "after_commit", self._after_commit)

    def _claim(self, channel: Channel, most: int, now: Any) -> list[Delivery]:
        taken = super()._claim(channel, most, now)
        self._has_claimed |= bool(taken)
        return taken

    def _after_commit(self, _session: object) -> None:
        if self._has_claimed:
            self._has_claimed = False
            self._fate.passes("after claim")

    def _pause_or_resume(self, calls: list[Ended], now: Any) -> None:
        super()._pause_or_resume(calls, now)
        self._fate.passes("before commit")


def worker_of(app: Flask, fate: Fate) -> DoomedWorker:
    settings = app.extensions["settings"]
    senders = senders_for(settings, app.app_context)
    sendgrid = SendGrid(settings.sendgrid_api_key, settings.sendgrid_url, timeout=SENDER_TIMEOUT)
    senders[Channel.EMAIL] = sendgrid
    return DoomedWorker(
        fate,
        context=app.app_context,
        messages=Messages(settings, keys=app.extensions["keys"], reset_token=auth.reset_token),
        senders={channel: DoomedSender(each, fate) for channel, each in senders.items()},
        threads=THREADS,
    )


def live(what: str, fate: Fate) -> None:
    """As `app.main` and the worker's command do, until SIGTERM."""
    app = composition.create_app(config.read(os.environ), check=False)
    if what == "worker":
        some = worker_of(app, fate)
        signal.signal(signal.SIGTERM, lambda *_: some.stop())
        some.run()
        return
    settings = app.extensions["settings"]
    server = waitress.create_server(app, host=settings.host, port=settings.port, threads=4)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.run()


def fork(life: Callable[[], None], pid_file: Path) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            life()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            sys.stderr.flush()
            os._exit(code)
    kept = pid_file.with_suffix(".new")
    kept.write_text(str(pid))
    kept.replace(pid_file)
    return pid


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("name")
    options.add_argument("what", choices=("web", "worker"))
    options.add_argument("folder", type=Path)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--life", type=int, default=15)
    options.add_argument("--ahead", type=int, default=0, help="seconds, of this host's clock")
    chosen = options.parse_args()
    hurry()
    if chosen.ahead:
        be_ahead(timedelta(seconds=chosen.ahead))
    random, lives, ending = Random(f"{chosen.seed} {chosen.name}"), 0, threading.Event()
    pid = 0

    def end(_signal: int, _frame: FrameType | None) -> None:
        ending.set()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    while True:
        # Until it is known who lives now, and they heed it themselves, a SIGTERM waits: it would
        # reach nobody, and we wait for a life that goes on.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if ending.is_set():
            break
        point = POINTS[(lives + chosen.seed) % len(POINTS)]
        most = chosen.life if point.endswith("call") else max(1, chosen.life // PER_CLAIM)
        passes = random.randint(1, 2 * most) if chosen.life else 2**60
        if (chosen.folder / "calm").exists():
            passes = 2**60
        fate = Fate(point, passes, chosen.folder / "crashes")

        def life(fate: Fate = fate) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            live(chosen.what, fate)

        pid = fork(life, chosen.folder / f"{chosen.name}.pid")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.waitpid(pid, 0)
        lives += 1
        time.sleep(0.02)


if __name__ == "__main__":
    main()
