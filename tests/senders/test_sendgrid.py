"""SendGrid by its own package, over HTTP to a stand-in: what it gets, what each answer means."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from inviter.models import Answer
from inviter.senders import Message
from inviter.senders.sendgrid import SendGrid
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
from tests.fakes.sendgrid import Accepted, StandIn

ATTEMPT = "0123456789abcdef0123456789abcdef"
SOON = 0.3  # seconds
LONG = 20  # seconds, for what answers unless something is broken
UNKNOWN = Result(Answer.UNKNOWN, "no-answer")
UNREACHABLE = Result(Answer.REFUSED, "unreachable", again=True)
BUSY = Result(Answer.REFUSED, "busy", again=True)
NOT_PERMITTED = Result(Answer.REFUSED, "not-permitted", again=True)


def send(provider: StandIn, message: Message, *, timeout: float = LONG) -> Result:
    return SendGrid("SG.key", provider.url, timeout=timeout).send(message, attempt_id=ATTEMPT)


def sent(provider: StandIn, message: Message) -> Accepted:
    assert send(provider, message).answer == Answer.ACCEPTED
    (accepted,) = provider.accepted
    return accepted


def test_a_message_goes_to_its_one_recipient(provider: StandIn, message: Message) -> None:
    assert sent(provider, message).message["personalizations"] == [
        {"to": [{"email": "ada@example.org"}]}
    ]
    assert provider.calls == 1


def test_subject_text_and_html_arrive_as_they_are(provider: StandIn, message: Message) -> None:
    arrived = sent(provider, message).message
    assert arrived["subject"] == message.subject
    assert arrived["content"] == [
        {"type": "text/plain", "value": message.text},
        {"type": "text/html", "value": message.html},
    ]


def test_it_comes_from_our_address_under_the_clinics_name(
    provider: StandIn, message: Message
) -> None:
    arrived = sent(provider, message).message
    assert arrived["from"] == {
        "email": "invitations@example.org",
        "name": "Clinique Thérèse, Regina",
    }
    assert arrived["reply_to"] == {"email": "desk@example.org"}


def test_without_an_address_for_answers_none_is_named(provider: StandIn, message: Message) -> None:
    assert "reply_to" not in sent(provider, replace(message, reply_to="")).message


def test_tracking_is_off_so_that_the_link_stays_ours(provider: StandIn, message: Message) -> None:
    assert sent(provider, message).message["tracking_settings"] == {
        "click_tracking": {"enable": False, "enable_text": False},
        "open_tracking": {"enable": False},
        "subscription_tracking": {"enable": False},
    }


def test_the_attempt_is_all_that_is_told_beside_the_message(
    provider: StandIn, message: Message
) -> None:
    accepted = sent(provider, message)
    assert accepted.message["custom_args"] == {"attempt_id": ATTEMPT}
    expected = {"personalizations", "from", "reply_to", "subject", "content", "custom_args"}
    assert set(accepted.message) == expected | {"tracking_settings"}
    elsewhere = accepted.headers | {
        name: accepted.message[name] for name in ("from", "custom_args", "tracking_settings")
    }
    assert not any(word in json.dumps(elsewhere) for word in ("ada", "Ada", "482", "desk"))


def test_the_key_and_the_type_travel_in_the_headers(provider: StandIn, message: Message) -> None:
    headers = sent(provider, message).headers
    assert headers["Authorization"] == "Bearer SG.key"
    assert headers["Content-Type"] == "application/json"


def test_many_threads_share_one_sender_without_mixing_messages(
    provider: StandIn, message: Message
) -> None:
    sender = SendGrid("SG.key", provider.url)

    def send_to(number: int) -> Result:
        to = replace(message, to=f"p{number}@example.org")
        return sender.send(to, attempt_id=f"attempt {number}")

    with ThreadPoolExecutor(16) as pool:
        results = pool.map(send_to, range(16))
    assert {each.answer for each in results} == {Answer.ACCEPTED}
    assert sorted((each.to, each.attempt) for each in provider.accepted) == sorted(
        (f"p{number}@example.org", f"attempt {number}") for number in range(16)
    )


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (ACCEPT, Result(Answer.ACCEPTED, reference="stand-in-1")),
        (Reply(200), Result(Answer.ACCEPTED, reference="stand-in-1")),
        (Reply(400), Result(Answer.REFUSED, "refused")),
        (Reply(401), NOT_PERMITTED),
        (Reply(403), NOT_PERMITTED),
        (Reply(404), Result(Answer.REFUSED, "refused")),
        (Reply(408), UNKNOWN),
        (Reply(413), Result(Answer.REFUSED, "too-large")),
        (Reply(429), BUSY),
        (Reply(500), UNKNOWN),
        (Reply(502), UNKNOWN),
        (Reply(503), BUSY),
        (Reply(504), UNKNOWN),
        (Reply(400, end=End.HALF), UNKNOWN),
        (UNREAD, UNKNOWN),
        (ACCEPT_THEN_RESET, UNKNOWN),
        (ACCEPT_THEN_HALF, UNKNOWN),
        (ACCEPT_THEN_HANG, UNKNOWN),
        (Reply(400, end=End.HANG), UNKNOWN),
    ],
    ids=lambda each: f"{each.status} {each.end}" if isinstance(each, Reply) else "",
)
def test_each_answer_has_its_meaning(
    provider: StandIn, message: Message, reply: Reply, result: Result
) -> None:
    provider.plan(reply)
    assert send(provider, message, timeout=SOON if reply.end == End.HANG else LONG) == result
    assert provider.calls == 1, "a sender never tries again by itself"


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta(0)),
        ("99999", timedelta(hours=1)),
        ("9" * 5000, None),
        ("soon", None),
        ("-5", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_provider_says_when_to_come_back(
    provider: StandIn, message: Message, status: int, said: str, wait: timedelta | None
) -> None:
    provider.plan(Reply(status, {"Retry-After": said}))
    assert send(provider, message) == replace(BUSY, wait=wait)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_is_no_acceptance(
    provider: StandIn, message: Message, status: int
) -> None:
    provider.plan(Reply(status, {"Location": f"{provider.url}/elsewhere"}))
    assert send(provider, message) == UNKNOWN
    assert not provider.elsewhere, "the key would travel along"


def test_a_reference_longer_than_we_keep_is_cut(provider: StandIn, message: Message) -> None:
    provider.plan(Reply(headers={"X-Message-Id": "x" * 500}))
    reference = send(provider, message).reference
    assert reference is not None and reference == "x" * 100


def test_a_refused_connection_hands_nothing_over(provider: StandIn, message: Message) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    sender = SendGrid("SG.key", f"http://127.0.0.1:{port}")
    assert sender.send(message, attempt_id=ATTEMPT) == UNREACHABLE


def test_a_name_that_is_not_known_hands_nothing_over(message: Message) -> None:
    sender = SendGrid("SG.key", "http://nowhere.invalid")
    assert sender.send(message, attempt_id=ATTEMPT) == UNREACHABLE


def test_tls_that_fails_hands_nothing_over(provider: StandIn, message: Message) -> None:
    sender = SendGrid("SG.key", provider.url.replace("http:", "https:"), timeout=SOON)
    assert sender.send(message, attempt_id=ATTEMPT) == UNREACHABLE
    assert not provider.accepted


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a machine that never takes up a connection, as behind a firewall."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # fill the queue of those who wait
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_connection_never_taken_up_hands_nothing_over(deaf: str, message: Message) -> None:
    sender = SendGrid("SG.key", deaf, timeout=SOON)
    assert sender.send(message, attempt_id=ATTEMPT) == UNREACHABLE
