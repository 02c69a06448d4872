"""A short run of `tests.bench.nemesis`: nothing is sent twice by itself, nothing lost silently."""

from pathlib import Path

import pytest

from tests.bench import databases, nemesis
from tests.conftest import missing

INVITATIONS = 120
SEED = 5


@pytest.mark.parametrize("engine", databases.ENGINES)
def test_whatever_dies_nothing_is_sent_twice_or_lost(engine: str) -> None:
    if engine == "postgresql" and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        missing("PostgreSQL's server (initdb)")
    with (
        databases.folder(None) as folder,
        nemesis.prepared(engine, folder / engine, SEED) as run,
    ):
        nemesis.go(run, patients=INVITATIONS, seed=SEED)
        wrong = nemesis.check(run)
        assert not any(wrong.values()), (wrong, run.done)
        assert run.done["messages sent"] > INVITATIONS / 10, run.done
        assert run.crashes(), "nobody crashed"
        assert run.done["events posted"] > INVITATIONS, run.done
        assert run.done["had to be killed in the end"] == 0
