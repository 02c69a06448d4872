"""An invitation as its own page shows it: facts in words, what can be done, what happened."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _
from markupsafe import Markup

from inviter import activity, erasing, invitations, joining, listing, search, status, team
from inviter.activity import Action, Line
from inviter.invitations import GivenHow, GivenTo
from inviter.listing import Sent
from inviter.models import Invitation, Patient
from inviter.status import DeliveryState, Status
from inviter.web import formats, guards, history, looks, outcomes, qr
from inviter.web.addresses import Address
from inviter.web.history import Entry
from inviter.web.invited_rows import reached

Choices = Sequence[tuple[str, str, bool]]
"""A value, its words, whether it is chosen."""


class InvitationPage:
    """What the templates show. The database is asked once something of it is shown."""

    def __init__(
        self, invitation: Invitation, *, asks: bool = False, is_large: bool = False
    ) -> None:
        """`asks`: whether to send it again; `is_large`: the code, to be read across a desk."""
        self._invitation = invitation
        self._wants_to_ask = asks
        self.is_large = is_large and self.can_act

    @property
    def id(self) -> int:
        return self._invitation.id

    @property
    def name(self) -> str:
        return self._invitation.name or formats.no_name()

    @property
    def url(self) -> str:
        return url_of(self._invitation)

    @property
    def here(self) -> str:
        """What the browser takes down as where it is."""
        return url_of(self._invitation, large=1) if self.is_large else self.url

    @property
    def seen(self) -> int:
        return self._invitation.generation

    @cached_property
    def status(self) -> Status:
        doubt_after = guards.settings().doubt_after
        return status.of(self._invitation, now=g.now, doubt_after=doubt_after)

    @property
    def status_words(self) -> str:
        return formats.status(self.status)

    @property
    def detail(self) -> Sequence[str]:
        """What became of the messages; by channel where it differs."""
        marks = outcomes.marks(self._invitation)
        if not self.can_act:
            return marks
        has_contact = bool(self.email or self.phone)
        return [*marks, *outcomes.details(self._sent, self.status, has_contact=has_contact)]

    @property
    def problems(self) -> Sequence[str]:
        """What went wrong, by channel."""
        wrong = (DeliveryState.FAILED, DeliveryState.IN_DOUBT, DeliveryState.SUPPRESSED)
        return [
            f"{outcomes.channel(each.channel)}: {outcomes.message(each, Status.ERROR_SENDING)}"
            for each in self._sent
            if each.state in wrong
        ]

    @property
    def provider(self) -> str:
        return self._invitation.provider.name

    @cached_property
    def providers(self) -> Choices:
        """For whom it may be instead; nothing to choose from for who is no Clinic Admin."""
        if not (self.can_act and g.membership.is_admin):
            return []
        now = self._invitation.provider_id
        here = team.providers_for(g.membership, guards.providers())
        found = [(str(each.id), each.name, each.id == now) for each in here]
        if not any(chosen for _id, _name, chosen in found):
            found.insert(0, ("", _("Choose a provider"), True))
        return found if len(found) > 1 else []

    @property
    def email(self) -> str | None:
        return self._invitation.email

    @property
    def phone(self) -> str | None:
        return self._invitation.phone_typed

    @property
    def no_contact(self) -> str:
        """In the place of an email or number that is not there."""
        return _("Erased") if self._invitation.erased_at else _("Not given")

    @property
    def invited(self) -> str:
        by, when = self._invitation.invited_by.name, self._invitation.invited_at
        return _("%(by)s, %(when)s", by=by, when=formats.moment(when, g.clinic))

    @property
    def resent(self) -> str:
        at = self._invitation.resent_at
        return formats.moment(at, g.clinic) if at else ""

    @property
    def expires(self) -> str:
        """Nothing that was accepted or removed does."""
        return formats.moment(self._invitation.expires_at, g.clinic) if self.can_act else ""

    @property
    def accepted(self) -> str:
        at = self._invitation.accepted_at
        if at is None:
            return ""
        when = formats.moment(at, g.clinic)
        how = formats.how_joined(self._patient.how) if self._patient else ""
        return _("%(when)s, %(how)s", when=when, how=how.lower()) if how else when

    @property
    def joined(self) -> str:
        """Since when the patient belongs to the clinic."""
        return formats.day(self._patient.joined_at, g.clinic) if self._patient else ""

    @property
    def joined_url(self) -> str:
        return Address(on="patients", who=search.plain(self.name)).url(g.clinic.slug)

    @cached_property
    def code(self) -> str | None:
        """Only while it opens something."""
        return listing.code_of(self._invitation, keys=guards.keys()) if self.can_act else None

    @property
    def link_drawn(self) -> Markup:
        """Their link, to be scanned: it opens where a code is not taken, and without a contact."""
        return qr.drawn(guards.messages().invitation_link(self._invitation))

    @property
    def code_given(self) -> str:
        at = self._invitation.code_given_at
        return formats.moment(at, g.clinic) if at else ""

    @property
    def needs_code(self) -> bool:
        """Nothing else brings it to the patient."""
        needs = self.can_act and not self._invitation.code_given_at
        return needs and outcomes.is_code_needed(self._sent)

    @property
    def ways(self) -> Choices:
        words = {
            GivenHow.IN_PERSON: _("In person"),
            GivenHow.BY_PHONE: _("By phone"),
            GivenHow.ON_PAPER: _("On paper"),
        }
        return [
            ("", _("Choose…"), True),
            *((way.value, text, False) for way, text in words.items()),
        ]

    @property
    def people(self) -> Choices:
        words = {
            GivenTo.PATIENT: _("The patient"),
            GivenTo.RELATIVE: _("A relative"),
            GivenTo.OTHER: _("Someone else"),
        }
        return [
            ("", _("Choose…"), True),
            *((who.value, text, False) for who, text in words.items()),
        ]

    @property
    def can_act(self) -> bool:
        return closed_by(self._invitation) is None

    @property
    def can_send(self) -> bool:
        return self.can_act and bool(reached(self._invitation))

    @property
    def is_urgent(self) -> bool:
        """Sending again is what puts it right."""
        return self.status in (Status.EXPIRED, Status.ERROR_SENDING)

    @property
    def needs_fix(self) -> bool:
        """Whether the contact is in question."""
        return self.status == Status.ERROR_SENDING or bool(self._invitation.disowned_at)

    @property
    def asks(self) -> str:
        """What one should be sure of before it is sent again."""
        if not (self._wants_to_ask and self.can_send):
            return ""
        if self._invitation.disowned_at:
            return formats.asks(self.name, None)
        sent_at = invitations.just_sent(self._invitation, g.now)
        return formats.asks(self.name, g.now - sent_at) if sent_at else ""

    @property
    def removed(self) -> str:
        """When and by whom, in a sentence; empty where it is not."""
        at = self._invitation.erased_at if self._is_erased else self._invitation.removed_at
        if at is None:
            return ""
        ends = (Action.REMOVED, Action.PATIENT_REMOVED, Action.PATIENT_ERASED)
        line = history.last(self._lines, *ends)
        when, by = formats.moment(at, g.clinic), line.by if line else None
        if line and line.action == Action.PATIENT_REMOVED:
            by = by or _("someone")
            return _("Removed from this clinic on %(when)s by %(by)s.", when=when, by=by)
        if line and line.action == Action.PATIENT_ERASED:
            by = by or _("someone")
            return _("Name and contacts were erased on %(when)s by %(by)s.", when=when, by=by)
        if by is None:
            return _("This invite was removed on %(when)s.", when=when)
        return _("This invite was removed on %(when)s by %(by)s.", when=when, by=by)

    @property
    def can_undo(self) -> bool:
        return invitations.can_undo(self._invitation, g.now)

    @property
    def can_erase(self) -> bool:
        """Only a Clinic Admin does it, once."""
        return bool(g.membership.is_admin) and not self._is_erased

    @property
    def _is_erased(self) -> bool:
        return erasing.is_erased(self._invitation)

    @cached_property
    def history(self) -> Sequence[Entry]:
        return history.entries(self._lines, g.clinic)

    @property
    def polling(self) -> int:
        """Seconds until the next look at what is being sent; 0 stops."""
        return looks.wait(self._sent) if self.can_act else 0

    @property
    def poll_url(self) -> str:
        return url_of(self._invitation, look=looks.number() + 1)

    @property
    def is_look(self) -> bool:
        """Whether the page has asked by itself, for what is new."""
        return bool(looks.number())

    @cached_property
    def _sent(self) -> Sequence[Sent]:
        found = listing.messages_of(g.clinic, [self.id])
        return found.get(self.id, [])

    @cached_property
    def _lines(self) -> Sequence[Line]:
        return activity.of(self._invitation)

    @cached_property
    def _patient(self) -> Patient | None:
        return joining.patient_of(self._invitation) if self._invitation.accepted_at else None


def url_of(known: Invitation | Patient, **more: Any) -> str:
    """The page of an invitation, or of the one by which a patient joined."""
    number = known.invitation_id if isinstance(known, Patient) else known.id
    return url_for("invitations.page", slug=g.clinic.slug, invitation_id=number, **more)


def closed_by(invitation: Invitation) -> Status | None:
    """Why nothing can be done with it any more."""
    if invitation.removed_at is not None:
        return Status.REMOVED
    return None if invitation.accepted_at is None else Status.ACCEPTED
