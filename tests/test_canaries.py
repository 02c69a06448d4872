"""Who and what goes through the whole story leaves no trace where only ids belong: in logs, on
error pages, in the rows of the queue and the record."""

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from werkzeug.test import TestResponse

import app as composition
from inviter import clock
from inviter.config import Config
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Activity, Attempt, Delivery, Invitation, Pause, ProviderEvent
from inviter.status import DeliveryState
from tests.conftest import copy_of, settings_for
from tests.factories import Cast
from tests.fakes import sendgrid, twilio
from tests.fakes.provider import Reply
from tests.signing import by_sendgrid, by_twilio, public
from tests.visitors import Visitor

FIRST, LAST, EMAIL, NUMBER = "Zephyrine", "Quillfeather", "zq.canary@example.org", "306 555 0187"
WRONG, PASSWORD = "eleven purple kettles whistle", "nine copper lanterns sleeping"
KEY, TOKEN = "SG.canary-key-of-sendgrid", "canary-token-of-twilio"
ROWS = (Activity, Attempt, Delivery, Pause, ProviderEvent)
SAID = f"{FIRST} {LAST} <{EMAIL}> +13065550187 is blocked"
"""A provider's own words, which name whom they are about."""


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    return copy_of(sqlite_template, tmp_path)


@pytest.fixture
def mails() -> Iterator[sendgrid.StandIn]:
    refused = Reply(400, body=json.dumps({"errors": [{"message": SAID, "field": EMAIL}]}))
    with sendgrid.StandIn([sendgrid.Reply(), refused]) as stand_in:
        yield stand_in


@pytest.fixture
def texts() -> Iterator[twilio.StandIn]:
    refused = Reply(400, body=json.dumps({"code": 21610, "message": SAID, "status": 400}))
    with twilio.StandIn([Reply(), refused]) as stand_in:
        yield stand_in


@pytest.fixture
def settings(database_url: str, mails: sendgrid.StandIn, texts: twilio.StandIn) -> Config:
    return replace(
        settings_for(database_url),
        email="sendgrid",
        sendgrid_api_key=KEY,
        sendgrid_url=mails.url,
        sendgrid_webhook_key=public(),
        sms="twilio",
        twilio_account_sid=twilio.ACCOUNT,
        twilio_auth_token=TOKEN,
        twilio_from=twilio.NUMBER,
        twilio_url=texts.url,
    )


def work(app: Flask) -> None:
    worker = composition.worker_of(app)
    while worker.work_once(now=clock.now()):
        pass


def invite(ana: Visitor, cast: Cast) -> None:
    """One typed, with what is wrong first, and one by file."""
    row = {"first_name": FIRST, "last_name": LAST, "email": EMAIL, "mobile": NUMBER}
    typed = {f"rows-0-{name}": value for name, value in row.items()}
    ana.open("/c/northside/invite")
    ana.submit("invite-button", form="#invite-form", **{**typed, "rows-0-email": f"{EMAIL}@"})
    ana.submit("invite-button", form="#invite-form", provider=str(cast.osei.id), **typed)
    ana.submit("Confirm and Invite", form="#confirm-form")
    content = f"First Name,Last Name,Email,Mobile\r\n{FIRST},{LAST},{EMAIL},{NUMBER}\r\n"
    content += f"{FIRST}a,{LAST},,{NUMBER}\r\n{FIRST},,{EMAIL},none\r\n"
    data = {"csrf_token": ana.open("/c/northside/invite").csrf_token, "provider": str(cast.osei.id)}
    file = (io.BytesIO(content.encode()), f"{FIRST} {LAST}.csv")
    ana.post("/c/northside/imports", {**data, "file": file})
    assert ana.status == 200


def reported(app: Flask) -> None:
    """What providers say later, in words of their own too."""
    client = app.test_client()
    with app.app_context():
        ids = list(db.session.scalars(select(Attempt.id)))
    events = [
        {"email": EMAIL, "event": kind, "reason": SAID, "sg_event_id": f"{kind}{each}"}
        | {"timestamp": int(clock.now().timestamp()), "attempt_id": each}
        for each in ids
        for kind in ("delivered", "bounce", "junk")
    ]
    body = json.dumps(events).encode()
    assert client.post("/webhooks/sendgrid", data=body, headers=by_sendgrid(body)).status_code < 300
    for each in ids:
        path = f"/webhooks/twilio/status?attempt={each}"
        fields = {"MessageSid": f"SM{each}", "MessageStatus": "undelivered", "To": "+13065550187"}
        fields |= {"ErrorCode": "30003", "ErrorMessage": SAID}
        post_text(client, path, fields)
    for said in (f"{FIRST} {LAST}", "STOP"):
        fields = {"MessageSid": f"SM{len(said)}", "From": "+13065550187", "Body": said}
        post_text(client, "/webhooks/twilio/inbound", {**fields, "To": twilio.NUMBER})


