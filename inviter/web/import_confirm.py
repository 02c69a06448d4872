"""The check before the patients of an uploaded file are invited."""

from collections.abc import Sequence
from functools import cached_property

from flask import g
from flask_babel import gettext as _
from flask_babel import ngettext

from inviter import holding, imports, quotas, team
from inviter.imports import PER_PAGE
from inviter.models import Import
from inviter.quotas import TooMany
from inviter.web import checked, formats, guards
from inviter.web.import_page import ImportPage
from inviter.web.import_shows import Show


class ConfirmPage(ImportPage):
    """The check before inviting: for whom, how many, and who."""

    def __init__(self, made: Import, key: str, message: str = "") -> None:
        super().__init__(made)
        self._number, self._changing = 1, None
        self.key = key
        self.has_provider = team.can_be_invited_for(made.provider_id, guards.providers())
        self.room = holding.room(made.clinic_id)
        self.too_many = self._no_room or self._too_many()
        self.message = self.too_many or message if self.has_provider else self._no_provider

    @cached_property
    def show(self) -> Show:
        """Nobody else is named here, also where none are left."""
        return Show.READY

    @property
    def _no_room(self) -> str:
        """The clinic would hold too many Invite Codes."""
        return "" if self.to_invite <= self.room else formats.no_room(self.room)

    @property
    def _no_provider(self) -> str:
        """They have left since the file was uploaded."""
        return _(
            "%(name)s is no longer a provider at this clinic. Upload the file again for another.",
            name=self.provider,
        )

    def _too_many(self) -> str:
        """More than the clinic may invite today; "" where it is not. The rows stay."""
        most = guards.settings().imported_per_day
        try:
            quotas.check(quotas.FROM_FILES, g.clinic.id, self.to_invite, most=most, now=g.now)
        except TooMany as refused:
            return formats.too_many_from_files(refused, g.clinic)
        return ""

    @cached_property
    def texts(self) -> str:
        """What is said where not all texts may leave today."""
        most = guards.settings().texts_per_day
        if guards.settings().sms == "off" or self.to_invite <= most:
            return ""
        if imports.ready_with_phone(self._made) <= most:
            return ""
        return _(
            "At most %(most)s texts a day leave from a clinic: the others follow on the next days."
            " Emails leave now.",
            most=f"{most:,}",
        )

    @property
    def can_confirm(self) -> bool:
        return bool(self.to_invite) and self.has_provider and not self.too_many

    @property
    def number(self) -> str:
        return f"{self.to_invite:,}"

    @property
    def rest(self) -> int:
        """How many are not named here."""
        return max(0, self.to_invite - PER_PAGE)

    @property
    def rest_words(self) -> str:
        number = f"{self.rest:,}"
        return ngettext(
            "and %(number)s more patient", "and %(number)s more patients", self.rest, number=number
        )

    @property
    def rest_url(self) -> str:
        return self.url(show=Show.READY.value, page=2)

    @property
    def people(self) -> Sequence[checked.Person]:
        return [
            checked.Person(each.name, each.email, each.phone, " ".join(each.notes))
            for each in self.rows
        ]
