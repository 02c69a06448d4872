"""Keeps messages in the database instead of sending them: the demo's sender for both channels."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from inviter import clock
from inviter.db import db
from inviter.models import Answer, MailboxMessage
from inviter.senders import Message
from inviter.settling import Result


class Mailbox:
    def __init__(self, context: Callable[[], AbstractContextManager[object]]) -> None:
        self._context = context

    def send(self, message: Message, *, attempt_id: str) -> Result:
        with self._context():
            db.session.add(
                MailboxMessage(
                    attempt_id=attempt_id,
                    channel=message.channel,
                    sent_to=message.to,
                    sender=message.sender,
                    subject=message.subject,
                    text=message.text,
                    html=message.html,
                    sent_at=clock.now(),
                )
            )
            db.session.commit()
        return Result(Answer.ACCEPTED, reference=attempt_id)
