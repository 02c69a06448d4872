"""Starting, and standing when the database does not: as a person meets it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from flask import Flask
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.pool import NullPool

import app as composition
from inviter.config import ROOT
from inviter.db import db
from inviter.models import Delivery, Invitation
from tests.conftest import copy_of, settings_for
from tests.factories import Cast
from tests.visitors import Visitor


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(folder: Path, **settings: str) -> dict[str, str]:
    mine = {
        "INVITER_DATABASE_URL": f"sqlite:///{folder / 'inviter.db'}",
        "INVITER_SECRET_KEY": "k" * 40,
        **{f"INVITER_{name}": value for name, value in settings.items()},
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INVITER_")}
    return kept | mine


@contextmanager
def started(folder: Path, port: int) -> Iterator[str]:
    """`python app.py`, until it answers; then the address of its first page."""
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=environment(folder, PORT=str(port)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            for _ in range(300):
                try:
                    urlopen(f"{url}/healthz").close()
                    break
                except OSError:
                    assert process.poll() is None, process.stdout and process.stdout.read()
                    time.sleep(0.1)
            yield f"{url}/sign-in"
        finally:
            process.terminate()
            process.wait(timeout=20)
            if process.stdout:
                (folder / "printed").write_text(process.stdout.read())


def test_the_first_command_fills_the_demo_and_the_second_start_keeps_it(tmp_path: Path) -> None:
    with started(tmp_path, free_port()) as page, urlopen(page) as answer:
        assert "Email or mobile number" in answer.read().decode()
    printed = (tmp_path / "printed").read_text()
    assert "ana@example.org" in printed
    assert "with the password" in printed
    engine = create_engine(f"sqlite:///{tmp_path / 'inviter.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(Invitation)) == 36
        connection.execute(text("UPDATE clinic SET name = 'Renamed' WHERE slug = 'northside'"))
    with started(tmp_path, free_port()):
        pass
    assert "Everything is as you left it;" in (tmp_path / "printed").read_text()
    with engine.begin() as connection:
        names = connection.scalars(text("SELECT name FROM clinic WHERE slug = 'northside'")).all()
        assert names == ["Renamed"]


def test_a_wrong_setting_stops_the_start_with_one_message(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=environment(tmp_path, PORT="http", EMAIL="pigeon", LOG_FORMAT="xml"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Inviter cannot start:",
        "- INVITER_PORT must be a whole number from 1 to 65535, not 'http'.",
        "- INVITER_EMAIL must be mailbox or smtp or sendgrid, not 'pigeon'.",
        "- INVITER_LOG_FORMAT must be text or json, not 'xml'.",
    ]


@pytest.mark.parametrize("arguments", [["worker"], ["demo"]])
def test_a_database_that_is_behind_stops_every_command_and_names_the_mend(
    tmp_path: Path, arguments: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", *arguments],
        cwd=ROOT,
        env=environment(tmp_path, DEMO="1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Run: flask --app app db upgrade" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_web_does_not_start_behind_its_database(tmp_path: Path) -> None:
    with pytest.raises(composition.DatabaseBehind, match="flask --app app db upgrade"):
        composition.create_app(settings_for(f"sqlite:///{tmp_path / 'empty.db'}"))


ROW = {"rows-0-first_name": "Ada", "rows-0-last_name": "Fixture", "rows-0-email": "a@example.org"}


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Locked and full are SQLite's troubles."""
    return copy_of(sqlite_template, tmp_path)


@pytest.fixture
def checked(app: Flask, cast: Cast) -> Visitor:
    """Ana before the check, about to confirm."""
    app.testing = False
    ana = Visitor(app.test_client()).sign_in("ana@example.org")
    ana.open("/c/northside/invite")
    return ana.submit("invite-button", form="#invite-form", provider=str(cast.osei.id), **ROW)


def nothing_was_sent(app: Flask) -> bool:
    with app.app_context():
        counts = [
            db.session.scalar(select(func.count()).select_from(each))
            for each in (Invitation, Delivery)
        ]
        return counts == [0, 0]


def test_a_locked_database_says_that_nothing_was_sent(
    app: Flask, checked: Visitor, database_url: str
) -> None:
    with app.app_context(), db.engine.connect() as mine:
        mine.exec_driver_sql("PRAGMA busy_timeout = 50")
    other = create_engine(database_url, poolclass=NullPool)
    with other.connect() as writer:
        writer.execute(text("UPDATE clinic SET name = name"))
        checked.submit("Confirm and Invite", form="#confirm-form")
        assert checked.status == 503
        assert "Nothing was sent and nothing was changed." in checked.text
    assert nothing_was_sent(app)


def test_a_full_disk_says_that_nothing_was_sent(app: Flask, checked: Visitor) -> None:
    with app.app_context(), db.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    many = {f"rows-{n}-first_name": f"Ada {chr(97 + n % 26)}" for n in range(50)}
    many |= {f"rows-{n}-last_name": "Fixture" * 10 for n in range(50)}
    many |= {f"rows-{n}-email": f"{'a' * 40}{n}@example.org" for n in range(50)}
    checked.submit("Confirm and Invite", form="#confirm-form", **many)
    assert checked.status == 503
    assert nothing_was_sent(app)


def test_health_is_told_to_machines(app: Flask, cast: Cast) -> None:
    client = app.test_client()
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").text == "ok\n"


def test_an_error_of_ours_tells_what_became_of_the_work(app: Flask, cast: Cast) -> None:
    app.testing = False
    app.add_url_rule("/broken", "asset_broken", lambda: 1 / 0, methods=["GET", "POST"])
    ana = Visitor(app.test_client()).sign_in("ana@example.org")
    ana.open("/broken")
    assert ana.status == 500
    assert "Something went wrong on our side. Nothing was sent." in ana.text
    assert "Reference number:" in ana.text
    token = ana.open("/account").csrf_token
    ana.post("/broken", {"csrf_token": token})
    assert "Check Invited Patients before you try again." in ana.text
