"""Email through SendGrid's v3 API, by its own package."""

from collections.abc import Mapping
from datetime import timedelta
from email.utils import parseaddr
from socket import gaierror
from typing import Any
from urllib.error import URLError

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from inviter.models import Answer
from inviter.outbox import Result
from inviter.senders import Message

API = "https://api.sendgrid.com"
TIMEOUT = 10  # seconds; the package has none of its own
PAUSE = timedelta(seconds=30)
NO_TRACKING = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
}
RETRY = (429, 503)
UNKNOWN = (408, 500, 502, 504)


class SendGrid:
    """`url` is another base address: a regional host, or a stand-in."""

    def __init__(self, api_key: str, url: str = "") -> None:
        self._client = SendGridAPIClient(api_key, host=url or API)
        self._client.client.timeout = TIMEOUT

    def send(self, message: Message, *, attempt_id: str) -> Result:
        try:
            response = self._client.send(_payload(message, attempt_id))
        except HTTPError as error:
            return _refusal(error.status_code, error.headers)
        except URLError as error:
            return _broken_off(error.reason)
        except OSError:  # a timeout or a reset while waiting for the answer
            return Result(Answer.UNKNOWN, "no-answer")
        return Result(Answer.ACCEPTED, reference=response.headers.get("X-Message-Id"))


def _payload(message: Message, attempt_id: str) -> dict[str, Any]:
    """The attempt's id is all it learns beside the message: SendGrid keeps arguments for ever."""
    name, address = parseaddr(message.sender)
    payload = {
        "personalizations": [{"to": [{"email": message.to}]}],
        "from": {"email": address, "name": name},
        "subject": message.subject,
        "content": [
            {"type": "text/plain", "value": message.text},
            {"type": "text/html", "value": message.html},
        ],
        "custom_args": {"attempt": attempt_id},
        "tracking_settings": NO_TRACKING,
    }
    if message.reply_to:
        payload["reply_to"] = {"email": message.reply_to}
    return payload


def _refusal(status: int, headers: Mapping[str, str]) -> Result:
    if status in RETRY:
        return Result(Answer.REFUSED, "busy", again=True, wait=_retry_after(headers))
    if status in (401, 403):
        return Result(Answer.REFUSED, "not-permitted", again=True, wait=PAUSE)
    if status in UNKNOWN or status < 400:
        return Result(Answer.UNKNOWN, "no-answer")
    if status == 413:
        return Result(Answer.REFUSED, "too-large")
    return Result(Answer.REFUSED, "refused")


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    value = headers.get("Retry-After", "")
    return timedelta(seconds=min(int(value), 3600)) if value.isascii() and value.isdigit() else None


def _broken_off(reason: object) -> Result:
    """Only where no connection was made is it certain that nothing was handed over."""
    if isinstance(reason, ConnectionRefusedError | gaierror):
        return Result(Answer.REFUSED, "unreachable", again=True)
    return Result(Answer.UNKNOWN, "no-answer")
