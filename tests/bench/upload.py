"""Uploading a file of 100,000 patients: checking it, and the whole way to their invitations.

    python -m tests.bench.upload [--rows 100000 --seed 1 --rounds 5] [--only sqlite] [--sparse]

Every patient has an email and a phone number, and so two messages; with `--sparse` as many as at
a clinic do, with one on average.

P1  the same file, from bytes to a fate for each row, by `spreadsheets` and `roster` and by csv,
    email-validator and phonenumbers with a dict for duplicates; in turn, the ratio of medians, and
    of the most memory. The loop reads as little as ours at a time, and folds no accents. That the
    verdicts are the same is for `tests.bench.differential`.
P2  the same file end to end: uploaded, its check page shown; confirmed, all invited by the worker,
    with codes, messages and the record of it; against the plain loop in turn. How much more memory
    the process holds than before at the most, and how long someone else's write takes meanwhile,
    from a process of its own.
P8  queueing the messages, as a part of that.

Each line ends in PASS or FAIL.
"""

import argparse
import csv
import io
import re
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat

import app as composition
from inviter import activity, clock, crowd, inviting_many, roster, spreadsheets
from inviter.activity import Action
from inviter.db import db
from inviter.models import Clinic, Delivery, Import, ImportState, Invitation
from tests.bench import databases
from tests.bench.listing import failures, in_turn, median, signed_in, took, verdict
from tests.conftest import settings_for

REGIONS = ("CA", "US")
HEADINGS = ("First Name", "Last Name", "Email", "Mobile Number")
REPEATED = 0.01
BROKEN = 0.01
DOMAINS = 400
"""Of one email in ten; the others are at the three of the crowd."""


def file_of(rows: int, seed: int, *, sparse: bool = False) -> bytes:
    """As a clinic would upload it: some rows twice, some with a mistake."""
    random, written, made = Random(seed), io.StringIO(newline=""), []
    table = csv.writer(written)
    table.writerow(HEADINGS)
    for place in range(rows):
        if made and random.random() < REPEATED:
            table.writerow(random.choice(made))
            continue
        who = crowd.person(random, place, with_both=not sparse)
        email, phone = who.email or "", who.phone_typed or ""
        if email and random.random() < 0.1:
            email = f"{email.partition('@')[0]}@clinic{random.randrange(DOMAINS)}.ca"
        if random.random() < BROKEN:
            email, phone = random.choice([(email[:-4], phone), (email, phone[:-3])])
        made.append((who.first_name, who.last_name, email, phone))
        table.writerow(made[-1])
    return written.getvalue().encode()


def cells_of(data: bytes) -> Iterator[list[str]]:
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    table = csv.reader(lines)
    next(table)
    return table


def ours(data: bytes) -> Counter[str]:
    fates: Counter[str] = Counter()
    for each in roster.check(spreadsheets.read(io.BytesIO(data)).rows, REGIONS):
        fates[each.fate.value] += 1
    return fates


def plain_loop(data: bytes) -> Counter[str]:
    fates: Counter[str] = Counter()
    seen: dict[tuple[str, str], int] = {}
    for number, (first, last, email, phone) in enumerate(cells_of(data), 2):
        try:
            address, dialled = plain_email(email.strip()), plain_phone(phone.strip())
        except (EmailNotValidError, NumberParseException, ValueError):
            fates["needs fixing"] += 1
            continue
        name = f"{first.strip()} {last.strip()}".casefold()
        keys = [(name, contact) for contact in (address, dialled) if contact] or [(name, "")]
        earlier = [seen.setdefault(key, number) for key in keys]
        fates["ready" if min(earlier) == number else "duplicate in file"] += 1
    return fates


def plain_email(typed: str) -> str | None:
    if not typed:
        return None
    return validate_email(typed, check_deliverability=False).normalized.lower()


def plain_phone(typed: str) -> str | None:
    if not typed:
        return None
    number = phonenumbers.parse(typed, REGIONS[0])
    if not phonenumbers.is_valid_number(number):
        raise ValueError(typed)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def most_memory(act: Callable[[], object]) -> float:
    """In MB, above what there was."""
    tracemalloc.start()
    act()
    _kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 1e6


