"""What is sent: rendered at sending time from templates/messages/, in an environment of its own.

A name is plain text in every part. Links begin with `BASE_URL` and nothing else. Staff see before
and after what patients get: a preview is the same rendering.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from email.headerregistry import Address
from email.utils import parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.support import NullTranslations
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from inviter import codes, segments
from inviter.config import ROOT, Config
from inviter.keys import LINK_TOKEN_LENGTH, Keys
from inviter.models import Channel, Delivery, Invitation, Kind, User
from inviter.senders import Message as Message

FOLDER = ROOT / "templates" / "messages"
SUBJECT_LIMIT = 200
SPACES = re.compile(r"\s+")
UNMADE_CODE = "******"
UNMADE_TOKEN = "*" * LINK_TOKEN_LENGTH
"""Where there is none yet: as long as what is made, so that a text has as many segments."""


class NoRecipient(Exception):
    """The address that the message was queued for is gone."""


class Messages:
    """Turns a delivery into a message. `reset_token` makes the token of a password link."""

    def __init__(self, settings: Config, *, keys: Keys, reset_token: Callable[[User], str]) -> None:
        self._settings = settings
        self._keys = keys
        self._reset_token = reset_token
        self._environment = _environment(FOLDER)

    def render(self, delivery: Delivery) -> Message:
        """Raises NoRecipient."""
        to = _address(delivery.invitation or delivery.user, delivery.channel)
        if not to:
            raise NoRecipient(delivery.id)
        about = self._about(delivery)
        return self._message(delivery.kind, delivery.channel, to, about, delivery.invitation)

    def preview(self, invitation: Invitation, channel: Channel, *, code: str | None) -> Message:
        """As `render` makes it now. Without a code neither it nor the link is told: stars are.

        The invitation may be one that is not made yet: no more of it is read than what is typed,
        its clinic, provider and expiry.
        """
        to = _address(invitation, channel)
        link = self.invitation_link(invitation) if code else self._link(UNMADE_TOKEN)
        about = self._about_invitation(invitation, code or UNMADE_CODE, link)
        return self._message(Kind.INVITATION, channel, to, about, invitation)

    def _message(
        self,
        kind: Kind,
        channel: Channel,
        to: str,
        about: dict[str, Any],
        invitation: Invitation | None,
    ) -> Message:
        email = channel == Channel.EMAIL
        name = kind.replace(" ", "_").replace("-", "_")
        return Message(
            channel=channel,
            to=to,
            sender=self._sender(invitation),
            reply_to=(invitation.clinic.email or "") if invitation else "",
            subject=_one_line(self._text(f"{name}.subject.txt", about)) if email else "",
            text=self._text(f"{name}.txt", about) if email else self._sms(name, about),
            html=self._text(f"{name}.html", about) if email else "",
        )

    def invitation_link(self, invitation: Invitation) -> str:
        return self._link(self._keys.link_token(invitation.link_id, invitation.link_version))

    def _link(self, token: str) -> str:
        return f"{self._settings.base_url}/j/{token}"

    def _about(self, delivery: Delivery) -> dict[str, Any]:
        """What the templates of this kind may name."""
        invitation, user = delivery.invitation, delivery.user
        if invitation is not None and delivery.kind == Kind.JOINED:
            about = {"first_name": invitation.first_name, "clinic": invitation.clinic}
            return self._about_us() | about
        if invitation is not None:
            code = self._keys.open_code(
                invitation.code_sealed or "",
                clinic_id=invitation.clinic_id,
                invitation_id=invitation.id,
            )
            return self._about_invitation(invitation, code, self.invitation_link(invitation))
        if user is None:
            raise NoRecipient(delivery.id)
        about = self._about_us() | {"name": user.name}
        if delivery.kind == Kind.PASSWORD_RESET:
            about["link"] = f"{self._settings.base_url}/reset-password/{self._reset_token(user)}"
        return about

    def _about_us(self) -> dict[str, Any]:
        base_url = self._settings.base_url
        return {"domain": urlsplit(base_url).netloc, "base_url": base_url}

    def _about_invitation(self, invitation: Invitation, code: str, link: str) -> dict[str, Any]:
        clinic = invitation.clinic
        return self._about_us() | {
            "first_name": invitation.first_name,
            "provider": invitation.provider.name,
            "clinic": clinic,
            "code": codes.spaced(code),
            "expires": _day(invitation.expires_at, clinic.time_zone),
            "link": link,
            "code_page": f"{self._settings.base_url}/join/{clinic.slug}",
        }

    def _sender(self, invitation: Invitation | None) -> str:
        """Our verified address under the clinic's name, as people read it."""
        name, address = parseaddr(self._settings.email_from)
        shown = _one_line(invitation.clinic.name) if invitation else name
        return _shown(shown, address)

    def _text(self, template: str, about: dict[str, Any]) -> str:
        return self._environment.get_template(template).render(about).strip() + "\n"

    def _sms(self, name: str, about: dict[str, Any]) -> str:
        return segments.plain(self._text(f"{name}.sms.txt", about).strip())


def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(("html",), default=False),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(NullTranslations(), newstyle=True)  # type: ignore[attr-defined]
    return environment


def _address(owner: Invitation | User | None, channel: Channel) -> str:
    """Empty where it is gone, or whose it was."""
    if owner is None:
        return ""
    return (owner.email if channel == Channel.EMAIL else owner.phone) or ""


def _day(at: datetime, time_zone: str) -> str:
    return _written(at.astimezone(ZoneInfo(time_zone)).date())


@lru_cache
def _written(day: date) -> str:
    return str(format_date(day, "d MMMM y", locale="en"))


@lru_cache
def _shown(name: str, address: str) -> str:
    """The same few clinics are in every message, and putting an address together is slow."""
    return str(Address(name, addr_spec=address))


def _unbroken(value: Any) -> Any:
    """What a template prints is part of a line: a name can't begin a paragraph of its own."""
    return type(value)(SPACES.sub(" ", value)) if isinstance(value, str) else value


def _one_line(text: str) -> str:
    """Nothing that reaches a header can begin another."""
    return SPACES.sub(" ", text).strip()[:SUBJECT_LIMIT]
