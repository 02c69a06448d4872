"""Invited Patients at a million rows: how long a page takes, a search, and how many a second.

    python -m tests.bench.listing [--invitations 1200000 --clinics 101 --seed 1]
        [--only sqlite] [--keep FOLDER] [--rounds 15]

P3  first and last page, newest first, in a clinic of 200,000 and one of 10,000 of them all, against
    the same page where there are 1,000 in all, or there the last that is as full: whole requests in
    turn, the ratio of medians.
P4  searches of nine kinds. The ratio is of the searches alone (ids, count and rows) against LIKE
    over four columns with an exact count; the p50 and p99 in ms are of whole requests as typing
    makes them, of every kind with every status.
P5  lists a second by gunicorn, signed in, as turning pages asks for them, against a bare Flask app
    that renders the same 25 rows from memory by the same Jinja macros; same server and workers. The
    whole page, with form and navigation, which the bare app has not, is told besides.
P6  statements a page.

`--keep` leaves the databases in a folder, to be used again. Each line ends in PASS or FAIL.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask, template_rendered
from flask.testing import FlaskClient
from sqlalchemy import text

from inviter import clock, listing, team
from inviter.conditions import ACCEPTED_STAY, SORTABLE, Column, Filter, Place
from inviter.db import db, read_only
from inviter.models import Clinic
from inviter.status import Moment, Status
from tests.bench import databases
from tests.counting import counted
from tests.visitors import Visitor

LARGE, SMALL = "northside", "lakeview"
FRAGMENT = {"HX-Request": "true", "HX-Target": "results"}
SEARCHES = {
    "common name": "smith",
    "rare name": "quillfeather",
    "email": "@example.org",
    "one email": "7@",
    "provider": "osei",
    "2 characters": "an",
    "long": "a rather long text that nobody is called by",
    "two words": "an smith",
    "no match": "zzyzx",
}
LIKE = """
    FROM invitation AS i JOIN users AS u ON u.id = i.provider_id
    WHERE i.clinic_id = :clinic AND i.removed_at IS NULL
      AND coalesce(i.accepted_at > :stays, true) {status}
      AND (lower(i.first_name || ' ' || i.last_name) LIKE :what OR lower(i.email) LIKE :what
           OR i.phone_typed LIKE :what OR lower(u.name) LIKE :what)
"""
PENDING = """
      AND coalesce(i.accepted_at > :now, true) AND coalesce(i.expires_at, :now) > :now
      AND i.sending <> 'failed'
"""
# Said so that no index helps which was made for ours.

failures: list[str] = []


def verdict(passed: bool, line: str) -> None:
    print(f"{line}  {'PASS' if passed else 'FAIL'}", flush=True)
    if not passed:
        failures.append(line)


def took(act: Callable[[], object]) -> float:
    """In ms."""
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def in_turn(acts: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Each once a round, so that what disturbs the machine disturbs all; twice before it counts."""
    for act in acts:
        act()
        act()
    times: list[list[float]] = [[] for _ in acts]
    for _ in range(rounds):
        for place, act in enumerate(acts):
            times[place].append(took(act))
    return times


def median(times: Sequence[float]) -> float:
    return statistics.median(times)


