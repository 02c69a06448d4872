"""Activity: what happened in sentences, for Clinic Admins of the clinic and nobody else."""

import csv
import io
from datetime import timedelta

import pytest
from flask import Flask, g
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from inviter import activity, clock, invitations, team
from inviter.activity import Action, View
from inviter.daily_texts import REASONS
from inviter.db import db
from inviter.happenings import KINDS, PER_PAGE, Happening
from inviter.keys import Keys
from inviter.models import Activity, Channel, Clinic, How
from inviter.web import activity_list, clinic_settings, happened
from tests.conftest import NOW
from tests.factories import Cast, invite, recipient
from tests.test_listing import made
from tests.visitors import Visitor

PAGE = "/c/northside/activity"


@pytest.fixture
def ada(app: Flask, cast: Cast, keys: Keys) -> int:
    """Invited by Ana, and removed by Dr. Osei."""
    with app.app_context():
        who = recipient("Ada Fixture")
        made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        invitations.remove(made, by=cast.osei, now=clock.now())
        db.session.commit()
        return made.id


def lines(visitor: Visitor) -> list[str]:
    return visitor.words("#happenings td:nth-child(2)")


def looked_up(visitor: Visitor, **typed: str) -> list[str]:
    visitor.open(PAGE, typed)
    return lines(visitor)


def test_it_says_who_did_what_and_leads_to_the_patient(ana: Visitor, ada: int) -> None:
    ana.open("/c/northside/invite").follow("#navigation a[href$=activity]")
    assert lines(ana) == [
        "Dr. Amira Osei removed the invite for Ada Fixture",
        "Ana Moreau invited Ada Fixture",
    ]
    links = [str(each["href"]) for each in ana.page.select("#happenings td a")]
    assert links == [f"/c/northside/invitations/{ada}"] * 2


def test_providers_are_told_whom_to_ask_and_have_no_link(app: Flask, cast: Cast, ada: int) -> None:
    osei = Visitor(app.test_client()).sign_in("osei@example.org")
    assert not osei.page.select("#navigation a[href$=activity]")
    for path in (PAGE, f"{PAGE}/export"):
        osei.open(path)
        assert osei.status == 403
        assert "Ask a Clinic Admin of Northside Family Clinic: Ana Moreau." in osei.text
        assert "Ada" not in osei.text
    token = osei.open("/c/northside/patients").csrf_token
    assert osei.post(f"{PAGE}/export", {"csrf_token": token}).status == 403
    assert "Nothing was changed. Ask a Clinic Admin" in osei.text


def test_the_filters_narrow_it_and_stand_in_the_address(ana: Visitor, cast: Cast, ada: int) -> None:
    removed, invited = looked_up(ana)
    assert looked_up(ana, who=str(cast.osei.id)) == [removed]
    assert looked_up(ana, what="messages") == []
    assert ana.words(".empty") == ["Nothing matches."]
    assert looked_up(ana, patient="ada") == [removed, invited]
    assert looked_up(ana, **{"from": "2020-01-01", "to": "2020-12-31"}) == []
    nonsense = {"who": "x", "what": "x", "from": "x", "to": "9999-99-99", "before": "x_1"}
    assert looked_up(ana, **nonsense) == [removed, invited]
    ana.open(f"{PAGE}?patient=ada&what=invitations")
    assert ana.value("patient") == "ada"
    assert ana.words("#what [selected]") == ["Invitations"]


