"""Seals what happened, once a minute, beside the web (`seals` says how).

Each seal is a short transaction. Killed at any point, or two at once: a chain goes on where it
ended, and never forks.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

import structlog

from inviter import seals
from inviter.crew import keep_at
from inviter.db import db, reading, server_now
from inviter.keys import Keys

EVERY = 60  # seconds
LOOK_BACK_EVERY = 600  # seconds, a part of how far is looked back

log = structlog.get_logger()


class Sealer:
    """One thread on the database."""

    def __init__(
        self, *, context: Callable[[], AbstractContextManager[object]], keys: Keys
    ) -> None:
        self._context = context
        self._keys = keys
        self._stopping = threading.Event()
        self._looked_back = time.monotonic()

    def run(self) -> None:
        """Until `stop`; a seal that has begun is finished."""
        keep_at(self._work, self._stopping)

    def stop(self) -> None:
        self._stopping.set()

    def seal(self, *, late: bool = False, now: datetime | None = None) -> int:
        """All that is due; how many seals were made. `now` is the database's unless given."""
        made = 0
        with self._context():
            now = now or server_now()
            with reading():
                clinics = seals.due_late(now=now) if late else seals.due(now=now)
            for clinic_id in clinics:
                while not self._stopping.is_set() and self._seal_next(clinic_id, now, late=late):
                    made += 1
        return made

    def _seal_next(self, clinic_id: int, now: datetime, *, late: bool) -> bool:
        """Whether there may be more. The log tells of each seal: kept elsewhere, it shows where
        the database was put back to an earlier state."""
        with reading():
            made = seals.prepare(clinic_id, keys=self._keys, now=now, late=late)
        if made is None:
            return False
        if not seals.put(made, keys=self._keys):
            db.session.rollback()
            return False
        db.session.commit()
        log.info("activity sealed", clinic=clinic_id, number=made.number, seal=made.mac)
        return True

    def _work(self) -> float:
        self.seal()
        if time.monotonic() - self._looked_back > LOOK_BACK_EVERY:
            self._looked_back = time.monotonic()
            self.seal(late=True)
        return EVERY
