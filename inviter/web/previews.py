"""What the patient gets, shown to staff before and after it is sent; nothing is made, none is sent.

The letter stands in a frame, which has an address of its own. Before there is an invitation that
address carries what the letter tells of the patient, sealed: nothing is stored, and no name is
shown in it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from flask import abort, g, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from inviter import invitations, inviting, listing, segments
from inviter.keys import Unreadable
from inviter.messages import Message
from inviter.models import Channel, Invitation, User
from inviter.roster import Recipient
from inviter.team import Provider
from inviter.web import formats, guards, invitation_page, invited_rows


@dataclass(frozen=True, slots=True)
class Preview:
    """`email` and `sms` are None where none is sent; `note`: what is not shown as it will be."""

    name: str
    note: str
    email: Message | None
    letter_url: str
    sms: Message | None
    number: str
    cost: str


def of_recipient(recipient: Recipient, provider: Provider) -> Preview:
    """Of someone who is not invited yet: no code is drawn for it."""
    sms = guards.settings().sms != "off"
    sealed = guards.keys().seal(_purpose(), json.dumps([recipient.first_name, provider.name]))
    return _preview(
        _intended(
            recipient.first_name,
            provider.name,
            last_name=recipient.last_name,
            email=recipient.email,
            phone=recipient.number,
            phone_typed=recipient.phone.typed if recipient.phone else None,
        ),
        inviting.reached(recipient, sms=sms),
        code=None,
        letter_url=url_for("invite.letter", slug=g.clinic.slug, sealed=sealed),
    )


def of_invitation(invitation: Invitation) -> Preview:
    """As it is sent now; what was sent tells the same unless something was changed since."""
    url = url_for("invitations.letter", slug=g.clinic.slug, invitation_id=invitation.id)
    channels = invited_rows.reached(invitation)
    return _preview(invitation, channels, code=_code(invitation), letter_url=url)


def intended_letter(sealed: str) -> str:
    """The letter to someone who is not invited yet; a 404 for what this clinic has not sealed."""
    try:
        first_name, provider = json.loads(guards.keys().unseal(_purpose(), sealed))
    except Unreadable:
        abort(404)
    return _html(_intended(first_name, provider), code=None)


def letter(invitation: Invitation) -> str:
    """A 404 where no email is sent."""
    if not invitation.email:
        abort(404)
    return _html(invitation, code=_code(invitation))


def _html(invitation: Invitation, *, code: str | None) -> str:
    return guards.messages().preview(invitation, Channel.EMAIL, code=code).html


def _preview(
    invitation: Invitation, channels: Sequence[Channel], *, code: str | None, letter_url: str
) -> Preview:
    messages = {
        channel: guards.messages().preview(invitation, channel, code=code) for channel in channels
    }
    sms = messages.get(Channel.SMS)
    return Preview(
        name=invitation.name or formats.no_name(),
        note=_note(invitation, code),
        email=messages.get(Channel.EMAIL),
        letter_url=letter_url,
        sms=sms,
        number=invitation.phone_typed or "",
        cost=_cost(sms.text) if sms else "",
    )


def _note(invitation: Invitation, code: str | None) -> str:
    if code:
        return _("As it is sent now, with the Invite Code and the link of this patient.")
    if invitation_page.closed_by(invitation):
        return _("The Invite Code and the link no longer work: stars stand in their place.")
    return _("The Invite Code and the link are made when it is sent: stars stand in their place.")


def _cost(text: str) -> str:
    """What a text message takes, and why."""
    cost, forcing = segments.count(text), segments.forcing(text)
    size = ngettext("%(num)d segment", "%(num)d segments", cost.segments)
    if not forcing:
        return _(
            "%(characters)s characters, %(size)s, in the GSM-7 alphabet.",
            characters=cost.characters,
            size=size,
        )
    return _(
        "%(characters)s characters, %(size)s, in Unicode because of %(forcing)s",
        characters=cost.characters,
        size=size,
        forcing=" ".join(forcing),
    )


def _intended(first_name: str, provider: str, **contact: str | None) -> Invitation:
    """An invitation that nobody makes."""
    return Invitation(
        first_name=first_name,
        clinic=g.clinic,
        provider=User(name=provider),
        expires_at=invitations.expiry(g.clinic, g.now),
        **{"last_name": "", **contact},
    )


def _code(invitation: Invitation) -> str | None:
    """Only while it opens something."""
    if invitation_page.closed_by(invitation):
        return None
    return listing.code_of(invitation, keys=guards.keys())


def _purpose() -> str:
    """What is sealed at one clinic opens at no other."""
    return f"preview {g.clinic.id}"
