"""Whether a message is ever sent twice by itself, or lost, whatever dies in the meantime.

    python -m tests.bench.nemesis [--invitations 20000 --seed 1] [--only sqlite] [--life 15]

Patients are invited, by the use case and by people at a browser, and some are sent their invitation
anew by a person, while web and workers are killed, stopped past their leases and crash at named
points, the database is busy or restarts, the provider answers as a seeded plan says, and reports
what became of messages: signed, repeated, shuffled, late. On PostgreSQL there are four workers, one
on a host whose clock is an hour ahead; on SQLite two, that of `app.py` and one more. In the end all
is let finish, and what the provider wrote down is held against the database; that doubt is shown is
seen by looking later. Each line of the verdict ends in PASS or FAIL.
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from random import Random

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from inviter import clock, invitations, inviting, status
from inviter.config import ROOT, Config
from inviter.db import db
from inviter.keys import Keys
from inviter.models import (
    Activity,
    Attempt,
    Clinic,
    Delivery,
    Invitation,
    MailboxMessage,
    User,
)
from inviter.roster import Recipient
from inviter.status import DeliveryState, Status
from tests import signing
from tests.bench import databases
from tests.bench.doomed import LEASE, POINTS
from tests.bench.listing import free_port
from tests.bench.reporter import Reporter
from tests.conftest import SECRET
from tests.factories import recipient
from tests.test_crash import Browser, provider_of
from tests.visitors import Visitor

FAMILY = "Nemesis"
BATCH = 20
TYPED, TYPED_EVERY = 3, 5
"""So many of one batch in so many are typed by a person."""
TEXTED = 3
"""One patient in so many gets a text too."""
PAUSE = 0.7  # seconds between two harms, about
LONGEST_CALM = 180  # seconds, until all has ended, or until somebody answers
RESEND_EVERY = 0.5  # seconds, about
AHEAD = 3600  # seconds, of the clock of one worker's host
LEAST_CRASHES = 100
"""At each point, in a run of at least MANY invitations."""
MANY = 20_000
ENDED = (
    *(DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.IN_DOUBT),
    DeliveryState.WITHDRAWN,
)


@dataclass
class Run:
    """One run on one database, and what was done to it."""

    engine: str
    url: str
    folder: Path
    random: Random
    app: Flask
    port: int = field(default_factory=free_port)
    restart: Callable[[], None] | None = None
    done: Counter[str] = field(default_factory=Counter)
    invited: set[str] = field(default_factory=set)
    """First names of those whose invitation was answered for."""
    reporter: Reporter | None = None

    @property
    def workers(self) -> list[str]:
        return [f"worker{number}" for number in range(4 if self.engine == "postgresql" else 2)]

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    def send(self, name: str, what: int) -> None:
        with suppress(ProcessLookupError, FileNotFoundError, ValueError):
            os.kill(self.pid(name), what)

    def crashes(self) -> Counter[str]:
        return lines_of(self.folder / "crashes")


def lines_of(file: Path) -> Counter[str]:
    return Counter(file.read_text().splitlines()) if file.exists() else Counter()


@contextmanager
def running(
    program: Sequence[str], run: Run, *, is_heard: bool = False, **settings: str
) -> Iterator[subprocess.Popen[str]]:
    """A module of ours in a process of its own, ended politely."""
    kept = {name: value for name, value in os.environ.items() if "INVITER" not in name}
    with (run.folder / "output").open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *program],
            cwd=ROOT,
            env={**kept, **settings, "no_proxy": "127.0.0.1"},
            stdout=subprocess.PIPE if is_heard else output,
            stderr=output,
            text=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            run.done["had to be killed in the end"] += 1
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@contextmanager
def all_running(run: Run, seed: int, life: int) -> Iterator[None]:
    provider = ("tests.bench.provider", str(run.folder / "accepted"), "--delay", "0.01")
    with running([*provider, "--seed", str(seed)], run, is_heard=True) as started:
        assert started.stdout
        settings = {
            "INVITER_DEMO": "1",
            "INVITER_PORT": str(run.port),
            "INVITER_SECRET_KEY": SECRET,
            "INVITER_DATABASE_URL": run.url,
            "INVITER_EMAIL": "sendgrid",
            "INVITER_SENDGRID_API_KEY": "key",
            "INVITER_SENDGRID_URL": started.stdout.readline().strip(),
            "INVITER_SENDGRID_WEBHOOK_KEY": signing.public(),
            "INVITER_INVITATIONS_PER_HOUR": "1000000",
        }
        whats = {"web": "web"} | dict.fromkeys(run.workers, "worker")
        with everyone(run, whats, ["--seed", str(seed), "--life", str(life)], settings):
            yield


@contextmanager
def everyone(
    run: Run, whats: dict[str, str], options: list[str], settings: dict[str, str]
) -> Iterator[None]:
    if not whats:
        yield
        return
    (name, what), *others = whats.items()
    doomed = ["tests.bench.doomed", name, what, str(run.folder), *options]
    if name == "worker3":
        doomed += ["--ahead", str(AHEAD)]
    with running(doomed, run, **settings), everyone(run, dict(others), options, settings):
        yield


class Nemesis(threading.Thread):
    """Does harm, one thing after the other, until it is told to stop."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run
        self._enough = threading.Event()
        self._stopped: list[threading.Timer] = []

    def run(self) -> None:
        harms: dict[Callable[[], None], int] = {
            self.kill_worker: 30,
            self.end_worker: 15,
            self.stop_worker: 3,
            self.kill_web: 4,
            self.restart_database if self._run.restart else self.keep_database_busy: 3,
        }
        while not self._enough.wait(self._run.random.uniform(0, 2 * PAUSE)):
            harm = self._run.random.choices(list(harms), list(harms.values()))[0]
            self._run.done[harm.__name__.replace("_", " ")] += 1
            harm()

    def stop(self) -> None:
        self._enough.set()
        self.join()
        for each in self._stopped:
            each.join()

    def kill_worker(self) -> None:
        self._run.send(self._run.random.choice(self._run.workers), signal.SIGKILL)

    def end_worker(self) -> None:
        self._run.send(self._run.random.choice(self._run.workers), signal.SIGTERM)

    def stop_worker(self) -> None:
        """Past its lease; it goes on as if nothing were."""
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = self._run.pid(self._run.random.choice(self._run.workers))
            os.kill(pid, signal.SIGSTOP)
            timer = threading.Timer(LEASE.total_seconds() + 1, wake, [pid])
            timer.start()
            self._stopped.append(timer)

    def kill_web(self) -> None:
        self._run.send("web", signal.SIGKILL)

    def restart_database(self) -> None:
        assert self._run.restart
        self._run.restart()

    def keep_database_busy(self) -> None:
        """Longer than anyone waits for it."""
        other = sqlite3.connect(self._run.url.removeprefix("sqlite:///"), timeout=5)
        other.isolation_level = None
        with suppress(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
            time.sleep(0.6)
            other.execute("ROLLBACK")
        other.close()


def wake(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def invite_all(run: Run, invitations: int, rate: float) -> None:
    """So many, some at the browser; each batch until it was answered for."""
    ana = Visitor(Browser(f"http://127.0.0.1:{run.port}"))  # type: ignore[arg-type]
    for number, first in enumerate(range(0, invitations, BATCH)):
        names = [name_of(each) for each in range(first, min(first + BATCH, invitations))]
        began = time.monotonic()
        typed = TYPED if number % TYPED_EVERY == TYPED_EVERY - 1 else 0
        keep_at(run, lambda some=names[:typed]: some and type_in(run, ana, some))
        keep_at(run, lambda some=names[typed:]: put_in(run, some))
        run.invited |= set(names)
        time.sleep(max(0.0, BATCH / rate - (time.monotonic() - began)))


class Staff(threading.Thread):
    """Sends some invitations anew, whatever became of them."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run
        self._random = Random(self._run.random.random())
        self._enough = threading.Event()

    def run(self) -> None:
        while not self._enough.wait(self._random.uniform(0, 2 * RESEND_EVERY)):
            if self._run.invited:
                with suppress(OperationalError, invitations.Overtaken):
                    self._resend(self._random.choice(sorted(self._run.invited)))

    def stop(self) -> None:
        self._enough.set()
        self.join()

    def _resend(self, name: str) -> None:
        with self._run.app.app_context():
            try:
                query = select(Invitation).filter_by(first_name=name, last_name=FAMILY)
                found = db.session.scalars(query).one()
                by = db.session.scalars(select(User).filter_by(email="ana@example.org")).one()
                options = {"seen": found.generation, "keys": self._run.app.extensions["keys"]}
                invitations.resend(found, by=by, sms=True, now=clock.now(), sure=True, **options)
                db.session.commit()
                self._run.done["sent anew by a person"] += 1
            finally:
                with suppress(OperationalError):
                    db.session.rollback()


def keep_at(run: Run, act: Callable[[], object]) -> None:
    until = time.monotonic() + LONGEST_CALM
    while time.monotonic() < until:
        try:
            act()
            return
        except (OSError, HTTPException, OperationalError, AssertionError, LookupError):
            run.done["had to ask again"] += 1
            time.sleep(0.2)
    raise AssertionError("nobody answers")


def name_of(number: int) -> str:
    """In letters, as a name is."""
    letters = ""
    for _ in range(4):
        number, place = divmod(number, 26)
        letters = chr(97 + place) + letters
    return letters.capitalize()


def put_in(run: Run, names: Sequence[str]) -> None:
    """By the use case; the key makes that who asks again changes nothing."""
    with run.app.app_context():
        try:
            clinic = db.session.scalars(select(Clinic).filter_by(slug="northside")).one()
            ana, osei = (
                db.session.scalars(select(User).filter_by(email=f"{each}@example.org")).one()
                for each in ("ana", "osei")
            )
            inviting.invite(
                clinic,
                [who(name) for name in names],
                provider=osei,
                by=ana,
                key=f"nemesis-{names[0]}",
                keys=Keys(SECRET),
                sms=True,
                most=1_000_000,
                now=clock.now(),
            )
            db.session.commit()
        except OperationalError:
            db.session.rollback()
            raise


def who(name: str) -> Recipient:
    number = sum((ord(each) - 97) * 26**place for place, each in enumerate(name.lower()[::-1]))
    phone = f"306 {200 + number // 10000 % 700} {number % 10000:04}"
    email = f"{name.lower()}@example.org"
    return recipient(f"{name} {FAMILY}", email=email, phone=None if number % TEXTED else phone)


def type_in(run: Run, ana: Visitor, names: Sequence[str]) -> None:
    """What is confirmed twice, as after a lost answer, is invited once."""
    ana.open("/c/northside/invite")
    if not ana.path.endswith("/invite"):
        ana.sign_in("ana@example.org", databases.PASSWORD).open("/c/northside/invite")
    for _ in names[1:]:
        ana.submit("add-row", form="#invite-form")
    fields = {"provider": provider_of(ana)}
    for place, each in enumerate(names):
        fields |= {
            f"rows-{place}-first_name": each,
            f"rows-{place}-last_name": FAMILY,
            f"rows-{place}-email": f"{each.lower()}@example.org",
        }
    ana.submit("invite-button", form="#invite-form", **fields)
    if ana.page.select_one("#confirm-button") is None:  # it had been confirmed after all
        assert "Already invited" in ana.text
        return
    ana.submit("confirm-button", form="#confirm-form")
    assert "sent successfully" in ana.text
    run.done["batches typed"] += 1


def left(run: Run) -> int:
    """How many messages are on their way."""
    states = (DeliveryState.QUEUED, DeliveryState.SENDING)
    with run.app.app_context():
        try:
            query = select(func.count()).select_from(Delivery).join(Delivery.invitation)
            here = (Invitation.last_name == FAMILY, Delivery.state.in_(states))
            return int(db.session.scalar(query.where(*here)) or 0)
        except OperationalError:
            return -1
        finally:
            with suppress(OperationalError):
                db.session.rollback()


def wait_until_all_left(run: Run, seconds: float) -> None:
    until = time.monotonic() + seconds
    while left(run) and time.monotonic() < until:
        time.sleep(0.2)


def go(run: Run, *, patients: int, seed: int, life: int = 15, rate: float = 150) -> None:
    """All of it, to the end; `life` is how many messages are between two crashes, about."""
    with all_running(run, seed, life):
        nemesis, staff = Nemesis(run), Staff(run)
        url = f"http://127.0.0.1:{run.port}"
        run.reporter = Reporter(run.folder / "accepted", url, Random(seed), run.done)
        while not (run.folder / f"{run.workers[-1]}.pid").exists():
            time.sleep(0.1)
        for each in (nemesis, staff, run.reporter):
            each.start()
        try:
            invite_all(run, patients, rate)
            staff.stop()
            wait_until_all_left(run, patients / 10 + 10)
        finally:
            staff.stop()
            nemesis.stop()
        for calm in ("calm", "accepted.calm"):
            (run.folder / calm).touch()
        for name in ("web", *run.workers):
            run.send(name, signal.SIGTERM)
        wait_until_all_left(run, LONGEST_CALM)
        run.reporter.finish()


def check(run: Run) -> dict[str, list[str]]:
    """What is wrong, by what was promised."""
    accepted = lines_of(run.folder / "accepted")
    with run.app.app_context():
        accepted.update(db.session.scalars(select(MailboxMessage.attempt_id)))
        known = dict[str, tuple[int, int]]()
        for attempt in db.session.scalars(select(Attempt)):
            known[attempt.id] = (attempt.clinic_id, attempt.delivery_id)
        query = select(Delivery).join(Delivery.invitation).where(Invitation.last_name == FAMILY)
        deliveries = {(each.clinic_id, each.id): each for each in db.session.scalars(query)}
        people = db.session.scalars(select(Invitation).filter_by(last_name=FAMILY)).all()
        lines = Counter[tuple[int | None, str, str]](
            (each.invitation_id, each.details.get("channel", ""), each.action)
            for each in db.session.scalars(select(Activity))
        )
        db.session.commit()  # which leaves what was read as it is
    attempts: dict[tuple[int, int], list[str]] = {}
    for attempt_id, key in known.items():
        attempts.setdefault(key, []).append(attempt_id)
    assert run.reporter
    reported = {key: run.reporter.expected(attempts.get(key, ())) for key in deliveries}
    sent = Counter[tuple[int, int]]()
    for attempt_id, times in accepted.items():
        sent[known.get(attempt_id, (0, 0))] += times
    unknown = [each for each in accepted if each not in known]
    sends = Counter((each.invitation_id, each.channel) for each in deliveries.values())
    names = Counter(each.first_name for each in people)
    wrong = {
        "accepted attempts that are not in the journal": unknown,
        "automatic second sends": [
            f"{each} {times}" for each, times in sent.items() if each in deliveries and times > 1
        ],
        "sent, but nobody accepted it": [
            str(key)
            for key, each in deliveries.items()
            if each.state in (DeliveryState.SENT, DeliveryState.DELIVERED) and not sent[key]
        ],
        "failed, but accepted": [
            str(key)
            for key, each in deliveries.items()
            if each.state in (DeliveryState.FAILED, DeliveryState.WITHDRAWN)
            and sent[key]
            and reported[key] != DeliveryState.FAILED
        ],
        "not what was reported": [
            f"{key} {each.state}, not {reported[key]}"
            for key, each in deliveries.items()
            if reported[key] not in (None, each.state)
        ],
        "neither ended nor flagged": [
            f"{key} {each.state}" for key, each in deliveries.items() if each.state not in ENDED
        ],
        "changes without a line": [
            f"{key} {each.state}"
            for key, each in deliveries.items()
            if not told(each, lines, times=sends[each.invitation_id, each.channel])
        ],
        "answered for, but lost": [each for each in run.invited if not names[each]],
        "invited twice": [name for name, times in names.items() if times > 1],
        "not what its messages amount to": [
            each.first_name for each in people if not amounts(each, deliveries)
        ],
    }
    states = Counter(each.state for each in deliveries.values())
    run.done.update({f"messages {state}": many for state, many in states.items()})
    run.done["invitations"] = len(people)
    run.done["flagged"] = sum(is_flagged(each) for each in people)
    return wrong


SAID = {
    DeliveryState.SENT: "sent",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.FAILED: "sending failed",
    DeliveryState.IN_DOUBT: "sending in doubt",
}


def told(delivery: Delivery, lines: Counter[tuple[int | None, str, str]], *, times: int) -> bool:
    """Once for each thing that can happen once to each of so many messages, and of what is so."""
    key = (delivery.invitation_id, delivery.channel)
    said = SAID.get(delivery.state)
    at_most_once = all(lines[*key, each] <= times for each in ("sent", "sending failed"))
    return at_most_once and (said is None or lines[*key, said] >= 1)


def amounts(invitation: Invitation, deliveries: dict[tuple[int, int], Delivery]) -> bool:
    mine = [
        each
        for each in by_invitation(deliveries).get(invitation.id, [])
        if each.generation == invitation.generation
    ]
    return status.amount_to(mine) == (invitation.sending, invitation.doubt_since)


_grouped: dict[int, dict[int, list[Delivery]]] = {}


def by_invitation(deliveries: dict[tuple[int, int], Delivery]) -> dict[int, list[Delivery]]:
    if id(deliveries) not in _grouped:
        _grouped.clear()
        grouped = _grouped.setdefault(id(deliveries), {})
        for each in deliveries.values():
            grouped.setdefault(each.invitation_id or 0, []).append(each)
    return _grouped[id(deliveries)]


def is_flagged(invitation: Invitation) -> bool:
    """As staff see it when doubt has lasted."""
    later = clock.now() + 2 * Config.doubt_after
    shown = status.of(invitation, now=later, doubt_after=Config.doubt_after)
    return shown == Status.ERROR_SENDING


@contextmanager
def prepared(engine: str, folder: Path, seed: int) -> Iterator[Run]:
    """A database of its own with the clinics of the demo."""
    folder.mkdir()
    with databases.server(engine, folder) as place:
        url = databases.fresh(place, "nemesis", folder)
        app = databases.opened(url)
        run = Run(engine, url, folder, Random(seed), app)
        if engine == "postgresql":
            run.restart = lambda: restart(folder / "postgresql")
        try:
            yield run
        finally:
            databases.close(app)


def restart(folder: Path) -> None:
    """At once, as if the machine had lost its power."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent
    cluster = databases.kept_cluster(programs, folder)
    cluster._run("pg_ctl", "-w", "-m", "immediate", "stop")
    cluster.__enter__()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--invitations", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--life", type=int, default=15, help="messages, about; 0 for no crash")
    options.add_argument("--rate", type=float, default=150, help="invitations a second, at most")
    options.add_argument("--only", choices=databases.ENGINES)
    chosen = options.parse_args()
    failed = False
    with databases.folder(None) as folder:
        for engine in [chosen.only] if chosen.only else databases.ENGINES:
            with prepared(engine, folder / engine, chosen.seed) as run:
                began = time.monotonic()
                go(
                    run,
                    patients=chosen.invitations,
                    seed=chosen.seed,
                    life=chosen.life,
                    rate=chosen.rate,
                )
                wrong = check(run)
                print(f"{engine}, seed {chosen.seed}, {time.monotonic() - began:.0f} s", flush=True)
                for title, counts in (
                    ("done", run.done),
                    ("crashes", run.crashes()),
                    ("answers", lines_of(run.folder / "accepted.fates")),
                ):
                    print(f"  {title}: {', '.join(f'{k} {v}' for k, v in sorted(counts.items()))}")
                if chosen.invitations >= MANY:
                    rare = [each for each in POINTS if run.crashes()[each] < LEAST_CRASHES]
                    wrong[f"points with fewer than {LEAST_CRASHES} crashes"] = rare
                for promise, found in wrong.items():
                    failed |= bool(found)
                    print(f"  {promise}: {len(found)}  {'FAIL' if found else 'PASS'}", found[:3])
    sys.exit(failed)


if __name__ == "__main__":
    main()