def test_too_many_of_a_name_are_not_looked_through(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        db.session.add_all([made(cast, keys, NOW) for _ in range(201)])
        db.session.commit()
    ana.open(f"{PAGE}?patient=ada")
    assert "More than 200 patients match: type more of the name." in ana.text
    token = ana.csrf_token
    ana.post(f"{PAGE}/export", {"csrf_token": token, "patient": "ada"})
    assert "More than 200 patients match" in ana.words(".banner")[0]


def test_older_ones_are_a_link_away_and_the_way_back_too(
    app: Flask, ana: Visitor, cast: Cast
) -> None:
    with app.app_context():
        for number in range(PER_PAGE + 1):
            at = NOW + timedelta(minutes=number)
            known = {"clinic_id": cast.northside.id, "by": cast.ana, "now": at}
            activity.record(Action.EXPORTED, **known, rows=number)
        db.session.commit()
    first = lines(ana.open(f"{PAGE}?what=looks"))
    assert len(first) == PER_PAGE
    assert ana.words(".pages a") == ["Older"]
    assert lines(ana.follow(".pages a")) == ["Ana Moreau exported 0 invited patients"]
    assert ana.words(".pages a") == ["Newer"]
    assert lines(ana.follow(".pages a")) == first


def test_nothing_yet_is_said(ana: Visitor) -> None:
    assert looked_up(ana) == []
    assert ana.words(".empty") == ["Nothing has happened yet."]


def test_a_look_at_it_is_part_of_it(ana: Visitor, ada: int) -> None:
    ana.open(PAGE).response.close()
    assert looked_up(ana)[0] == "Ana Moreau looked at Activity"


def test_what_is_shown_leaves_as_a_file_and_that_is_recorded(
    app: Flask, ana: Visitor, ada: int
) -> None:
    ana.open(f"{PAGE}?patient=ada").submit("Export CSV", form="#happenings form")
    name = ana.response.headers["Content-Disposition"]
    assert name.startswith("attachment; filename=activity-northside-")
    body = ana.response.get_data(as_text=True)
    told = list(csv.reader(io.StringIO(body.removeprefix("\ufeff"), newline="")))
    assert [each[1:] for each in told] == [
        ["Who", "What happened", "Patient Name"],
        ["Dr. Amira Osei", "Dr. Amira Osei removed the invite for Ada Fixture", "Ada Fixture"],
        ["Ana Moreau", "Ana Moreau invited Ada Fixture", "Ada Fixture"],
    ]
    with app.app_context():
        line = db.session.scalars(select(Activity).where(Activity.action == Action.EXPORTED)).one()
        assert line.details == {"view": "activity", "rows": 2}
    assert looked_up(ana, what="looks")[0] == "Ana Moreau exported 2 lines of Activity"
    ana.submit("Export CSV", form="#happenings form")
    assert "exported 1 line" not in ana.response.get_data(as_text=True)  # not its own line


def test_a_name_is_a_text_and_no_markup(app: Flask, ana: Visitor, cast: Cast, keys: Keys) -> None:
    with app.app_context():
        who = made(cast, keys, NOW, name=("<b>Ada", "%(by)s"))
        db.session.add(who)
        db.session.flush()
        known = {"clinic_id": who.clinic_id, "invitation_id": who.id}
        activity.record(Action.REMOVED, by=cast.ana, now=NOW, **known)
        db.session.commit()
    assert looked_up(ana) == ["Ana Moreau removed the invite for <b>Ada %(by)s"]


def test_at_another_clinic_the_page_stays_where_one_is_an_admin(
    app: Flask, ana: Visitor, cast: Cast
) -> None:
    assert ana.open("/switch?to=lakeview&page=activity").path == "/c/lakeview/activity"
    with app.app_context():
        team.add(cast.southside, cast.ana, admin=False, provider=True, now=NOW)
        db.session.commit()
    assert ana.open("/switch?to=southside&page=activity").path == "/c/southside/invite"


WAYS: dict[Action, list[dict[str, object]]] = {
    **{
        each: [
            {"channel": channel, "reason": "refused", **kind}
            for channel in Channel
            for kind in ({}, {"kind": "joined"})
        ]
        for each in (
            *(Action.SENT, Action.DELIVERED, Action.FAILED, Action.IN_DOUBT, Action.SUPPRESSED),
        )
    },
    **{
        each: [{"channel": channel} for channel in Channel]
        for each in (Action.OPTED_OUT, Action.OPTED_IN)
    },
    Action.PUT_OFF: [{"channel": "sms", "reason": reason} for reason in REASONS.values()],
    Action.ACCEPTED: [{"how": each} for each in How],
    Action.EXPORTED: [{"rows": 2}, {"rows": 2, "import_id": 1}, {"rows": 2, "view": "activity"}],
    Action.VIEWED: [{"view": each} for each in View],
    Action.CONTACT_CHANGED: [{"fields": ["email"], "code_changed": False}],
    Action.CODE_GIVEN: [{"how": "in person", "to": "patient"}],
    Action.SECOND_FACTOR_RESET: [{"member_id": 7}],
    Action.SETTINGS_CHANGED: [{"settings": [*clinic_settings.SETTINGS, "of a later version"]}],
}


@pytest.mark.parametrize("action", Action)
def test_everything_that_can_happen_has_its_sentence_and_kind(app: Flask, action: Action) -> None:
    with app.test_request_context():
        g.clinic = Clinic(time_zone="America/Regina")
        said = [
            happened.sentence(
                Happening(1, NOW, action, "Ana", 2, "Ada Fixture", "p.csv", details), {7: "Jo"}
            )
            for details in WAYS.get(action, [{}])
        ]
    assert len(set(said)) == len(said)
    for each in said:
        assert action == Action.CONTACTS_ERASED or any(
            name in each for name in ("Ana", "Ada Fixture", "Jo")
        ), each
        assert "%" not in each
    assert any(action in actions for actions in KINDS.values()), "no filter finds it"


@pytest.mark.parametrize(
    ("action", "details", "said"),
    [
        (Action.IMPORTED, {"count": 1}, "Ana invited 1 patient from p.csv"),
        (Action.IMPORTED, {"count": 6240}, "Ana invited 6,240 patients from p.csv"),
        (Action.CONTACTS_ERASED, {"count": 1}, "Contacts of 1 invitation erased: no longer needed"),
        (Action.EXPORTED, {"rows": 1}, "Ana exported 1 invited patient"),
        (Action.EXPORTED, {"rows": 1, "import_id": 1}, "Ana downloaded 1 row to fix of p.csv"),
        (Action.EXPORTED, {"rows": 1, "view": "activity"}, "Ana exported 1 line of Activity"),
    ],
)
def test_one_is_not_several(
    app: Flask, action: Action, details: dict[str, object], said: str
) -> None:
    with app.test_request_context():
        row = Happening(1, NOW, action, "Ana", None, "", "p.csv", details)
        assert happened.sentence(row, {}) == said


def test_names_that_were_erased_are_nowhere(app: Flask) -> None:
    with app.test_request_context():
        row = Happening(1, NOW, Action.REMOVED, "Ana", 2, "", "", {})
        assert happened.sentence(row, {}) == "Ana removed the invite for a patient"


def test_the_address_says_all(app: Flask) -> None:
    said = {"who": "7", "what": "codes", "patient": "Ada", "from": "2026-05-01", "to": "2026-05-02"}
    assert activity_list.arguments(activity_list.read(MultiDict(said))) == said
