"""Email through SendGrid's v3 API, by its own package."""

import ssl
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parseaddr
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib import request
from urllib.error import URLError

from python_http_client import Client
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from inviter.models import Answer
from inviter.senders import Message
from inviter.settling import Result

API = "https://api.sendgrid.com"
TIMEOUT = 10  # seconds; the package has none of its own
REFERENCE_LIMIT = 100
NO_TRACKING = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
}
RETRY = (429, 503)
UNKNOWN = (408, 500, 502, 504)


class SendGrid:
    """`url` is another base address: a regional host, or a stand-in."""

    def __init__(self, api_key: str, url: str = "", *, timeout: float = TIMEOUT) -> None:
        self._api = SendGridAPIClient(api_key, host=url or API)
        # Its own place for the last header is a dictionary that other threads read meanwhile.
        headers = self._api.client.request_headers | {"Content-Type": "application/json"}
        self._api.client = _Client(url or API, headers, version=3, timeout=timeout)

    def send(self, message: Message, *, attempt_id: str) -> Result:
        try:
            response = self._api.send(_payload(message, attempt_id))
        except HTTPError as error:
            return _refusal(error.status_code, error.headers)
        except URLError as error:
            return _broken_off(error.reason)
        except (OSError, HTTPException):  # a timeout, a reset, half an answer
            return Result(Answer.UNKNOWN, "no-answer")
        reference = response.headers.get("X-Message-Id", "")[:REFERENCE_LIMIT]
        return Result(Answer.ACCEPTED, reference=reference or None)


class _Client(Client):
    """The package's, but for the opener: its own makes a TLS context (48 ms) for each call."""

    def _build_client(self, name: str | None = None) -> Client:
        path = [*self._url_path, name] if name else self._url_path
        return _Client(self.host, self.request_headers, self._version, path, timeout=self.timeout)

    def _make_request(
        self, _opener: object, request: request.Request, timeout: float | None = None
    ) -> Any:
        return super()._make_request(_opener_for_all(), request, timeout)


@cache
def _opener_for_all() -> request.OpenerDirector:
    return request.build_opener(_Http, _Https, _NoRedirect)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _NoRedirect(request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without the message, and its 200 look like a yes."""

    def redirect_request(self, *_: object, **__: object) -> None: ...


class _NotConnected(OSError):
    """The connection was never made, so nothing was handed over."""


class _HttpConnection(HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise _NotConnected(error) from error


class _HttpsConnection(_HttpConnection, HTTPSConnection): ...


class _Http(request.HTTPHandler):
    def http_open(self, req: request.Request) -> HTTPResponse:
        return self.do_open(_HttpConnection, req)


class _Https(request.HTTPSHandler):
    def https_open(self, req: request.Request) -> HTTPResponse:
        return self.do_open(_HttpsConnection, req, context=_tls())


def _payload(message: Message, attempt_id: str) -> dict[str, Any]:
    """The attempt's id is all it learns beside the message: SendGrid keeps arguments for ever.

    It comes back among the fields of each event, which have an `attempt` of their own.
    """
    name, address = parseaddr(message.sender)
    payload = {
        "personalizations": [{"to": [{"email": message.to}]}],
        "from": {"email": address, "name": name},
        "subject": message.subject,
        "content": [
            {"type": "text/plain", "value": message.text},
            {"type": "text/html", "value": message.html},
        ],
        "custom_args": {"attempt_id": attempt_id},
        "tracking_settings": NO_TRACKING,
    }
    if message.reply_to:
        payload["reply_to"] = {"email": message.reply_to}
    return payload


def _refusal(status: int, headers: Mapping[str, str]) -> Result:
    if status in RETRY:
        return Result(Answer.REFUSED, "busy", again=True, wait=_retry_after(headers))
    if status in (401, 403):
        return Result(Answer.REFUSED, "not-permitted", again=True)
    if status in UNKNOWN or status < 400:
        return Result(Answer.UNKNOWN, "no-answer")
    if status == 413:
        return Result(Answer.REFUSED, "too-large")
    return Result(Answer.REFUSED, "refused")


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    value = headers.get("Retry-After", "")
    is_seconds = value.isascii() and value.isdigit() and len(value) < 10
    return timedelta(seconds=min(int(value), 3600)) if is_seconds else None


def _broken_off(reason: object) -> Result:
    """While the message was written is too late for certainty."""
    if isinstance(reason, _NotConnected):
        return Result(Answer.REFUSED, "unreachable", again=True)
    return Result(Answer.UNKNOWN, "no-answer")
