"""What the patient gets, seen by staff before and after it is sent, in both moods."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from sqlalchemy import select, update

import app as composition
from inviter import clock, segments
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Channel, Clinic, Delivery, Invitation, MailboxMessage
from tests.factories import Cast, invite, recipient
from tests.visitors import Visitor
from tests.web.test_invitations import follow, url
from tests.web.test_invite import ADA, CHECK, Clerk, count, row

Invited = Callable[..., Invitation]
BOTH = {**ADA, **row(0, mobile="306 555 0142")}
NASTY = "<b>{{7*7}}</b> http://evil.example"


@pytest.fixture
def ana(visitor: Visitor) -> Visitor:
    return visitor.sign_in("ana@example.org")


@pytest.fixture
def clerk(ana: Visitor, cast: Cast) -> Clerk:
    return Clerk(ana, cast)


@pytest.fixture
def invited(app: Flask, cast: Cast, keys: Keys) -> Invited:
    def make(name: str = "Ada Fixture", **contact: str | None) -> Invitation:
        with app.app_context():
            who = recipient(name, **{"email": "ada@example.org", **contact})
            people = {"provider": cast.osei, "by": cast.ana}
            return invite(cast.northside, who, **people, keys=keys)

    return make


def frame(visitor: Visitor) -> str:
    """The letter in the frame of the page that is open."""
    found = visitor.page.select_one("#preview iframe")
    assert found is not None
    response = visitor.client.get(str(found["src"]))
    assert response.status_code == 200
    return response.get_data(as_text=True)


def texts(visitor: Visitor) -> list[str]:
    """The plain parts: of the email, of the text message."""
    return [each.get_text() for each in visitor.page.select("#preview pre, #preview .text")]


def sent(app: Flask) -> dict[str, MailboxMessage]:
    with app.app_context():
        composition.worker_of(app).work_once()
        return {each.channel: each for each in db.session.scalars(select(MailboxMessage))}


class TestBefore:
    def test_it_says_who_gets_what_from_whom(self, clerk: Clerk) -> None:
        clerk.check(**BOTH)
        visitor = clerk.visitor.submit("preview-message", form=CHECK)
        assert visitor.words("#preview h2") == ["Message to Ada Fixture"]
        assert visitor.words("#preview h3") == ["Email", "Text message"]
        to, sender, replies, *_rest = visitor.words("#preview dd")
        assert to.replace(" ", "") == "ada@example.org"
        assert sender.startswith("Northside Family Clinic <")
        assert replies
        assert "306 555 0142" in visitor.words("#preview .phone")
        assert "Northside Family Clinic invites you" in visitor.text
        assert "Dear Ada," in frame(visitor)
        assert "Dr. Amira Osei" in frame(visitor)

    def test_the_code_and_the_link_are_stars_and_it_is_said(self, clerk: Clerk) -> None:
        clerk.check(**BOTH)
        visitor = clerk.visitor.submit("preview-message", form=CHECK)
        assert "are made when it is sent: stars stand" in visitor.words("#preview .hint")[0]
        for text in (frame(visitor), *texts(visitor)):
            assert "*** ***" in text
            assert f"/j/{'*' * 43}" in text
            assert not re.search(r"\b\d{3} \d{3}\b(?! \d)", text.replace("306 555 0", ""))

    def test_it_has_as_many_characters_as_what_is_sent(self, app: Flask, clerk: Clerk) -> None:
        clerk.check(**BOTH)
        clerk.visitor.submit("preview-message", form=CHECK)
        (said,) = re.findall(r"(\d+) characters, (\d) segments", clerk.visitor.text)
        clerk.visitor.submit("back-to-check", form="#preview-form")
        clerk.visitor.submit("Confirm and Invite", form=CHECK)
        cost = segments.count(sent(app)[Channel.SMS].text)
        assert said == (str(cost.characters), str(cost.segments))

    def test_nothing_is_made_and_the_check_comes_back(self, app: Flask, clerk: Clerk) -> None:
        clerk.check(**BOTH)
        key = clerk.visitor.page.select_one(f"{CHECK} [name=key]")
        visitor = clerk.visitor.submit("preview-message", form=CHECK)
        frame(visitor)
        assert (count(app), count(app, Delivery)) == (0, 0)
        visitor.submit("back-to-check", form="#preview-form")
        again = visitor.page.select(f"{CHECK} [name=key]")[-1]
        assert key is not None
        assert again["value"] == key["value"]
        visitor.submit("Confirm and Invite", form=CHECK)
        assert (count(app), count(app, Delivery)) == (1, 2)

    def test_each_patient_has_their_own(self, clerk: Clerk) -> None:
        clerk.press("+ Invite Another Patient", **ADA)
        clerk.check(**row(1, first_name="Ben", last_name="Test", mobile="306 555 0143"))
        button = clerk.visitor.words("#confirm button[name=preview]")
        assert button == ["Preview message to Ada Fixture"]
        visitor = clerk.visitor.submit("preview-message", form=CHECK)
        assert visitor.words("#preview h2") == ["Message to Ada Fixture"]
        visitor.submit("Next: Ben Test", form="#preview-form")
        assert visitor.words("#preview h2") == ["Message to Ben Test"]
        assert visitor.words("#preview h3") == ["Text message"]
        assert not visitor.page.select("#next-message")

    def test_who_is_not_written_to_is_passed_over(self, clerk: Clerk, invited: Invited) -> None:
        invited("Cy Known", email="cy@example.org")
        clerk.press("+ Invite Another Patient", **row(0, first_name="Ada", last_name="Bare"))
        clerk.press("+ Invite Another Patient", **row(1, first_name="Ben", last_name="Test"))
        ben = row(1, email="ben@example.org")
        clerk.check(**ben, **row(2, first_name="Cy", last_name="Known", email="cy@example.org"))
        visitor = clerk.visitor.submit("preview-message", form=CHECK)
        assert visitor.words("#preview h2") == ["Message to Ben Test"]
        assert not visitor.page.select("#next-message")

    def test_who_gets_no_message_has_none(self, clerk: Clerk) -> None:
        clerk.check(**row(0, first_name="Ada", last_name="Fixture"))
        assert not clerk.visitor.page.select("[name=preview]")

    def test_who_was_invited_already_has_none(self, clerk: Clerk, invited: Invited) -> None:
        invited()
        clerk.check(**ADA)
        assert "Already invited" in clerk.visitor.text
        assert not clerk.visitor.page.select("[name=preview]")

    def test_a_letter_that_gsm_7_lacks_is_named(self, app: Flask, clerk: Clerk, cast: Cast) -> None:
        with app.app_context():
            named = update(Clinic).where(Clinic.id == cast.northside.id)
            db.session.execute(named.values(name="Zoë’s Clinic"))
            db.session.commit()
        clerk.check(**BOTH)
        visitor = clerk.visitor.submit("preview-message", form=CHECK)
        assert "segments, in Unicode because of ë ’" in visitor.text

    def test_gsm_7_is_said(self, clerk: Clerk) -> None:
        clerk.check(**BOTH)
        visitor = clerk.visitor.submit("preview-message", form=CHECK)
        assert "2 segments, in the GSM-7 alphabet." in visitor.text

    @pytest.mark.parametrize("place", ["", "x", "-1", "1", "9" * 30, "²"])
    def test_nobody_at_that_place_is_the_check_again(self, clerk: Clerk, place: str) -> None:
        clerk.check(**ADA)
        visitor = clerk.visitor.submit("preview-message", form=CHECK, preview=place)
        assert visitor.status == 200
        assert visitor.words("#preview") == []

    def test_a_form_that_is_not_right_is_shown_with_its_errors(self, clerk: Clerk) -> None:
        clerk.check(**ADA)
        visitor = clerk.visitor.submit("preview-message", form=CHECK, **{"rows-0-email": "x"})
        assert visitor.status == 422
        assert "rows-0-email" in visitor.errors

    def test_the_address_of_its_letter_shows_no_name(self, clerk: Clerk) -> None:
        clerk.check(**ADA)
        visitor = clerk.visitor.submit("preview-message", form=CHECK)
        src = str(visitor.page.select("#preview iframe")[0]["src"])
        assert re.fullmatch(r"/c/northside/invite/letter/[\w-]{40,}", src)

    def test_a_letter_that_another_clinic_sealed_is_not_there(
        self, app: Flask, clerk: Clerk, cast: Cast
    ) -> None:
        clerk.check(**ADA)
        visitor = clerk.visitor.submit("preview-message", form=CHECK)
        src = str(visitor.page.select("#preview iframe")[0]["src"])
        sealed = src.rpartition("/")[2]
        for path in (src.replace("northside", "lakeview"), src[:-1], f"{src[:-8]}{sealed[:8]}"):
            assert visitor.client.get(path).status_code == 404
        assert visitor.client.get(src).status_code == 200
        sam = Visitor(app.test_client()).sign_in("sam@example.org")
        assert sam.client.get(src).status_code == 404

    def test_its_bare_address_leads_to_the_form(self, ana: Visitor) -> None:
        assert ana.open("/c/northside/invite/preview").path == "/c/northside/invite"


class TestAfter:
    def test_it_is_what_was_sent(self, app: Flask, ana: Visitor, invited: Invited) -> None:
        made = invited(phone="306 555 0142")
        messages = sent(app)
        email, sms = messages[Channel.EMAIL], messages[Channel.SMS]
        ana.open(url(made))
        follow(ana, "preview-message")
        assert texts(ana) == [email.text, sms.text]
        assert email.subject in ana.text
        assert frame(ana).replace('<base target="_blank">', "") == email.html
        assert re.search(r"/j/[\w-]{43}", sms.text)

    def test_the_page_says_how_it_is_meant(self, ana: Visitor, invited: Invited) -> None:
        ana.open(url(invited(), "/preview"))
        assert ana.words("#preview .hint") == [
            "As it is sent now, with the Invite Code and the link of this patient."
        ]

    def test_a_code_that_is_cleared_is_stars(
        self, app: Flask, ana: Visitor, invited: Invited
    ) -> None:
        made = invited()
        with app.app_context():
            mine = update(Invitation).where(Invitation.id == made.id)
            db.session.execute(mine.values(code_sealed=None, code_mac=None))
            db.session.commit()
        ana.open(url(made, "/preview"))
        assert "are made when it is sent: stars stand" in ana.text
        assert "*** ***" in texts(ana)[0]

    def test_what_was_removed_shows_neither_code_nor_link(
        self, app: Flask, ana: Visitor, invited: Invited, keys: Keys
    ) -> None:
        made = invited()
        with app.app_context():
            mine = update(Invitation).where(Invitation.id == made.id)
            db.session.execute(mine.values(removed_at=clock.now()))
            db.session.commit()
        ana.open(url(made))
        assert not ana.page.select("#preview-message")
        ana.open(url(made, "/preview"))
        assert "no longer work" in ana.text
        for text in (frame(ana), *texts(ana)):
            assert keys.link_token(made.link_id, 1) not in text
            assert "*** ***" in text

    def test_who_gets_no_message_is_not_offered_one(self, ana: Visitor, invited: Invited) -> None:
        made = invited(email=None)
        assert not ana.open(url(made)).page.select("#preview-message")
        assert "No message is sent: share the Invite Code." in ana.open(url(made, "/preview")).text
        assert ana.client.get(url(made, "/preview/letter")).status_code == 404

    def test_a_name_is_plain_text_in_it(self, ana: Visitor, invited: Invited) -> None:
        ana.open(url(invited(f"{NASTY} Fixture"), "/preview"))
        assert not ana.page.select("#preview b")
        letter = frame(ana)
        assert "<b>" not in letter
        assert "{{7*7}}" in unescape(letter)
        assert "{{7*7}}" in texts(ana)[0]

    def test_a_foreign_one_is_the_same_404_as_none(
        self, app: Flask, cast: Cast, invited: Invited
    ) -> None:
        made = invited()
        sam = Visitor(app.test_client()).sign_in("sam@example.org")
        for rest in ("/preview", "/preview/letter"):
            foreign = sam.client.get(url(made, rest).replace("northside", "southside"))
            absent = sam.client.get(f"/c/southside/invitations/1{rest}")
            assert foreign.status_code == absent.status_code == 404
            assert "Ada" not in foreign.get_data(as_text=True)

    def test_looking_leaves_no_trace(self, app: Flask, ana: Visitor, invited: Invited) -> None:
        made = invited()
        before = count(app, Delivery)
        ana.open(url(made, "/preview"))
        frame(ana)
        assert count(app, Delivery) == before


def test_a_letter_can_do_nothing_in_its_frame(ana: Visitor, invited: Invited) -> None:
    response = ana.client.get(url(invited(), "/preview/letter"))
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert policy.endswith("; sandbox")
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "no-store" in response.headers["Cache-Control"]
    ana.open(url(invited("Ben Test", email="b@example.org"), "/preview"))
    assert ana.page.select("#preview iframe")[0]["sandbox"] == []
