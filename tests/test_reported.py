"""In a real browser: what staff see of what providers report, and what they do about it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib import request

import pytest
from playwright.sync_api import Browser, Locator, expect
from sqlalchemy import select

from inviter import clock
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Attempt, Channel, Delivery, Invitation
from tests.browser import Person, Site, look, violations
from tests.conftest import SECRET, copy_of, settings_for
from tests.factories import PASSWORD, Cast, invite, make_cast, recipient
from tests.signing import TOKEN, by_sendgrid, by_twilio, public
from tests.test_worker import LONG

NUMBERS = {"Ada Fixture": "306 555 0142", "Ben Sample": "306 555 0143", "Mei Ng": "306 555 0144"}


class Reporting:
    """SendGrid and Twilio, to whom the messages of a site seem to have gone."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def mail(self, name: str, kind: str, **more: Any) -> None:
        attempt_id = self._attempt(name, Channel.EMAIL)
        event = {"event": kind, "sg_event_id": f"{kind} {attempt_id}", "attempt_id": attempt_id}
        body = json.dumps([{**event, "timestamp": clock.now().timestamp(), **more}]).encode()
        self._post("/webhooks/sendgrid", body, by_sendgrid(body))

    def text(self, name: str, status: str, **more: str) -> None:
        attempt_id = self._attempt(name, Channel.SMS)
        fields = {"MessageSid": f"SM{attempt_id}", "MessageStatus": status, **more}
        self._form(f"/webhooks/twilio/status?attempt={attempt_id}", fields)

    def answer(self, number: str, body: str) -> None:
        self._form("/webhooks/twilio/inbound", {"MessageSid": body, "From": number, "Body": body})

    def _form(self, path: str, fields: dict[str, str]) -> None:
        body = "&".join(f"{name}={request.quote(value)}" for name, value in fields.items())
        self._post(path, body.encode(), by_twilio(self._site.url + path, fields))

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        with request.urlopen(request.Request(self._site.url + path, body, headers)) as answer:
            assert answer.status == 200

    def _attempt(self, name: str, channel: Channel) -> str:
        """The latest, which this provider was handed."""
        first, last = name.split()
        with self._site.app.app_context():
            return db.session.scalars(
                select(Attempt.id)
                .join(Delivery, Delivery.id == Attempt.delivery_id)
                .join(Invitation, Invitation.id == Delivery.invitation_id)
                .where(Invitation.first_name == first, Invitation.last_name == last)
                .where(Delivery.channel == channel)
                .order_by(Attempt.started_at.desc())
                .limit(1)
            ).one()


@pytest.fixture
def site(sqlite_template: Path, tmp_path: Path) -> Iterator[Site]:
    """Three patients were sent an email and a text each."""
    settings = settings_for(copy_of(sqlite_template, tmp_path))
    keyed = replace(settings, sendgrid_webhook_key=public(), twilio_auth_token=TOKEN)
    with Site(keyed) as running:
        with running.app.app_context():
            cast = make_cast()
            for name, number in NUMBERS.items():
                _invite(cast, name, number)
        yield running


def _invite(cast: Cast, name: str, number: str) -> None:
    who = recipient(name, email=f"{name.split()[0].lower()}@example.org", phone=number)
    invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=Keys(SECRET))


@pytest.fixture
def reporting(site: Site) -> Reporting:
    return Reporting(site)


@pytest.fixture
def ana(browser: Browser, site: Site) -> Iterator[Person]:
    person = Person(browser, site)
    person.sign_in("ana@example.org", PASSWORD)
    expect_sent(person, *NUMBERS)
    yield person
    assert person.complaints == []
    person.context.close()


def expect_sent(person: Person, *names: str) -> None:
    for _ in range(LONG):
        person.page.goto("/c/northside/patients")
        if person.page.locator(".state", has_text="Sending").count() == 0:
            break
        person.page.wait_for_timeout(500)
    for name in names:
        expect(row(person, name)).to_contain_text("Sent")


def row(person: Person, name: str) -> Locator:
    return person.page.get_by_role("row").filter(has_text=name)


