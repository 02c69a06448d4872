"""Whom to invite. Pure."""

from typing import NamedTuple

from inviter.contacts import Phone


class Recipient(NamedTuple):
    """One person to invite, checked and in canonical form (`contacts`)."""

    first_name: str
    last_name: str
    name_key: str
    email: str | None
    phone: Phone | None
    is_different: bool = False
    """Staff have said that this is another person than the one of the same name."""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def number(self) -> str | None:
        return self.phone.e164 if self.phone else None

    @property
    def can_text(self) -> bool:
        return bool(self.phone and self.phone.can_text)
