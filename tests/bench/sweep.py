"""Guessing Invite Codes: how far it gets, and whether an answer tells more than it says.

    python -m tests.bench.sweep [--guesses 100000 --tries 2000] [--only sqlite]

Kinds   wrong code, wrong name, expired, removed, used: so many of each at the code page, in turn.
        The same bytes but for the CSRF token and what was typed, medians within 5 ms. Budgets are
        raised for it.
Sweep   a thousand addresses guess for ten days of a clock of our own, names that are invited: at
        one clinic, one address after the other, then at all clinics, all addresses in turn. Where
        the contact is asked for, one in ten makes it up. No budget is passed, nobody gets in, and
        patients join meanwhile, by link and with their contact.

Each line ends in PASS or FAIL.
"""

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any

from flask import Flask
from sqlalchemy import func, select

from inviter import clock, guessing, joining
from inviter.db import db
from inviter.guessing import Typed, Verdict
from inviter.keys import Keys
from inviter.models import MOST_CODE_TRIES, Clinic, How, Invitation, Patient, User
from tests.bench import databases
from tests.bench.listing import failures, median, took, verdict
from tests.conftest import SECRET
from tests.factories import account, invite, recipient

KEYS = Keys(SECRET)
ADDRESSES, PATIENTS, SPAN = 1000, 200, timedelta(days=10)
SAME_WITHIN = 5.0  # ms
WARM = 20
FAMILY = "Genuine"


def invited(clinic: Clinic, name: str, email: str | None = None) -> Invitation:
    by = {each.email: each for each in db.session.scalars(select(User))}
    osei, ana = by["osei@example.org"], by["ana@example.org"]
    return invite(clinic, recipient(name, email=email), provider=osei, by=ana, keys=KEYS)


def code_of(invitation: Invitation) -> str:
    place = {"clinic_id": invitation.clinic_id, "invitation_id": invitation.id}
    return KEYS.open_code(invitation.code_sealed or "", **place)


