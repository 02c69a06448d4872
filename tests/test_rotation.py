"""Secrets are replaced while everything runs: afterwards the old one is needed for links alone."""

import base64
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from flask import Flask
from sqlalchemy import select, update

import app as composition
from inviter import batches, drafts, inviting, joining, readdressing, rotation, second_factor
from inviter.config import Config
from inviter.db import db
from inviter.keys import Keys, Unreadable
from inviter.listing import code_of
from inviter.models import How, Invitation, User
from inviter.rotation import What
from tests.conftest import SECRET
from tests.factories import Cast, account, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

THIS_YEARS = "the secret of this year, 32 or longer"
OLD, NEW, BOTH = Keys(SECRET), Keys(THIS_YEARS), Keys(THIS_YEARS, (SECRET,))
FIELDS = [("rows-0-first_name", "Ada")]


class Held(NamedTuple):
    """What was sealed under the old secret."""

    ada: Invitation
    there: Invitation
    codes: list[str]
    secret: str


@pytest.fixture
def held(cast: Cast, now: datetime) -> Held:
    """Two invitations at two clinics, Ana's authenticator app, her draft."""
    places = ((cast.northside, cast.osei, cast.ana), (cast.southside, cast.lind, cast.sam))
    made = [
        invite(clinic, recipient(email="ada@example.org"), provider=who, by=by, keys=OLD, now=now)
        for clinic, who, by in places
    ]
    secret = second_factor.new_secret()
    recovery = second_factor.set_up(cast.ana, secret, shown(secret, now), keys=OLD, now=now)
    assert recovery
    drafts.keep(cast.northside, FIELDS, key="k", by=cast.ana, keys=OLD, now=now)
    db.session.commit()
    codes = [code_of(each, keys=OLD) or "" for each in made]
    return Held(made[0], made[1], codes, secret)


def shown(secret: str, at: datetime) -> str:
    """By an authenticator app."""
    app = TOTP(base64.b32decode(secret), 6, SHA1(), 30)  # noqa: S303
    return app.generate(int(at.timestamp())).decode()


def rotate(keys: Keys = BOTH) -> Counter[What]:
    done = Counter[What]()
    for some in rotation.rotate(keys=keys):
        db.session.commit()
        done += some
    db.session.commit()
    return done


def code(made: Invitation, keys: Keys) -> str:
    """As staff read it; raises Unreadable."""
    mine = (Invitation.clinic_id == made.clinic_id, Invitation.id == made.id)
    sealed = db.session.scalar(select(Invitation.code_sealed).where(*mine))
    return keys.open_code(sealed or "", clinic_id=made.clinic_id, invitation_id=made.id)


def test_afterwards_everything_opens_without_the_old_secret(
    held: Held, cast: Cast, now: datetime
) -> None:
    assert rotate() == {What.CODES: 2, What.SECOND_FACTORS: 1, What.DRAFTS: 1}
    assert [code(each, NEW) for each in (held.ada, held.there)] == held.codes
    found = joining.by_code(cast.northside, held.codes[0], "Ada", "Fixture", keys=NEW, now=now)
    assert found is not None and found.id == held.ada.id
    joining.accept(found, account=account("ada@example.org"), how=How.CODE, now=now)
    ana = db.session.scalars(
        select(User).where(User.id == cast.ana.id).execution_options(populate_existing=True)
    ).one()
    later = datetime.fromtimestamp(now.timestamp() + 30, now.tzinfo)
    assert second_factor.is_from_app(ana, shown(held.secret, later), keys=NEW, now=later)
    db.session.expire_all()
    assert drafts.kept(cast.northside, by=cast.ana, keys=NEW, now=now) == FIELDS


def test_before_and_while_it_runs_codes_join_and_links_stay(
    held: Held, cast: Cast, now: datetime
) -> None:
    token = OLD.link_token(held.ada.link_id, 1)

    def can_join() -> bool:
        asked = zip((cast.northside, cast.southside), held.codes, strict=True)
        found = [
            joining.by_code(clinic, code, "Ada", "Fixture", keys=BOTH, now=now)
            for clinic, code in asked
        ]
        found.append(joining.by_link(token, keys=BOTH))
        db.session.commit()
        return all(found)

    assert can_join()
    for _ in rotation.rotate(keys=BOTH, size=1):
        db.session.commit()
        assert can_join()
    assert joining.by_link(token, keys=NEW) is None


