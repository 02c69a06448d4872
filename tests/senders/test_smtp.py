"""Email through a mail server on this machine: what it gets, what each of its answers means."""

import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from pathlib import Path
from threading import Thread

import pytest

from inviter.models import Answer
from inviter.senders import Message
from inviter.senders.smtp import Smtp
from inviter.settling import Result, refused_here
from tests.fakes import tls
from tests.fakes.smtp import TAKE, Accepted, At, StandIn, Turn
from tests.waiting import until

ATTEMPT = "0123456789abcdef0123456789abcdef"
SOON = 0.3  # seconds
LONG = 20  # seconds, for what answers unless something is broken
LONG_NAME = (
    "Centre médical Thérèse-Bélanger de Saint-Jérôme, Pavillon Élise-Côté (2ᵉ étage), Québec"
)
UNKNOWN = Result(Answer.UNKNOWN, "no-answer")
UNREACHABLE = Result(Answer.REFUSED, "unreachable", again=True)
BUSY = Result(Answer.REFUSED, "busy", again=True)
NOT_PERMITTED = Result(Answer.REFUSED, "not-permitted", again=True)


def refused(reason: str) -> Result:
    return Result(Answer.REFUSED, reason)


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


def sender(url: str, *, timeout: float = LONG, idle: float = LONG) -> Smtp:
    return Smtp(url, timeout=timeout, idle=idle, tls=tls.trusting())


def send(server: StandIn, message: Message, *, timeout: float = LONG) -> Result:
    return sender(server.url, timeout=timeout).send(message, attempt_id=ATTEMPT)


def sent(server: StandIn, message: Message) -> Accepted:
    assert send(server, message).answer == Answer.ACCEPTED
    (accepted,) = server.accepted
    return accepted


class TestMessage:
    def test_it_goes_to_its_one_recipient_from_our_address(
        self, server: StandIn, message: Message
    ) -> None:
        accepted = sent(server, message)
        assert accepted.to == "ada@example.org"
        assert accepted.sender == "invitations@example.org"

    def test_who_it_is_from_to_and_for_answers(self, server: StandIn, message: Message) -> None:
        arrived = sent(server, message).message
        (author,) = arrived["From"].addresses
        assert author.display_name == "Clinique Thérèse, Regina"
        assert author.addr_spec == "invitations@example.org"
        assert arrived["To"] == "ada@example.org"
        assert arrived["Reply-To"] == "desk@example.org"
        assert arrived["Subject"] == "Clinique Thérèse invites you"

    def test_without_an_address_for_answers_none_is_named(
        self, server: StandIn, message: Message
    ) -> None:
        assert "Reply-To" not in sent(server, replace(message, reply_to="")).message

    def test_the_attempt_is_in_two_headers(self, server: StandIn, message: Message) -> None:
        arrived = sent(server, message).message
        assert arrived["Message-ID"] == f"<{ATTEMPT}@example.org>"
        assert arrived["X-Inviter-Attempt"] == ATTEMPT
        assert arrived["Auto-Submitted"] == "auto-generated"

    def test_text_and_html_arrive_as_they_are(self, server: StandIn, message: Message) -> None:
        text = "Dear Ada,\n\n.\n..two\n.one 482 913 é\n" + "https://join.example.org/" + "x" * 300
        arrived = sent(server, replace(message, text=text + "\n", html="<p>é</p>\n")).message
        parts = {
            part.get_content_type(): part.get_content().replace("\r\n", "\n")
            for part in arrived.iter_parts()
        }
        assert parts == {"text/plain": text + "\n", "text/html": "<p>é</p>\n"}

    def test_it_is_written_for_the_oldest_servers(self, server: StandIn, message: Message) -> None:
        raw = sent(server, replace(message, text="é" * 2000, subject="é" * 150)).raw
        assert raw.isascii()
        assert max(len(line) for line in raw.split(b"\r\n")) <= 78
        assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b"")

    @pytest.mark.parametrize(
        "changed",
        [
            {"subject": "Hello\r\nBcc: all@example.org"},
            {"subject": "Hello\nBcc: all@example.org"},
            {"to": "ada@example.org\r\nRCPT TO:<all@example.org>"},
            {"to": "ada@example.org, all@example.org"},
            {"to": "ada"},
            {"to": "adé@example.org"},
            {"to": ""},
            {"reply_to": "desk@example.org\nBcc: all@example.org"},
            {"sender": "Clinic <nobody>"},
        ],
        ids=str,
    )
    def test_what_would_add_a_header_or_a_recipient_is_not_written(
        self, server: StandIn, message: Message, changed: dict[str, str]
    ) -> None:
        assert send(server, replace(message, **changed)) == refused_here("not-written")
        assert server.turns == 0

    @pytest.mark.parametrize(
        "name", ['"A", <b@evil.example>', "x@evil.example", "Ωμέγα (Nord), Inc."]
    )
    def test_a_clinics_name_is_a_name_whatever_it_holds(
        self, server: StandIn, message: Message, name: str
    ) -> None:
        quoted = name.replace('"', '\\"')
        accepted = sent(server, replace(message, sender=f'"{quoted}" <invitations@example.org>'))
        (author,) = message_from_bytes(accepted.raw, policy=policy.default)["From"].addresses
        assert (author.display_name, author.addr_spec) == (name, "invitations@example.org")

    def test_a_long_name_in_several_pieces_is_put_together_again(
        self, server: StandIn, message: Message
    ) -> None:
        accepted = sent(
            server, replace(message, subject=LONG_NAME, sender=f'"{LONG_NAME}" <i@example.org>')
        )
        arrived = message_from_bytes(accepted.raw)
        assert str(make_header(decode_header(arrived["From"]))) == f"{LONG_NAME} <i@example.org>"
        assert str(make_header(decode_header(arrived["Subject"]))) == LONG_NAME


