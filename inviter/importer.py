"""Invites the patients of confirmed files. While it makes a batch ready others write.

Killed at any point it loses nothing and repeats nothing: a batch is one transaction
(`inviting_many`).
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime

from inviter import batches, budgets, drafts, imports, inviting_many, keeping
from inviter.batches import Batch
from inviter.bulk import Reader
from inviter.config import Config
from inviter.crew import POLL, keep_at
from inviter.db import db, reading, server_now
from inviter.inviting_many import Overtaken
from inviter.keys import Keys

ERASE_EVERY = 3600  # seconds
WRITES_FOR = 0.045  # seconds
"""So long a batch should take where there is one writer: a clerk who saves waits for it."""
FIRST_ROWS = {"sqlite": 500, "postgresql": 4000}
FEWEST_ROWS, MOST_ROWS = 100, 4000
REST_EVERY = 8  # batches


class Importer:
    """One thread on the database."""

    def __init__(
        self,
        *,
        context: Callable[[], AbstractContextManager[object]],
        settings: Config,
        keys: Keys,
    ) -> None:
        self._context = context
        self._settings = settings
        self._keys = keys
        self._reader = Reader(settings.sms_regions)
        self._beside = ThreadPoolExecutor(1)
        self._ahead: Future[Batch | None] | None = None
        self._size: int | None = None
        self._written = 0
        self._stopping = threading.Event()
        self._erased = float("-inf")

    def run(self) -> None:
        """Until `stop`; a batch that has begun is finished."""
        keep_at(self._work, self._stopping)
        self._beside.shutdown()

    def stop(self) -> None:
        self._stopping.set()

    def work_once(self, *, now: datetime | None = None) -> bool:
        """One batch of one file; whether there was any. `now` is the database's unless given.

        Raises Overtaken where what was made ready can't be written: the next call begins anew.
        """
        with self._context():
            now = now or server_now()
            asked, self._ahead = self._ahead or self._ask(now), None
            batch = asked.result()
            if batch is None:
                return False
            self._ahead = self._write(batch, now)
            return True

    def erase_old(self, *, now: datetime | None = None) -> None:
        """What may no longer be finished, tries that count no more, contacts that nobody needs."""
        with self._context():
            now = now or server_now()
            budgets.erase_old(now=now)
            drafts.erase_old(now=now)
            db.session.commit()
            for erase in (imports.erase_old, keeping.erase_old):
                for _ in erase(now=now):
                    db.session.commit()

    def _write(self, batch: Batch, now: datetime) -> Future[Batch | None] | None:
        """Commit it; meanwhile the next one is made ready.

        On SQLite only while it is committed: what runs beside it before that makes it slower, and
        others wait for it. Now and then not at all: who reads then keeps what was written from
        its place in the file, which grows.
        """
        has_one_writer = db.engine.dialect.name == "sqlite"
        self._written += 1
        rests = has_one_writer and self._written % REST_EVERY == 0
        ahead = None if has_one_writer else self._ask(now, after=batch)
        db.session.connection()  # from here on others wait
        began = time.monotonic()
        inviting_many.invite(batch, now=now)
        if not rests:
            ahead = ahead or self._ask(now, after=batch)
        db.session.commit()
        if has_one_writer and not rests and batch.count == batch.size:
            self._size = paced(batch.size, time.monotonic() - began)
        return ahead

    def _ask(self, now: datetime, *, after: Batch | None = None) -> Future[Batch | None]:
        return self._beside.submit(self._prepare, now, after)

    def _prepare(self, now: datetime, after: Batch | None) -> Batch | None:
        with self._context(), reading():
            return batches.prepare(
                keys=self._keys,
                reader=self._reader,
                sms=self._settings.sms != "off",
                now=now,
                size=self._size or FIRST_ROWS[db.engine.dialect.name],
                after=after,
            )

    def _work(self) -> float:
        if time.monotonic() - self._erased > ERASE_EVERY:
            self._erased = time.monotonic()  # also where that fails: inviting goes on
            self.erase_old()
        try:
            return 0 if self.work_once() else POLL
        except Overtaken:  # another worker was first, or a person: the next pass sees it
            return POLL


def paced(rows: int, seconds: float) -> int:
    """How many rows the next batch may have, after one of so many took so long to be written. A
    disk that is slow for a moment is not followed at once."""
    wanted = rows * min(max(WRITES_FOR / seconds, 0.7), 1.2)
    return round(min(max(wanted, FEWEST_ROWS), MOST_ROWS))
