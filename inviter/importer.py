"""Invites the patients of confirmed files. While it makes a batch ready others write.

Killed at any point it loses nothing and repeats nothing: a batch is one transaction
(`inviting_many`).
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from inviter import batches, budgets, drafts, imports, inviting_many, keeping
from inviter.bulk import Reader
from inviter.config import Config
from inviter.crew import POLL, keep_at
from inviter.db import db, reading, server_now
from inviter.inviting_many import Overtaken
from inviter.keys import Keys

ERASE_EVERY = 3600  # seconds


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
        self._stopping = threading.Event()
        self._erased = float("-inf")

    def run(self) -> None:
        """Until `stop`; a batch that has begun is finished."""
        keep_at(self._work, self._stopping)

    def stop(self) -> None:
        self._stopping.set()

    def work_once(self, *, now: datetime | None = None) -> bool:
        """One batch of one file; whether there was any. `now` is the database's unless given."""
        with self._context():
            now = now or server_now()
            with reading():
                batch = batches.prepare(
                    keys=self._keys,
                    reader=self._reader,
                    sms=self._settings.sms != "off",
                    now=now,
                )
            if batch is None:
                return False
            inviting_many.invite(batch, now=now)
            db.session.commit()
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

    def _work(self) -> float:
        if time.monotonic() - self._erased > ERASE_EVERY:
            self._erased = time.monotonic()  # also where that fails: inviting goes on
            self.erase_old()
        try:
            return 0 if self.work_once() else POLL
        except Overtaken:  # another worker was first, or a person: the next pass sees it
            return POLL
