"""A stand-in for a mail server on this machine: treats each message as planned, and remembers what
it took over."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import StrEnum
from threading import Lock
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "inviter", "p@ss:word"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
FOLLOWS = "354 End data with <CR><LF>.<CR><LF>"
TAKEN = "250 2.0.0 Ok: queued as "


class At(StrEnum):
    """Where a connection breaks."""

    NOWHERE = "nowhere"
    MAIL = "MAIL"
    RCPT = "RCPT"
    MESSAGE = "the whole message"
    AFTER = "after the answer"


@dataclass(frozen=True)
class Turn:
    """What becomes of one message: an answer that is not the usual, a break, an answer never."""

    mail: str = ""
    rcpt: str = ""
    message: str = ""
    breaks: At = At.NOWHERE
    hangs: bool = False


TAKE = Turn()


@dataclass(frozen=True)
class Accepted:
    """A message that a patient would get. `raw` is as it came, `sender` and `to` the envelope's."""

    sender: str
    to: str
    raw: bytes
    session: int

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=policy.default)  # type: ignore[return-value]

    @property
    def attempt(self) -> str:
        return str(self.message["X-Inviter-Attempt"])


class StandIn:
    """`with StandIn([Turn(rcpt="550 No")]) as server:`; `tls` without `at_once` is STARTTLS."""

    def __init__(
        self,
        plan: Iterable[Turn] = (),
        *,
        tls: ssl.SSLContext | None = None,
        at_once: bool = False,
        signs_in: bool = False,
        greeting: str = "",
    ) -> None:
        self._plan, self._lock = list(plan), Lock()
        self.connections = 0
        self.turns = 0
        self.signed_in: list[str] = []
        self.accepted: list[Accepted] = []
        self.answer_to_sign_in = ""
        self._server = _Controller(
            _Handler(self),
            hostname="127.0.0.1",
            ssl_context=tls if at_once else None,
            tls_context=None if at_once else tls,
            auth_require_tls=bool(tls) and not at_once,
            authenticator=self._signed_in if signs_in else None,
        )
        self._server.stand_in, self._server.greeting = self, greeting
        self._scheme = "smtps" if at_once else "smtp"

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.port}"

    @property
    def signed_url(self) -> str:
        return f"{self._scheme}://inviter:p%40ss%3Aword@127.0.0.1:{self._server.port}"

    def __enter__(self) -> Self:
        self._server.start()
        self.connections = 0  # its own, to see that it is up
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.hang_up(for_good=True)
        self._server.stop()

    def plan(self, *turns: Turn) -> None:
        with self._lock:
            self._plan += turns

    def next(self) -> Turn:
        with self._lock:
            self.turns += 1
            return self._plan.pop(0) if self._plan else TAKE

    def hang_up(self) -> None:
        """On all who are connected, as a server that restarts does."""
        self._server.hang_up()

    @property
    def open(self) -> int:
        """How many are connected."""
        return self._server.count()

    def _signed_in(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any
    ) -> AuthResult:
        if self.answer_to_sign_in:
            return AuthResult(success=False, handled=False, message=self.answer_to_sign_in)
        is_right = data == LoginPassword(USER.encode(), PASSWORD.encode())
        self.signed_in.append(data.login.decode())
        return AuthResult(success=is_right, handled=False)


class _Controller(Controller):
    stand_in: StandIn
    greeting = ""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, port=0, **options)
        self._open: list[_Smtp] = []

    def factory(self) -> SMTP:
        self.stand_in.connections += 1
        made = _Smtp(self.handler, **self.SMTP_kwargs)
        made.greeting, made.number = self.greeting, self.stand_in.connections
        self._open.append(made)
        return made

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    def count(self) -> int:
        """The first is our own, to see that it is up."""
        return sum(each.transport is not None for each in self._open[1:])

    def hang_up(self, *, for_good: bool = False) -> None:
        async def close() -> None:
            for each in self._open:
                for transport in (each.transport, each._original_transport):
                    if transport:
                        transport.abort() if for_good else transport.close()
            for _turn in range(3):  # of the loop, which closes the sockets
                await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(close(), self.loop).result(5)


class _Smtp(SMTP):
    greeting = ""
    number = 0

    async def push(self, status: Any) -> None:
        if self.greeting and isinstance(status, str) and status.startswith("220 "):
            status = self.greeting
        await super().push(status)


class _Handler:
    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, _options: object
    ) -> str:
        session.turn = self._stand_in.next()
        if session.turn.breaks == At.MAIL:
            return self._broken(server)
        if not session.turn.mail:
            envelope.mail_from = address
        return session.turn.mail or "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, _options: object
    ) -> str:
        if session.turn.breaks == At.RCPT:
            return self._broken(server)
        if not session.turn.rcpt:
            envelope.rcpt_tos.append(address)
        return session.turn.rcpt or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        turn = session.turn
        if turn.message:
            return str(turn.message)
        accepted = self._stand_in.accepted
        (to,) = envelope.rcpt_tos
        accepted.append(Accepted(envelope.mail_from, to, envelope.content, server.number))
        if turn.hangs:
            await asyncio.sleep(60)
        if turn.breaks == At.MESSAGE:
            return self._broken(server)
        if turn.breaks == At.AFTER:
            server.loop.call_later(0.01, server.transport.close)
        return f"{TAKEN}{len(accepted)}"

    def _broken(self, server: Any) -> str:
        """A reset: what is answered after it goes nowhere."""
        raw = server.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        server.transport.abort()
        return "250 Never heard"
