"""The stand-in for a provider, and a message to hand to it."""

from collections.abc import Iterator

import pytest

from inviter.models import Channel
from inviter.senders import Message
from tests.fakes.sendgrid import StandIn


@pytest.fixture
def provider() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def message() -> Message:
    return Message(
        channel=Channel.EMAIL,
        to="ada@example.org",
        sender='"Clinique Thérèse, Regina" <invitations@example.org>',
        reply_to="desk@example.org",
        subject="Clinique Thérèse invites you",
        text="Dear Ada,\n\n482 913\n",
        html="<p>Dear Ada,</p>",
    )
