"""Invited Patients: what is listed, in what order, at what cost; the same on both databases."""

import random
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from inviter import contacts, joining, listing, status, team
from inviter.conditions import SORTABLE, Attention, Column, Filter, Place
from inviter.db import db, new_id
from inviter.keys import Keys, new_link_id
from inviter.listing import COUNT_LIMIT, LAST, PER_PAGE, Page
from inviter.models import How, Invitation
from inviter.status import Moment, Sending, Status
from tests.counting import counted
from tests.factories import Cast, account, invite, recipient

pytestmark = pytest.mark.usefixtures("context")

DOUBT_AFTER = timedelta(minutes=15)
STATUSES = (Status.PENDING, Status.ACCEPTED, Status.EXPIRED, Status.ERROR_SENDING)
FIRST = ("Ada", "Anne-Marie", "François", "Mei", "O’Shea", "Zoë", "adam", "Łukasz", "Ming")
LAST_NAMES = ("Fixture", "O’Neil", "Nguyễn", "Sample", "Placeholder-Montgomery", "Testcase", "")


def place(cast: Cast, keys: Keys, now: datetime) -> Place:
    at = Moment(now, DOUBT_AFTER)
    return Place(cast.northside, team.providers(cast.northside), keys, at)


def first_page(cast: Cast, keys: Keys, now: datetime) -> Page[listing.InvitedRow]:
    return listing.page(place(cast, keys, now), Filter(), 1)


def made(cast: Cast, keys: Keys, now: datetime, **facts: Any) -> Invitation:
    """An invitation with these facts, whatever they are; added, not flushed."""
    first, last = facts.pop("name", ("Ada", "Fixture"))
    invitation_id = new_id()
    clinic_id = cast.northside.id
    code = facts.pop("code", None)
    return Invitation(
        **{
            "clinic_id": clinic_id,
            "id": invitation_id,
            "first_name": first,
            "last_name": last,
            "name_key": contacts.name_key(first, last),
            "twin": invitation_id,
            "provider_id": cast.osei.id,
            "invited_by_id": cast.ana.id,
            "invited_at": now,
            "expires_at": now + timedelta(days=30),
            "link_id": new_link_id(),
            "code_mac": keys.code_mac(code, clinic_id=clinic_id) if code else None,
            "sending": Sending.NONE,
            **facts,
        }
    )


def add(*invitations: Invitation) -> None:
    db.session.add_all(invitations)
    db.session.commit()


def any_moment(dice: random.Random, now: datetime, least: int, most: int) -> datetime:
    return now + timedelta(hours=dice.randint(least, most))


def crowd(cast: Cast, keys: Keys, now: datetime, dice: random.Random, many: int) -> None:
    """Everything that can be: equal times and names, blanks, every status, some removed."""
    people = []
    for number in range(many):
        how = dice.choice(list(Sending))
        email = f"{dice.choice(['ada', 'b_b', 'z%z', 'mei'])}{number}@example.org"
        facts = {
            "name": (dice.choice(FIRST), dice.choice(LAST_NAMES)),
            "provider_id": dice.choice([cast.osei.id, cast.tallgrass.id]),
            "invited_at": any_moment(dice, now, -60 * 24, -1),
            "expires_at": any_moment(dice, now, -50, 150),
            "accepted_at": dice.choice([None, None, any_moment(dice, now, -100, 0)]),
            "removed_at": dice.choice([None] * 9 + [now]),
            "email": dice.choice([None, email]),
            "phone": dice.choice([None, f"+1306555{number:04}"]),
            "sending": how,
            "doubt_since": now - timedelta(minutes=dice.randint(1, 30))
            if how == Sending.IN_DOUBT
            else None,
            "code_given_at": dice.choice([None, now]),
            "disowned_at": dice.choice([None, None, None, now]),
            "code_tries": dice.choice([0, 9, 10, 11]),
            "code": f"{number:06}",
        }
        people.append(made(cast, keys, now, **facts))
    add(*people)


