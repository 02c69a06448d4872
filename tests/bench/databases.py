"""Databases of any size for the benchmarks, each filled once by `flask demo` and kept if wanted."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

import app as composition
from inviter.db import db
from tests.conftest import ROLE, cluster, execute, migrated, settings_for

PASSWORD = "correct horse battery staple"
ENGINES = ("sqlite", "postgresql")


@contextmanager
def server(engine: str, folder: Path) -> Iterator[str]:
    """The address of a place for databases: a folder, or a private PostgreSQL cluster in it."""
    if engine == "sqlite":
        yield f"sqlite:///{folder}"
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent
    with kept_cluster(programs, folder / "postgresql"):
        yield f"postgresql+psycopg://{ROLE}@/{{name}}?host={folder / 'postgresql'}"


class kept_cluster(cluster):
    """A cluster whose data may be there already, with memory for a large database."""

    options = "-c shared_buffers=256MB"

    def __init__(self, programs: Path, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(programs, folder)


@contextmanager
def folder(kept: str | None) -> Iterator[Path]:
    """`kept`, or one that is removed in the end."""
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield Path(kept)
        return
    made = Path(tempfile.mkdtemp(prefix="inviter-bench-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def filled(place: str, *, clinics: int, invitations: int, seed: int) -> str:
    """The address of a database with so many; filled now unless it is there."""
    name = f"inviter_{invitations}_{clinics}_{seed}"
    if place.startswith("sqlite"):
        url = f"{place}/{name}.db"
        if Path(url.removeprefix("sqlite:///")).exists():
            return url
    else:
        url = place.format(name=name)
        if name in names(place):
            return url
        execute(place.format(name="postgres"), f"CREATE DATABASE {name}")
    print(f"Filling {name} on {place.partition(':')[0]} …", flush=True)
    migrated(url)
    made = composition.create_app(settings_for(url))
    counts = ["--clinics", clinics, "--invitations", invitations, "--seed", seed]
    done = made.test_cli_runner().invoke(
        args=["demo", "--password", PASSWORD, *map(str, counts)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    close(made)
    return url


def fresh(place: str, name: str, folder: Path) -> str:
    """The address of a database of its own with the clinics of the demo."""
    if place.startswith("sqlite"):
        url = f"sqlite:///{folder / name}.db"
    else:
        url = place.format(name=name)
        execute(place.format(name="postgres"), f"CREATE DATABASE {name}")
    migrated(url)
    made = composition.create_app(settings_for(url))
    filling = ["demo", "--password", PASSWORD]
    done = made.test_cli_runner().invoke(args=filling, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    close(made)
    return url


def names(place: str) -> set[str]:
    from sqlalchemy import create_engine, text

    engine = create_engine(place.format(name="postgres"))
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT datname FROM pg_database")))


def opened(url: str) -> Flask:
    return composition.create_app(settings_for(url))


def close(app: Flask) -> None:
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
