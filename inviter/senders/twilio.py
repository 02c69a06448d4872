"""Texts through Twilio's Messages, by its own package.

Twilio keeps no argument of ours beside a message: the attempt's id travels in the address that its
later reports are sent to.
"""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from inviter.models import Answer
from inviter.senders import BUSY, NO_ANSWER, NOT_PERMITTED, UNREACHABLE, Message
from inviter.senders.calls import BROKEN_OFF, TIMEOUT, Host, NotConnected, Reply, refusal
from inviter.settling import Result

API = "https://api.twilio.com"
REPORTS = "/webhooks/twilio/status"
REASONS = {
    21211: "no-such-number",
    21217: "no-such-number",
    21408: "region-off",
    21610: "opted-out",
    21612: "no-texts",
    21614: "no-texts",
    21617: "too-large",
}
"""Twilio's codes for what is wrong with this one message."""
NOT_OURS = (21212, 21603, 21606, 21659, 21660)
"""Its codes for a number that we may not send from: no message gets through."""
QUEUE_FULL = 21611


class Twilio:
    """`sender` is a number or the id of a messaging service; `base_url` is where we are."""

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        sender: str,
        base_url: str,
        url: str = "",
        timeout: float = TIMEOUT,
    ) -> None:
        http = _Http(url or API, timeout)
        # Asked for once, here: the package puts itself together on first use, in any thread.
        self._messages = Client(account_sid, auth_token, http_client=http).messages
        self._from = {"messaging_service_sid" if sender.startswith("MG") else "from_": sender}
        self._reports = base_url + REPORTS

    def send(self, message: Message, *, attempt_id: str) -> Result:
        reports_to = f"{self._reports}?attempt={quote(attempt_id)}"
        try:
            made = self._messages.create(
                to=message.to, body=message.text, status_callback=reports_to, **self._from
            )
        except NotConnected:
            return UNREACHABLE
        except _Refused as refused:
            return _refusal(refused.reply)
        except (*BROKEN_OFF, ValueError):  # a yes in no words of Twilio's may be a stranger's
            return NO_ANSWER
        return Result(Answer.ACCEPTED, reference=made.sid) if made.sid else NO_ANSWER


class _Refused(Exception):
    """Anything but 2xx. The package's own error forgets the headers."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class _Http(HttpClient):
    """In place of the package's, which leaves the last text and its number lying about, and holds
    no more connections than six."""

    def __init__(self, url: str, timeout: float) -> None:
        self._prefix = urlsplit(url).path
        self._host = Host(url, timeout=timeout)
        self.is_async = False

    def request(
        self,
        method: str,
        uri: str,
        params: object = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: object = None,
        allow_redirects: object = False,
    ) -> Response:
        pair = ":".join(auth or ())
        headers = {
            **(headers or {}),
            "Authorization": "Basic " + b64encode(pair.encode()).decode(),
        }
        body = urlencode(data or {}).encode()
        reply = self._host.post(self._prefix + urlsplit(uri).path, body, headers)
        if not 200 <= reply.status < 300:
            raise _Refused(reply)
        return Response(reply.status, reply.body.decode(), reply.headers)


def _refusal(reply: Reply) -> Result:
    code = _code(reply.body) if 400 <= reply.status < 500 else 0
    if code in REASONS:
        return Result(Answer.REFUSED, REASONS[code])
    if code in NOT_OURS:
        return NOT_PERMITTED
    if code == QUEUE_FULL:
        return BUSY
    return refusal(reply)


def _code(body: bytes) -> int:
    """Twilio's own for an error; 0 where there is none."""
    try:
        code = json.loads(body)["code"]
    except (ValueError, TypeError, KeyError):
        return 0
    return code if isinstance(code, int) else 0