def letters(name: str) -> str:
    """Folded, by the plainest way there is."""
    plain = name.casefold().replace("ł", "l")
    return "".join(c for c in unicodedata.normalize("NFKD", plain) if c.isalpha())


def is_found(each: Invitation, wanted: Filter, at: Place) -> bool:
    """The rules of the list, in plain Python."""
    now, stays = at.at.now, at.at.now - timedelta(hours=72)
    stands = status.of(each, now=now, doubt_after=DOUBT_AFTER)
    if each.removed_at or (each.accepted_at and each.accepted_at <= stays):
        return False
    if wanted.status and stands != wanted.status:
        return False
    if wanted.provider_id and each.provider_id != wanted.provider_id:
        return False
    needs: dict[Attention, Callable[[], bool]] = {
        Attention.CODE: lambda: (
            each.sending == Sending.NONE
            and not each.code_given_at
            and not each.accepted_at
            and each.expires_at > now
        ),
        Attention.ERROR: lambda: stands == Status.ERROR_SENDING,
        Attention.EXPIRED: lambda: stands == Status.EXPIRED,
        Attention.SOON: lambda: (
            stands == Status.PENDING and each.expires_at <= now + timedelta(days=3)
        ),
        Attention.BLOCKED: lambda: (
            each.code_tries >= 10 and not each.accepted_at and each.expires_at > now
        ),
        Attention.DISOWNED: lambda: bool(each.disowned_at and not each.accepted_at),
    }
    if wanted.attention and not needs[wanted.attention]():
        return False
    provider = next(one.name for one in at.providers if one.id == each.provider_id)
    return has_text(each, wanted.text, provider, at)


def has_text(each: Invitation, typed: str, provider: str, at: Place) -> bool:
    digits = "".join(c for c in typed if c.isdigit())
    if len(digits) == 6 and not set(typed) - set("0123456789 "):
        macs = at.keys.code_macs(digits, clinic_id=each.clinic_id)
        if each.code_mac in macs:
            return True
    return all(
        (
            word.isalpha()
            and letters(word) in f"{letters(each.first_name)} {letters(each.last_name)}"
        )
        or (word.isalpha() and letters(word) in letters(provider))
        or word.lower() in (each.email or "")
        or (word.isdigit() and word in (each.phone or ""))
        for word in (each.strip(",;&") for each in typed.split())
        if word.strip("-–")
    )


def in_order(found: list[Invitation], wanted: Filter, at: Place) -> list[int]:
    found = sorted(found, key=lambda each: (each.invited_at, each.id), reverse=True)
    ranks = {each.id: rank for rank, each in enumerate(at.providers)}
    urgency = [Status.ERROR_SENDING, Status.EXPIRED, Status.PENDING, Status.ACCEPTED]
    keys: dict[Column, Callable[[Invitation], Any]] = {
        Column.NAME: lambda each: each.name_key.encode(),
        Column.PROVIDER: lambda each: ranks[each.provider_id],
        Column.ACCEPTED: lambda each: each.accepted_at,
        Column.PHONE: lambda each: each.phone,
        Column.EMAIL: lambda each: each.email,
        Column.STATUS: lambda each: urgency.index(
            status.of(each, now=at.at.now, doubt_after=DOUBT_AFTER)
        ),
    }
    if wanted.sort == Column.INVITED:
        return [each.id for each in (found if wanted.is_descending else found[::-1])]
    key = keys[wanted.sort]
    given = [each for each in found if key(each) is not None]
    blank = [each.id for each in found if key(each) is None]
    return [each.id for each in sorted(given, key=key, reverse=wanted.is_descending)] + blank


