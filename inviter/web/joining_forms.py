"""What a patient is asked on the way in."""

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, StringField

from inviter import codes, contacts, joining
from inviter.guessing import Typed
from inviter.models import Invitation
from inviter.web.forms import Required, read


class CodeForm(FlaskForm):
    """Enter an Invite Code."""

    first_name = StringField(_l("First Name"), [Required()])
    last_name = StringField(_l("Last Name"))
    code = StringField(_l("Invite Code"), [Required()])
    contact = StringField(_l("Email or mobile number"))

    regions: Sequence[str] = ()
    asks_contact = False
    digits = ""
    email: str | None = None
    number: str | None = None

    def validate(self, extra_validators: Any = None) -> bool:
        super().validate(extra_validators)
        if not (self.first_name.data or "").strip():
            self.first_name.errors = [_("Enter your first name")]
        self.digits = codes.normalise(self.code.data or "") or ""
        if not self.digits:
            self.code.errors = [_("Enter the 6 digits of your code, such as 482 913")]
        if self.asks_contact:
            self._read_contact()
        return not self.errors

    @property
    def typed(self) -> Typed:
        first, last = self.first_name.data or "", self.last_name.data or ""
        return Typed(self.digits, first, last, self.email, self.number)

    def _read_contact(self) -> None:
        typed = (self.contact.data or "").strip()
        if not typed:
            self.contact.errors = [_("Enter the email or mobile number that the clinic has")]
        elif "@" in typed:
            self.email = read(self.contact, contacts.email)
        elif phone := read(self.contact, lambda text: contacts.phone(text, self.regions)):
            self.number = phone.e164

    def ask_contact(self) -> None:
        """Too many wrong codes were tried lately for a code and a name to be enough."""
        self.asks_contact = self.contact.flags.required = True

    def refuse_without_contact(self) -> None:
        """So many were tried since this form was opened."""
        self.ask_contact()
        self.contact.errors = [_("Enter the email or mobile number that the clinic has")]

    def refuse(self) -> None:
        """The one answer to everything that did not match."""
        self.code.errors = [
            _(
                "We could not find an open invitation with this name and code. Check the 6 digits,"
                " and type your name as the clinic knows it. If it still does not work, ask the"
                " clinic for a new invitation."
            )
        ]

    def wait(self) -> None:
        """Said whatever was typed, once too much was tried from this address."""
        self.code.errors = [
            _(
                "Too many tries from here. Try again in an hour, or open the link in the message"
                " from the clinic."
            )
        ]


class FindForm(FlaskForm):
    class Meta:
        csrf = False  # a search, by GET

    clinic = StringField(_l("Clinic name or short name"))


class AcceptForm(FlaskForm):
    """Who I am, and an account if I have none. What need not be asked is deleted from it."""

    address = StringField(_l("Email or mobile number"), [Required()])
    password = PasswordField(_l("Password"), [Required()])
    first_name = StringField(_l("First Name"), [Required()])
    last_name = StringField(_l("Last Name"), [Required()])
    agree = BooleanField(
        _l("I agree that the clinic sees that I have joined and how to reach me"), [Required()]
    )

    invitation: Invitation
    regions: Sequence[str]
    sms: bool
    email: str | None = None
    phone: str | None = None
    is_named = False
    """Whether the name is that of the invitation."""

    def validate(self, extra_validators: Any = None) -> bool:
        super().validate(extra_validators)
        if self.address is not None:
            self._read_address()
            if not self.password.data:
                self.password.errors = [_("Enter a password")]
            if not self.agree.data:
                self.agree.errors = [_("Tick the box to join")]
        if self.first_name is not None:
            self._check_name()
        return not self.errors

    @property
    def last_name_errors(self) -> Sequence[str]:
        return self.last_name.errors if self.last_name is not None else ()

    def refuse_names(self) -> None:
        """Said whatever was typed, once too many names were wrong."""
        self.first_name.errors = [
            _("Too many wrong names were typed here. Try again tomorrow, or call the clinic.")
        ]

    def _read_address(self) -> None:
        """Either is an account's address; a number only where it can get our texts."""
        typed = (self.address.data or "").strip()
        if not typed:
            self.address.errors = [_("Enter your email or mobile number")]
        elif "@" in typed:
            self.email = read(self.address, contacts.email)
        elif not any(letter.isdecimal() for letter in typed):
            self.address.errors = [_("Enter an email address with an @, or a mobile number")]
        elif phone := read(self.address, lambda text: contacts.phone(text, self.regions)):
            self.phone = phone.e164
            if not (self.sms and phone.can_text):
                self.address.errors = [_("We cannot send texts to this number. Use an email.")]

    def _check_name(self) -> None:
        first = (self.first_name.data or "").strip()
        last = (self.last_name.data or "").strip() if self.last_name is not None else ""
        if not first:
            self.first_name.errors = [_("Enter your first name")]
        if self.last_name is not None and not last:
            self.last_name.errors = [_("Enter your last name")]
        self.is_named = joining.has_name(self.invitation, first, last)
        if not (self.is_named or self.first_name.errors or self.last_name_errors):
            self.first_name.errors = [
                _(
                    "This is not the name on the invitation. Type your first and last name as the"
                    " clinic knows them, or call the clinic."
                )
            ]
