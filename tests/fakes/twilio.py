"""A stand-in for Twilio's Messages on this machine: answers as planned, remembers what it took."""

import json
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.fakes.provider import Provider, Reply

ACCOUNT = "AC00000000000000000000000000000001"
NUMBER = "+15005550006"


@dataclass(frozen=True)
class Accepted:
    """A text that a patient would get."""

    message: dict[str, str]
    headers: dict[str, str]
    reference: str

    @property
    def attempt(self) -> str:
        """As Twilio's reports would bring it back."""
        return parse_qs(urlsplit(self.message["StatusCallback"]).query)["attempt"][0]

    @property
    def to(self) -> str:
        return self.message["To"]


class StandIn(Provider[Accepted]):
    PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    ACCEPTED = 201

    def read(self, body: bytes, headers: dict[str, str], reference: str) -> Accepted:
        fields = parse_qsl(body.decode(), strict_parsing=True, keep_blank_values=True)
        assert len(dict(fields)) == len(fields), "nothing is said twice"
        return Accepted(dict(fields), headers, reference)

    def answer(self, reply: Reply, reference: str) -> tuple[dict[str, str], str]:
        said: dict[str, object] = {"sid": reference, "status": "queued", "error_code": None}
        if not reply.accepts:
            said = {"code": reply.code or reply.status, "message": "as planned"}
            said["status"] = reply.status
        return {"Content-Type": "application/json"}, json.dumps(said)
