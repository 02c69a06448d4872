"""Invited Patients and Patients as pages: found, sorted, paged, in the columns one wants."""

from datetime import timedelta

import pytest
from flask import Flask

from inviter import clock, joining
from inviter.db import db
from inviter.keys import Keys
from inviter.models import How, Invitation
from inviter.status import Sending
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
PAGES = ["invite", "patients"]
CHOOSER = "#columns form"


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


def invite_three(app: Flask, cast: Cast, keys: Keys) -> list[int]:
    """Ada by email, Ben by text for another provider, Cy with nothing; ids in that order."""
    people = [
        (recipient("Ada Fixture", email="ada@example.org"), cast.osei),
        (recipient("Ben Sample", phone="306 555 0142"), cast.tallgrass),
        (recipient("Cy Nobody"), cast.osei),
    ]
    now = clock.now() - timedelta(hours=1)
    with app.app_context():
        made = [
            invite(
                cast.northside,
                who,
                provider=provider,
                by=cast.ana,
                keys=keys,
                now=now + timedelta(minutes=place),
            )
            for place, (who, provider) in enumerate(people)
        ]
        return [each.id for each in made]


def heads(visitor: Visitor) -> list[str]:
    """The words of the columns; each stands in its link and, for narrow pages, beside it."""
    found = visitor.page.select("table.invited thead th:not(.tick, .acts)")
    return [
        each.select("span, a")[-1].get_text(strip=True) if each.a else each.get_text(strip=True)
        for each in found
    ]


def names(visitor: Visitor) -> list[str]:
    return visitor.words("table.invited th.name")


def search(visitor: Visitor, **values: str) -> Visitor:
    """By the form, as a browser sends it."""
    form = visitor.page.select_one("#filter")
    assert form is not None
    kept = {
        str(each["name"]): str(each["value"]) for each in visitor.page.select("input[form=filter]")
    }
    return visitor.open(str(form["action"]), {"q": "", "status": "", **kept, **values})


@pytest.mark.parametrize("page", PAGES)
def test_the_list_is_on_both_pages_with_its_columns_in_order(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys, page: str
) -> None:
    invite_many(app, cast, keys, 1)
    ana.open(f"/c/northside/{page}")
    assert heads(ana) == COLUMNS
    assert ana.words("#invited") == ["Invited Patients"]


