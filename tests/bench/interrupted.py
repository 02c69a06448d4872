"""A file of 100,000 patients, invited by the real program, which is killed in the middle.

    python -m tests.bench.interrupted [--rows 100000 --kills 3]

`python app.py` on a new SQLite database. While the invitations are made the file's page is opened
again and again: how long it takes, and that what it says moves. Each kill is without warning; in
the end there is one invitation and one set of messages for each row. Ends in PASS or FAIL.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests import test_crash as crash
from tests.bench.listing import failures, verdict
from tests.fakes.sendgrid import StandIn
from tests.test_crash import Program
from tests.visitors import Visitor

LONGEST = 2.0  # seconds
PATIENCE = 600  # seconds


class Watch:
    """Someone who looks at the page of the file."""

    def __init__(self, ana: Visitor, page: str) -> None:
        self.ana, self.page = ana, page
        self.took: list[float] = []
        self.told: list[str] = []

    def look(self) -> None:
        began = time.monotonic()
        self.ana.open(self.page)
        self.took.append(time.monotonic() - began)
        self.told.append(" ".join(self.ana.words("progress + *, #progress")))


def watch_until(program: Program, watch: Watch, invited: int) -> None:
    """Or until the file is done."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if crash.told(program, crash.INVITED) >= invited:
            return
        watch.look()
        time.sleep(0.5)
    raise AssertionError("it stands still")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--kills", type=int, default=3)
    chosen = options.parse_args()
    rows, kills = chosen.rows, chosen.kills
    with tempfile.TemporaryDirectory() as folder, StandIn() as provider:
        program = Program(Path(folder), provider)
        with program.running():
            began = time.monotonic()
            watch = Watch(*crash.upload_and_confirm(program, rows))
            print(f"   uploaded, checked and confirmed in {time.monotonic() - began:.1f} s")
            watch_until(program, watch, rows // (kills + 1))
        for kill in range(2, kills + 2):
            before = crash.told(program, crash.INVITED)
            print(f"   killed with {before:,} invited", flush=True)
            with program.running():
                watch_until(program, watch, kill * rows // (kills + 1))
                if kill == kills + 1:
                    crash.until(lambda: crash.told(program, crash.WAITING) == 0)
        slowest, different = max(watch.took), len(set(watch.told))
        verdict(slowest <= LONGEST, f"page {slowest:.2f} s at the most (≤ {LONGEST:.0f})")
        verdict(different > kills, f"progress said {different} different things")
        for what, query in (
            ("invitations", crash.INVITED),
            ("messages", crash.MESSAGES),
            ("recorded", crash.LINES),
        ):
            many = crash.told(program, query)
            verdict(many == rows, f"{many:,} {what} for {rows:,} rows, killed {kills} times")
    print(f"{len(failures)} failed" if failures else "All passed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
