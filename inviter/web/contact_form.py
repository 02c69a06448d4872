"""Where an invitation's messages go, to be put right: checked as in the form for inviting."""

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import HiddenField, StringField

from inviter import codes, contacts, invitations, listing
from inviter.contacts import Phone
from inviter.invitations import InvitedAnew
from inviter.models import Clinic, Invitation, Patient
from inviter.web import formats, guards
from inviter.web.forms import read
from inviter.web.invitation_page import url_of
from inviter.web.invited_rows import reached

SAVE = "save"


class ContactForm(FlaskForm):
    """After `validate`, `address` and `phone` are what was typed, in canonical form.

    `hinted` is the address at which a likely typo was pointed out: it is not pointed out twice.
    `sure` says that it was pointed out how short a time ago it was sent. The contacts as they were
    shown come back with it, so that nobody undoes unseen what someone else has put right.
    """

    email = StringField(_l("Email"))
    mobile = StringField(_l("Mobile Number"))
    hinted = HiddenField()
    sure = HiddenField()
    shown_email = HiddenField()
    shown_phone = HiddenField()

    invitation: Invitation
    regions: Sequence[str] = ("CA",)
    sms = True
    sends = True
    address: str | None = None
    phone: Phone | None = None
    hint = ""
    known_url = ""
    """Leads to whom the same contact makes the same patient."""
    instead = ""
    """What to do for who cannot be written to."""

    @property
    def shown(self) -> tuple[str | None, str | None]:
        """Email and number, as they were when this was opened."""
        return self.shown_email.data or None, self.shown_phone.data or None

    @property
    def is_sure(self) -> bool:
        """Nobody asks before it is sent to another contact, nor twice.

        Once the change is made: what was disowned is asked about where the contact stayed.
        """
        return bool(self.sure.data) or (self.is_other and not self.invitation.disowned_at)

    @property
    def is_other(self) -> bool:
        """Whether someone is written to who was not before."""
        number = self.phone.e164 if self.phone else None
        return (self.address, number) != self.shown

    def validate(self, extra_validators: Any = None) -> bool:
        super().validate(extra_validators)
        self.address = read(self.email, contacts.email)
        self.phone = read(self.mobile, lambda text: contacts.phone(text, self.regions))
        if not self.errors and self.sends:
            self._reach()
        if not self.errors and self.address != self.hinted.data and self.suggest(self.address):
            self.email.errors = [_("%(hint)s If not, press the button again.", hint=self.hint)]
        return not self.errors

    def suggest(self, address: str | None) -> str:
        """Points out a likely typo; nothing is changed."""
        meant = contacts.email_hint(address) if address else None
        self.hinted.data = address
        self.hint = _("Did you mean %(address)s?", address=meant) if meant else ""
        return self.hint

    def refuse(self, anew: InvitedAnew, clinic: Clinic) -> None:
        """With this contact it would be someone who is known already."""
        name, known = self.invitation.name, anew.known
        text = _("%(name)s is invited already, without this invitation.", name=name)
        if isinstance(known, Patient):
            joined = formats.day(known.joined_at, clinic)
            text = _("%(name)s is already a patient, joined %(day)s.", name=name, day=joined)
        elif known:
            text = _(
                "%(name)s is already invited with this email or mobile number (%(day)s by %(by)s).",
                name=name,
                day=formats.day(known.invited_at, clinic),
                by=known.invited_by.name,
            )
        self.email.errors = [text]
        self.known_url = url_of(known) if known else ""

    def ask(self, ago: str) -> None:
        """It was sent so short a time ago that one should be sure."""
        self.sure.data = "1"
        self.email.errors = [
            _("Sent %(ago)s. To send it again now, press Resend Invite once more.", ago=ago)
        ]

    def ask_who(self) -> None:
        """Whoever got it said that it is not for them."""
        self.sure.data = "1"
        self.email.errors = [
            _(
                "Whoever got the invitation said that it is not for them. Change the email or"
                " mobile number. If they are right, press Resend Invite once more."
            )
        ]

    def said(self, *, code_changed: bool) -> str:
        """What was done."""
        name = self.invitation.name
        done = _("Email and mobile number of %(name)s saved. Nothing was sent.", name=name)
        if self.sends:
            done = _("Invite resent to %(name)s.", name=name)
        if not code_changed:
            return done
        return _(
            "%(done)s The Invite Code and link are new, because the first message went to the old"
            " address.",
            done=done,
        )

    def _reach(self) -> None:
        can_text = bool(self.phone and self.phone.can_text)
        if invitations.channels(email=self.address, can_text=can_text, sms=self.sms):
            return
        if self.phone:
            self.mobile.errors = [_("No text can be sent to this number.")]
        code = _code(self.invitation)
        self.email.errors = [
            _(
                "Enter an email address or a mobile number, or give the patient the Invite Code:"
                " %(code)s",
                code=code,
            )
            if code
            else _("Enter an email address or a mobile number")
        ]


def of(invitation: Invitation, posted: MultiDict[str, str] | None = None) -> ContactForm:
    """From what was posted, or filled in with what is known."""
    known = {
        "email": invitation.email,
        "mobile": invitation.phone_typed,
        "shown_email": invitation.email,
        "shown_phone": invitation.phone,
    }
    form = ContactForm(formdata=posted, data=known)
    form.invitation = invitation
    form.regions = guards.settings().sms_regions
    form.sms = guards.settings().sms != "off"
    if posted is None:
        form.suggest(invitation.email)
        form.instead = _instead(invitation)
    else:
        form.sends = posted.get("do") != SAVE
    return form


def _instead(invitation: Invitation) -> str:
    code = None if reached(invitation) else _code(invitation)
    return _("Or give the patient the Invite Code: %(code)s", code=code) if code else ""


def _code(invitation: Invitation) -> str | None:
    code = listing.code_of(invitation, keys=guards.keys())
    return codes.spaced(code) if code else None