def post_text(client: Any, path: str, fields: dict[str, str]) -> None:
    signed = by_twilio(f"http://localhost{path}", fields, token=TOKEN)
    assert client.post(path, data=fields, headers=signed).status_code < 300


def join(app: Flask, link: str, code: str) -> list[str]:
    """By a wrong code, a wrong name and a bad password first; the pages that tell of errors."""
    pages: list[TestResponse] = []
    who = {"first_name": FIRST, "last_name": LAST}
    patient = Visitor(app.test_client())
    patient.sign_in(EMAIL, WRONG)
    patient.open("/join/northside").submit("Submit", **{**who, "last_name": "Other"}, code=code)
    assert patient.status == 422
    patient.open(link).submit(
        "Accept Invitation", **who, address=EMAIL, password=PASSWORD, agree="y"
    )
    assert patient.path == "/join/northside/joined", patient.text
    asked = {"email": EMAIL, "code": code, "name": f"{FIRST} {LAST}", "password": PASSWORD}
    for path in ("/broken", "/unreachable"):
        asked["csrf_token"] = patient.open("/account").csrf_token
        pages.append(patient.client.get(path, query_string=asked))
        pages.append(patient.client.post(path, data=asked))
    assert {each.status_code for each in pages} == {500, 503}
    nobody = app.test_client()  # who is signed in sees their own address above each page
    nobody.get(link)
    for path in ("/broken", f"/nowhere{link}", link[:-1], "/join/nowhere"):
        for method in ("GET", "POST", "DELETE"):
            pages.append(nobody.open(path, method=method, query_string=asked, data=asked))
    return [each.text for each in pages if each.status_code >= 400]


def broken() -> str:
    raise ValueError(f"{FIRST} {LAST} {EMAIL} {PASSWORD}")


def unreachable() -> str:
    """A statement that fails, with who it is about."""
    who = {"name": LAST, "email": EMAIL}
    db.session.execute(text("SELECT :name, :email FROM nowhere"), who)
    return ""


def rows(app: Flask) -> str:
    """Of the queue, of what was tried and reported, and of the record."""
    with app.app_context():
        found = [db.session.execute(select(each.__table__)).all() for each in ROWS]
    assert all(found[: ROWS.index(Pause)]), "there is something to look through"
    assert found[-1]
    return repr(found)


def test_nothing_of_a_patient_is_where_only_ids_belong(
    app: Flask,
    cast: Cast,
    keys: Keys,
    mails: sendgrid.StandIn,
    texts: twilio.StandIn,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    app.testing = False
    app.add_url_rule("/broken", "broken", broken, methods=["GET", "POST"])
    app.add_url_rule("/unreachable", "unreachable", unreachable, methods=["GET", "POST"])
    ana = Visitor(app.test_client()).sign_in("ana@example.org")
    invite(ana, cast)
    work(app)
    with app.app_context():
        invitation = db.session.scalars(select(Invitation).where(Invitation.email == EMAIL)).one()
        place = {"clinic_id": invitation.clinic_id, "invitation_id": invitation.id}
        code = keys.open_code(invitation.code_sealed or "", **place)
        token = keys.link_token(invitation.link_id, invitation.link_version)
    at = f"/c/northside/invitations/{invitation.id}"
    for path in (
        at,
        f"/c/northside/invitations/export?q={LAST}",
        f"/c/northside/patients?q={LAST}",
    ):
        assert ana.open(path).status == 200
    token_of_form = ana.open("/account").csrf_token
    for action in ("resend", "show-code", "give-code"):
        ana.post(f"{at}/{action}", {"csrf_token": token_of_form})
    work(app)  # now both providers refuse
    reported(app)
    pages = join(app, f"/j/{token}", code)

    received = json.dumps([each.message for each in (*mails.accepted, *texts.accepted)])
    assert all(each in received for each in (token, EMAIL, "+13065550187")), "it was all sent"
    with app.app_context():
        states = set(db.session.scalars(select(Delivery.state)))
    assert DeliveryState.FAILED in states, "something was refused, in words with a name"
    told = capfd.readouterr()
    logged = f"{told.out}{told.err}{caplog.text}"
    assert "request failed" in logged
    canaries = [FIRST, LAST, EMAIL, EMAIL.replace("@", "%40"), "3065550187", "306 555 0187"]
    canaries += [token, invitation.link_id, WRONG, PASSWORD, KEY, TOKEN]
    seen = {"logs": logged, "error pages": "".join(pages), "rows": rows(app)}
    found = [(where, each) for where in seen for each in canaries if each in seen[where]]
    found += [(where, code) for where in seen if re.search(rf"(?<!\d){code}(?!\d)", seen[where])]
    assert found == []
