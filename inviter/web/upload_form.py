"""The card that takes a file: for whom, and which one."""

from collections.abc import Sequence
from typing import Any

from flask import g
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.datastructures import CombinedMultiDict, FileStorage
from wtforms import FileField, SelectField

from inviter import team
from inviter.contacts import Problem
from inviter.team import Provider
from inviter.web import formats, forms, guards
from inviter.web.forms import Error, Required


class UploadForm(FlaskForm):
    provider = SelectField(
        _l("Provider"), [Required()], id="upload-provider", validate_choice=False
    )
    file = FileField(_l("CSV file"), [Required()], id="upload-file")

    providers: Sequence[Provider]
    chosen: Provider
    """Whom the patients are invited for, once `validate` has passed."""

    @property
    def upload(self) -> FileStorage:
        """Once `validate` has passed."""
        found: FileStorage = self.file.data
        return found

    @property
    def most_mb(self) -> int:
        return guards.settings().upload_max_mb

    @property
    def most_rows(self) -> str:
        return f"{guards.settings().upload_max_rows:,}"

    def validate(self, extra_validators: Any = None) -> bool:
        super().validate(extra_validators)
        chosen = forms.choose(self.provider, self.providers) if self.provider else None
        if chosen or not self.provider:
            self.chosen = chosen or self.providers[0]
        if not (isinstance(self.file.data, FileStorage) and self.file.data.filename):
            self.file.errors = [_("Select a CSV file")]
        return not self.summary()

    def refuse(self, refused: Problem) -> None:
        self.file.errors = [formats.problem(refused)]

    def refuse_for_room(self) -> None:
        self.file.errors = [formats.no_room(0)]

    def refuse_size(self) -> None:
        text = _("The selected file must be smaller than %(number)s MB", number=self.most_mb)
        self.file.errors = [text]

    def summary(self) -> list[Error]:
        """Every error, for the top of the page."""
        return forms.errors_of(self)


def upload_form(posted: CombinedMultiDict[str, Any] | None = None) -> UploadForm:
    """From what was posted, or empty. Who has no choice of providers sees none."""
    form = UploadForm(formdata=posted)
    form.providers = team.providers_for(g.membership, guards.providers())
    if len(form.providers) == 1:
        del form.provider
    else:
        form.provider.choices = forms.provider_choices(form.providers)
    return form
