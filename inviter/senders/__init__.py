"""What carries a message out of the house: one method, three answers (`settling.Result`).

A sender says `refused` only where the message has certainly not left, and `unknown` where it may
have. It makes one call, and never tries again by itself.
"""

from dataclasses import dataclass
from typing import Protocol

from inviter.models import Answer, Channel
from inviter.settling import Result

UNREACHABLE = Result(Answer.REFUSED, "unreachable", again=True)
NOT_PERMITTED = Result(Answer.REFUSED, "not-permitted", again=True)
"""These two are about the sender as a whole: no other message fares better for now."""
BUSY = Result(Answer.REFUSED, "busy", again=True)
NO_ANSWER = Result(Answer.UNKNOWN, "no-answer")


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it will be read. `reply_to` is empty where nobody answers."""

    channel: Channel
    to: str
    sender: str
    reply_to: str
    subject: str
    text: str
    html: str


class Sender(Protocol):
    def send(self, message: Message, *, attempt_id: str) -> Result:
        """Hand over one message. `attempt_id` travels with it, for the provider's later reports."""
        ...
