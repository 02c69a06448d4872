"""What runs beside the web: begun anew when it ends, and ended with the web."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inviter import crew
from inviter.config import ROOT
from inviter.crew import Companion
from tests.test_app import environment

LONG = 20  # seconds
ONE_LIFE = """
import os, sys
log = open(sys.argv[1], "a", buffering=1)
print("begun", os.getpid(), file=log)
sys.stdin.read()
print("ended", os.getpid(), file=log)
"""
PARENT = """
import os, sys
from inviter.crew import Companion
Companion([sys.executable, "-c", sys.argv[1], sys.argv[2]], os.environ).run()
"""


def until(happened: Callable[[], object]) -> None:
    for _ in range(LONG * 50):
        if happened():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def told(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


@contextmanager
def running(companion: Companion) -> Iterator[None]:
    thread = threading.Thread(target=companion.run)
    thread.start()
    try:
        yield
    finally:
        companion.stop()
        thread.join(LONG)
        assert not thread.is_alive()


def test_stopped_it_lets_its_process_finish(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(Companion([sys.executable, "-c", ONE_LIFE, str(log)], os.environ)):
        until(lambda: told(log))
    (_, pid), *ended = told(log)
    assert ended == [["ended", pid]]


def test_a_process_that_is_killed_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "LAST_AFTER_TROUBLE", 0.1)
    log = tmp_path / "log"
    with running(Companion([sys.executable, "-c", ONE_LIFE, str(log)], os.environ)):
        until(lambda: told(log))
        killed = told(log)[0][1]
        os.kill(int(killed), signal.SIGKILL)
        until(lambda: len(told(log)) == 2)
        begun = told(log)[1]
        assert begun[0] == "begun"
        assert begun[1] != killed


def test_it_ends_also_where_who_began_it_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with subprocess.Popen([sys.executable, "-c", PARENT, ONE_LIFE, str(log)], cwd=ROOT) as parent:
        until(lambda: told(log))
        parent.kill()
    until(lambda: [word for word, _ in told(log)] == ["begun", "ended"])


def test_the_worker_ends_with_its_standard_input(tmp_path: Path) -> None:
    def flask(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "app", *arguments],
            cwd=ROOT,
            env=environment(tmp_path, DEMO="1"),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    with flask("db", "upgrade") as upgrade:
        upgrade.communicate(timeout=LONG * 3)
    with flask("worker", "--until-input-ends") as worker:
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(3)
        worker.communicate(timeout=LONG)
        assert worker.returncode == 0
