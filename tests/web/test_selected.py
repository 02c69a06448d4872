"""With selected: ticked one by one, a page, all that match; sent again after a check, removed."""

from datetime import timedelta

import pytest
from flask import Flask

from inviter import clock, invitations
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Delivery, Invitation
from tests.factories import Cast, invite, recipient
from tests.visitors import Visitor

LIST = "#selected"
CHECK = "#resend form"


def invite_many(app: Flask, cast: Cast, keys: Keys, many: int) -> list[int]:
    """An hour ago, by email; the newest first."""
    now = clock.now() - timedelta(hours=1)
    with app.app_context():
        made = [
            invite(
                cast.northside,
                recipient(f"P{chr(97 + n // 26)}{chr(97 + n % 26)} Fixture", email=f"p{n}@e.org"),
                provider=cast.osei,
                by=cast.ana,
                keys=keys,
                now=now + timedelta(seconds=n),
            ).id
            for n in range(many)
        ]
    return made[::-1]


def count(app: Flask, *where: object) -> int:
    with app.app_context():
        return db.session.scalar(db.select(db.func.count()).where(*where)) or 0


def removed(app: Flask) -> int:
    return count(app, Invitation.removed_at.is_not(None))


def resent(app: Flask) -> int:
    return count(app, Delivery.generation == 2)


def ticked(visitor: Visitor, *ids: int) -> Visitor:
    for each in ids:
        visitor.tick("id", str(each))
    return visitor


@pytest.fixture
def five(app: Flask, cast: Cast, keys: Keys) -> list[int]:
    return invite_many(app, cast, keys, 5)


def test_several_are_sent_again_after_a_check(app: Flask, ana: Visitor, five: list[int]) -> None:
    ticked(ana.open("/c/northside/invite"), *five[:3]).submit("resend-selected", form=LIST)
    assert "Resend the invites to 3 patients?" in ana.text
    assert resent(app) == 0
    ana.submit("resend-all", form=CHECK)
    assert "3 invites resent." in ana.text
    assert resent(app) == 3


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_what_needs_attention_is_counted_anew_after_many_were_removed(
    app: Flask, cast: Cast, keys: Keys, five: list[int], htmx: bool
) -> None:
    with app.app_context():
        who = recipient("Ada Nocontact")
        made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys).id
    ana = Visitor(app.test_client(), htmx=htmx).sign_in("ana@example.org")
    ana.open("/c/northside/invite")
    assert ana.words("#attention li") == ["1 to be given the code"]
    ticked(ana, made).submit("remove-selected", form=LIST)
    assert ana.words("#attention") == ["Nothing needs your attention."]


def test_a_search_leaves_what_needs_attention_as_it_is(ana: Visitor, five: list[int]) -> None:
    headers = {"HX-Request": "true", "HX-Target": "results"}
    assert 'id="attention"' in ana.client.get("/c/northside/invite?q=pa").text
    assert 'id="attention"' not in ana.client.get("/c/northside/invite?q=pa", headers=headers).text


def test_confirming_twice_sends_once(app: Flask, ana: Visitor, five: list[int]) -> None:
    ticked(ana.open("/c/northside/invite"), *five[:2]).submit("resend-selected", form=LIST)
    data = {"csrf_token": ana.csrf_token, "id": five[:2]}
    for _ in range(2):
        ana.post("/c/northside/invitations/selected/resend", data)
    assert resent(app) == 2
    assert "sent less than 15 minutes ago: 2" in ana.text


def test_those_that_cannot_be_sent_again_are_told_in_the_check(
    app: Flask, ana: Visitor, five: list[int]
) -> None:
    ana.open("/c/northside/invite")
    with app.app_context():
        one = db.session.get(Invitation, (_clinic(app), five[0]))
        assert one is not None
        one.accepted_at = clock.now()
        db.session.commit()
    ticked(ana, *five[:2]).submit("resend-selected", form=LIST)
    assert "Resend the invite to 1 patient?" in ana.text
    assert "accepted: 1" in ana.text