def any_filter(dice: random.Random, cast: Cast) -> Filter:
    texts = ("", "", "ada", "FRANCOIS", "neil", "n a", "zoë test", "306555", "5550", "b_b", "z%z")
    more = ("%", "_", "example.org", "000017", "000 017", "osei", "tall ada", "'; --", "zz")
    more += ("Sample, Ada", "Mei - Sample", "306 – 555")
    return Filter(
        text=dice.choice(texts + more),
        status=dice.choice([None, None, *STATUSES]),
        attention=dice.choice([None, None, None, *Attention]),
        provider_id=dice.choice([None, None, cast.osei.id, cast.tallgrass.id]),
        sort=dice.choice(SORTABLE),
        is_descending=dice.random() < 0.5,
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_list_is_what_a_plain_filter_over_everything_finds(
    cast: Cast, keys: Keys, now: datetime, seed: int
) -> None:
    dice = random.Random(seed)
    crowd(cast, keys, now, dice, 160)
    everyone = list(db.session.scalars(db.select(Invitation)))
    here = place(cast, keys, now)
    for _ in range(60):
        wanted = any_filter(dice, cast)
        found = in_order([each for each in everyone if is_found(each, wanted, here)], wanted, here)
        pages = [listing.page(here, wanted, number) for number in range(1, len(found) // 25 + 2)]
        shown = [
            row.id for each in pages if each.number > 1 or each is pages[0] for row in each.rows
        ]
        assert shown == found, wanted
        assert pages[0].total == len(found)
        assert listing.matching(here, wanted, backwards=True) == found[::-1], wanted


@pytest.mark.parametrize("seed", range(2))
def test_what_needs_attention_is_counted_as_its_filter_finds(
    cast: Cast, keys: Keys, now: datetime, seed: int
) -> None:
    crowd(cast, keys, now, random.Random(seed), 120)
    here = place(cast, keys, now)
    counts = listing.attention(here)
    assert counts == {
        each: len(listing.matching(here, Filter(attention=each))) for each in Attention
    }
    assert all(counts.values())


def test_a_row_tells_what_staff_need(cast: Cast, keys: Keys, now: datetime) -> None:
    who = recipient("Ada Fixture", email="ada@example.org", phone="(306) 555-0142")
    invited = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
    row = first_page(cast, keys, now).rows[0]
    assert (row.name, row.provider, row.phone, row.email) == (
        "Ada Fixture",
        "Dr. Amira Osei",
        "(306) 555-0142",
        "ada@example.org",
    )
    assert row.status == Status.PENDING
    assert row.code == keys.open_code(
        invited.code_sealed or "", clinic_id=invited.clinic_id, invitation_id=invited.id
    )
    assert [each.channel for each in row.sent] == ["email", "sms"]


@pytest.mark.parametrize("number", [-1, 4, 41, 10**12])
def test_a_page_that_is_not_there_is_the_first(
    cast: Cast, keys: Keys, now: datetime, number: int
) -> None:
    add(*(made(cast, keys, now) for _ in range(30)))
    assert listing.page(place(cast, keys, now), Filter(), number).number == 1


def test_the_last_page_of_those_that_are_counted_has_a_number(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    add(*(made(cast, keys, now) for _ in range(30)))
    found = listing.page(place(cast, keys, now), Filter(), LAST)
    assert (found.number, len(found.rows)) == (2, 5)


def test_the_last_page_of_too_many_holds_the_oldest_in_their_order(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    add(*(made(cast, keys, now + timedelta(minutes=n)) for n in range(COUNT_LIMIT + 30)))
    found = listing.page(place(cast, keys, now), Filter(), LAST)
    assert found.is_capped
    assert [row.invited_at for row in found.rows] == [
        now + timedelta(minutes=n) for n in range(PER_PAGE - 1, -1, -1)
    ]


def test_the_number_is_exact_up_to_a_thousand() -> None:
    assert not Page((), 1, 1000).is_capped
    assert Page((), 1, 1001).is_capped
    assert Page((), 1, 1001).last == 40


def test_other_clinics_and_removed_invitations_are_not_listed(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    invite(cast.southside, recipient(), provider=cast.lind, by=cast.sam, keys=keys, now=now)
    add(made(cast, keys, now, removed_at=now))
    assert first_page(cast, keys, now).total == 0


def test_a_code_of_another_clinic_finds_nobody(cast: Cast, keys: Keys, now: datetime) -> None:
    add(made(cast, keys, now, code="048291"))
    here = place(cast, keys, now)
    assert len(listing.matching(here, Filter(text="048 291"))) == 1
    there = replace(here, clinic=cast.southside)
    assert listing.matching(there, Filter(text="048291")) == []


def test_the_search_follows_a_change_of_name_contact_and_provider(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    one = made(cast, keys, now, email="old@example.org")
    add(one)
    one.email, one.name_key = "new@example.org", contacts.name_key("Zed", "New")
    cast.osei.name = "Dr. Amira Renamed"
    db.session.merge(cast.osei)
    db.session.commit()
    here = place(cast, keys, now)
    found = {
        typed: len(listing.matching(here, Filter(text=typed)))
        for typed in ("old@", "ada", "osei", "new@", "zed", "renamed")
    }
    assert found == {"old@": 0, "ada": 0, "osei": 0, "new@": 1, "zed": 1, "renamed": 1}


def test_an_accepted_row_leaves_after_exactly_72_hours(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    one = invite(cast.northside, recipient(), provider=cast.osei, by=cast.ana, keys=keys, now=now)
    joining.accept(one, account=account("a@example.org"), how=How.LINK, now=now)
    db.session.commit()
    almost = now + timedelta(hours=72) - timedelta(microseconds=1)
    assert first_page(cast, keys, almost).rows[0].status == Status.ACCEPTED
    assert first_page(cast, keys, now + timedelta(hours=72)).total == 0


def test_rows_of_another_clinic_are_not_read(cast: Cast, keys: Keys, now: datetime) -> None:
    one = made(cast, keys, now)
    add(one)
    there = replace(place(cast, keys, now), clinic=cast.southside)
    assert listing.rows(there, [one.id]) == []


def test_a_page_costs_the_same_queries_with_none_one_and_many_rows(
    cast: Cast, keys: Keys, now: datetime
) -> None:
    here, costs = place(cast, keys, now), []
    for many in (0, 1, 40):
        add(*(made(cast, keys, now) for _ in range(many)))
        with counted() as statements:
            listing.page(here, Filter(), 1)
        costs.append(len(statements))
    assert costs == [2, 2, 2]


COVERING = "USING COVERING INDEX {}"
LIST_INDEX = "ix_invitation_list"
COUNT_INDEXES = (
    *("ix_invitation_expiry", "ix_invitation_trouble", "ix_invitation_code"),
    "ix_invitation_disowned",
)


def test_everything_is_found_in_one_index_alone(cast: Cast, keys: Keys, now: datetime) -> None:
    """On SQLite, whose plans do not depend on how much there is."""
    if db.engine.dialect.name != "sqlite":
        return
    here = place(cast, keys, now)
    assert COVERING.format(LIST_INDEX) in plan(lambda: listing.matching(here, Filter()))
    for sort in SORTABLE:
        some = Filter(text="ada", sort=sort)
        assert COVERING.format(LIST_INDEX) in plan(partial(listing.matching, here, some))
        for each in (Status.PENDING, Status.EXPIRED):
            few = replace(some, status=each)
            assert COVERING.format(COUNT_INDEXES[0]) in plan(partial(listing.matching, here, few))
    for name in COUNT_INDEXES:
        assert COVERING.format(name) in plan(lambda: listing.attention(here))


def plan(ask: Callable[[], object]) -> str:
    with counted() as statements:
        ask()
    db.session.rollback()
    blanks = tuple("" for _ in range(statements[0].count("?")))
    with db.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statements[0]}", blanks)
        return "\n".join(str(each) for each in rows)


def test_like_wildcards_are_letters(cast: Cast, keys: Keys, now: datetime) -> None:
    add(made(cast, keys, now, email="a_b@example.org"), made(cast, keys, now, email="axb@e.org"))
    here = place(cast, keys, now)
    assert len(listing.matching(here, Filter(text="a_b"))) == 1
    assert listing.matching(here, Filter(text="%")) == []
