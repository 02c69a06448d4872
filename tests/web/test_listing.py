"""Invited Patients and Patients as pages."""

from datetime import timedelta

import pytest
from flask import Flask

from inviter import clock, joining
from inviter.db import db
from inviter.keys import Keys
from inviter.models import How
from tests.counting import counted
from tests.factories import Cast, account, invite, recipient
from tests.visitors import Visitor

COLUMNS = [
    "Patient Name",
    "Provider Name",
    "Date Invited",
    "Date Accepted",
    "Phone Number",
    "Email address",
    "Invite Code",
    "Status",
]


def invite_many(app: Flask, cast: Cast, keys: Keys, many: int) -> None:
    now = clock.now() - timedelta(hours=1)
    with app.app_context():
        for number in range(many):
            invite(
                cast.northside,
                recipient(f"Person {chr(97 + number // 26)}{chr(97 + number % 26)}"),
                provider=cast.osei,
                by=cast.ana,
                keys=keys,
                now=now + timedelta(seconds=number),
            )


@pytest.mark.parametrize("page", ["invite", "patients"])
def test_the_list_is_on_both_pages_with_its_columns_in_order(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys, page: str
) -> None:
    invite_many(app, cast, keys, 1)
    ana.open(f"/c/northside/{page}")
    assert ana.words("table.invited thead th") == COLUMNS
    assert ana.words("#invited") == ["Invited Patients"]


def test_a_code_is_shown_as_three_and_three_and_copied_whole(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_many(app, cast, keys, 1)
    code = ana.open("/c/northside/invite").page.select_one("table.invited .code [aria-hidden]")
    assert code is not None
    shown = code.get_text("|").strip().split("|")
    assert [len(part) for part in shown] == [3, 3]


@pytest.mark.parametrize("page", ["invite", "patients"])
def test_a_page_costs_the_same_queries_whatever_it_shows(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys, page: str
) -> None:
    costs = []
    for many in (0, 30):
        invite_many(app, cast, keys, many)
        with app.app_context():
            with counted() as statements:
                ana.open(f"/c/northside/{page}")
            costs.append(len(statements))
    assert costs[0] == costs[1] <= 10


def test_pages_lead_to_each_other(app: Flask, ana: Visitor, cast: Cast, keys: Keys) -> None:
    invite_many(app, cast, keys, 60)
    ana.open("/c/northside/invite")
    assert ana.words(".list-head .count") == ["60 invited patients"]
    assert len(ana.page.select("table.invited tbody tr")) == 25
    links = {each.get_text(strip=True): str(each["href"]) for each in ana.page.select(".pages a")}
    assert list(links) == ["2", "3", "Next"]
    ana.open(links["3"])
    assert len(ana.page.select("table.invited tbody tr")) == 10
    title = "Invite Patients (page 3 of 3) – Northside Family Clinic – Inviter"
    assert ana.words("title") == [title]


@pytest.mark.parametrize("number", ["0", "-1", "x", "²", "99", "9" * 400, "1 OR 1=1", ""])
def test_nonsense_in_the_address_shows_the_first_page(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys, number: str
) -> None:
    invite_many(app, cast, keys, 30)
    ana.open(f"/c/northside/invite?page={number}")
    assert ana.status == 200
    assert len(ana.page.select("table.invited tbody tr")) == 25


def test_who_joined_stands_under_patients_with_day_and_way(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        joining.accept(made, account=account("a@example.org"), how=How.CODE, now=clock.now())
        db.session.commit()
    ana.open("/c/northside/patients")
    row = ana.words("table.joined tbody tr")[0]
    assert row.startswith("Ada Fixture Dr. Amira Osei")
    assert "By Invite Code" in row
    assert ana.words("table.invited .badge") == ["Accepted"]


def test_a_clinic_without_anyone_says_so(ana: Visitor) -> None:
    ana.open("/c/northside/patients")
    assert "No patients have joined yet." in ana.text
    assert "No one has been invited yet." in ana.text
