"""What goes on beside the web: each works until it is stopped, whatever happens."""

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog
from sqlalchemy.exc import OperationalError

from inviter import logs

POLL = 0.5  # seconds
FIRST_AFTER_TROUBLE, LAST_AFTER_TROUBLE = 0.2, 5.0  # seconds

log = structlog.get_logger()


def keep_at(work: Callable[[], float], stopping: threading.Event) -> None:
    """Pass after pass until stopped; each says how many seconds to wait before the next.

    A database out of reach is survived, and tried again after ever longer waits.
    """
    after_trouble = FIRST_AFTER_TROUBLE
    while not stopping.is_set():
        seconds = _survived(work)
        if seconds is None:
            stopping.wait(after_trouble)
            after_trouble = min(after_trouble * 2, LAST_AFTER_TROUBLE)
        else:
            after_trouble = FIRST_AFTER_TROUBLE
            stopping.wait(seconds)


def _survived(work: Callable[[], float]) -> float | None:
    try:
        return work()
    except OperationalError as error:
        log.error("database out of reach", reason=type(error.orig).__name__)
    except Exception as error:
        log.error("worker pass failed", reason=type(error).__name__, where=logs.where(error))
    return None


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


class Companion:
    """A command in a process of its own, begun anew whenever it ends.

    It is told to stop by the end of its standard input, which also comes where we are killed.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until `stop`, and it has finished what it had begun."""
        keep_at(self._live, self._stopping)

    def stop(self) -> None:
        self._stopping.set()

    def _live(self) -> float:
        """One life, from start to end."""
        with subprocess.Popen(  # noqa: S603  (ours)
            self._command, env=self._environment, stdin=subprocess.PIPE
        ) as process:  # when this is left its input ends, and its end is waited for
            while process.poll() is None and not self._stopping.wait(POLL):
                pass
        if not self._stopping.is_set():
            log.error("worker ended, begins anew", code=process.returncode)
        return LAST_AFTER_TROUBLE
