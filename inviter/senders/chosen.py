"""The senders that the settings ask for, and how fast each may be."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from inviter.config import Config
from inviter.models import Channel
from inviter.senders import Sender
from inviter.senders.mailbox import Mailbox

RATES = {"smtp": 50.0, "twilio": 50.0}  # a second; SendGrid says itself when it is too much


def senders_for(
    settings: Config, context: Callable[[], AbstractContextManager[object]]
) -> dict[Channel, Sender]:
    """As the settings say. Only what is asked for is imported: the packages are large."""
    senders: dict[Channel, Sender] = {}
    if settings.email == "mailbox":
        senders[Channel.EMAIL] = Mailbox(context)
    elif settings.email == "smtp":
        from inviter.senders.smtp import Smtp

        senders[Channel.EMAIL] = Smtp(settings.smtp_url)
    elif settings.email == "sendgrid":
        from inviter.senders.sendgrid import SendGrid

        senders[Channel.EMAIL] = SendGrid(settings.sendgrid_api_key, settings.sendgrid_url)
    if settings.sms == "mailbox":
        senders[Channel.SMS] = Mailbox(context)
    elif settings.sms == "twilio":
        from inviter.senders.twilio import Twilio

        senders[Channel.SMS] = Twilio(
            settings.twilio_account_sid,
            settings.twilio_auth_token,
            sender=settings.twilio_from,
            base_url=settings.base_url,
            url=settings.twilio_url,
        )
    return senders


def rates_for(settings: Config) -> dict[Channel, float]:
    """How many a second each worker hands over at most, by channels where that is limited."""
    chosen = {Channel.EMAIL: settings.email, Channel.SMS: settings.sms}
    return {channel: RATES[name] for channel, name in chosen.items() if name in RATES}
