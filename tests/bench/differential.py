"""Whether reading a whole file says of each name, email and number what `contacts` says.

    python -m tests.bench.differential [--values 200000 --seed 1]

Values as people have them and as they mistype them, numbers as of many lists of regions; at least
a quarter of them are decided without asking. Each difference is printed; ends in PASS or FAIL.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from inviter import bulk, contacts
from inviter.bulk import Reader
from tests import typed
from tests.typed import verdict

LEAST_PLAIN = 0.25


class Case(NamedTuple):
    """One value, and by what it is read."""

    kind: str
    text: str
    ours: Callable[[str], object]
    theirs: Callable[[str], object]
    plain: Callable[[str], object]
    """Not None where it is decided without asking."""


def cases(random: Random, many: int) -> Iterator[Case]:
    """Of numbers half are in the regions that most have."""
    readers = {regions: Reader(regions) for regions in typed.REGIONS}
    for place in range(many):
        regions = random.choice([typed.REGIONS[0], random.choice(typed.REGIONS)])
        yield case(random, place % 4, readers[regions], regions)


def case(random: Random, kind: int, reader: Reader, regions: tuple[str, ...]) -> Case:
    def phone(text: str) -> object:
        return contacts.phone(text, regions)

    if kind == 0:
        name, plain = typed.name(random), bulk.plain_name
        return Case("first name", name, folded(reader, bulk), folded(contacts, contacts), plain)
    if kind == 1:
        name, plain = typed.name(random), bulk.plain_name
        return Case("last name", name, reader.last_name, contacts.last_name, plain)
    if kind == 2:
        text = typed.email(random)
        return Case("email", text, reader.email, contacts.email, reader.plain_email)
    words = f"phone in {'/'.join(regions)}"
    return Case(words, typed.phone(random), reader.phone, phone, reader.plain_phone)


def folded(read: Any, folds: Any) -> Callable[[str], object]:
    """A first name with the letters by which it is known."""

    def name_and_letters(text: str) -> object:
        name = read.first_name(text)
        return name, folds.fold(name)

    return name_and_letters


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--values", type=int, default=200_000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    plain = differences = 0
    for each in cases(Random(chosen.seed), chosen.values):
        plain += each.plain(each.text) is not None
        ours, theirs = verdict(each.ours, each.text), verdict(each.theirs, each.text)
        if ours != theirs:
            differences += 1
            print(f"{each.kind}: {each.text!r} is {ours!r}, not {theirs!r}")
    passed = not differences and plain >= LEAST_PLAIN * chosen.values
    counts = f"{chosen.values:,} compared, {plain:,} decided without asking"
    print(f"P1 {counts}, {differences} differences  {'PASS' if passed else 'FAIL'}")
    sys.exit(not passed)


if __name__ == "__main__":
    main()
