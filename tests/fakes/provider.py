"""What the stand-ins for providers over HTTP share: they answer as planned, on connections that
stay open, and remember what they accepted."""

import socket
import ssl
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import select
from threading import Event, Lock, Thread
from typing import Any, ClassVar, Generic, Self, TypeVar
from urllib.parse import urlsplit

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class End(StrEnum):
    """How a request ends."""

    ANSWERED = "answered"
    HANGS_UP = "answered, then the connection is closed without a word"
    RESET_UNREAD = "reset before the request is read"
    RESET = "reset instead of an answer"
    HALF = "half an answer"
    HANG = "never answers"


@dataclass(frozen=True)
class Reply:
    """What becomes of one request. `delay` is between accepting and answering, in seconds.

    Status 0 is what this provider says when it accepts; `code` is Twilio's own of an error.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    end: End = End.ANSWERED
    delay: float = 0
    code: int = 0
    body: str | None = None

    @property
    def accepts(self) -> bool:
        return (not self.status or 200 <= self.status < 300) and self.end != End.RESET_UNREAD


ACCEPT = Reply()
HANG_UP = Reply(end=End.HANGS_UP)
UNREAD = Reply(end=End.RESET_UNREAD)
ACCEPT_THEN_RESET = Reply(end=End.RESET)
ACCEPT_THEN_HALF = Reply(end=End.HALF)
ACCEPT_THEN_HANG = Reply(end=End.HANG)

A = TypeVar("A")


class Provider(Generic[A]):
    """`with StandIn([Reply(429), ACCEPT]) as provider:`; after the plan it goes on with `then`."""

    PATH: ClassVar[str]
    ACCEPTED: ClassVar[int]

    def __init__(
        self,
        plan: Iterable[Reply] = (),
        *,
        then: Reply = ACCEPT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._plan, self._then = list(plan), then
        self._lock, self._closing = Lock(), Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stand_in, self._server.tls = self, tls
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"
        self.calls = 0
        self.connections = 0
        self.elsewhere: list[str] = []
        self.accepted: list[A] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def plan(self, *replies: Reply, then: Reply | None = None) -> None:
        with self._lock:
            self._plan += replies
            self._then = then or self._then

    @property
    def open(self) -> int:
        """How many are connected."""
        return len(self._server.open)

    def hang_up(self) -> None:
        """On all who are connected, as a server that restarts does."""
        self._server.hang_up()

    def next(self) -> Reply:
        with self._lock:
            self.calls += 1
            return self._plan.pop(0) if self._plan else self._then

    def connected(self) -> None:
        with self._lock:
            self.connections += 1

    def accept(self, body: bytes, headers: dict[str, str]) -> str:
        with self._lock:
            reference = f"stand-in-{len(self.accepted) + 1}"
            self.accepted.append(self.read(body, headers, reference))
            return reference

    def wait(self, seconds: float | None) -> None:
        """Until then, or until the test is over."""
        self._closing.wait(seconds)

    def read(self, body: bytes, headers: dict[str, str], reference: str) -> A:
        """What a patient would get."""
        raise NotImplementedError

    def answer(self, reply: Reply, reference: str) -> tuple[dict[str, str], str]:
        """Headers and body of its answer."""
        raise NotImplementedError


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # they are joined, so that no socket outlives the test
    request_queue_size = 128
    stand_in: Provider[Any]
    tls: ssl.SSLContext | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.open: set[socket.socket] = set()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the thread of its own, so that a handshake keeps nobody waiting."""
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        self.open.add(request)
        self.stand_in.connected()
        try:
            super().finish_request(request, client_address)
        finally:
            request.close()
            self.open.discard(request)

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # without the polite FIN, which would hide a reset

    def hang_up(self) -> None:
        for each in list(self.open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up before its answer is part of the play."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        select([self.connection], [], [])  # the next request, or the end
        if not self.rfile.peek(1):
            self.close_connection = True
            return None
        self.reply = self.server.stand_in.next()
        if self.reply.end == End.RESET_UNREAD:
            return self._reset()
        return super().handle_one_request()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        stand_in = self.server.stand_in
        if urlsplit(self.path).path != stand_in.PATH:
            stand_in.elsewhere.append(self.path)
            return self._answer(404, {}, "")
        reference = stand_in.accept(body, dict(self.headers)) if self.reply.accepts else ""
        headers, said = stand_in.answer(self.reply, reference)
        stand_in.wait(self.reply.delay)
        if self.reply.end == End.HANG:
            self.close_connection = True
            return stand_in.wait(None)
        if self.reply.end == End.RESET:
            return self._reset()
        said = said if self.reply.body is None else self.reply.body
        return self._answer(self.reply.status or stand_in.ACCEPTED, headers, said)

    def do_GET(self) -> None:
        """Where a redirect would lead: everything is fine there."""
        self.server.stand_in.elsewhere.append(self.path)
        self._answer(200, {}, "")

    def _answer(self, status: int, headers: dict[str, str], said: str) -> None:
        body = said.encode()
        self.send_response(status)
        for name, value in (headers | self.reply.headers).items():
            self.send_header(name, value)
        half = 10 if self.reply.end == End.HALF else 0
        self.send_header("Content-Length", str(len(body) + half))
        self.end_headers()
        self.wfile.write(body)
        if self.reply.end in (End.HALF, End.HANGS_UP):
            self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...
