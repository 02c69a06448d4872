"""What is sent: rendered at sending time from templates/messages/, in an environment of its own.

A name is plain text in every part. Links begin with `BASE_URL` and nothing else.
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
from inviter.keys import Keys
from inviter.models import Channel, Delivery, Invitation, Kind, User
from inviter.senders import Message

FOLDER = ROOT / "templates" / "messages"
SUBJECT_LIMIT = 200
SPACES = re.compile(r"\s+")


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
        about = self._about(delivery)
        email = delivery.channel == Channel.EMAIL
        name = delivery.kind.replace(" ", "_").replace("-", "_")
        invitation = delivery.invitation
        return Message(
            channel=delivery.channel,
            to=_recipient(delivery),
            sender=self._sender(invitation),
            reply_to=(invitation.clinic.email or "") if invitation else "",
            subject=_one_line(self._text(f"{name}.subject.txt", about)) if email else "",
            text=self._text(f"{name}.txt", about) if email else self._sms(name, about),
            html=self._text(f"{name}.html", about) if email else "",
        )

    def invitation_link(self, invitation: Invitation) -> str:
        token = self._keys.link_token(invitation.link_id, invitation.link_version)
        return f"{self._settings.base_url}/j/{token}"

    def _about(self, delivery: Delivery) -> dict[str, Any]:
        """What the templates of this kind may name."""
        base_url = self._settings.base_url
        about: dict[str, Any] = {"domain": urlsplit(base_url).netloc, "base_url": base_url}
        if delivery.invitation is not None:
            return about | self._about_invitation(delivery.invitation)
        user = delivery.user
        if user is None:
            raise NoRecipient(delivery.id)
        about["name"] = user.name
        if delivery.kind == Kind.PASSWORD_RESET:
            about["link"] = f"{base_url}/reset-password/{self._reset_token(user)}"
        return about

    def _about_invitation(self, invitation: Invitation) -> dict[str, Any]:
        clinic = invitation.clinic
        code = self._keys.open_code(
            invitation.code_sealed or "", clinic_id=clinic.id, invitation_id=invitation.id
        )
        return {
            "first_name": invitation.first_name,
            "provider": invitation.provider.name,
            "clinic": clinic,
            "code": codes.spaced(code),
            "expires": _day(invitation.expires_at, clinic.time_zone),
            "link": self.invitation_link(invitation),
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


def _recipient(delivery: Delivery) -> str:
    owner = delivery.invitation or delivery.user
    address = None
    if owner is not None:
        address = owner.email if delivery.channel == Channel.EMAIL else owner.phone
    if not address:
        raise NoRecipient(delivery.id)
    return address


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
