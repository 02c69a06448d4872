"""Twilio by its own package, over HTTP to a stand-in: what it gets, what each answer means."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from inviter.models import Answer, Channel
from inviter.senders import Message
from inviter.senders.twilio import Twilio
from inviter.settling import Result
from tests.fakes.provider import (
    ACCEPT,
    ACCEPT_THEN_HALF,
    ACCEPT_THEN_HANG,
    ACCEPT_THEN_RESET,
    UNREAD,
    End,
    Reply,
)
from tests.fakes.twilio import ACCOUNT, NUMBER, Accepted, StandIn

ATTEMPT = "0123456789abcdef0123456789abcdef"
SOON = 0.3  # seconds
LONG = 20  # seconds, for what answers unless something is broken
UNKNOWN = Result(Answer.UNKNOWN, "no-answer")
UNREACHABLE = Result(Answer.REFUSED, "unreachable", again=True)
BUSY = Result(Answer.REFUSED, "busy", again=True)
NOT_PERMITTED = Result(Answer.REFUSED, "not-permitted", again=True)


def refused(reason: str) -> Result:
    return Result(Answer.REFUSED, reason)


@pytest.fixture
def provider() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def text(message: Message) -> Message:
    return replace(
        message,
        channel=Channel.SMS,
        to="+13065550142",
        subject="",
        html="",
        text="Clinique Thérèse: 482 913 & more + 100%\n1. Open https://join.example.org/j/x",
    )


def sender(url: str, *, timeout: float = LONG, number: str = NUMBER) -> Twilio:
    base_url = "https://join.example.org"
    return Twilio(ACCOUNT, "token", sender=number, base_url=base_url, url=url, timeout=timeout)


def send(provider: StandIn, text: Message, *, timeout: float = LONG) -> Result:
    return sender(provider.url, timeout=timeout).send(text, attempt_id=ATTEMPT)


def sent(provider: StandIn, text: Message) -> Accepted:
    assert send(provider, text).answer == Answer.ACCEPTED
    (accepted,) = provider.accepted
    return accepted


def test_a_text_goes_to_its_number_as_it_is(provider: StandIn, text: Message) -> None:
    assert sent(provider, text).message == {
        "To": "+13065550142",
        "From": NUMBER,
        "Body": text.text,
        "StatusCallback": f"https://join.example.org/webhooks/twilio/status?attempt={ATTEMPT}",
    }
    assert provider.calls == 1


def test_the_attempt_comes_back_with_the_reports(provider: StandIn, text: Message) -> None:
    assert sent(provider, text).attempt == ATTEMPT


def test_a_messaging_service_chooses_the_number(provider: StandIn, text: Message) -> None:
    service = "MG00000000000000000000000000000001"
    sender(provider.url, number=service).send(text, attempt_id=ATTEMPT)
    (accepted,) = provider.accepted
    assert accepted.message["MessagingServiceSid"] == service
    assert "From" not in accepted.message


def test_the_account_and_its_token_travel_in_the_headers(provider: StandIn, text: Message) -> None:
    headers = sent(provider, text).headers
    expected = b64encode(f"{ACCOUNT}:token".encode()).decode()
    assert headers["Authorization"] == f"Basic {expected}"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_another_address_may_have_a_path(provider: StandIn, text: Message) -> None:
    assert sender(provider.url + "/eu").send(text, attempt_id=ATTEMPT) == refused("refused")
    assert provider.elsewhere == ["/eu" + StandIn.PATH]


def test_one_connection_carries_text_after_text(provider: StandIn, text: Message) -> None:
    some = sender(provider.url)
    for number in range(4):
        assert some.send(text, attempt_id=str(number)).answer == Answer.ACCEPTED
    assert (len(provider.accepted), provider.connections) == (4, 1)


def test_many_threads_share_one_sender_without_mixing_texts(
    provider: StandIn, text: Message
) -> None:
    some = sender(provider.url)

    def send_to(number: int) -> Result:
        return some.send(replace(text, to=f"+130655501{number}"), attempt_id=f"a{number}")

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(send_to, range(10, 42)))
    assert {each.answer for each in results} == {Answer.ACCEPTED}
    assert sorted((each.to, each.attempt) for each in provider.accepted) == sorted(
        (f"+130655501{number}", f"a{number}") for number in range(10, 42)
    )


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (ACCEPT, Result(Answer.ACCEPTED, reference="stand-in-1")),
        (Reply(200), Result(Answer.ACCEPTED, reference="stand-in-1")),
        (Reply(400), refused("refused")),
        (Reply(400, code=21211), refused("no-such-number")),
        (Reply(400, code=21217), refused("no-such-number")),
        (Reply(400, code=21408), refused("region-off")),
        (Reply(403, code=21408), refused("region-off")),
        (Reply(400, code=21610), refused("opted-out")),
        (Reply(400, code=21612), refused("no-texts")),
        (Reply(400, code=21614), refused("no-texts")),
        (Reply(400, code=21617), refused("too-large")),
        (Reply(400, code=21606), NOT_PERMITTED),
        (Reply(400, code=21212), NOT_PERMITTED),
        (Reply(400, code=21611), BUSY),
        (Reply(400, code=99999), refused("refused")),
        (Reply(400, body="no JSON"), refused("refused")),
        (Reply(400, body="[]"), refused("refused")),
        (Reply(400, body='{"code": {}}'), refused("refused")),
        (Reply(401, code=20003), NOT_PERMITTED),
        (Reply(403), NOT_PERMITTED),
        (Reply(404), refused("refused")),
        (Reply(408), UNKNOWN),
        (Reply(413), refused("too-large")),
        (Reply(429, code=20429), BUSY),
        (Reply(429, {"Retry-After": "7"}), replace(BUSY, wait=timedelta(seconds=7))),
        (Reply(500), UNKNOWN),
        (Reply(500, code=21610), UNKNOWN),
        (Reply(502), UNKNOWN),
        (Reply(503), BUSY),
        (Reply(504), UNKNOWN),
        (Reply(307, {"Location": "/elsewhere"}), UNKNOWN),
        (Reply(200, body="<p>Sign in to this network</p>"), UNKNOWN),
        (Reply(200, body="{}"), UNKNOWN),
        (Reply(200, body=""), UNKNOWN),
        (Reply(400, end=End.HALF), UNKNOWN),
        (UNREAD, UNKNOWN),
        (ACCEPT_THEN_RESET, UNKNOWN),
        (ACCEPT_THEN_HALF, UNKNOWN),
        (ACCEPT_THEN_HANG, UNKNOWN),
    ],
    ids=lambda each: f"{each.status} {each.code} {each.end}" if isinstance(each, Reply) else "",
)
def test_each_answer_has_its_meaning(
    provider: StandIn, text: Message, reply: Reply, result: Result
) -> None:
    provider.plan(reply)
    assert send(provider, text, timeout=SOON if reply.end == End.HANG else LONG) == result
    assert provider.calls == 1, "a sender never tries again by itself"
    assert not provider.elsewhere


def test_a_refused_connection_hands_nothing_over(text: Message) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    assert sender(f"http://127.0.0.1:{port}").send(text, attempt_id=ATTEMPT) == UNREACHABLE


def test_tls_that_fails_hands_nothing_over(provider: StandIn, text: Message) -> None:
    secure = provider.url.replace("http:", "https:")
    assert sender(secure, timeout=SOON).send(text, attempt_id=ATTEMPT) == UNREACHABLE
    assert not provider.accepted


def test_nothing_of_the_patient_is_told_beside_the_text(provider: StandIn, text: Message) -> None:
    accepted = sent(provider, text)
    beside = [accepted.message["StatusCallback"], *accepted.headers.values()]
    assert not any(word in json.dumps(beside) for word in ("3065550142", "482", "Thérèse"))
