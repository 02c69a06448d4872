"""The mailbox keeps what it is given and sends nothing."""

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from inviter.db import db
from inviter.models import Answer, Channel, MailboxMessage
from inviter.senders import Message
from inviter.senders.mailbox import Mailbox
from inviter.settling import Result

pytestmark = pytest.mark.usefixtures("context")


def test_a_message_is_kept_as_it_would_be_read(app: Flask, message: Message) -> None:
    result = Mailbox(app.app_context).send(message, attempt_id="attempt")
    assert result == Result(Answer.ACCEPTED, reference="attempt")
    (kept,) = db.session.scalars(select(MailboxMessage))
    assert kept.attempt_id == "attempt"
    for name in ("channel", "sender", "subject", "text", "html"):
        assert getattr(kept, name) == getattr(message, name)
    assert kept.sent_to == message.to


def test_a_text_is_kept_without_what_only_emails_have(app: Flask, message: Message) -> None:
    text = replace(message, channel=Channel.SMS, to="+13065550142", subject="", html="")
    Mailbox(app.app_context).send(text, attempt_id="attempt")
    (kept,) = db.session.scalars(select(MailboxMessage))
    assert (kept.channel, kept.sent_to, kept.subject, kept.html) == (
        Channel.SMS,
        "+13065550142",
        "",
        "",
    )


def test_the_same_attempt_is_never_kept_twice(app: Flask, message: Message) -> None:
    mailbox = Mailbox(app.app_context)
    mailbox.send(message, attempt_id="attempt")
    with pytest.raises(IntegrityError):
        mailbox.send(message, attempt_id="attempt")
    assert len(db.session.scalars(select(MailboxMessage)).all()) == 1
