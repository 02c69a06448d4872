"""What providers post: signed by an implementation of our own, and forged in every way."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

import app as composition
from inviter import clock, opt_outs, settling
from inviter.claiming import Claimed
from inviter.config import Config
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Answer, Channel, Delivery, Invitation, OptOut, ProviderEvent
from inviter.settling import Result
from inviter.status import DeliveryState
from tests.counting import counted
from tests.factories import Cast, claim, invite, recipient
from tests.kept import Apps
from tests.signing import SIGNATURE, TIMESTAMP, TOKEN, by_sendgrid, by_twilio, public
from tests.visitors import Visitor

OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
EMAIL, NUMBER = "ada@example.org", "+13065550142"
FAILED, DELIVERED = DeliveryState.FAILED, DeliveryState.DELIVERED


def seconds(ago: timedelta = timedelta()) -> str:
    return str(int((clock.now() - ago).timestamp()))


@pytest.fixture
def app(settings: Config, kept_apps: Apps) -> Iterator[Flask]:
    keyed = Config(
        **{**vars(settings), "sendgrid_webhook_key": public(), "twilio_auth_token": TOKEN}
    )
    with kept_apps.over(keyed) as made:
        yield made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def sent(app: Flask, cast: Cast, keys: Keys) -> dict[Channel, Claimed]:
    """An email and a text to Ada that the providers took."""
    with app.app_context():
        who, now = recipient("Ada Fixture", email=EMAIL, phone="306 555 0142"), clock.now()
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
        claimed = claim(2, now=now)
        for each in claimed:
            settling.settle(each, Result(Answer.ACCEPTED), now=now)
        db.session.commit()
    return {each.delivery.channel: each for each in claimed}


Sent = dict[Channel, Claimed]


def mail(sent: Sent, kind: str, **more: Any) -> dict[str, Any]:
    """An event as SendGrid writes it: our argument stands among its own fields."""
    return {
        "email": EMAIL,
        "timestamp": int(clock.now().timestamp()),
        "event": kind,
        "sg_event_id": f"{kind} of {sent[Channel.EMAIL].attempt_id}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001",
        "attempt": "5",
        "attempt_id": sent[Channel.EMAIL].attempt_id,
        **more,
    }


def body_of(*items: Any) -> bytes:
    """With the line ends that SendGrid writes."""
    return b"[" + b",\r\n".join(json.dumps(each).encode() for each in items) + b"]\r\n"


def post(client: FlaskClient, body: bytes, headers: dict[str, str]) -> TestResponse:
    return client.post(
        "/webhooks/sendgrid", data=body, headers=headers, content_type="application/json"
    )


def report(client: FlaskClient, *items: Any) -> TestResponse:
    body = body_of(*items)
    return post(client, body, by_sendgrid(body))


def text(
    client: FlaskClient,
    path: str,
    fields: dict[str, str],
    *,
    token: str = TOKEN,
    base: str = "http://localhost",
    **more: Any,
) -> TestResponse:
    headers = {**by_twilio(base + path, fields, token=token), **more.pop("headers", {})}
    return client.post(path, data=fields, headers=headers, **more)


def status_path(sent: Sent) -> str:
    return f"/webhooks/twilio/status?attempt={sent[Channel.SMS].attempt_id}"


def status_of(kind: str, **more: str) -> dict[str, str]:
    return {"MessageSid": "SM1", "MessageStatus": kind, "To": NUMBER, **more}


def inbound(body: str, **more: str) -> dict[str, str]:
    return {"MessageSid": f"SM {body}", "From": NUMBER, "To": "+13065550199", "Body": body, **more}


def stands(app: Flask, channel: Channel) -> tuple[DeliveryState, str | None]:
    with app.app_context():
        columns = (Delivery.state, Delivery.reason)
        found = db.session.execute(select(*columns).where(Delivery.channel == channel)).one()
        return found.state, found.reason


def kept(app: Flask) -> int:
    with app.app_context():
        return sum(
            db.session.scalar(select(func.count()).select_from(each)) or 0
            for each in (ProviderEvent, OptOut)
        )


def is_opted_out(app: Flask, channel: Channel, address: str) -> bool:
    with app.app_context():
        return bool(opt_outs.among([(channel, address)]))


class TestSendGrid:
    def test_what_it_signed_is_taken(self, app: Flask, client: FlaskClient, sent: Sent) -> None:
        answer = report(client, mail(sent, "delivered"))
        assert (answer.status_code, answer.data) == (200, b"")
        assert stands(app, Channel.EMAIL) == (DELIVERED, None)

    def test_its_own_field_called_attempt_is_not_ours(
        self, app: Flask, client: FlaskClient, sent: Sent
    ) -> None:
        report(client, mail(sent, "deferred", attempt="3"))
        assert kept(app) == 1

    @pytest.mark.parametrize(
        ("more", "reason"),
        [
            ({"status": "5.1.1"}, "no-such-address"),
            ({"status": "5.1.10"}, "no-such-address"),
            ({"status": "5.4.4"}, "no-such-address"),
            ({"status": "5.2.2"}, "mailbox-full"),
            ({"status": "4.2.2", "type": "blocked"}, "mailbox-full"),
            ({"status": "5.7.1", "type": "blocked"}, "turned-away"),
            ({"reason": "552-5.2.2 The email account is over quota"}, "mailbox-full"),
            ({"status": "5.0.0", "bounce_classification": "Invalid Address"}, "no-such-address"),
            ({"status": "", "bounce_classification": "Reputation"}, "turned-away"),
            ({"status": "5.0.0", "type": "blocked"}, "turned-away"),
            ({"status": "5.0.0"}, "came-back"),
            ({"status": 7, "reason": ["x"], "type": None}, "came-back"),
            ({}, "came-back"),
        ],
    )
    def test_a_bounce_says_why(
        self, app: Flask, client: FlaskClient, sent: Sent, more: dict[str, Any], reason: str
    ) -> None:
        report(client, mail(sent, "bounce", **more))
        assert stands(app, Channel.EMAIL) == (FAILED, reason)

    @pytest.mark.parametrize(
        ("why", "then"),
        [
            ("Bounced Address", (FAILED, "came-back-before")),
            ("Invalid", (FAILED, "no-such-address")),
            ("Whatever", (FAILED, "dropped")),
            ("Unsubscribed Address", (DeliveryState.SUPPRESSED, "opted-out")),
            ("Spam Reporting Address", (DeliveryState.SUPPRESSED, "opted-out")),
        ],
    )
    def test_a_drop_says_why(
        self, app: Flask, client: FlaskClient, sent: Sent, why: str, then: object
    ) -> None:
        report(client, mail(sent, "dropped", reason=why))
        assert stands(app, Channel.EMAIL) == then
        is_unwanted = then == (DeliveryState.SUPPRESSED, "opted-out")
        assert is_opted_out(app, Channel.EMAIL, EMAIL) == is_unwanted

    @pytest.mark.parametrize("kind", ["spamreport", "unsubscribe", "group_unsubscribe"])
    def test_who_wants_no_more_opts_out(
        self, app: Flask, client: FlaskClient, sent: Sent, kind: str
    ) -> None:
        report(client, mail(sent, kind, email="Ada@Example.org"))
        assert stands(app, Channel.EMAIL) == (DELIVERED, None)
        assert is_opted_out(app, Channel.EMAIL, EMAIL)

    def test_a_resubscription_lifts_it(self, app: Flask, client: FlaskClient, sent: Sent) -> None:
        earlier = clock.now().timestamp() - 60
        report(client, mail(sent, "unsubscribe", timestamp=earlier))
        report(client, mail(sent, "group_resubscribe"))
        assert not is_opted_out(app, Channel.EMAIL, EMAIL)

    def test_a_large_post_is_taken_whole(self, app: Flask, client: FlaskClient, sent: Sent) -> None:
        items = [mail(sent, "deferred", sg_event_id=f"e{n}") for n in range(1200)]
        assert report(client, *items, mail(sent, "delivered")).status_code == 200
        assert kept(app) == 1201
        assert stands(app, Channel.EMAIL) == (DELIVERED, None)

    def test_an_unknown_attempt_is_answered_well(
        self, app: Flask, client: FlaskClient, sent: Sent
    ) -> None:
        assert report(client, mail(sent, "bounce", attempt_id="f" * 32)).status_code == 200
        assert kept(app) == 0

    @pytest.mark.parametrize(
        "odd",
        [
            {"attempt_id": 5},
            {"attempt_id": "x" * 101},
            {"attempt_id": "a\0b"},
            {"sg_event_id": ["x"]},
            {"sg_event_id": "\ud800"},
            {"sg_event_id": ""},
            {"event": "open"},
            {"event": {"x": 1}},
        ],
        ids=str,
    )
    def test_what_is_not_understood_is_left_out(
        self, app: Flask, client: FlaskClient, sent: Sent, odd: dict[str, Any]
    ) -> None:
        others = (7, None, [], {}, {"event": "delivered"})
        answer = report(client, *others, mail(sent, "bounce", **odd), mail(sent, "processed"))
        assert answer.status_code == 200
        assert kept(app) == 1
        assert stands(app, Channel.EMAIL) == (DeliveryState.SENT, None)

    @pytest.mark.parametrize("odd", ["x", None, [], {}, 1e300, -1e300, "9" * 50, True])
    def test_an_odd_time_is_now(
        self, app: Flask, client: FlaskClient, sent: Sent, odd: object
    ) -> None:
        assert report(client, mail(sent, "delivered", timestamp=odd)).status_code == 200
        assert stands(app, Channel.EMAIL) == (DELIVERED, None)

    @pytest.mark.parametrize("odd", ["a\0b@example.org", "\ud800@example.org", "x" * 255, 7, None])
    def test_an_odd_address_is_not_kept(
        self, app: Flask, client: FlaskClient, sent: Sent, odd: object
    ) -> None:
        assert report(client, mail(sent, "unsubscribe", email=odd)).status_code == 200
        assert kept(app) == 1

    @pytest.mark.parametrize(
        "body", [b"", b"{}", b"7", b"[", b'{"a":', b"[" * 100_000, b"[" + b"9" * 5000 + b"]"]
    )
    def test_signed_nonsense_is_a_400(
        self, app: Flask, client: FlaskClient, sent: Sent, body: bytes
    ) -> None:
        assert post(client, body, by_sendgrid(body)).status_code == 400
        assert kept(app) == 0

    def test_forgeries_are_401_and_nothing_is_kept(
        self, app: Flask, client: FlaskClient, sent: Sent
    ) -> None:
        body = body_of(mail(sent, "bounce"))
        good = by_sendgrid(body)
        signature, timestamp = good[SIGNATURE], good[TIMESTAMP]
        again = json.dumps(json.loads(body)).encode()
        other = base64.b64encode(b"x" * 70).decode()
        forged: list[tuple[bytes, dict[str, str]]] = [
            (body, {}),
            (body, {SIGNATURE: signature}),
            (body, {TIMESTAMP: timestamp}),
            (body, by_sendgrid(body, key=OTHER_KEY)),
            (body[:-1] + b" ", good),
            (body.replace(b"bounce", b"bouncf"), good),
            (body + b" ", good),
            (b"\xff" + body, good),
            (b"", good),
            (again, good),
            (body, {**good, TIMESTAMP: str(int(timestamp) + 1)}),
            (body, {**good, TIMESTAMP: ""}),
            (body, {**good, SIGNATURE: ""}),
            (body, {**good, SIGNATURE: "junk"}),
            (body, {**good, SIGNATURE: "a"}),
            (body, {**good, SIGNATURE: "é" * 20}),
            (body, {**good, SIGNATURE: "%" * 96}),
            (body, {**good, SIGNATURE: other}),
            (body, {**good, SIGNATURE: signature[:-8]}),
            (body, by_sendgrid(body, timestamp="x")),
            (body, by_sendgrid(body, timestamp="9" * 40)),
        ]
        for content, headers in forged:
            answer = post(client, content, headers)
            assert answer.status_code == 401, (content[:40], headers)
            assert answer.mimetype == "text/plain"
        assert kept(app) == 0
        assert stands(app, Channel.EMAIL)[0] == DeliveryState.SENT
        assert post(client, body, good).status_code == 200

    def test_what_was_signed_48_hours_ago_is_refused(
        self, app: Flask, client: FlaskClient, sent: Sent
    ) -> None:
        body = body_of(mail(sent, "delivered"))
        old = by_sendgrid(body, timestamp=seconds(timedelta(hours=48, minutes=1)))
        assert post(client, body, old).status_code == 401
        assert kept(app) == 0
        recent = by_sendgrid(body, timestamp=seconds(timedelta(hours=47)))
        assert post(client, body, recent).status_code == 200

    def test_too_much_is_refused_before_it_is_read(
        self, app: Flask, client: FlaskClient, sent: Sent
    ) -> None:
        body = body_of(*[mail(sent, "bounce", sg_event_id=f"e{n}") for n in range(6000)])
        assert len(body) > 1_000_000
        assert post(client, body, by_sendgrid(body)).status_code == 413
        assert kept(app) == 0

    def test_a_forgery_asks_nothing_of_the_database(
        self, app: Flask, client: FlaskClient, sent: Sent
    ) -> None:
        with app.app_context(), counted() as statements:
            post(client, body_of(mail(sent, "bounce")), {})
            text(client, status_path(sent), status_of("failed"), token="x")
        assert statements == []

    @pytest.mark.parametrize("key", ["", "junk", "é"])
    def test_without_a_right_key_it_is_closed(
        self, settings: Config, cast: Cast, sent: Sent, key: str
    ) -> None:
        made = composition.create_app(Config(**{**vars(settings), "sendgrid_webhook_key": key}))
        body = body_of(mail(sent, "bounce"))
        assert post(made.test_client(), body, by_sendgrid(body)).status_code == 401
        with made.app_context():
            db.engine.dispose()


class TestTwilio:
    @pytest.mark.parametrize(
        ("fields", "then"),
        [
            (status_of("queued"), (DeliveryState.SENT, None)),
            (status_of("sent"), (DeliveryState.SENT, None)),
            (status_of("delivered"), (DELIVERED, None)),
            (status_of("undelivered", ErrorCode="30003"), (FAILED, "phone-off")),
            (status_of("undelivered", ErrorCode="30005"), (FAILED, "no-such-number")),
            (status_of("undelivered", ErrorCode="30006"), (FAILED, "no-texts")),
            (status_of("undelivered", ErrorCode="30007"), (FAILED, "texts-blocked")),
            (status_of("failed", ErrorCode="39999"), (FAILED, "text-lost")),
            (status_of("failed"), (FAILED, "text-lost")),
            (status_of("failed", ErrorCode="21610"), (DeliveryState.SUPPRESSED, "opted-out")),
        ],
    )
    def test_a_status_is_taken(
        self, app: Flask, client: FlaskClient, sent: Sent, fields: dict[str, str], then: object
    ) -> None:
        answer = text(client, status_path(sent), fields)
        assert (answer.status_code, answer.data) == (200, b"")
        assert stands(app, Channel.SMS) == then
        assert stands(app, Channel.EMAIL) == (DeliveryState.SENT, None)
        assert is_opted_out(app, Channel.SMS, NUMBER) == (fields.get("ErrorCode") == "21610")

    @pytest.mark.parametrize(
        "body", ["STOP", "stop", " Stop. ", "StopAll", "QUIT", "ARRET", "arrêt", "Arrêtez!"]
    )
    def test_who_texts_stop_opts_out(
        self, app: Flask, client: FlaskClient, cast: Cast, body: str
    ) -> None:
        assert text(client, "/webhooks/twilio/inbound", inbound(body)).status_code == 200
        assert is_opted_out(app, Channel.SMS, NUMBER)

    @pytest.mark.parametrize("body", ["START", "Unstop", "yes"])
    def test_who_texts_start_is_in_again(
        self, app: Flask, client: FlaskClient, cast: Cast, body: str
    ) -> None:
        for each in ("STOP", body, "STOP"):  # the last one is the first, repeated
            text(client, "/webhooks/twilio/inbound", inbound(each))
        assert not is_opted_out(app, Channel.SMS, NUMBER)

    @pytest.mark.parametrize(
        "body", ["", "Hello", "please stop", "stop texting me", "HELP", "482913", "x" * 5000]
    )
    def test_anything_else_is_not_kept(
        self, app: Flask, client: FlaskClient, cast: Cast, body: str
    ) -> None:
        assert text(client, "/webhooks/twilio/inbound", inbound(body)).status_code == 200
        assert kept(app) == 0

    def test_what_twilio_took_it_for_counts(
        self, app: Flask, client: FlaskClient, cast: Cast
    ) -> None:
        text(client, "/webhooks/twilio/inbound", inbound("no more", OptOutType="STOP"))
        assert is_opted_out(app, Channel.SMS, NUMBER)

    def test_help_is_no_stop_whatever_the_words(
        self, app: Flask, client: FlaskClient, cast: Cast
    ) -> None:
        text(client, "/webhooks/twilio/inbound", inbound("stop", OptOutType="HELP"))
        assert not is_opted_out(app, Channel.SMS, NUMBER)

    @pytest.mark.parametrize("number", ["", "12345", "+1306555014x", "whatsapp:+13065550142"])
    def test_what_is_no_number_is_not_kept(
        self, app: Flask, client: FlaskClient, cast: Cast, number: str
    ) -> None:
        text(client, "/webhooks/twilio/inbound", inbound("STOP", From=number))
        assert kept(app) == 0

    def test_forgeries_are_401_and_nothing_is_kept(
        self, app: Flask, client: FlaskClient, sent: Sent
    ) -> None:
        path, fields = status_path(sent), status_of("failed", ErrorCode="30005")
        elsewhere = "https://elsewhere.example"
        assert text(client, path, fields, token="another").status_code == 401
        assert text(client, path, fields, base=elsewhere).status_code == 401
        assert text(client, path, fields, base=elsewhere, base_url=elsewhere).status_code == 401
        assert client.post(path, data=fields).status_code == 401
        for junk in ("", "junk", "é", "=" * 28):
            headers = {"X-Twilio-Signature": junk}
            assert client.post(path, data=fields, headers=headers).status_code == 401
        assert text(client, path + "0", {}, headers={}).status_code == 200  # signed, and unknown
        assert kept(app) == 0

    def test_the_signature_covers_the_attempt_and_every_field(
        self, app: Flask, client: FlaskClient, sent: Sent
    ) -> None:
        path, fields = status_path(sent), status_of("failed")
        right = text(client, path, fields).request.headers["X-Twilio-Signature"]
        headers = {"X-Twilio-Signature": right}
        for other, form in (
            (path + "0", fields),
            (path + "&x=1", fields),
            (path.partition("?")[0], fields),
            ("/webhooks/twilio/inbound", fields),
            (path, {**fields, "MessageStatus": "delivered"}),
            (path, {**fields, "More": "x"}),
        ):
            assert client.post(other, data=form, headers=headers).status_code == 401
        body = urlencode(fields)
        typed = client.post(path, data=body, headers=headers, content_type="text/plain")
        assert typed.status_code == 401

    def test_the_host_header_says_nothing(
        self, app: Flask, client: FlaskClient, sent: Sent
    ) -> None:
        answer = text(client, status_path(sent), status_of("delivered"), base_url="http://x.test")
        assert answer.status_code == 200

    def test_too_much_is_refused(self, client: FlaskClient, sent: Sent) -> None:
        fields = inbound("STOP" * 20_000)
        assert text(client, "/webhooks/twilio/inbound", fields).status_code == 413


def test_machines_get_no_cookie_and_no_page(client: FlaskClient, sent: Sent) -> None:
    body = body_of(mail(sent, "delivered"))
    for answer in (
        report(client, mail(sent, "delivered")),
        post(client, body, {}),
        post(client, body_of(*["x" * 100] * 10_000), {}),
        text(client, status_path(sent), status_of("sent")),
        text(client, "/webhooks/twilio/inbound", inbound("STOP")),
    ):
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers.get("Vary", "")
        assert answer.mimetype == "text/plain"


def test_a_session_that_comes_along_changes_nothing(
    app: Flask, cast: Cast, sent: Sent, visitor: Visitor
) -> None:
    ana = visitor.sign_in("ana@example.org")
    assert post(ana.client, body_of(mail(sent, "bounce")), {}).status_code == 401


def test_an_address_is_for_posts_alone(client: FlaskClient, cast: Cast) -> None:
    for path in ("sendgrid", "twilio/status", "twilio/inbound"):
        assert client.get(f"/webhooks/{path}").status_code == 405


def test_staff_see_it(app: Flask, cast: Cast, sent: Sent, visitor: Visitor) -> None:
    ana, client = visitor.sign_in("ana@example.org"), app.test_client()
    report(client, mail(sent, "bounce", status="5.2.2"))
    text(client, status_path(sent), status_of("delivered"))
    row = ana.open("/c/northside/patients").words("tr[id^=invitation] .state")[0]
    assert row == "Pending Email: The mailbox is full or closed Text: Delivered"
    text(client, "/webhooks/twilio/inbound", inbound("STOP"))
    row = ana.open("/c/northside/patients").words("tr[id^=invitation] .state")[0]
    assert row.endswith("Text: Delivered; opted out since")
    with app.app_context():
        invitation = db.session.scalars(select(Invitation)).one()
    ana.open(f"/c/northside/invitations/{invitation.id}")
    told = ana.words(".history span")
    assert told[-3:] == [
        "Email failed: The mailbox is full or closed",
        "Text delivered",
        "Opted out of texts",
    ]


def test_who_opted_out_is_given_the_code(
    app: Flask, cast: Cast, keys: Keys, visitor: Visitor, now: datetime
) -> None:
    with app.app_context():
        who, now = recipient("Ada Fixture", phone="306 555 0142"), clock.now()
        made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys, now=now)
        for each in claim(1, now=now):
            settling.settle(each, Result(Answer.REFUSED, "opted-out"), now=now)
        db.session.commit()
    ana = visitor.sign_in("ana@example.org").open("/c/northside/patients")
    assert ana.words("tr[id^=invitation] .state") == ["Error Sending Opted out of messages"]
    assert ana.words("tr[id^=invitation] .remedy") == ["Fix and resend", "Code given"]
    assert "1 could not be delivered" in ana.text
    ana.open(f"/c/northside/invitations/{made.id}")
    assert "No message takes this code to the patient." in ana.text
    text(app.test_client(), "/webhooks/twilio/inbound", inbound("START"))
    ana.open("/c/northside/patients")
    assert ana.words("tr[id^=invitation] .state") == ["Error Sending No longer opted out: resend"]
    ana.open(f"/c/northside/invitations/{made.id}").submit(
        "give-code", form="#give", how="in person", to="patient"
    )
    row = ana.open("/c/northside/patients").words("tr[id^=invitation] .state")[0]
    assert "Code given" in row
