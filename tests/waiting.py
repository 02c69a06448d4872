"""Waiting for what another thread is about to do."""

import time
from collections.abc import Callable

LONG = 20  # seconds, for what happens unless something is broken
STEP = 0.01  # seconds


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(STEP)
    time.sleep(STEP)  # and has reached the other end