def test_a_code_is_shown_as_three_and_three_and_copied_whole(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_many(app, cast, keys, 1)
    code = ana.open("/c/northside/invite").page.select_one("table.invited .code [aria-hidden]")
    assert code is not None
    shown = code.get_text("|").strip().split("|")
    assert [len(part) for part in shown] == [3, 3]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_costs_the_same_queries_whatever_it_shows(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys, page: str
) -> None:
    costs = []
    for many in (1, 30):
        invite_many(app, cast, keys, many)
        for query in ("", "?q=person&status=pending&sort=name", "?page=last", "?q=048291"):
            with app.app_context():
                with counted() as statements:
                    ana.open(f"/c/northside/{page}{query}")
                costs.append(len(statements))
    assert len(set(costs)) == 1, costs
    assert costs[0] <= 12


def test_pages_lead_to_each_other(app: Flask, ana: Visitor, cast: Cast, keys: Keys) -> None:
    invite_many(app, cast, keys, 60)
    ana.open("/c/northside/invite")
    assert ana.words("#results .count") == ["60 invited patients"]
    assert len(ana.page.select("table.invited tbody tr")) == 25
    links = {each.get_text(strip=True): str(each["href"]) for each in ana.page.select(".pages a")}
    assert list(links) == ["2", "3", "Next"]
    ana.open(links["3"])
    assert len(ana.page.select("table.invited tbody tr")) == 10
    title = "Invite Patients (page 3 of 3) – Northside Family Clinic – Inviter"
    assert ana.words("title") == [title]


NONSENSE = [
    *("page=0", "page=-1", "page=x", "page=²", "page=99", f"page={'9' * 400}", "page=1 OR 1=1"),
    *("status=nobody", "status=removed", "needs=everything", "provider=x", "provider=-1"),
    *(
        f"provider={'9' * 30}",
        "provider=12345",
        "sort=code",
        "sort=-",
        "sort=name;drop",
        "cols=x,y",
    ),
    *("q=%00", "q=%ud800", "status=%00", "q=1&q=2&page=2&page=3", "unknown=1", "tick=x", "row=x"),
    *("row=99999999999999999999", "row=1&ask=1", "removed=x", "removed=9999-12-31T23:59:59Z"),
    *("removed=0001-01-01T00:00:00-14:00", "joined=x", "who=%00", "cols=" + "status," * 500),
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("query", NONSENSE)
def test_nonsense_in_the_address_shows_a_list(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys, page: str, query: str
) -> None:
    invite_many(app, cast, keys, 1)
    ana.open(f"/c/northside/{page}?{query}")
    assert ana.status == 200
    assert ana.words("#invited") == ["Invited Patients"]


@pytest.mark.parametrize("text", ["x" * 10_000, "'; DROP TABLE invitation; --", "%", "_", "\\"])
def test_whatever_is_searched_for_is_only_text(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys, text: str
) -> None:
    invite_many(app, cast, keys, 1)
    ana.open("/c/northside/invite")
    search(ana, q=text)
    assert ana.status == 200
    assert "No invited patients match" in ana.text


def test_the_search_combines_with_status_and_provider(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_three(app, cast, keys)
    ana.open("/c/northside/invite")
    assert names(search(ana, q="example.org")) == ["Ada Fixture"]
    assert names(search(ana, q="tallgrass")) == ["Ben Sample"]
    assert names(search(ana, provider=str(cast.osei.id))) == ["Cy Nobody", "Ada Fixture"]
    assert names(search(ana, q="ada", status="pending", provider=str(cast.osei.id))) == [
        "Ada Fixture"
    ]
    search(ana, q="ada", status="expired")
    assert "No invited patients match “ada”, Expired." in ana.text
    assert ana.words("#clear") == ["Clear filters"]


def test_an_invite_code_finds_its_patient(app: Flask, ana: Visitor, cast: Cast, keys: Keys) -> None:
    ids = invite_three(app, cast, keys)
    with app.app_context():
        one = db.session.get(Invitation, (cast.northside.id, ids[1]))
        assert one is not None and one.code_sealed
        code = keys.open_code(one.code_sealed, clinic_id=one.clinic_id, invitation_id=one.id)
    ana.open("/c/northside/invite")
    assert names(search(ana, q=f"{code[:3]} {code[3:]}")) == ["Ben Sample"]


def test_the_address_holds_the_whole_state_and_the_fields_show_it(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_three(app, cast, keys)
    ana.open(f"/c/northside/invite?q=a&status=pending&provider={cast.osei.id}&sort=name&cols=code")
    assert ana.value("q") == "a"
    chosen = [str(each["value"]) for each in ana.page.select("#list option[selected]")]
    assert chosen == [str(cast.osei.id), "pending", "name"]
    assert heads(ana) == ["Patient Name", "Invite Code"]
    link = ana.page.select_one("#sort-name")
    assert link is not None
    assert str(link["href"]).endswith(
        f"/invite?q=a&status=pending&provider={cast.osei.id}&sort=-name&cols=name,code"
    )


def test_each_column_but_the_code_sorts(app: Flask, ana: Visitor, cast: Cast, keys: Keys) -> None:
    invite_three(app, cast, keys)
    ana.open("/c/northside/invite")
    links = [str(each["id"]) for each in ana.page.select("thead th a[id^=sort]")]
    words = ("name", "provider", "invited", "accepted", "phone", "email", "status")
    assert links == [f"sort-{word}" for word in words]
    ana.open("/c/northside/invite?sort=-name")
    assert names(ana) == ["Cy Nobody", "Ben Sample", "Ada Fixture"]
    assert [each["aria-sort"] for each in ana.page.select("[aria-sort]")] == ["descending"]


@pytest.mark.parametrize("direction", ["", "-"])
def test_blanks_come_last_whichever_way_is_sorted(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys, direction: str
) -> None:
    invite_three(app, cast, keys)
    ana.open(f"/c/northside/invite?sort={direction}email")
    assert names(ana)[0] == "Ada Fixture"


def test_what_needs_attention_is_counted_and_filters(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    ids = invite_three(app, cast, keys)
    with app.app_context():
        one = db.session.get(Invitation, (cast.northside.id, ids[0]))
        assert one is not None
        one.sending = Sending.FAILED
        db.session.commit()
    ana.open("/c/northside/invite")
    assert ana.words("#attention li") == ["1 to be given the code", "1 could not be delivered"]
    chips = [str(each["href"]) for each in ana.page.select("#attention a")]
    assert names(ana.open(chips[0])) == ["Cy Nobody"]
    assert names(ana.open(chips[1])) == ["Ada Fixture"]
    current = ana.page.select_one("#attention [aria-current]")
    assert current is not None
    assert str(current["href"]) == "/c/northside/invite"


def test_nothing_to_do_is_said_kindly(app: Flask, ana: Visitor, cast: Cast, keys: Keys) -> None:
    who = recipient("Ada Fixture", email="ada@example.org")
    with app.app_context():
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
    ana.open("/c/northside/invite")
    assert ana.words("#attention") == ["Nothing needs your attention."]


def test_a_chip_keeps_its_filter_while_one_searches(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_three(app, cast, keys)
    ana.open("/c/northside/invite?needs=code")
    assert names(search(ana, q="c")) == ["Cy Nobody"]
    assert "No invited patients match “ada”, Code to be given." in search(ana, q="ada").text


def choose_columns(ana: Visitor, page: str = "invite") -> Visitor:
    ana.open(f"/c/northside/{page}")
    assert [each["aria-label"] for each in ana.page.select("#columns-button")] == ["Columns"]
    return ana.follow("#columns-button")


@pytest.mark.parametrize("page", PAGES)
def test_columns_are_hidden_and_kept_for_the_person(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys, page: str
) -> None:
    invite_many(app, cast, keys, 1)
    choose_columns(ana, page)
    ana.tick("show", "email", False).submit("Apply", form=CHOOSER)
    assert ana.path == f"/c/northside/{page}"
    assert heads(ana) == [each for each in COLUMNS if each != "Email address"]
    ana.open("/c/lakeview/invite").open("/c/northside/patients")
    assert "Email address" not in heads(ana)


def test_a_column_moves_up_and_down_without_dragging(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_many(app, cast, keys, 1)
    choose_columns(ana)
    ana.submit("Move up: Status", form=CHOOSER).submit("Move down: Provider Name", form=CHOOSER)
    assert ana.words(".choice label")[:3] == ["Patient Name", "Date Invited", "Provider Name"]
    ana.submit("Apply", form=CHOOSER)
    assert heads(ana)[:3] == ["Patient Name", "Date Invited", "Provider Name"]
    assert heads(ana)[-2:] == ["Status", "Invite Code"]


def test_patient_name_stays_first_and_cannot_be_hidden(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_many(app, cast, keys, 1)
    choose_columns(ana)
    ana.submit("Move up: Provider Name", form=CHOOSER)
    assert ana.words(".choice label")[0] == "Patient Name"
    for column in ("provider", "invited", "accepted", "phone", "email", "code", "status"):
        ana.tick("show", column, False)
    assert heads(ana.submit("Apply", form=CHOOSER)) == ["Patient Name"]


def test_the_default_columns_come_back(app: Flask, ana: Visitor, cast: Cast, keys: Keys) -> None:
    invite_many(app, cast, keys, 1)
    choose_columns(ana)
    ana.tick("show", "email", False).submit("Apply", form=CHOOSER)
    choose_columns(ana).submit("Use default columns", form=CHOOSER)
    assert heads(ana) == COLUMNS


def test_columns_in_the_address_are_for_that_view_until_applied(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_many(app, cast, keys, 1)
    ana.open("/c/northside/invite?cols=code,name,nonsense,code&sort=name")
    assert heads(ana) == ["Patient Name", "Invite Code"]
    assert heads(ana.open("/c/northside/invite")) == COLUMNS
    ana.open("/c/northside/invite?cols=code,name").follow("#columns-button").submit(
        "Apply", form=CHOOSER
    )
    assert heads(ana) == ["Patient Name", "Invite Code"]
    assert heads(ana.open("/c/northside/patients")) == ["Patient Name", "Invite Code"]


def test_a_fragment_holds_only_what_is_replaced(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_many(app, cast, keys, 1)
    for block in ("results", "list", "content"):
        headers = {"HX-Request": "true", "HX-Target": block}
        answer = ana.client.get("/c/northside/invite?q=person&status=", headers=headers)
        body = answer.get_data(as_text=True)
        assert f'id="{block}"' in body
        assert ('id="q"' in body) == (block != "results")
        assert ('id="invite-form"' in body) == (block == "content")
        assert answer.headers["HX-Push-Url"] == "/c/northside/invite?q=person"


def test_back_and_a_bookmark_get_a_whole_page(app: Flask, ana: Visitor, cast: Cast) -> None:
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true", "HX-Target": "results"}
    answer = ana.client.get("/c/northside/invite?q=x", headers=headers)
    assert answer.get_data(as_text=True).startswith("<!doctype html>")


def joined(app: Flask, cast: Cast, keys: Keys, name: str, email: str) -> int:
    with app.app_context():
        who = recipient(name, email=email)
        made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        patient = joining.accept(made, account=account(f"x{email}"), how=How.CODE, now=clock.now())
        db.session.commit()
        return patient.id


def test_who_joined_stands_under_patients_with_day_and_way(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    joined(app, cast, keys, "Ada Fixture", "ada@example.org")
    ana.open("/c/northside/patients")
    row = ana.words("table.joined tbody tr")[0]
    assert row.startswith("Ada Fixture Dr. Amira Osei")
    assert "By Invite Code" in row
    assert ana.words("table.invited .badge") == ["Accepted"]
    other, leaves = ana.words("table.invited .detail")
    assert other == "Joined with other contact details"
    assert "Leaves this list" in leaves
    assert ana.page.select("table.invited .act") == []


def test_who_joined_is_found_by_name_email_and_provider(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    joined(app, cast, keys, "Ada Fixture", "ada@example.org")
    joined(app, cast, keys, "Ben Sample", "ben@example.org")
    for typed in ("ben", "ben@example", "osei ben"):
        ana.open(f"/c/northside/patients?who={typed}")
        assert ana.words("table.joined th.name") == ["Ben Sample"]
    ana.open("/c/northside/patients?who=zzz&q=ada")
    assert "No patients who have joined match “zzz”." in ana.text
    assert names(ana) == ["Ada Fixture"]


def test_remove_from_clinic_asks_and_lets_one_invite_anew(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    patient_id = joined(app, cast, keys, "Ada Fixture", "ada@example.org")
    ana.open(f"/c/northside/patients/{patient_id}/remove")
    assert "Remove Ada Fixture from Northside Family Clinic?" in ana.text
    ana.submit("Remove from clinic")
    assert "Ada Fixture is removed from this clinic" in ana.text
    assert ana.words("table.joined tbody tr") == []
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
    assert ana.open(f"/c/northside/patients/{patient_id}/remove").status == 404


def test_a_patient_of_another_clinic_is_not_there(
    app: Flask, visitor: Visitor, cast: Cast, keys: Keys
) -> None:
    patient_id = joined(app, cast, keys, "Ada Fixture", "ada@example.org")
    visitor.sign_in("sam@example.org")
    foreign = visitor.open(f"/c/southside/patients/{patient_id}/remove").response.data
    assert visitor.status == 404
    assert visitor.open("/c/southside/patients/1/remove").response.data == foreign


def test_a_clinic_without_anyone_says_so(ana: Visitor) -> None:
    ana.open("/c/northside/patients")
    assert "No patients have joined yet." in ana.text
    under = "Add a patient or upload a file under Invite Patients."
    assert f"No one has been invited yet. {under}" in ana.text
    assert ana.page.select("#filter, #export, #attention") == []
    ana.open("/c/northside/invite")
    above = "Add a patient above or upload a file."
    assert f"No one has been invited yet. {above}" in ana.text
