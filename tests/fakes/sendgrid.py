"""A stand-in for SendGrid on this machine: answers as planned, and remembers what it accepted."""

import json
from dataclasses import dataclass
from typing import Any

from tests.fakes.provider import ACCEPT_THEN_HANG, Provider, Reply

__all__ = ["ACCEPT_THEN_HANG", "Accepted", "Reply", "StandIn"]


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


class StandIn(Provider[Accepted]):
    PATH = "/v3/mail/send"
    ACCEPTED = 202

    def read(self, body: bytes, headers: dict[str, str], reference: str) -> Accepted:
        return Accepted(json.loads(body), headers, reference)

    def answer(self, reply: Reply, reference: str) -> tuple[dict[str, str], str]:
        if reply.accepts:
            return {"X-Message-Id": reference}, ""
        return {}, '{"errors": [{"message": "as planned"}]}'
