"""Email through SendGrid's v3 API, by its own package."""

import json
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from python_http_client import Client
from sendgrid import SendGridAPIClient

from inviter.models import Answer
from inviter.senders import NO_ANSWER, UNREACHABLE, Message
from inviter.senders.calls import BROKEN_OFF, TIMEOUT, Host, NotConnected, Reply, refusal
from inviter.settling import Result

API = "https://api.sendgrid.com"
REFERENCE_LIMIT = 100
NO_TRACKING = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
}


class SendGrid:
    """`url` is another base address: a regional host, or a stand-in."""

    def __init__(self, api_key: str, url: str = "", *, timeout: float = TIMEOUT) -> None:
        self._api = SendGridAPIClient(api_key, host=url or API)
        # Its own place for the last header is a dictionary that other threads read meanwhile.
        headers = self._api.client.request_headers | {"Content-Type": "application/json"}
        host = Host(url or API, timeout=timeout)
        self._api.client = _Client(host, url or API, headers)

    def send(self, message: Message, *, attempt_id: str) -> Result:
        try:
            reply: Reply = self._api.send(_payload(message, attempt_id))
        except NotConnected:
            return UNREACHABLE
        except BROKEN_OFF:
            return NO_ANSWER
        if not 200 <= reply.status < 300:
            return refusal(reply)
        reference = reply.headers.get("X-Message-Id", "")[:REFERENCE_LIMIT]
        return Result(Answer.ACCEPTED, reference=reference or None)


class _Client(Client):
    """The package's, over kept connections: its own makes a TLS context (48 ms) for each call."""

    def __init__(self, line: Host, url: str, headers: dict[str, str], path: Any = ()) -> None:
        super().__init__(url, headers, version=3, url_path=list(path))
        self._line = line

    def _build_client(self, name: str | None = None) -> Client:
        path = [*self._url_path, name] if name else self._url_path
        return _Client(self._line, self.host, self.request_headers, path)

    def post(self, request_body: dict[str, Any]) -> Reply:
        """The package's own puts together an opener for each call, which takes longer than all
        the rest; a refusal is told by its status."""
        path = urlsplit(self._build_url(None)).path
        return self._line.post(path, json.dumps(request_body).encode(), self.request_headers)


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