def describe(data: bytes) -> None:
    rows = list(cells_of(data))
    accented = sum(not "".join(cells[:2]).isascii() for cells in rows)
    words = f"{len(rows):,} rows, {len(data) / 1e6:.1f} MB, {accented / len(rows):.1%} accented"
    print(f"   {words}", flush=True)
    for name, check in (("ours", ours), ("loop", plain_loop)):
        print(f"   {name}: {', '.join(f'{n} {fate}' for fate, n in check(data).items())}")


def check(data: bytes, rows: int, rounds: int) -> None:
    """P1."""
    describe(data)
    sides = [partial(ours, data), partial(plain_loop, data)]
    times = map(median, in_turn(sides, rounds))
    one, other = (each * 1000 / rows for each in times)
    words = f"{one:.1f} µs a row, plain loop {other:.1f}"
    verdict(one <= 0.2 * other, f"P1 {words}, {one / other:.2f} x (≤ 0.2)")
    most, least = map(most_memory, sides)
    words = f"{most:.1f} MB at most, plain loop {least:.1f}"
    verdict(most <= least, f"P1 {words}, {most / least:.2f} x (≤ 1.0)")


class Upload:
    """One clinic's file from upload to invitations, as a browser and a worker do it."""

    def __init__(self, url: str, body: Path, boundary: str) -> None:
        self.app = composition.create_app(replace(settings_for(url), imported_per_day=10**8))
        self.body, self.boundary = body, boundary
        self.client = signed_in(self.app)
        self.importer = composition.importer_of(self.app)
        self.queueing = 0.0

    def run(self) -> None:
        page = self.upload()
        key = re.search(r'name="key" value="([^"]+)"', self.get(f"{page}/confirm"))
        seen = re.search(r'name="seen" value="([^"]+)"', self.get(f"{page}/confirm"))
        assert key and seen
        answer = self.client.post(
            f"{page}/confirm",
            data={"csrf_token": self.token, "key": key[1], "seen": seen[1]},
        )
        assert answer.status_code == 303, answer.status
        while self.importer.work_once():
            pass

    def upload(self) -> str:
        """The address of its check page, which has been shown."""
        self.token = found(r'name="csrf_token" value="([^"]+)"', self.get("/c/northside/invite"))
        head = (
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n'
            f"{self.token}\r\n"
        ).encode()
        with self.body.open("r+b") as file:  # the token stands where room was left for it
            file.write((b"\r\n" + head).rjust(HEAD, b" "))
            file.seek(0)
            answer = self.client.post(
                "/c/northside/imports",
                input_stream=file,
                content_type=f"multipart/form-data; boundary={self.boundary}",
                content_length=self.body.stat().st_size,
            )
        assert answer.status_code == 303, answer.text
        page = answer.headers["Location"].partition("?")[0].partition("#")[0]
        self.get(page)
        return page

    def get(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.status
        return answer.text


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match[1]


HEAD = 1024
CLERK = 0.05  # seconds between another's writes


@contextmanager
def clerk(url: str, times: list[float]) -> Iterator[None]:
    """Someone else who writes now and then, in a process of their own."""
    program = [sys.executable, "-m", "tests.bench.upload", "--clerk", url]
    other = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdin and other.stdout
    other.stdout.readline()  # it has begun
    try:
        yield
    finally:
        other.stdin.close()
        times += map(float, other.stdout.read().split())
        other.wait()


def write_now_and_then(url: str) -> None:
    """Until no more is read from the other side."""
    app = composition.create_app(settings_for(url))
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    with app.app_context():
        clinic = db.session.scalar(db.select(Clinic.id).where(Clinic.slug == "lakeview"))
        assert clinic
        db.session.commit()

        def write() -> None:
            activity.record(Action.EXPORTED, clinic_id=clinic, now=clock.now())
            db.session.commit()

        write()
        print("begun", flush=True)
        while not stopped.wait(CLERK):
            print(took(write))


@contextmanager
def watched(most: list[float]) -> Iterator[None]:
    """How many MB more the process holds at the most."""
    before, done = held(), threading.Event()

    def watch() -> None:
        highest = before
        while not done.wait(0.01):
            highest = max(highest, held())
        most.append(highest - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def held() -> float:
    """MB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def end_to_end(engine: str, place: str, data: bytes, rows: int, rounds: int, folder: Path) -> None:
    """P2 and P8."""
    boundary, body = "a-boundary-of-the-benchmark", folder / "upload"
    part = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="patients.csv"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    ).encode()
    provider = f'--{boundary}\r\nContent-Disposition: form-data; name="provider"\r\n\r\n%s\r\n'
    ours_times, loop_times, writes, memory, queueing = [], [], [], [], []
    for number in range(rounds + 1):
        url = databases.fresh(place, f"upload_{number}", folder)
        osei = provider_of(url)
        field = (provider % osei).encode()
        body.write_bytes(b" " * HEAD + field + part + data + f"\r\n--{boundary}--\r\n".encode())
        upload = Upload(url, body, boundary)
        loop_times.append(took(lambda: plain_loop(data)))
        spent: list[float] = []
        with timed(inviting_many, "_queue", spent), clerk(url, writes), watched(memory):
            ours_times.append(took(upload.run))
        queueing.append(sum(spent))
        messages = settled(upload, rows)
        databases.close(upload.app)
        if number == 0:  # to warm up
            for each in (ours_times, loop_times, writes, memory, queueing):
                each.clear()
    ours, loop = median(ours_times) / 1000, median(loop_times) / 1000
    words = f"{ours:.1f} s for {rows:,} rows, plain loop {loop:.1f} s, {ours / loop:.2f} x (≤ 1.0)"
    verdict(ours <= loop, f"P2 {engine:10} {words}")
    verdict(max(memory) <= 60, f"P2 {engine:10} {max(memory):.0f} MB more at the most (≤ 60)")
    slow = sorted(writes)[int(len(writes) * 0.95)]
    words = f"another's write p50 {median(writes):.0f} ms, p95 {slow:.0f} ms (≤ 50), {len(writes)}"
    verdict(slow <= 50, f"P2 {engine:10} {words} writes")
    each = median(queueing) * 1000 / messages
    verdict(each <= 15, f"P8 {engine:10} {messages:,} messages, {each:.1f} µs each (≤ 15)")


def provider_of(url: str) -> int:
    app = composition.create_app(settings_for(url))
    with app.app_context():
        from inviter import team

        found = team.user_with("osei@example.org")
        assert found
        return found.id


@contextmanager
def timed(module: Any, name: str, spent: list[float]) -> Iterator[None]:
    """How long each call of a function of a module took, in ms."""
    plain = getattr(module, name)

    def measured(*given: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return plain(*given, **named)
        finally:
            spent.append((time.perf_counter() - began) * 1000)

    setattr(module, name, measured)
    try:
        yield
    finally:
        setattr(module, name, plain)


def settled(upload: Upload, rows: int) -> int:
    """That all who could be were invited; how many messages that made."""
    with upload.app.app_context():
        made = db.session.scalars(db.select(Import)).one()
        assert made.state == ImportState.OPEN
        many = [
            db.session.scalar(
                db.select(db.func.count()).select_from(model).where(model.id > made.id)
            )
            for model in (Invitation, Delivery)
        ]
        print(f"   {rows:,} rows: {many[0]:,} invitations, {many[1]:,} messages", flush=True)
        return many[1] or 0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", choices=databases.ENGINES)
    options.add_argument("--sparse", action="store_true")
    options.add_argument("--clerk", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.clerk:
        return write_now_and_then(chosen.clerk)
    data = file_of(chosen.rows, chosen.seed, sparse=chosen.sparse)
    rounds = max(5, chosen.rounds)
    check(data, chosen.rows, rounds)
    with databases.folder(None) as folder:
        for engine in [chosen.only] if chosen.only else databases.ENGINES:
            with databases.server(engine, folder) as place:
                end_to_end(engine, place, data, chosen.rows, rounds, folder)
    print(f"{len(failures)} failed" if failures else "All passed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
