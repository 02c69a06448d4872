"""The real program under `kill -9`: no patient gets a message twice, and none is lost silently."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from http.cookiejar import CookieJar
from itertools import islice, product
from pathlib import Path
from random import Random
from string import ascii_lowercase
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

import pytest
from sqlalchemy import select

import app as composition
from inviter import clock, status
from inviter.claiming import LEASE
from inviter.config import ROOT, Config
from inviter.db import db
from inviter.keys import Keys
from inviter.messages import Messages
from inviter.models import Channel, Invitation
from inviter.senders.sendgrid import SendGrid
from inviter.status import DeliveryState, Status
from inviter.worker import Worker
from tests.conftest import SECRET
from tests.fakes.sendgrid import ACCEPT_THEN_HANG, Reply, StandIn
from tests.visitors import Visitor

SEED = 2026
LONG = 30  # seconds, for what will happen unless something is broken
SLOW = Reply(delay=0.3)
NAMES = ("ax", "ay", "az", "bx", "by", "bz", "cx", "cy", "cz")


class Browser:
    """What a Visitor needs of a client, over a real connection."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def get(self, path: str, **_: Any) -> Any:
        return self._open(path)

    def post(self, path: str, data: Any, **_: Any) -> Any:
        return self._open(path, urlencode(list(data.items(multi=True))).encode())

    def upload(self, path: str, fields: dict[str, str], file: str) -> Any:
        """A form with a file in it."""
        edge, parts = "edge-of-a-part", []
        for name, value in fields.items():
            parts.append(f'form-data; name="{name}"\r\n\r\n{value}')
        parts.append(f'form-data; name="file"; filename="patients.csv"\r\n\r\n{file}')
        body = "".join(f"--{edge}\r\nContent-Disposition: {part}\r\n" for part in parts)
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        return self._open(path, f"{body}--{edge}--\r\n".encode(), kind)

    def _open(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Any:
        asked = Request(self._url + path, body, headers or {})
        with self._opener.open(asked, timeout=LONG) as answer:
            page = answer.read().decode()
            request = SimpleNamespace(path=urlsplit(answer.url).path)
        return SimpleNamespace(
            status_code=answer.status, request=request, get_data=lambda as_text: page
        )


class Program:
    """`python app.py` on a SQLite file of its own, sending to the stand-in; started and killed."""

    def __init__(self, folder: Path, provider: StandIn) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.database = folder / "inviter.db"
        self.output = folder / "output"
        self._environment = {
            **{name: value for name, value in os.environ.items() if "INVITER" not in name},
            "INVITER_DEMO": "1",
            "INVITER_PORT": str(port),
            "INVITER_SECRET_KEY": SECRET,
            "INVITER_DATABASE_URL": f"sqlite:///{self.database}",
            "INVITER_EMAIL": "sendgrid",
            "INVITER_SENDGRID_URL": provider.url,
            "INVITER_SENDGRID_API_KEY": "key",
            "INVITER_SMS": "off",
            "no_proxy": "127.0.0.1",
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until it is killed at the end with its worker, without warning."""
        with self.output.open("a") as output:
            process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=ROOT,
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        with process:
            try:
                until(lambda: process.poll() is not None or self._answers())
                assert process.poll() is None, self.output.read_text()
                yield
            finally:
                os.killpg(process.pid, signal.SIGKILL)

    def password(self) -> str:
        return self.output.read_text().partition("with the password")[2].split()[0]

    def _answers(self) -> bool:
        try:
            return bool(Browser(self.url).get("/healthz").status_code == 200)
        except OSError:
            return False


def until(happened: Callable[[], bool]) -> None:
    for _ in range(LONG * 50):
        if happened():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def invite(ana: Visitor, names: Sequence[str]) -> None:
    """As Ana does it, up to the page that says that they are invited."""
    ana.open("/c/northside/invite")
    for _ in names[1:]:
        ana.submit("add-row", form="#invite-form")
    fields = {"provider": provider_of(ana)}
    for place, name in enumerate(names):
        fields |= {
            f"rows-{place}-first_name": name,
            f"rows-{place}-last_name": "Crash",
            f"rows-{place}-email": f"{name}@example.org",
        }
    ana.submit("invite-button", form="#invite-form", **fields)
    ana.submit("confirm-button", form="#confirm-form")
    assert f"{len(names)} invites sent successfully" in ana.text


def provider_of(ana: Visitor) -> str:
    option = ana.page.find("option", string="Dr. Amira Osei")
    assert option is not None
    return str(option["value"])


def states(program: Program) -> dict[str, str]:
    """How far the message to each of those invited here has come; read past our own code."""
    query = (
        "SELECT invitation.email, delivery.state FROM delivery"
        " JOIN invitation ON invitation.id = delivery.invitation_id"
        " WHERE invitation.last_name = 'Crash'"
    )
    with closing(sqlite3.connect(program.database)) as connection:
        return dict(connection.execute(query).fetchall())


def with_state(state: DeliveryState, program: Program) -> set[str]:
    return {email for email, each in states(program).items() if each == state}


@pytest.fixture
def provider() -> Iterator[StandIn]:
    with StandIn(then=SLOW) as stand_in:
        yield stand_in


@pytest.fixture
def program(tmp_path: Path, provider: StandIn) -> Program:
    return Program(tmp_path, provider)


def invite_and_kill(program: Program, provider: StandIn) -> list[str]:
    """Killed right after Confirm's answer, during the calls, at some moment; who was invited."""
    ana = Visitor(Browser(program.url))  # type: ignore[arg-type]
    with program.running():
        ana.sign_in("ana@example.org", program.password())
        invite(ana, NAMES[:3])
    with program.running():
        until(lambda: not with_state(DeliveryState.QUEUED, program))
        provider.plan(then=ACCEPT_THEN_HANG)
        invite(ana, NAMES[3:6])
        until(lambda: any(each.to[0] == "b" for each in provider.accepted))
    provider.plan(then=SLOW)
    with program.running():
        invite(ana, NAMES[6:])
        time.sleep(Random(SEED).uniform(0, 0.6))
    return [f"{name}@example.org" for name in NAMES]


def start_and_wait_until_quiet(program: Program) -> None:
    left_behind = with_state(DeliveryState.SENDING, program)
    with program.running():
        until(lambda: not with_state(DeliveryState.QUEUED, program))
        until(lambda: with_state(DeliveryState.SENDING, program) == left_behind)


@contextmanager
def worker_in_this_process(program: Program, provider: StandIn) -> Iterator[Worker]:
    """On the program's database, so that the test may move the clock."""
    settings = Config(
        demo=True,
        database_url=f"sqlite:///{program.database}",
        base_url=program.url,
        secret_key=SECRET,
    )
    app = composition.create_app(settings)
    with app.app_context():
        yield Worker(
            context=app.app_context,
            messages=Messages(settings, keys=Keys(SECRET), reset_token=lambda _user: ""),
            senders={Channel.EMAIL: SendGrid("key", provider.url)},
        )
        db.session.remove()
        db.engine.dispose()


def shown(now: datetime) -> dict[str | None, Status]:
    """The status of those invited here."""
    query = select(Invitation).where(Invitation.last_name == "Crash")
    found = db.session.scalars(query).all()
    db.session.rollback()
    return {each.email: status.of(each, now=now, doubt_after=Config.doubt_after) for each in found}


def test_killed_at_any_moment_it_sends_nothing_twice_and_loses_nothing(
    program: Program, provider: StandIn
) -> None:
    invited = invite_and_kill(program, provider)
    start_and_wait_until_quiet(program)
    assert sorted(states(program)) == invited, "what was answered is not lost"

    later = clock.now() + LEASE + timedelta(seconds=1)
    with worker_in_this_process(program, provider) as worker:
        for wait in (timedelta(0), Config.doubt_after, timedelta(days=20)):
            assert worker.work_once(now=later + wait) == 0
        sent = with_state(DeliveryState.SENT, program)
        doubted = with_state(DeliveryState.IN_DOUBT, program)
        assert sorted(sent | doubted) == invited
        assert doubted >= {f"{name}@example.org" for name in NAMES[3:6]}
        assert shown(later + Config.doubt_after) == dict.fromkeys(sent, Status.PENDING) | (
            dict.fromkeys(doubted, Status.ERROR_SENDING)
        )

    recipients = Counter(each.to for each in provider.accepted)
    attempts = Counter(each.attempt for each in provider.accepted)
    assert set(recipients.values()) | set(attempts.values()) == {1}, "each at most once"
    assert sent <= set(recipients)


UPLOADED = 3000


def upload_and_confirm(program: Program, rows: int = UPLOADED) -> tuple[Visitor, str]:
    """Ana and the address of the file's page."""
    browser = Browser(program.url)
    ana = Visitor(browser)  # type: ignore[arg-type]
    ana.sign_in("ana@example.org", program.password()).open("/c/northside/invite")
    names = islice(map("".join, product(ascii_lowercase, repeat=4)), rows)
    lines = "".join(f"{name},Crash,{name}@example.org,\r\n" for name in names)
    fields = {"csrf_token": ana.csrf_token, "provider": provider_of(ana)}
    file = f"First Name,Last Name,Email,Phone Number\r\n{lines}"
    page = browser.upload("/c/northside/imports", fields, file).request.path
    ana.open(f"{page}/confirm").submit("Confirm and Invite", form="#confirm-form")
    return ana, page


def told(program: Program, query: str) -> Any:
    with closing(sqlite3.connect(program.database)) as connection:
        return connection.execute(query).fetchone()[0]


INVITED = "SELECT count(*) FROM invitation WHERE last_name = 'Crash'"
WAITING = "SELECT count(*) FROM import_file WHERE state <> 'open'"
MESSAGES = (
    "SELECT count(*) FROM delivery JOIN invitation ON invitation.id = delivery.invitation_id"
    " WHERE last_name = 'Crash'"
)
LINES = "SELECT sum(json_extract(details, '$.count')) FROM activity WHERE action = 'file invited'"


def test_killed_in_the_middle_of_a_file_it_invites_each_once(program: Program) -> None:
    with program.running():
        upload_and_confirm(program)
        until(lambda: told(program, INVITED) > 0)
    assert 0 < told(program, INVITED) < UPLOADED
    with program.running():
        until(lambda: told(program, WAITING) == 0)
    assert told(program, INVITED) == UPLOADED
    assert told(program, MESSAGES) == UPLOADED
    assert told(program, LINES) == UPLOADED, "what is recorded is what happened"
