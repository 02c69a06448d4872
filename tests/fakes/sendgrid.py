"""A stand-in for SendGrid on this machine: answers as planned, and remembers what it accepted."""

import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import select
from threading import Event, Lock, Thread
from typing import Any, Self
from urllib.parse import urlsplit

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class End(StrEnum):
    """How a connection ends."""

    ANSWERED = "answered"
    RESET_UNREAD = "reset before the request is read"
    RESET = "reset instead of an answer"
    HALF = "half an answer"
    HANG = "never answers"


@dataclass(frozen=True)
class Reply:
    """What becomes of one request. `delay` is between accepting and answering, in seconds."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    end: End = End.ANSWERED
    delay: float = 0

    @property
    def accepts(self) -> bool:
        return 200 <= self.status < 300 and self.end != End.RESET_UNREAD


LONGEST_WAIT = 5  # seconds, for the first byte of a request

ACCEPT = Reply()
UNREAD = Reply(end=End.RESET_UNREAD)
ACCEPT_THEN_RESET = Reply(end=End.RESET)
ACCEPT_THEN_HALF = Reply(end=End.HALF)
ACCEPT_THEN_HANG = Reply(end=End.HANG)


@dataclass(frozen=True)
class Accepted:
    """A message that a patient would get."""

    message: dict[str, Any]
    headers: dict[str, str]
    reference: str

    @property
    def attempt(self) -> str:
        return str(self.message["custom_args"]["attempt_id"])

    @property
    def to(self) -> str:
        return str(self.message["personalizations"][0]["to"][0]["email"])


class StandIn:
    """`with StandIn([Reply(429), ACCEPT]) as provider:`; after the plan it goes on with `then`."""

    def __init__(self, plan: Iterable[Reply] = (), *, then: Reply = ACCEPT) -> None:
        self._plan, self._then = list(plan), then
        self._lock, self._closing = Lock(), Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stand_in = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.calls = 0
        self.elsewhere: list[str] = []
        self.accepted: list[Accepted] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def plan(self, *replies: Reply, then: Reply | None = None) -> None:
        with self._lock:
            self._plan += replies
            self._then = then or self._then

    def next(self) -> Reply:
        with self._lock:
            self.calls += 1
            return self._plan.pop(0) if self._plan else self._then

    def accept(self, message: dict[str, Any], headers: dict[str, str]) -> str:
        with self._lock:
            reference = f"stand-in-{len(self.accepted) + 1}"
            self.accepted.append(Accepted(message, headers, reference))
            return reference

    def wait(self, seconds: float | None) -> None:
        """Until then, or until the test is over."""
        self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # they are joined, so that no socket outlives the test
    stand_in: StandIn

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # without the polite FIN, which would hide a reset

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up before its answer is part of the play."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.reply = self.server.stand_in.next()
        if self.reply.end == End.RESET_UNREAD:
            select([self.connection], [], [], LONGEST_WAIT)  # earlier there would be no connection
            return self._reset()
        return super().handle()

    def do_POST(self) -> None:
        if urlsplit(self.path).path != "/v3/mail/send":
            self.server.stand_in.elsewhere.append(self.path)
            return self._answer(404, {})
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = dict(self.reply.headers)
        if self.reply.accepts:
            reference = self.server.stand_in.accept(message, dict(self.headers))
            headers.setdefault("X-Message-Id", reference)
        self.server.stand_in.wait(self.reply.delay)
        if self.reply.end == End.HANG:
            return self.server.stand_in.wait(None)
        if self.reply.end == End.RESET:
            return self._reset()
        return self._answer(self.reply.status, headers)

    def do_GET(self) -> None:
        """Where a redirect would lead: everything is fine there."""
        self.server.stand_in.elsewhere.append(self.path)
        self._answer(200, {})

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        body = b'{"errors": [{"message": "as planned"}]}' if status >= 400 else b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        half = 10 if self.reply.end == End.HALF else 0
        self.send_header("Content-Length", str(len(body) + half))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

    def log_message(self, *_: object) -> None: ...