def test_cut_off_it_goes_on_where_it_was_and_then_finds_nothing(
    held: Held,
) -> None:
    going: Iterator[Counter[What]] = rotation.rotate(keys=BOTH, size=1)
    assert next(going) == {What.CODES: 1}
    db.session.commit()
    next(going)
    db.session.rollback()  # killed
    assert rotate()[What.CODES] == 1
    assert rotate() == {}


def test_a_code_that_was_replaced_meanwhile_stays_as_it_is(held: Held) -> None:
    rows = [(held.ada.id, held.ada.code_sealed)]
    readdressing.draw(held.ada, keys=BOTH, new_code=lambda: "012345")
    done = Counter[What]()
    rotation._write(rotation._resealed(held.ada.clinic_id, rows, BOTH, done), done)
    assert code(held.ada, NEW) == "012345"


def test_what_no_secret_opens_is_counted_and_left(held: Held) -> None:
    assert rotate(NEW) == {What.UNREADABLE: 4}
    assert code(held.ada, OLD) == held.codes[0]


def test_a_code_of_an_old_secret_is_drawn_by_nobody_else(
    held: Held, cast: Cast, now: datetime
) -> None:
    drawn = iter((held.codes[0], "012345", held.codes[0], "543210"))
    made = inviting.invite(
        cast.northside,
        [recipient("Ben Fixture")],
        provider=cast.osei,
        by=cast.ana,
        key="k",
        keys=BOTH,
        sms=True,
        now=now,
        new_code=drawn.__next__,
    )
    ben = db.session.get_one(Invitation, (cast.northside.id, made.outcome[0][1]))
    assert code(ben, BOTH) == "012345"
    many = batches._draw(cast.northside.id, 1, BOTH, drawn.__next__)
    assert list(many.values()) == ["543210"]


def test_a_code_held_twice_stays_and_keeps_no_other_from_it(
    held: Held, cast: Cast, now: datetime
) -> None:
    """Drawn by a process that did not know of the new secret yet."""
    who = recipient("Ben Fixture", email="ben@example.org")
    ben = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=OLD, now=now)
    cy = recipient("Cy Fixture", email="cy@example.org")
    other = invite(cast.northside, cy, provider=cast.osei, by=cast.ana, keys=OLD, now=now)
    place = {"clinic_id": ben.clinic_id, "invitation_id": ben.id}
    same = {
        "code_sealed": NEW.seal_code(held.codes[0], **place),
        "code_mac": NEW.code_mac(held.codes[0], clinic_id=ben.clinic_id),
    }
    mine = (Invitation.clinic_id == ben.clinic_id, Invitation.id == ben.id)
    db.session.execute(update(Invitation).where(*mine).values(**same))
    db.session.commit()
    done = rotate()
    assert (done[What.CODES], done[What.HELD_TWICE]) == (2, 1)
    assert code(other, NEW)
    with pytest.raises(Unreadable):
        code(held.ada, NEW)
    found = joining.by_code(cast.northside, held.codes[0], "Ada", "Fixture", keys=BOTH, now=now)
    assert found is not None and found.id == held.ada.id


def test_the_command_says_what_it_did_and_what_is_left(
    held: Held, app: Flask, settings: Config
) -> None:
    db.session.commit()
    db.session.remove()

    def run(**secrets: object) -> tuple[int, str]:
        made = composition.create_app(replace(settings, secret_key=THIS_YEARS, **secrets))
        done = made.test_cli_runner().invoke(args=["keys", "rotate"])
        with made.app_context():
            db.engine.dispose()
        return done.exit_code, done.output

    forgotten = run()
    assert forgotten[0] == 1
    assert "4 could not be opened: the secret that sealed them is not in" in forgotten[1]
    done = run(old_secret_keys=(SECRET,))
    assert done[0] == 0
    assert done[1].startswith("Sealed anew: 2 codes, 1 second factors, 1 drafts.\n")
    assert "Invitation Links and recovery codes that were made under an old secret" in done[1]
    assert run()[1].startswith("Sealed anew: 0 codes, 0 second factors, 0 drafts.\n")