class TestAnswers:
    @pytest.mark.parametrize(
        ("turn", "result"),
        [
            (TAKE, Result(Answer.ACCEPTED, reference="2.0.0 Ok: queued as 1")),
            (Turn(mail="451 4.3.0 Later"), BUSY),
            (Turn(mail="550 5.7.1 Not you"), NOT_PERMITTED),
            (Turn(mail="530 5.7.0 Sign in first"), NOT_PERMITTED),
            (Turn(rcpt="450 4.2.0 Greylisted"), BUSY),
            (Turn(rcpt="421 4.3.2 Shutting down"), BUSY),
            (Turn(rcpt="550 5.1.1 No such user"), refused("no-such-address")),
            (Turn(rcpt="550 5.1.10 Null MX"), refused("no-such-address")),
            (Turn(rcpt="552 5.2.2 Full"), refused("mailbox-full")),
            (Turn(rcpt="550 No"), refused("refused")),
            (Turn(rcpt="554 5.7.1 Relay access denied"), refused("refused")),
            (Turn(rcpt="530 5.7.0 Sign in first"), NOT_PERMITTED),
            (Turn(message="451 4.3.0 Later"), BUSY),
            (Turn(message="421 4.3.2 Shutting down"), BUSY),
            (Turn(message="552 5.3.4 Too big"), refused("too-large")),
            (Turn(message="554 5.7.1 Spam"), refused("refused")),
            (Turn(message="354 What?"), UNKNOWN),
            (Turn(breaks=At.MAIL), UNREACHABLE),
            (Turn(breaks=At.RCPT), UNREACHABLE),
            (Turn(breaks=At.MESSAGE), UNKNOWN),
            (Turn(hangs=True), UNKNOWN),
        ],
        ids=str,
    )
    def test_each_has_its_meaning(
        self, server: StandIn, message: Message, turn: Turn, result: Result
    ) -> None:
        server.plan(turn)
        assert send(server, message, timeout=SOON if turn.hangs else LONG) == result
        assert server.turns == 1, "a sender never tries again by itself"
        assert len(server.accepted) == (result.answer != Answer.REFUSED and not turn.message)

    @pytest.mark.parametrize(
        "turn",
        [
            *(Turn(mail="451 Later"), Turn(rcpt="550 No"), Turn(message="554 No")),
            *(Turn(breaks=At.RCPT), Turn(breaks=At.MESSAGE), Turn(breaks=At.AFTER)),
            *(Turn(rcpt="421 Bye"), Turn(hangs=True)),
        ],
        ids=str,
    )
    def test_the_next_message_is_none_the_worse(
        self, server: StandIn, message: Message, turn: Turn
    ) -> None:
        server.plan(turn)
        some = sender(server.url, timeout=SOON if turn.hangs else LONG)
        some.send(message, attempt_id="first")
        until(lambda: turn.breaks != At.AFTER or not server.open)
        assert some.send(message, attempt_id="second").answer == Answer.ACCEPTED
        assert server.turns == 2
        assert [each.attempt for each in server.accepted].count("second") == 1

    def test_a_refused_connection_hands_nothing_over(self, message: Message) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed_soon:
            port = closed_soon.getsockname()[1]
        assert sender(f"smtp://127.0.0.1:{port}").send(message, attempt_id="a") == UNREACHABLE

    @pytest.mark.parametrize("name", ["nowhere.invalid", "a..b"])
    def test_a_name_that_leads_nowhere_hands_nothing_over(
        self, message: Message, name: str
    ) -> None:
        assert sender(f"smtp://{name}").send(message, attempt_id="a") == UNREACHABLE

    @pytest.mark.parametrize("greeting", ["554 No SMTP here", "421 Too many of you"])
    def test_a_server_that_greets_with_no_hands_nothing_over(
        self, message: Message, greeting: str
    ) -> None:
        with StandIn(greeting=greeting) as server:
            assert send(server, message) == UNREACHABLE

    def test_a_server_that_says_nothing_hands_nothing_over(self, message: Message) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            url = f"smtp://127.0.0.1:{mute.getsockname()[1]}"
            assert sender(url, timeout=SOON).send(message, attempt_id="a") == UNREACHABLE

    def test_what_is_no_mail_server_hands_nothing_over(self, message: Message) -> None:
        def serve(listening: socket.socket) -> None:
            other, _address = listening.accept()
            with other:
                other.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = Thread(target=serve, args=(listening,))
            thread.start()
            url = f"smtp://127.0.0.1:{listening.getsockname()[1]}"
            assert sender(url).send(message, attempt_id="a") == UNREACHABLE
            thread.join()