def check(person: Person, name: str) -> None:
    assert violations(person.page) == [], name
    look(person, f"reported-{name}")
    person.page.set_viewport_size({"width": 360, "height": 800})
    assert violations(person.page) == [], f"{name}, narrow"
    person.page.set_viewport_size({"width": 1440, "height": 900})


def test_what_comes_back_flips_the_row_and_is_mended(ana: Person, reporting: Reporting) -> None:
    page = ana.page
    reporting.mail("Ada Fixture", "bounce", status="5.2.2")
    reporting.text("Ada Fixture", "delivered")
    reporting.mail("Ben Sample", "delivered")
    reporting.mail("Ben Sample", "bounce", status="5.1.1")
    reporting.text("Ben Sample", "undelivered", ErrorCode="30006")
    reporting.answer("+13065550144", "ARRÊT")
    page.reload()
    expect(row(ana, "Ada Fixture")).to_contain_text("Pending")
    expect(row(ana, "Ada Fixture")).to_contain_text("Email: The mailbox is full or closed")
    expect(row(ana, "Ada Fixture")).to_contain_text("Text: Delivered")
    expect(row(ana, "Ben Sample")).to_contain_text("Error Sending")
    expect(row(ana, "Ben Sample")).to_contain_text("Email: This address does not exist: check it")
    expect(row(ana, "Ben Sample")).to_contain_text("Text: This number cannot get texts")
    expect(row(ana, "Mei Ng")).to_contain_text("Text: Sent; opted out since")
    expect(page.get_by_role("link", name="1 could not be delivered")).to_be_visible()
    check(ana, "list")

    page.get_by_role("link", name="Ben Sample", exact=True).click()
    history = page.locator("#history")
    expect(history).to_contain_text("Email delivered")
    expect(history).to_contain_text("Email failed: This address does not exist: check it")
    expect(history).to_contain_text("Text failed: This number cannot get texts")
    check(ana, "invitation")

    page.goto("/c/northside/patients")
    row(ana, "Ben Sample").get_by_role("link", name="Fix and resend").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Email: This address does not exist: check it")
    dialog.get_by_role("textbox", name="Email").fill("ben.sample@example.org")
    dialog.get_by_role("button", name="Resend Invite").click()
    expect(row(ana, "Ben Sample")).to_contain_text("Pending")
    expect_sent(ana, "Ben Sample")
    reporting.mail("Ben Sample", "delivered")
    page.reload()
    expect(row(ana, "Ben Sample")).to_contain_text("Email: Delivered")


def test_who_opted_out_of_both_is_given_the_code(ana: Person, reporting: Reporting) -> None:
    page = ana.page
    reporting.answer("+13065550144", "STOP")
    reporting.mail("Mei Ng", "spamreport", email="mei@example.org")
    page.reload()
    expect(row(ana, "Mei Ng")).to_contain_text("Email: Delivered; opted out since")
    row(ana, "Mei Ng").get_by_role("button", name="Resend Invite").click()
    page.get_by_role("button", name="Resend Invite to Mei Ng again").click()
    expect(row(ana, "Mei Ng").get_by_role("button", name="Resend Invite")).to_be_visible()
    for _ in range(LONG):
        page.goto("/c/northside/patients")
        if "Error Sending" in row(ana, "Mei Ng").inner_text():
            break
        page.wait_for_timeout(500)
    expect(row(ana, "Mei Ng")).to_contain_text("Opted out of messages")
    check(ana, "opted-out")
    row(ana, "Mei Ng").get_by_role("link", name="Code given").click()
    expect(page.locator("#history")).to_contain_text("Opted out of texts")
    expect(page.locator("#history")).to_contain_text("Opted out of emails")
    expect(page.get_by_text("No message takes this code to the patient.")).to_be_visible()
    check(ana, "opted-out-invitation")
    reporting.answer("+13065550144", "START")
    page.goto("/c/northside/patients")
    expect(row(ana, "Mei Ng")).to_contain_text("Text: No longer opted out: resend")