def _clinic(app: Flask) -> int:
    found = db.session.scalar(db.select(Invitation.clinic_id).limit(1))
    assert found is not None
    return found


def test_several_are_removed_at_once_and_come_back(
    app: Flask, ana: Visitor, five: list[int]
) -> None:
    ticked(ana.open("/c/northside/invite"), *five[:3]).submit("remove-selected", form=LIST)
    assert removed(app) == 3
    assert "3 invites removed." in ana.text
    assert len(ana.page.select("table.invited tbody tr")) == 2
    ana.submit("undo-all", form=LIST)
    assert removed(app) == 0
    assert "3 invites are back." in ana.text


def test_nothing_selected_says_so(app: Flask, ana: Visitor, five: list[int]) -> None:
    for button in ("resend-selected", "remove-selected"):
        ana.open("/c/northside/patients").submit(button, form=LIST)
        assert ana.status == 422
        assert "Select at least one patient." in ana.text
    assert removed(app) == 0


def test_the_page_is_ticked_and_then_all_that_match_are_offered(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_many(app, cast, keys, 30)
    ana.open("/c/northside/invite?tick=page")
    assert len(ana.page.select("tbody input[checked]")) == 25
    assert "All 25 on this page were selected." in ana.text
    ana.follow("#tick-all")
    assert "All 30 that match are selected." in ana.text
    ana.submit("remove-selected", form=LIST)
    assert removed(app) == 30


def test_all_that_match_keeps_to_what_is_searched_for(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_many(app, cast, keys, 30)
    ana.open("/c/northside/invite?q=p1&tick=all")
    assert "All 11 that match are selected." in ana.text
    ana.submit("remove-selected", form=LIST)
    assert removed(app) == 11


def test_all_is_refused_where_it_is_not_as_many_as_were_shown(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    invite_many(app, cast, keys, 30)
    ana.open("/c/northside/invite?tick=all")
    with app.app_context():
        who = recipient("New Comer", email="new@example.org")
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
    ana.submit("remove-selected", form=LIST)
    assert ana.status == 409
    assert "The list has changed since you selected all." in ana.text
    assert removed(app) == 0


def test_more_than_a_thousand_are_not_offered(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    from tests.test_listing import made

    now = clock.now()
    with app.app_context():
        db.session.add_all([made(cast, keys, now) for _ in range(1001)])
        db.session.commit()
    ana.open("/c/northside/invite?tick=all")
    assert "More than 1,000 match." in ana.text
    assert ana.page.select("[name=all], #tick-all") == []


def test_selected_leaves_the_search_and_the_page_as_they_were(
    app: Flask, ana: Visitor, cast: Cast, keys: Keys
) -> None:
    ids = invite_many(app, cast, keys, 60)
    ana.open("/c/northside/patients?q=fixture&sort=invited&page=2")
    ticked(ana, ids[60 - 30]).submit("remove-selected", form=LIST)
    assert ana.words("#results .pages [aria-current]") == ["Page 2"]
    assert ana.path == "/c/northside/patients"


@pytest.mark.parametrize("bad", ["x", "", "-1", "9" * 30, "12"])
def test_nonsense_as_ids_touches_nothing(
    app: Flask, ana: Visitor, five: list[int], bad: str
) -> None:
    data = {"csrf_token": ana.open("/account").csrf_token, "id": bad, "do": "remove"}
    ana.post("/c/northside/invitations/selected", data)
    assert ana.status in (200, 422)
    assert removed(app) == 0


def test_an_undo_that_is_nonsense_or_too_late_says_so(
    app: Flask, ana: Visitor, five: list[int], cast: Cast
) -> None:
    token = ana.open("/account").csrf_token
    path = "/c/northside/invitations/selected/restore"
    assert ana.post(path, {"csrf_token": token, "removed": "x"}).status == 404
    long_ago = clock.now() - timedelta(hours=25)
    with app.app_context():
        for each in invitations.these(cast.northside, five):
            each.removed_at = long_ago
        db.session.commit()
    ana.post(path, {"csrf_token": token, "removed": long_ago.isoformat()})
    assert "removed more than 24 hours ago: 5" in ana.text