def p99(times: Sequence[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


def page(
    client: FlaskClient, path: str, headers: dict[str, str] | None = None
) -> Callable[[], None]:
    def get() -> None:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, answer.status
        assert "Invited Patients" in answer.text or headers

    return get


def signed_in(app: Flask) -> FlaskClient:
    visitor = Visitor(app.test_client()).sign_in("ana@example.org", databases.PASSWORD)
    assert visitor.status == 200
    return visitor.client


def pages(engine: str, large: FlaskClient, thousand: FlaskClient, rounds: int) -> None:
    """P3."""
    for query in ("", "?page=last"):
        acts = [page(thousand, f"/c/{LARGE}/invite{last_full(thousand) if query else query}")]
        acts += [page(large, f"/c/{clinic}/invite{query}") for clinic in (LARGE, SMALL)]
        base, of_large, of_small = map(median, in_turn(acts, rounds * 3))
        for clinic, time_of in ((LARGE, of_large), (SMALL, of_small)):
            words = f"{query or 'first page'} {clinic} {time_of:.1f} ms, 1,000 in all {base:.1f} ms"
            verdict(
                time_of <= 1.2 * base, f"P3 {engine:10} {words}, {time_of / base:.2f} x (≤ 1.2)"
            )


def last_full(client: FlaskClient) -> str:
    """The last page with as many rows as any."""
    counted = client.get(f"/c/{LARGE}/invite").text.partition('id="count">')[2]
    return f"?page={max(1, int(counted.split()[0]) // listing.PER_PAGE)}"


@contextmanager
def reading(app: Flask) -> Iterator[None]:
    with app.app_context():
        token = read_only.set(True)
        yield
        db.session.rollback()
        read_only.reset(token)


def place_of(app: Flask, slug: str) -> Place:
    clinic = db.session.scalar(db.select(Clinic).where(Clinic.slug == slug))
    assert clinic is not None
    at = Moment(clock.now(), app.extensions["settings"].doubt_after)
    return Place(clinic, team.providers(clinic), app.extensions["keys"], at)


def search(place: Place, wanted: Filter) -> None:
    """The ids, which are the count too, and the rows of the first page."""
    _count, ids = listing._counted_page(place, wanted, 1)
    db.session.execute(listing.ROWS, {"clinic": place.clinic.id, "ids": ids}).all()


def like(place: Place, what: str, *, pending: bool) -> Callable[[], None]:
    """The search that one would write first."""
    rows = LIKE.format(status=PENDING if pending else "")
    values = {
        "clinic": place.clinic.id,
        "what": f"%{what}%",
        "stays": place.at.now - ACCEPTED_STAY,
        "now": place.at.now,
    }
    if db.engine.dialect.name == "sqlite":
        values |= {name: f"{values[name]:%Y-%m-%d %H:%M:%S.%f}" for name in ("stays", "now")}

    def by_like() -> None:
        db.session.execute(text(f"SELECT count(*) {rows}"), values).scalar_one()
        order = "ORDER BY i.invited_at DESC, i.id DESC LIMIT 25"
        db.session.execute(text(f"SELECT i.*, u.name {rows} {order}"), values).all()

    return by_like


def searches(engine: str, app: Flask, client: FlaskClient, rounds: int) -> None:
    """P4."""
    for slug, most in ((LARGE, 60), (SMALL, 10)):
        with reading(app):
            place = place_of(app, slug)
            for status in (None, Status.PENDING):
                compare(engine, place, status, max(5, rounds // 3))
        requests(engine, client, slug, most, rounds)


def compare(engine: str, place: Place, status: Status | None, rounds: int) -> None:
    """Every kind of search in turn with its LIKE; the verdict is on all kinds together."""
    ours, theirs = [], []
    for name, what in SEARCHES.items():
        acts = [
            partial(search, place, Filter(text=what, status=status)),
            like(place, what, pending=status is not None),
        ]
        one, other = map(median, in_turn(acts, rounds))
        ours.append(one)
        theirs.append(other)
        words = f"{name}, {status or 'all'}: {one:.1f} ms, LIKE {other:.1f} ms, {one / other:.2f} x"
        print(f"   {engine:10} {place.clinic.slug:10} {words}", flush=True)
    ratio = sum(ours) / sum(theirs)
    words = f"searches, {status or 'all'}: {sum(ours):.0f} ms, LIKE {sum(theirs):.0f} ms"
    clinic = place.clinic.slug
    verdict(ratio <= 0.35, f"P4 {engine:10} {clinic:10} {words}, {ratio:.2f} x (≤ 0.35)")


def requests(engine: str, client: FlaskClient, slug: str, most: int, rounds: int) -> None:
    """The other half of P4: whole requests, with every status, and by every sort."""
    statuses = ("", "pending", "accepted", "expired", "error")
    found = {
        f"{name}, {status or 'all'}": f"q={what}&status={status}"
        for name, what in SEARCHES.items()
        for status in statuses
    }
    sorts = {f"sort {each}": f"sort={each}" for each in SORTABLE if each != Column.INVITED}
    for kind, cases, limit in (("searches", found, most), ("sorts", sorts, 100)):
        paths = [f"/c/{slug}/invite?{query}" for query in cases.values()]
        times = in_turn([page(client, path, FRAGMENT) for path in paths], rounds)
        medians = dict(zip(cases, map(median, times), strict=True))
        slowest = max(medians, key=lambda name: medians[name])
        everything = [each for some in times for each in some]
        words = f"{kind}: p50 {median(everything):.1f} ms, p99 {p99(everything):.1f} ms"
        worst = f"the slowest, {slowest}, {medians[slowest]:.1f} ms"
        passed = median(everything) <= limit
        verdict(passed, f"P4 {engine:10} {slug:10} {words} (p50 ≤ {limit}); {worst}")


def statements(engine: str, app: Flask, client: FlaskClient) -> None:
    """P6."""
    costs = {}
    for query in ("", "?page=last", "?page=40", "?q=an&status=pending", "?q=048291", "?sort=name"):
        for slug in (LARGE, SMALL):
            with app.app_context(), counted() as seen:
                client.get(f"/c/{slug}/invite{query}")
            costs[slug, query] = len(seen)
    most = max(costs.values())
    # The last page of too many is looked for from the other end: one more.
    plain = {cost for (_, query), cost in costs.items() if query != "?page=last"}
    verdict(len(plain) == 1, f"P6 {engine:10} statements a page: {sorted(plain)}, at most {most}")


def throughput(engine: str, url: str, client: FlaskClient, rounds: int, folder: Path) -> None:
    """P5."""
    cookie = "; ".join(f"{each.key}={each.value}" for each in client._cookies.values())
    path = f"/c/{LARGE}/invite"
    rows = folder / "rows.json"
    rows.write_text(json.dumps(rows_of(client, path)))
    signed_in = {"Cookie": cookie}
    rates: list[list[float]] = [[], [], []]
    with (
        gunicorn("tests.bench.bare:create_app()", {"BENCH_ROWS": str(rows)}) as bare,
        gunicorn("tests.bench.served:create_app()", {"BENCH_URL": url}) as ours,
    ):
        for _ in range(max(5, rounds // 3)):
            rates[0].append(rate(bare, "/", {}))
            rates[1].append(rate(ours, path, {**signed_in, **FRAGMENT}))
            rates[2].append(rate(ours, path, signed_in))
    of_bare, of_list, of_page = map(median, rates)
    words = f"{of_list:.0f} lists/s, bare {of_bare:.0f}"
    verdict(
        of_list >= 0.25 * of_bare, f"P5 {engine:10} {words}, {of_list / of_bare:.2f} x (≥ 0.25)"
    )
    print(
        f"P5 {engine:10} with form and navigation: {of_page:.0f} pages/s, {of_page / of_bare:.2f} x"
    )


WORKERS = 2
CALLERS = 4
CALLS = 150


@contextmanager
def gunicorn(target: str, settings: dict[str, str]) -> Iterator[int]:
    """Serves on a free port of the loopback address, which is given."""
    port = free_port()
    bind = ["--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), "--log-level", "error"]
    program = Path(sys.executable).parent / "gunicorn"
    server = subprocess.Popen([program, *bind, target], env={**os.environ, **settings})
    try:
        wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(timeout=20)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise SystemExit("The server did not start")


def rate(port: int, path: str, headers: dict[str, str]) -> float:
    """Pages a second, asked for by several callers at once."""

    def call() -> None:
        for _ in range(CALLS):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.status
            answer.read()
            connection.close()

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    spent = took(lambda: ([each.start() for each in callers], [each.join() for each in callers]))
    return CALLS * CALLERS / spent * 1000


def rows_of(client: FlaskClient, path: str) -> dict[str, object]:
    """What the table of this page is drawn from, for the bare app to hold in memory."""
    kept: dict[str, object] = {}

    def keep(_app: Flask, context: dict[str, Any], **_more: object) -> None:
        shown = context["listing"]
        kept.update(
            rows=[each._asdict() for each in shown.rows],
            heads=[each._asdict() for each in shown.heads],
            words=asdict(shown.words),
            base=shown.base,
            query=shown.query,
            address={"on": shown.address.on},
            is_default=shown.is_default,
            pairs=shown.pairs,
            ticks_page=shown.ticks_page,
            ticks_all=shown.ticks_all,
            tick_url=shown.tick_url,
        )

    with template_rendered.connected_to(keep):
        client.get(path)
    return kept


def measure(engine: str, place: str, chosen: argparse.Namespace, folder: Path) -> None:
    """Everything, on one kind of database."""
    urls = [
        databases.filled(place, clinics=clinics, invitations=many, seed=chosen.seed)
        for clinics, many in ((chosen.clinics, chosen.invitations), (3, 1000))
    ]
    large, thousand = map(databases.opened, urls)
    client = signed_in(large)
    statements(engine, large, client)
    pages(engine, client, signed_in(thousand), chosen.rounds)
    searches(engine, large, client, chosen.rounds)
    throughput(engine, urls[0], client, chosen.rounds, folder)
    databases.close(large)
    databases.close(thousand)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--invitations", type=int, default=1_200_000)
    options.add_argument("--clinics", type=int, default=101)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--only", choices=databases.ENGINES)
    options.add_argument("--keep")
    chosen = options.parse_args()
    with databases.folder(chosen.keep) as folder:
        for engine in [chosen.only] if chosen.only else databases.ENGINES:
            with databases.server(engine, folder) as place:
                measure(engine, place, chosen, folder)
    print(f"{len(failures)} failed" if failures else "All passed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