class TestConnections:
    def test_one_carries_message_after_message(self, server: StandIn, message: Message) -> None:
        some = sender(server.url)
        for number in range(5):
            assert some.send(message, attempt_id=str(number)).answer == Answer.ACCEPTED
        assert [each.attempt for each in server.accepted] == ["0", "1", "2", "3", "4"]
        assert server.connections == 1

    def test_messages_at_once_have_one_each(self, server: StandIn, message: Message) -> None:
        some = sender(server.url, timeout=LONG)

        def send_to(number: int) -> Answer:
            to = replace(message, to=f"p{number}@example.org")
            return some.send(to, attempt_id=f"a{number}").answer

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(send_to, range(40))) == {Answer.ACCEPTED}
        assert sorted((each.to, each.attempt) for each in server.accepted) == sorted(
            (f"p{number}@example.org", f"a{number}") for number in range(40)
        )
        assert server.connections <= 8

    def test_a_server_that_restarts_costs_no_message(
        self, server: StandIn, message: Message
    ) -> None:
        some = sender(server.url)
        assert some.send(message, attempt_id="a").answer == Answer.ACCEPTED
        server.hang_up()
        until(lambda: not server.open)
        assert some.send(message, attempt_id="b").answer == Answer.ACCEPTED
        assert (server.connections, len(server.accepted)) == (2, 2)

    def test_one_that_waited_too_long_is_not_used(self, server: StandIn, message: Message) -> None:
        some = sender(server.url, idle=0.05)
        some.send(message, attempt_id="a")
        time.sleep(0.1)
        some.send(message, attempt_id="b")
        assert (server.connections, len(server.accepted)) == (2, 2)


class TestSafety:
    def test_starttls_and_a_sign_in(self, tmp_path: Path, message: Message) -> None:
        with StandIn(tls=tls.server(tmp_path), signs_in=True) as server:
            some = sender(server.signed_url + "?tls=required")
            for number in range(2):
                assert some.send(message, attempt_id=str(number)).answer == Answer.ACCEPTED
            assert server.signed_in == ["inviter"], "once for both"

    def test_tls_from_the_first_byte(self, tmp_path: Path, message: Message) -> None:
        with StandIn(tls=tls.server(tmp_path), at_once=True, signs_in=True) as server:
            some = sender(server.signed_url)
            assert some.send(message, attempt_id="a").answer == Answer.ACCEPTED

    @pytest.mark.parametrize("at_once", [True, False])
    def test_a_server_that_nobody_vouches_for_gets_nothing(
        self, tmp_path: Path, message: Message, at_once: bool
    ) -> None:
        with StandIn(tls=tls.server(tmp_path), at_once=at_once) as server:
            url = server.url + ("" if at_once else "?tls=required")
            some = Smtp(url, timeout=LONG, tls=ssl.create_default_context())
            assert some.send(message, attempt_id="a") == UNREACHABLE
            assert server.turns == 0

    def test_nothing_is_sent_in_the_open_where_tls_was_asked_for(
        self, server: StandIn, message: Message
    ) -> None:
        some = sender(server.signed_url + "?tls=required")
        assert some.send(message, attempt_id="a") == NOT_PERMITTED
        assert (server.turns, server.signed_in) == (0, [])

    @pytest.mark.parametrize(
        ("url", "starts_tls"),
        [
            ("smtp://mail.example.org", True),
            ("smtp://user:pass@mail.example.org:25", True),
            ("smtp://mail.example.org?tls=none", False),
            ("smtp://127.0.0.1:2525", False),
            ("smtp://[::1]:2525", False),
            ("smtp://localhost:2525?tls=required", True),
            ("smtps://mail.example.org", False),
        ],
    )
    def test_only_this_machine_is_spoken_to_in_the_open_unasked(
        self, url: str, starts_tls: bool
    ) -> None:
        assert Smtp(url).starts_tls == starts_tls

    def test_a_wrong_password_is_not_permitted(self, message: Message) -> None:
        with StandIn(signs_in=True) as server:
            url = server.url.replace("//", "//inviter:wrong@")
            assert sender(url).send(message, attempt_id="a") == NOT_PERMITTED
            assert server.turns == 0

    def test_a_sign_in_that_fails_for_now_is_tried_later(self, message: Message) -> None:
        with StandIn(signs_in=True) as server:
            server.answer_to_sign_in = "454 4.7.0 Temporary authentication failure"
            result = sender(server.signed_url).send(message, attempt_id="a")
            assert result == UNREACHABLE

    def test_a_server_that_knows_no_sign_in_is_not_permitted(
        self, tmp_path: Path, message: Message
    ) -> None:
        with StandIn(tls=tls.server(tmp_path)) as server:  # offers it behind TLS only
            some = sender(server.signed_url + "?tls=none")
            assert some.send(message, attempt_id="a") == NOT_PERMITTED
