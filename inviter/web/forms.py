"""Forms: what is typed -> what the use cases take, with a text at the field for what can't be."""

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import (
    BooleanField,
    Field,
    FieldList,
    Form,
    FormField,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.widgets import HiddenInput

from inviter import contacts
from inviter.contacts import Problem
from inviter.roster import Recipient
from inviter.team import Provider
from inviter.web import formats

MOST_ROWS = 50
MOST_ROWS_READ = 200
"""Many more are kept and shown than may be sent, so that nothing typed is lost."""
REMOVED = "removed-"
KEY = re.compile(r"[A-Za-z0-9_-]{22}")

Error = tuple[str, str]
"""The id of a field and what is wrong with it."""


class Required:
    """Marks the field with a star; the text for a blank is `contacts`'."""

    field_flags = {"required": True}  # noqa: RUF012  (WTForms reads it from the class)

    def __call__(self, form: Form, field: Field) -> None: ...


class RowForm(Form):
    """One patient to invite. After `validate`, `recipient` is who it is."""

    first_name = StringField(_l("First Name"), [Required()])
    last_name = StringField(_l("Last Name"), [Required()])
    one_name = BooleanField(_l("Has one name only"))
    email = StringField(_l("Email"))
    mobile = StringField(_l("Mobile Number"))
    is_different = BooleanField(_l("This is a different person"))

    recipient: Recipient
    number = 1
    regions: Sequence[str] = ("CA",)
    hint = ""
    lacks_last_name = False

    @property
    def is_blank(self) -> bool:
        fields = (self.first_name, self.last_name, self.email, self.mobile)
        return not any((field.data or "").strip() for field in fields)

    @property
    def offers_one_name(self) -> bool:
        return self.lacks_last_name or bool(self.one_name.data)

    def validate(self, extra_validators: Any = None) -> bool:
        super().validate(extra_validators)
        one_name = self.one_name.data and not (self.last_name.data or "").strip()
        first = read(self.first_name, contacts.first_name)
        last = "" if one_name else self._last_name()
        email = read(self.email, contacts.email)
        phone = read(self.mobile, lambda text: contacts.phone(text, self.regions))
        if email and (meant := contacts.email_hint(email)):
            self.hint = _("Did you mean %(address)s?", address=meant)
        if self.errors:
            return False
        key, is_different = contacts.name_key(first, last), bool(self.is_different.data)
        self.recipient = Recipient(first, last, key, email, phone, is_different)
        return True

    def forgive(self) -> None:
        """A blank row among others is no mistake."""
        self.lacks_last_name = False
        for field in self:
            field.errors = []

    def _last_name(self) -> Any:
        try:
            return contacts.last_name(self.last_name.data or "")
        except Problem as refused:
            self.last_name.errors = [formats.problem(refused)]
            self.lacks_last_name = refused.code == "last-name-missing"
            return None


class RemovedForm(RowForm):
    """A row that was taken out, kept in the page for Undo."""

    place = IntegerField(widget=HiddenInput())


class InviteForm(FlaskForm):
    key = HiddenField()
    provider = SelectField(_l("Providers"), [Required()], validate_choice=False)
    rows = FieldList(FormField(RowForm), min_entries=1, max_entries=MOST_ROWS_READ)

    providers: Sequence[Provider]
    removed: RemovedForm | None = None
    removed_number = 0
    focus = ""
    too_many = False
    back = ""
    """What is said where it is filled in with what was kept."""
    chosen: Provider
    """Whom the patients are invited for, once `validate` has passed."""

    def validate(self, extra_validators: Any = None) -> bool:
        """Blank rows are left out, unless there is nothing else."""
        super().validate(extra_validators)
        self._choose_provider()
        self.too_many = len(self.filled) > MOST_ROWS
        meant = self.filled or [self.rows[0].form]
        for row in self.rows:
            if row.form not in meant:
                row.form.forgive()
        return not (self.summary() or self.too_many)

    @property
    def filled(self) -> list[RowForm]:
        return [row.form for row in self.rows if not row.is_blank]

    @property
    def recipients(self) -> list[Recipient]:
        """In the order typed; once `validate` has passed."""
        return [row.recipient for row in self.filled]

    @property
    def has_key(self) -> bool:
        """Whether it came with the key of a form that we gave out."""
        return bool(KEY.fullmatch(self.key.data or ""))

    def _choose_provider(self) -> None:
        """A provider is their own choice."""
        if self.provider is None:
            self.chosen = self.providers[0]
            return
        if chosen := choose(self.provider, self.providers):
            self.chosen = chosen

    def summary(self) -> list[Error]:
        """Every error, for the top of the page."""
        found: list[Error] = []
        if self.too_many:
            text = _("You can invite 50 patients at once here. For more, upload a file.")
            found.append(("add-row", text))
        if self.provider is not None:
            found += [(self.provider.id, text) for text in self.provider.errors]
        for number, row in enumerate(self.rows, 1):
            for field in row:
                for text in field.errors:
                    said = _("Patient %(number)s: %(text)s", number=number, text=text)
                    found.append((field.id, said))
        return found


def invite_form(
    providers: Sequence[Provider],
    *,
    may_choose: bool,
    regions: Sequence[str],
    posted: MultiDict[str, str] | None = None,
    data: dict[str, Any] | None = None,
) -> InviteForm:
    """From what was posted, or to be filled in with `data`."""
    form = InviteForm(formdata=_plain_names(posted) if posted else None, data=data or {})
    form.providers = providers
    if posted is None and not form.has_key:
        form.key.data = new_key()
    if posted is not None and f"{REMOVED}place" in posted:
        form.removed = posted_removed_row(posted)
        form.removed_number = (form.removed.place.data or 0) + 1
    for number, row in enumerate(form.rows, 1):
        row.form.regions, row.form.number = regions, number
    if not may_choose:
        del form.provider
        return form
    form.provider.choices = provider_choices(providers)
    return form


def provider_choices(providers: Sequence[Provider]) -> list[SelectChoice]:
    """The only one is chosen already."""
    choices = [SelectChoice(str(each.id), each.name) for each in providers]
    if len(choices) != 1:
        ask = _("Choose a provider") if choices else _("This clinic has no providers yet")
        choices.insert(0, SelectChoice("", ask))
    return choices


def choose(field: SelectField, providers: Sequence[Provider]) -> Provider | None:
    """Whom was chosen, or None and a text at the field; another clinic's is as one unknown."""
    found = [each for each in providers if str(each.id) == field.data]
    if not found:
        field.errors = [_("Choose a provider")]
    return found[0] if found else None


def new_key() -> str:
    """What makes Confirm happen once. Given out with the form, so that Back brings it back."""
    return secrets.token_urlsafe(16)


def with_row_added(form: InviteForm) -> dict[str, Any]:
    return {**_data(form), "rows": [*_rows(form), {}]}


def with_row_removed(form: InviteForm, place: int) -> dict[str, Any]:
    rows = _rows(form)
    return {**_data(form), "rows": [*rows[:place], *rows[place + 1 :]]}


def with_row_restored(form: InviteForm, removed: RemovedForm, place: int) -> dict[str, Any]:
    rows = _rows(form)
    row = {name: value for name, value in removed.data.items() if name != "place"}
    return {**_data(form), "rows": [*rows[:place], row, *rows[place:]]}


def with_rows_pasted(
    form: InviteForm, place: int, pasted: Sequence[dict[str, str]]
) -> dict[str, Any]:
    """In the place of a row; blank ones behind it vanish."""
    behind = [each.form.data for each in form.rows[place + 1 :] if not each.is_blank]
    return {**_data(form), "rows": [*_rows(form)[:place], *pasted, *behind]}


def removed_row(form: InviteForm, place: int) -> RemovedForm:
    return RemovedForm(data={**_rows(form)[place], "place": place}, prefix=REMOVED)


def posted_removed_row(posted: MultiDict[str, str]) -> RemovedForm:
    return RemovedForm(formdata=posted, prefix=REMOVED)


def errors_of(form: Form) -> list[Error]:
    """Every error, for the top of the page."""
    return [(field.id, text) for field in form for text in field.errors]


def read(field: Field, canonical: Callable[[str], Any]) -> Any:
    """A canonical value, or None and a text at the field."""
    try:
        return canonical(field.data or "")
    except Problem as refused:
        field.errors = [formats.problem(refused)]
        return None


def _data(form: InviteForm) -> dict[str, Any]:
    return {"key": form.key.data, "provider": form.provider.data if form.provider else None}


def _rows(form: InviteForm) -> list[dict[str, Any]]:
    return [row.form.data for row in form.rows]


def _plain_names(posted: MultiDict[str, str]) -> MultiDict[str, str]:
    """WTForms fails on numbers of rows that are no ASCII digits, or thousands of them."""
    named = posted.items(multi=True)
    return MultiDict((each, value) for each, value in named if each.isascii() and len(each) < 40)
