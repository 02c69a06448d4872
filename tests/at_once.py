"""Doing the same thing from many threads at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from flask import Flask

from inviter.db import db

T = TypeVar("T")


def at_once(app: Flask, *jobs: Callable[[], T]) -> list[T]:
    """Each in a thread with an app context of its own, all starting together; answers in order."""
    barrier = Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T:
        with app.app_context():
            barrier.wait()
            try:
                return job()
            finally:
                db.session.rollback()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))
