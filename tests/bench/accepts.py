"""One invitation accepted by 16 people at once, a thousand times: one of them joins.

    python -m tests.bench.accepts [--invitations 1000 --people 16 --only sqlite]

Each person has an account of their own and presses in a thread of their own, through the use case.
One is the patient, the others are told that the invitation is used; the database holds one patient,
one line of the record and one message about it for each invitation. Ends in PASS or FAIL.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

from flask import Flask
from sqlalchemy import func, select

from inviter import clock, contacts, joining, outbox
from inviter.activity import Action
from inviter.db import db, new_id
from inviter.joining import Closed
from inviter.keys import new_link_id
from inviter.models import (
    Activity,
    Channel,
    Clinic,
    Delivery,
    How,
    Invitation,
    Kind,
    Membership,
    Patient,
    User,
)
from inviter.status import Status
from tests.bench import databases
from tests.bench.listing import failures, verdict

PEOPLE = 16
JOINED = "joined"
Key = tuple[int, int]
Answers = Counter[str]


def prepare(invitations: int, people: int, *, now: datetime) -> tuple[list[Key], list[int]]:
    """Invitations of Northside by email, and accounts; committed."""
    clinic = db.session.scalars(select(Clinic).where(Clinic.slug == "northside")).one()
    someone = select(Membership.user_id).where(Membership.clinic_id == clinic.id).limit(1)
    user_id = db.session.scalars(someone).one()
    made = [_invitation(clinic, user_id, number, now) for number in range(invitations)]
    db.session.add_all(made)
    db.session.flush()
    for each in made:
        outbox.put(each, [Channel.EMAIL], place=0, now=now)
    accounts = [
        User(
            name="",
            email=f"person{number}@example.com",
            password="",
            fs_uniquifier=f"person {number}",
            created_at=now,
        )
        for number in range(people)
    ]
    db.session.add_all(accounts)
    db.session.commit()
    return [(each.clinic_id, each.id) for each in made], [each.id for each in accounts]


def race(app: Flask, keys: Sequence[Key], accounts: Sequence[int], now: datetime) -> list[Answers]:
    """What all were answered, for each invitation."""
    barrier = Barrier(len(accounts))

    def press_all(account_id: int) -> list[str]:
        answers = []
        try:
            for key in keys:
                barrier.wait(timeout=120)
                with app.app_context():
                    answers.append(_press(key, account_id, now))
        except BaseException:
            barrier.abort()  # or the others would wait
            raise
        return answers

    with ThreadPoolExecutor(len(accounts)) as pool:
        of_each = list(pool.map(press_all, accounts))
    return [Counter(answers) for answers in zip(*of_each, strict=True)]


def stands(keys: Sequence[Key]) -> dict[str, Counter[int]]:
    """How many of each thing there are for an invitation: for how many invitations."""
    ids, clinic_id = [key[1] for key in keys], keys[0][0]

    def per_invitation(model: Any, *where: Any) -> Counter[int]:
        here = (model.clinic_id == clinic_id, model.invitation_id.in_(ids), *where)
        query = select(func.count()).select_from(model).where(*here).group_by(model.invitation_id)
        return Counter(db.session.scalars(query))

    accepted = select(func.count()).where(
        Invitation.clinic_id == clinic_id,
        Invitation.id.in_(ids),
        Invitation.accepted_at.is_not(None),
    )
    return {
        "accepted": Counter({1: db.session.scalar(accepted) or 0}),
        "patients": per_invitation(Patient),
        "lines of the record": per_invitation(Activity, Activity.action == Action.ACCEPTED),
        "messages about it": per_invitation(Delivery, Delivery.kind == Kind.JOINED),
    }


def wrong(
    answers: Sequence[Answers], found: dict[str, Counter[int]], people: int
) -> dict[str, object]:
    """What is not as it should be; nothing."""
    one = Counter({JOINED: 1, Status.ACCEPTED: people - 1})
    bad: dict[str, object] = {}
    if others := [each for each in answers if each != one]:
        bad["answers"] = others
    return bad | {what: each for what, each in found.items() if each != {1: len(answers)}}


def _press(key: Key, account_id: int, now: datetime) -> str:
    invitation = db.session.get_one(Invitation, key)
    account = db.session.get_one(User, account_id)
    try:
        joining.accept(invitation, account=account, how=How.LINK, now=now)
    except Closed as closed:
        return closed.status
    else:
        db.session.commit()
        return JOINED
    finally:
        db.session.rollback()


def _invitation(clinic: Clinic, user_id: int, number: int, now: datetime) -> Invitation:
    name = ("Ada", f"Racer{number}")
    key = f"{contacts.name_key(*name)}{number}"
    return Invitation(
        clinic_id=clinic.id,
        id=new_id(),
        first_name=name[0],
        last_name=name[1],
        name_key=key,
        email=f"racer{number}@example.org",
        provider_id=user_id,
        invited_by_id=user_id,
        invited_at=now,
        expires_at=now + timedelta(days=30),
        link_id=new_link_id(),
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--invitations", type=int, default=1000)
    options.add_argument("--people", type=int, default=PEOPLE)
    options.add_argument("--only", choices=databases.ENGINES)
    chosen = options.parse_args()
    for engine in [chosen.only] if chosen.only else databases.ENGINES:
        with databases.folder(None) as folder, databases.server(engine, folder) as place:
            app = databases.opened(databases.fresh(place, "accepts", folder))
            now = clock.now()
            with app.app_context():
                keys, accounts = prepare(chosen.invitations, chosen.people, now=now)
            began = time.monotonic()
            answers = race(app, keys, accounts, now)
            took = time.monotonic() - began
            with app.app_context():
                bad = wrong(answers, stands(keys), chosen.people)
            databases.close(app)
        text = f"{engine}: {len(keys):,} x {chosen.people} at once, one winner each ({took:.0f} s)"
        verdict(not bad, f"{text} {bad or ''}")
    print(f"{len(failures)} failed" if failures else "All passed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
