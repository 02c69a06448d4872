"""Issuing an Invite Code where a clinic holds many.

    python -m tests.bench.codes [--held 100000 --rounds 200] [--only sqlite]

P11  one patient is invited, from Confirm to commit; an invitation whose code has rested gets
     another. What a clinic holds is counted once in a while, and for each file.

Each line ends in PASS or FAIL.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import select

from inviter import (
    batches,
    clock,
    codes,
    contacts,
    holding,
    invitations,
    inviting,
    readdressing,
    team,
)
from inviter.db import db, new_ids
from inviter.inviting_many import INVITATION, TABLES
from inviter.keys import Keys, new_link_ids
from inviter.many_rows import bulk
from inviter.models import Clinic, Invitation, User
from inviter.roster import Recipient
from inviter.status import Sending
from tests.bench import databases
from tests.bench.listing import failures, median, took, verdict
from tests.conftest import SECRET

KEYS = Keys(SECRET)
MOST_MS = 50


def hold(clinic: Clinic, by: User, count: int) -> None:
    """So many invitations, each with a code."""
    first, now, links = new_ids(count), clock.now(), new_link_ids(count)
    drawn = batches._draw(clinic.id, count, KEYS, codes.random_code).items()

    def rows() -> Iterator[tuple[object, ...]]:
        for place, ((mac, code), link) in enumerate(zip(drawn, links, strict=True)):
            id, last = first + place, f"Number {place}"
            name = ("Held", last, contacts.name_key("Held", last) + str(place))
            sealed = KEYS.seal_code(code, clinic_id=clinic.id, invitation_id=id)
            yield (id, *name, None, None, None, False, sealed, mac, link, Sending.NONE, 0)

    alike = {"clinic_id": clinic.id, "provider_id": by.id, "invited_by_id": by.id}
    alike |= {"invited_at": now, "expires_at": invitations.expiry(clinic, now)}
    alike |= {"link_version": 1, "generation": 1}
    bulk(db.session.connection(), TABLES[Invitation], INVITATION, rows(), alike=alike)
    db.session.commit()


def issue(clinic: Clinic, by: User, number: int) -> None:
    last = f"Number {number}"
    who = Recipient("New", last, f"newnumber{number}", f"new{number}@example.org", None)
    press = {"provider": by, "by": by, "keys": KEYS, "sms": True, "now": clock.now()}
    inviting.invite(clinic, [who], key=f"bench {number}", **press)  # type: ignore[arg-type]
    db.session.commit()


def draw(clinic: Clinic, _number: int) -> None:
    found = select(Invitation).where(Invitation.clinic_id == clinic.id).limit(1)
    invitation = db.session.scalars(found).one()
    readdressing.draw(invitation, keys=KEYS, new_code=codes.random_code)
    db.session.commit()


def count_held(clinic: Clinic) -> None:
    holding.room(clinic.id)
    db.session.rollback()


def measure(engine: str, place: str, folder: Path, held: int, rounds: int) -> None:
    app = databases.opened(databases.fresh(place, "codes", folder))
    with app.app_context():
        clinic = team.clinic_at("northside")
        assert clinic
        by = team.user_with("osei@example.org")
        assert by
        hold(clinic, by, held)
        times = [took(partial(count_held, clinic)) for _ in range(rounds // 10 + 1)]
        print(f"{engine}: to count what is held takes {median(times):.1f} ms", flush=True)
        for words, act in (
            ("a patient is invited", partial(issue, clinic, by)),
            ("a code is drawn anew", partial(draw, clinic)),
        ):
            times = [took(partial(act, number)) for number in range(rounds)]
            slow = sorted(times)[int(len(times) * 0.95)]
            figures = f"p50 {median(times):.1f} ms, p95 {slow:.1f} ms (< {MOST_MS})"
            verdict(slow < MOST_MS, f"P11 {engine:10} {words}, {held:,} held: {figures}")
    databases.close(app)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--held", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--only", choices=databases.ENGINES)
    chosen = options.parse_args()
    with databases.folder(None) as folder:
        for engine in [chosen.only] if chosen.only else databases.ENGINES:
            with databases.server(engine, folder) as place:
                measure(engine, place, folder, chosen.held, chosen.rounds)
    print(f"{len(failures)} failed" if failures else "All passed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
