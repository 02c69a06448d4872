"""Checking a file: how long it takes, and what it keeps, against the loop that one writes first.

    python -m tests.bench.checking [--rows 100000 --seed 1 --rounds 5]

P1  the same file, from bytes to a fate for each row, by `roster` and by csv, email-validator and
    phonenumbers with a dict for duplicates; in turn, the ratio of medians, and of the most memory.
    The loop reads as little as ours at a time, and folds no accents.

Each line ends in PASS or FAIL. That the verdicts are the same is for `tests.bench.differential`.
"""

import argparse
import csv
import io
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import NamedTuple

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat

from inviter import crowd, roster
from tests.bench.listing import failures, in_turn, median, verdict

REGIONS = ("CA", "US")
HEADINGS = ("First Name", "Last Name", "Email", "Mobile Number")
REPEATED = 0.01
BROKEN = 0.01
DOMAINS = 400
"""Of one email in ten; the others are at the three of the crowd."""


class Row(NamedTuple):
    number: int
    first_name: str
    last_name: str
    email: str
    phone: str
    extra: bool = False


def file_of(rows: int, seed: int) -> bytes:
    """As a clinic would upload it: some rows twice, some with a mistake."""
    random, written, made = Random(seed), io.StringIO(newline=""), []
    table = csv.writer(written)
    table.writerow(HEADINGS)
    for place in range(rows):
        if made and random.random() < REPEATED:
            table.writerow(random.choice(made))
            continue
        who = crowd.person(random, place)
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


def rows_of(data: bytes) -> Iterator[Row]:
    for number, cells in enumerate(cells_of(data), 2):
        yield Row(number, *cells)


def ours(data: bytes) -> Counter[str]:
    return Counter([each.fate.value for each in roster.check(rows_of(data), REGIONS)])


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
    rows = list(rows_of(data))
    accented = sum(not f"{each.first_name}{each.last_name}".isascii() for each in rows)
    words = f"{len(rows):,} rows, {len(data) / 1e6:.1f} MB, {accented / len(rows):.1%} accented"
    print(f"   {words}", flush=True)
    for name, check in (("ours", ours), ("loop", plain_loop)):
        print(f"   {name}: {', '.join(f'{n} {fate}' for fate, n in check(data).items())}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    data = file_of(chosen.rows, chosen.seed)
    describe(data)
    sides = [partial(ours, data), partial(plain_loop, data)]
    times = map(median, in_turn(sides, max(5, chosen.rounds)))
    one, other = (each * 1000 / chosen.rows for each in times)
    words = f"{one:.1f} µs a row, plain loop {other:.1f}"
    verdict(one <= 0.2 * other, f"P1 {words}, {one / other:.2f} x (≤ 0.2)")
    most, least = map(most_memory, sides)
    words = f"{most:.1f} MB at most, plain loop {least:.1f}"
    verdict(most <= least, f"P1 {words}, {most / least:.2f} x (≤ 1.0)")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
