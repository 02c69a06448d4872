"""Reports to the web what became of messages, as SendGrid does: signed, repeated, shuffled, late.

Of what the provider accepted and of nothing else. What is not answered by 200 is said again.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from random import Random
from typing import Any

from inviter import clock
from inviter.status import DeliveryState
from tests import signing

STORIES: dict[tuple[str, ...], int] = {
    ("processed", "delivered"): 60,
    ("processed", "deferred", "deferred", "delivered"): 10,
    ("processed", "bounce"): 8,
    ("processed", "delivered", "bounce"): 4,
    ("dropped",): 4,
    ("processed",): 6,
    (): 8,
}
"""What may be said of a message, and how often of a hundred; of some, nothing ever."""
AT_ONCE = 40
REPEATED = 4  # times, at the most
LATE = 0.2
"""So many are said only when all else is over."""
BEAT = 0.3  # seconds
LONG = 10  # seconds
PATIENCE = 60  # seconds


class Reporter(threading.Thread):
    """`told` holds, by attempt, what the web has answered for."""

    def __init__(self, accepted: Path, url: str, random: Random, done: Counter[str]) -> None:
        super().__init__()
        self.told: dict[str, set[str]] = {}
        self._accepted, self._url, self._random, self._done = accepted, url, random, done
        self._read = 0
        self._waiting: list[dict[str, Any]] = []
        self._late: list[dict[str, Any]] = []
        self._enough = threading.Event()

    def run(self) -> None:
        while not self._enough.wait(BEAT):
            self._hear()
            self._report()

    def finish(self) -> None:
        """Once nothing more will be accepted: all that is left is said, the late ones last."""
        self._enough.set()
        self.join()
        for _ in range(2):
            self._hear()
            self._say_all()
            self._waiting, self._late = self._late, []

    def expected(self, attempts: Iterable[str]) -> DeliveryState | None:
        """What a message must be after these reports; None where they leave it open."""
        said = {kind for each in attempts for kind in self.told.get(each, ())}
        if said & {"bounce", "dropped"}:
            return DeliveryState.FAILED
        return DeliveryState.DELIVERED if "delivered" in said else None

    def _say_all(self) -> None:
        """However long it takes, as long as the web takes something now and then."""
        until, left = time.monotonic() + PATIENCE, len(self._waiting)
        while self._waiting:
            self._report()
            if len(self._waiting) < left:
                until, left = time.monotonic() + PATIENCE, len(self._waiting)
            assert time.monotonic() < until, "the web does not listen"

    def _hear(self) -> None:
        if not self._accepted.exists():
            return
        lines = self._accepted.read_text().splitlines()
        for attempt in lines[self._read :]:
            story = self._random.choices(list(STORIES), list(STORIES.values()))[0]
            for place, kind in enumerate(story):
                self._put(attempt, kind, place)
        self._read = len(lines)
        self._random.shuffle(self._waiting)

    def _put(self, attempt: str, kind: str, place: int) -> None:
        event = {"event": kind, "sg_event_id": f"{attempt}-{place}", "attempt_id": attempt}
        event |= {"email": "someone@example.org", "timestamp": int(clock.now().timestamp())}
        event |= {"reason": "550 5.1.1 no such user"} if kind == "bounce" else {}
        some = self._late if self._random.random() < LATE else self._waiting
        some += [event] * self._random.randint(1, REPEATED)

    def _report(self) -> None:
        some, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
        if not some:
            return
        body = json.dumps(some).encode()
        if self._is_heard(body):
            self._done["events posted"] += len(some)
            for each in some:
                self.told.setdefault(each["attempt_id"], set()).add(each["event"])
        else:
            self._done["events posted again"] += len(some)
            self._waiting += some
            time.sleep(BEAT)

    def _is_heard(self, body: bytes) -> bool:
        headers = {"Content-Type": "application/json", **signing.by_sendgrid(body)}
        asked = urllib.request.Request(f"{self._url}/webhooks/sendgrid", body, headers)
        try:
            with urllib.request.urlopen(asked, timeout=LONG):
                return True
        except urllib.error.HTTPError as error:
            if error.code < 500:  # a refusal, not a web that is being killed
                raise
        except (OSError, HTTPException):
            pass
        return False
