"""Calls to a provider over HTTP, on kept connections: one call is one request, made once.

A redirect is not followed: the key would travel along, and a POST arrive as a GET whose 200 looks
like a yes.
"""

import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from inviter.models import Answer
from inviter.senders import BUSY, NO_ANSWER, NOT_PERMITTED
from inviter.senders.kept import IDLE, Kept
from inviter.settling import Result

TIMEOUT = 10  # seconds, for connecting and for each part of an answer
BROKEN_OFF = (OSError, HTTPException)
"""A timeout, a reset, half an answer: too late for certainty."""
RETRY = (429, 503)
UNKNOWN = (408, 500, 502, 504)


class NotConnected(OSError):
    """The connection was never made, so nothing was handed over."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: HTTPMessage
    body: bytes


class Host:
    """Where a provider is: scheme, host and port of `url`."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT,
        idle: float = IDLE,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url = urlsplit(url)
        self._timeout = timeout
        self._tls = tls
        self._kept: Kept[HTTPConnection] = Kept(idle)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Raises NotConnected where nothing was handed over; BROKEN_OFF where it may have been."""
        connection = self._kept.take() or self._connected()
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            reply = Reply(response.status, response.headers, response.read())
        except BaseException:
            connection.close()
            raise
        self._kept.give(connection)
        return reply

    def _connected(self) -> HTTPConnection:
        connection = self._connection()
        connection.auto_open = 0  # never again in the middle of a call
        try:
            connection.connect()
        except (*BROKEN_OFF, UnicodeError) as error:  # a name may be none that can be asked for
            connection.close()
            raise NotConnected(error) from error
        return connection

    def _connection(self) -> HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme != "https":
            return HTTPConnection(host, port, timeout=self._timeout)
        proxy = _proxy_for(host)
        at = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
        connection = HTTPSConnection(*at, timeout=self._timeout, context=self._tls or common_tls())
        if proxy:
            connection.set_tunnel(host, port, _credentials(proxy))
        return connection


@cache
def common_tls() -> ssl.SSLContext:
    """One for all: making it costs 48 ms."""
    return ssl.create_default_context()


def refusal(reply: Reply) -> Result:
    """What an answer other than 2xx means wherever the provider has no word of its own for it."""
    if reply.status in RETRY:
        return replace(BUSY, wait=_retry_after(reply.headers))
    if reply.status in (401, 403):
        return NOT_PERMITTED
    if reply.status in UNKNOWN or reply.status < 400:
        return NO_ANSWER
    if reply.status == 413:
        return Result(Answer.REFUSED, "too-large")
    return Result(Answer.REFUSED, "refused")


def _proxy_for(host: str) -> SplitResult | None:
    """As the environment of the machine says, if it does."""
    proxy = getproxies().get("https")
    return urlsplit(proxy) if proxy and not proxy_bypass(host) else None


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode()}


def _retry_after(headers: HTTPMessage) -> timedelta | None:
    value = headers.get("Retry-After", "")
    is_seconds = value.isascii() and value.isdigit() and len(value) < 10
    return timedelta(seconds=min(int(value), 3600)) if is_seconds else None
