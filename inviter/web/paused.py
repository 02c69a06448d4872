"""What staff are told while messages do not leave."""

from flask_babel import gettext as _

from inviter import pauses
from inviter.models import Channel


def notices() -> list[str]:
    """A sentence for each channel that is paused; none while all is well."""
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
