"""Handing messages over: how many a second, fairly, and beside the web.

    python -m tests.bench.delivery [--messages 4000 --backlog 100000 --rounds 5] [--only sqlite]
        [--no-https]

The provider is a process of its own that takes 100 ms a call. A message counts when the journal
says that it was sent.

P9   a worker of its own with 64 threads, over http and over https; the default of `app.py` with
     its 16, and what the list takes meanwhile against the same list in the same round without
     sending; 20 messages of a clinic behind another's 100,000.
P10  on PostgreSQL two and four workers with 16 threads each against one; nothing called twice.

Each line ends in PASS or FAIL.
"""

import argparse
import datetime
import http.client
import ipaddress
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask
from sqlalchemy import func, select, update

from inviter import clock, outbox
from inviter.config import ROOT
from inviter.db import db, has_grown, new_ids, reading
from inviter.inviting_many import DELIVERY, INVITATION, TABLES
from inviter.keys import Keys, new_link_id
from inviter.many_rows import bulk
from inviter.models import Attempt, Channel, Clinic, Delivery, Invitation, Kind, User
from inviter.status import DeliveryState, Sending
from tests.bench import databases
from tests.bench.listing import failures, free_port, median, signed_in, verdict, wait_for
from tests.conftest import SECRET

DELAY = 0.1
THREADS, BESIDE_OTHERS = 64, 16
FEW = 20
LOOKS = 120
"""At the list, in each half of a round."""
MOST = 240
"""Seconds that anything may take."""


