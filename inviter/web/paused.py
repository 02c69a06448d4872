"""What staff are told while messages do not leave."""

from flask import g
from flask_babel import gettext as _

from inviter import pauses
from inviter.models import Channel
from inviter.web import guards


def notices() -> list[str]:
    """A sentence for each channel that is paused, and for texts that wait for the next day; none
    while all is well."""
    if guards.settings().sms != "off" and guards.daily_texts().is_full(g.clinic, now=g.now):
        most = f"{guards.settings().texts_per_day:,}"
        return [*_paused(), _most_texts_sent(most)]
    return _paused()


def _most_texts_sent(most: str) -> str:
    return _(
        "Your clinic has sent %(most)s texts today, as many as it may in a day. The others leave"
        " tomorrow by themselves; emails leave now. Your administrator can allow more.",
        most=most,
    )


def _paused() -> list[str]:
    reasons = {channel: pause.reason for channel, pause in pauses.standing().items()}
    if pauses.HELD in reasons.values():
        return [
            _(
                "Messages are held since the data was restored from a backup. They leave when your"
                " administrator releases them."
            )
        ]
    return [_notice(channel, reason) for channel, reason in sorted(reasons.items())]


def _notice(channel: Channel, reason: str) -> str:
    refused = reason == "not-permitted"
    if channel == Channel.EMAIL:
        if refused:
            return _(
                "Emails wait: the service that sends them refuses us. Tell your administrator."
                " They leave by themselves once this is mended."
            )
        return _(
            "Emails wait: the service that sends them does not answer. Nothing is lost: they leave"
            " by themselves when it is back."
        )
    if refused:
        return _(
            "Text messages wait: the service that sends them refuses us. Tell your administrator."
            " They leave by themselves once this is mended."
        )
    return _(
        "Text messages wait: the service that sends them does not answer. Nothing is lost: they"
        " leave by themselves when it is back."
    )