def letters(number: int) -> str:
    return "".join(chr(97 + number // 26**place % 26) for place in range(3)).capitalize()


@contextmanager
def budgets_raised() -> Iterator[None]:
    """No try is refused for those before it, and no code replaced."""
    raised = [
        *((guessing, name) for name in ("MOST_FROM_ONE_ADDRESS", "MOST_AT_ONE_CLINIC")),
        *((guessing, name) for name in ("LEAST_IN_ALL", "MOST_WRONG_NAMES")),
        (joining, "MOST_CODE_TRIES"),
    ]
    kept = [getattr(module, name) for module, name in raised]
    for module, name in raised:
        setattr(module, name, 10**9)
    try:
        yield
    finally:
        for (module, name), value in zip(raised, kept, strict=True):
            setattr(module, name, value)


def kinds(engine: str, app: Flask, tries: int) -> None:
    with app.app_context():
        typed = typed_in_vain()
    client = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/join/northside").text)
    assert token
    times, pages = defaultdict[str, list[float]](list), set[str]()
    with budgets_raised():
        for number in range(tries + WARM):
            for word, fields in typed.items():
                data = {**fields, "csrf_token": token[1]}
                answers: list[Any] = []
                spent = took(lambda: answers.append(client.post("/join/northside", data=data)))  # noqa: B023
                assert answers[0].status_code == 422, answers[0].status
                pages.add(masked(answers[0].text, fields))
                if number >= WARM:
                    times[word].append(spent)
    medians = {word: median(some) for word, some in times.items()}
    print(f"   {engine}: " + ", ".join(f"{word} {each:.2f} ms" for word, each in medians.items()))
    count = sum(map(len, times.values()))
    verdict(len(pages) == 1, f"Kinds {engine:10} {len(pages)} different answers of {count} (1)")
    apart = max(medians.values()) - min(medians.values())
    line = f"Kinds {engine:10} medians {apart:.2f} ms apart (≤ {SAME_WITHIN:.0f})"
    verdict(apart <= SAME_WITHIN, line)


def typed_in_vain() -> dict[str, dict[str, str]]:
    """By the kind of failure."""
    clinic, now = db.session.scalars(select(Clinic).filter_by(slug="northside")).one(), clock.now()
    changes = {"expired": "expires_at", "removed": "removed_at", "used": "accepted_at"}
    typed = {}
    for word in ("wrong code", "wrong name", *changes):
        last = word.replace(" ", "").capitalize()
        made = invited(clinic, f"Kim {last}", f"kim.{last}@example.org".lower())
        if word in changes:
            setattr(made, changes[word], now)
        code = int(code_of(made)) + (word == "wrong code")
        last = "Someone" if word == "wrong name" else last
        typed[word] = {"first_name": "Kim", "last_name": last, "code": f"{code % 10**6:06}"}
    db.session.commit()
    return typed


def masked(page: str, typed: dict[str, str]) -> str:
    page = re.sub(r'name="csrf_token" value="[^"]*"', "", page)
    for each in typed.values():
        page = page.replace(f'value="{each}"', "")
    return page


class Watched:
    """When what was looked at, by code and name alone."""

    def __init__(self) -> None:
        self.came_to: Counter[Verdict] = Counter()
        self.times: dict[tuple[str, Any], list[datetime]] = defaultdict(list)

    def guess(self, clinic: Clinic, typed: Typed, address: str, now: datetime) -> Verdict:
        came_to, _found = guessing.guess(clinic, typed, address, keys=KEYS, now=now)
        self.came_to[came_to] += 1
        if came_to != Verdict.ADDRESS_SPENT:
            self.times["address", address].append(now)
        if came_to == Verdict.REFUSED and not typed.email:
            self.times["clinic", clinic.id].append(now)
            self.times["all", now.date()].append(now)
        db.session.commit()
        return came_to

    def most(self, kind: str, within: timedelta) -> int:
        """In a window that begins with a try."""
        found = (times for (each, _key), times in self.times.items() if each == kind)
        return max(most_within(times, within) for times in found)


def most_within(times: Sequence[datetime], within: timedelta) -> int:
    most, began, count = 0, times[0], 0
    for each in times:
        if each >= began + within:
            began, count = each, 0
        count += 1
        most = max(most, count)
    return most


def sweep(engine: str, app: Flask, guesses: int) -> None:
    random, began, watched = Random(1), clock.now(), Watched()
    with app.app_context():
        clinics = list(db.session.scalars(select(Clinic)))
        northside = next(each for each in clinics if each.slug == "northside")
        patients = [invited(northside, f"Ada {letters(place)}") for place in range(PATIENTS)]
        genuine = {how: invited(northside, f"{how} {FAMILY}", f"{how}@example.org") for how in How}
        count = select(func.count()).select_from(Patient)
        before, joined = db.session.scalar(count) or 0, 0
        for place in range(guesses):
            now = began + SPAN * place / guesses
            clinic = northside if place < guesses // 2 else random.choice(clinics)
            who = random.choice(patients)
            typed = Typed(f"{random.randrange(10**6):06}", who.first_name, who.last_name)
            number = place * ADDRESSES // guesses if place < guesses // 2 else place % ADDRESSES
            came_to = watched.guess(clinic, typed, f"10.0.{number // 250}.{number % 250}", now)
            if came_to == Verdict.NEEDS_CONTACT and place % 10 == 0:
                made_up = Typed(typed.code, typed.first, typed.last, "made.up@example.org")
                watched.guess(clinic, made_up, "10.1.1.1", now)
            if place in (guesses // 4, guesses // 3):
                joined += join(northside, genuine, How.LINK if joined == 0 else How.CODE, now)
        after = db.session.scalar(count) or 0
        tries = {each.id: each.code_tries for each in patients if not db.session.refresh(each)}
        opened = [
            joining.by_code(
                northside, code_of(each), each.first_name, each.last_name, keys=KEYS, now=began
            )
            for each in patients
            if tries[each.id] > MOST_CODE_TRIES
        ]
    words = ", ".join(f"{many:,} {each.name.lower()}" for each, many in watched.came_to.items())
    print(f"   {engine}: {words}", flush=True)
    for what, most, within, limit in (
        ("address, an hour", "address", guessing.HOUR, guessing.MOST_FROM_ONE_ADDRESS),
        ("clinic, a day", "clinic", guessing.DAY, guessing.MOST_AT_ONE_CLINIC),
    ):
        highest = watched.most(most, within)
        verdict(highest <= limit, f"Sweep {engine:10} one {what}: {highest} at most (≤ {limit})")
    highest = watched.most("all", guessing.DAY)
    limit = guessing.LEAST_IN_ALL
    verdict(highest <= limit, f"Sweep {engine:10} all, a day: {highest} at most (≤ {limit})")
    right = sum(each is not None for each in opened)
    words = f"of {len(opened)} names tried too often their code opens {right}"
    verdict(right == 0, f"Sweep {engine:10} {words} (0)")
    strangers = after - before - joined
    verdict(strangers == 0, f"Sweep {engine:10} got in: {strangers} (0)")
    verdict(
        joined == 2, f"Sweep {engine:10} joined meanwhile, by link and by contact: {joined} (2)"
    )


def join(clinic: Clinic, genuine: dict[How, Invitation], how: How, now: datetime) -> bool:
    """Whether a patient does, from an address of their own."""
    known = genuine[how]
    found = joining.by_link(KEYS.link_token(known.link_id, known.link_version), keys=KEYS)
    if how == How.CODE:
        assert guessing.needs_contact(clinic, keys=KEYS, now=now)
        typed = Typed(code_of(known), known.first_name, known.last_name, known.email)
        _came_to, found = guessing.guess(clinic, typed, "198.51.100.1", keys=KEYS, now=now)
    if found:
        joining.accept(found, account=account(f"own.{known.email}"), how=how, now=now)
    db.session.commit()
    return found is not None


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--guesses", type=int, default=100_000)
    options.add_argument("--tries", type=int, default=2000)
    options.add_argument("--only", choices=databases.ENGINES)
    chosen = options.parse_args(arguments)
    with databases.folder(None) as folder:
        for engine in [chosen.only] if chosen.only else databases.ENGINES:
            with databases.server(engine, folder) as place:
                app = databases.opened(databases.fresh(place, "sweep", folder))
                kinds(engine, app, chosen.tries)
                sweep(engine, app, chosen.guesses)
                databases.close(app)
    print(f"{len(failures)} failed" if failures else "All passed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