@contextmanager
def running(*program: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    kept = {name: value for name, value in os.environ.items() if "INVITER" not in name}
    process = subprocess.Popen(
        [sys.executable, *program],
        cwd=ROOT,
        env={**kept, **settings, "no_proxy": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@contextmanager
def provider(accepted: Path, certificate: Path | None = None) -> Iterator[str]:
    options = ["--certificate", str(certificate)] if certificate else []
    program = ("-m", "tests.bench.provider", str(accepted), "--delay", str(DELAY))
    with running(*program, *options) as started:
        assert started.stdout
        yield started.stdout.readline().strip()


def sending_to(provider: str, url: str, certificate: Path | None = None) -> dict[str, str]:
    return {
        "INVITER_DEMO": "1",
        "INVITER_SECRET_KEY": SECRET,
        "INVITER_DATABASE_URL": url,
        "INVITER_EMAIL": "sendgrid",
        "INVITER_SENDGRID_API_KEY": "key",
        "INVITER_SENDGRID_URL": provider,
        **({"SSL_CERT_FILE": str(certificate)} if certificate else {}),
    }


@contextmanager
def workers(count: int, threads: int, settings: dict[str, str]) -> Iterator[None]:
    command = ("-m", "flask", "--app", "app", "worker", "--threads", str(threads))
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(running(*command, **settings))
        yield


def certificate_in(folder: Path) -> Path:
    """For 127.0.0.1, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "stand-in.pem"
    pem = serialization.Encoding.PEM
    kept = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key.private_bytes(pem, *kept) + made.public_bytes(pem))
    return file


def queue(app: Flask, slug: str, count: int) -> None:
    """So many patients of a clinic by email, as one import queues them."""
    with app.app_context():
        clinic = db.session.scalars(select(Clinic).filter_by(slug=slug)).one()
        by = db.session.scalars(select(User).filter_by(email="tallgrass@example.org")).one()
        now, first, keys = clock.now(), new_ids(2 * count), Keys(SECRET)
        expires_at = now + datetime.timedelta(days=14)
        invitations, messages = [], []
        for place in range(count):
            id = first + place
            email = f"q{id}@example.org"
            code = keys.seal_code("048291", clinic_id=clinic.id, invitation_id=id)
            who = (id, "Queued", "Patient", "queued patient", email, None, None, False)
            invitations.append((*who, code, None, new_link_id(), Sending.UNDER_WAY, 0))
            messages.append((first + count + place, Channel.EMAIL, id, outbox.turn(now, place)))
        connection, here = db.session.connection(), {"clinic_id": clinic.id, "generation": 1}
        by_whom = {"provider_id": by.id, "invited_by_id": by.id, "invited_at": now}
        invited = here | by_whom | {"expires_at": expires_at, "link_version": 1}
        bulk(connection, TABLES[Invitation], INVITATION, invitations, alike=invited)
        queued = {"kind": Kind.INVITATION, "state": DeliveryState.QUEUED, "queued_at": now}
        queued = here | queued | {"attempts": 0}
        bulk(connection, TABLES[Delivery], DELIVERY, messages, alike=queued)
        has_grown(Invitation, Delivery)
        db.session.commit()


def forget_the_rest(app: Flask) -> None:
    with app.app_context():
        is_left = Delivery.state == DeliveryState.QUEUED
        db.session.execute(update(Delivery).where(is_left).values(state=DeliveryState.WITHDRAWN))
        db.session.commit()


def sent(app: Flask, slug: str | None = None) -> int:
    with app.app_context(), reading():
        query = select(func.count()).select_from(Attempt).where(Attempt.ended_at.is_not(None))
        if slug:
            clinic = select(Clinic.id).where(Clinic.slug == slug).scalar_subquery()
            query = query.where(Attempt.clinic_id == clinic)
        return int(db.session.scalar(query) or 0)


def wait_until(app: Flask, count: int, slug: str | None = None) -> float:
    """When so many were sent."""
    began = time.monotonic()
    while sent(app, slug) < count:
        if time.monotonic() - began > MOST:
            raise SystemExit(f"Only {sent(app, slug)} of {count} were sent")
        time.sleep(0.05)
    return time.monotonic()


def rate(app: Flask, messages: int, already: int) -> float:
    """A second, from the first fifth to the last; the workers have been started by then."""
    fifth = messages // 5
    began, before = wait_until(app, already + fifth), sent(app)
    return (already + messages - before) / (wait_until(app, already + messages) - began)


def alone(
    engine: str, app: Flask, settings: dict[str, str], chosen: argparse.Namespace, least: int
) -> None:
    """P9, a worker of its own."""
    rates = []
    for _ in range(chosen.rounds):
        already = sent(app)
        queue(app, "northside", chosen.messages)
        with workers(1, THREADS, settings):
            rates.append(rate(app, chosen.messages, already))
    over = settings["INVITER_SENDGRID_URL"].partition(":")[0]
    words = f"a worker of its own, {THREADS} threads, {over}: {median(rates):.0f} messages/s"
    verdict(median(rates) >= least, f"P9  {engine:10} {words} (≥ {least})")


def fair(engine: str, app: Flask, settings: dict[str, str], chosen: argparse.Namespace) -> None:
    """P9, a few behind many."""
    queue(app, "northside", chosen.backlog)
    already, others = sent(app), sent(app, "lakeview")
    with workers(1, THREADS, settings):
        wait_until(app, already + 500)
        began = time.monotonic()
        queue(app, "lakeview", FEW)
        took = wait_until(app, others + FEW, "lakeview") - began
    forget_the_rest(app)
    words = f"{FEW} of a clinic behind {chosen.backlog} of another's: {took:.1f} s"
    verdict(took <= 10, f"P9  {engine:10} {words} (≤ 10)")


def embedded(engine: str, app: Flask, settings: dict[str, str], chosen: argparse.Namespace) -> None:
    """P9, the default."""
    client = signed_in(app)
    cookie = "; ".join(f"{each.key}={each.value}" for each in client._cookies.values())
    port = free_port()
    rates, without, meanwhile = [], [], []
    with running("app.py", **settings, INVITER_PORT=str(port)):
        wait_for(port)
        looks(port, cookie)
        for _ in range(chosen.rounds):
            without.append(looks(port, cookie))
            already, messages = sent(app), chosen.messages // 2
            queue(app, "northside", messages)
            wait_until(app, already + 50)
            meanwhile.append(looks(port, cookie))
            rates.append(rate(app, messages, already))
    verdict(
        median(rates) >= 140,
        f"P9  {engine:10} the default beside the web: {median(rates):.0f} messages/s (≥ 140)",
    )
    slower = median([one / other for one, other in zip(meanwhile, without, strict=True)])
    words = f"p95 {median(meanwhile):.0f} ms, without sending {median(without):.0f}"
    verdict(slower <= 1.5, f"P9  {engine:10} the list meanwhile: {words}, {slower:.2f} x (≤ 1.5)")


def looks(port: int, cookie: str) -> float:
    """The p95 of the list, one look after the other, in ms."""
    times = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(LOOKS):
        began = time.perf_counter()
        connection.request(
            "GET",
            "/c/northside/invite",
            headers={"Cookie": cookie, "HX-Request": "true", "HX-Target": "results"},
        )
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        times.append((time.perf_counter() - began) * 1000)
    connection.close()
    return quantiles(times, n=20)[-1]


def together(
    app: Flask, settings: dict[str, str], accepted: Path, chosen: argparse.Namespace
) -> None:
    """P10."""
    rates: dict[int, list[float]] = {1: [], 2: [], 4: []}
    for _ in range(chosen.rounds):
        for count, found in rates.items():
            already, messages = sent(app), chosen.messages * count // 4
            queue(app, "northside", messages)
            with workers(count, BESIDE_OTHERS, settings):
                found.append(rate(app, messages, already))
    one = median(rates[1])
    for count, least in ((2, 1.8), (4, 3.2)):
        many = median(rates[count])
        words = f"{count} workers {many:.0f} messages/s, one {one:.0f}, {many / one:.2f} x"
        verdict(many >= least * one, f"P10 postgresql {words} (≥ {least})")
    calls = accepted.read_text().splitlines()
    twice = len(calls) - len(set(calls))
    verdict(not twice, f"P10 postgresql called twice: {twice} of {len(calls)}")


def measure(engine: str, place: str, folder: Path, chosen: argparse.Namespace) -> None:
    url = databases.fresh(place, "delivery", folder)
    app = databases.opened(url)
    forget_the_rest(app)
    accepted = folder / f"{engine}.accepted"
    with provider(accepted) as at:
        settings = sending_to(at, url)
        alone(engine, app, settings, chosen, 500)
        embedded(engine, app, settings, chosen)
        fair(engine, app, settings, chosen)
        if engine == "postgresql":
            together(app, settings, accepted, chosen)
    if chosen.https:
        certificate = certificate_in(folder)
        with provider(accepted, certificate) as at:
            alone(engine, app, sending_to(at, url, certificate), chosen, 400)
    databases.close(app)


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=4000)
    options.add_argument("--backlog", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--https", action=argparse.BooleanOptionalAction, default=True)
    options.add_argument("--only", choices=databases.ENGINES)
    chosen = options.parse_args(arguments)
    with databases.folder(None) as folder:
        for engine in [chosen.only] if chosen.only else databases.ENGINES:
            with databases.server(engine, folder) as place:
                measure(engine, place, folder, chosen)
    print(f"{len(failures)} failed" if failures else "All passed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
