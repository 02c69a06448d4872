"""Connections kept from one message for the next: who needs one takes it, and gives it back.

Only one that was used a moment ago and whose other end still holds it is handed out. What a
message was begun on is never replaced under it: that would be a second call.
"""

import time
from collections import deque
from collections.abc import Iterator
from selectors import EVENT_READ, DefaultSelector
from socket import socket
from threading import Lock
from typing import Generic, Protocol, TypeVar

IDLE = 4.0  # seconds; servers hold theirs longer, so that we are first to let go


class Wire(Protocol):
    """What `http.client` and `smtplib` have in common."""

    sock: socket | None

    def close(self) -> None: ...


W = TypeVar("W", bound=Wire)


class Kept(Generic[W]):
    """For any number of threads; at most as many connections as there were calls at one time."""

    def __init__(self, idle: float = IDLE) -> None:
        self._waiting: deque[tuple[float, W]] = deque()
        self._idle = idle
        self._lock = Lock()

    def take(self) -> W | None:
        """The one used last. None: make a new one."""
        for wire in self._popped():
            if _is_quiet(wire):
                return wire
            wire.close()
        return None

    def give(self, wire: W) -> None:
        """It waits for the next, unless its other end said that this was all."""
        if wire.sock is None:
            return
        with self._lock:
            self._waiting.append((time.monotonic(), wire))
        self._drop_old()

    def __del__(self) -> None:
        while self._waiting:
            self._waiting.pop()[1].close()

    def _popped(self) -> Iterator[W]:
        self._drop_old()
        while True:
            with self._lock:
                if not self._waiting:
                    return
                wire = self._waiting.pop()[1]
            yield wire

    def _drop_old(self) -> None:
        """The longest idle wait at the left."""
        while True:
            with self._lock:
                if not self._waiting or self._waiting[0][0] > time.monotonic() - self._idle:
                    return
                wire = self._waiting.popleft()[1]
            wire.close()


def _is_quiet(wire: Wire) -> bool:
    """Nothing has arrived: what does between two calls is a farewell, or never meant for us."""
    if wire.sock is None:
        return False
    with DefaultSelector() as selector:
        selector.register(wire.sock, EVENT_READ)
        return not selector.select(0)
