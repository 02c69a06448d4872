"""What the check before sending and "Invitations Sent" show: outcomes put into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from flask import url_for
from flask_babel import gettext as _

from inviter import inviting, listing, patients, status
from inviter.duplicates import Checked, Fate
from inviter.keys import Keys
from inviter.listing import Sent
from inviter.models import Clinic, Confirmation, Invitation, Patient
from inviter.roster import Recipient
from inviter.status import Moment, Status
from inviter.team import Provider
from inviter.web import formats, looks, outcomes

MOST_NAMED = 5
"""Of those who share a contact."""


class Addressee(NamedTuple):
    """Who gets a message: the place among the recipients, and the name."""

    place: int
    name: str


@dataclass(frozen=True, slots=True)
class Person:
    """`tick`: the field "This is a different person" where only the name is the same."""

    name: str
    email: str | None
    phone: str | None
    note: str
    tick: Any = None


@dataclass(frozen=True, slots=True)
class CheckPage:
    """`message_to`: whose message can be seen first; None where nobody gets one."""

    provider: str
    to_invite: Sequence[Person]
    already_invited: Sequence[Person]
    already_patients: Sequence[Person]
    entered_twice: Sequence[Person]
    message_to: Addressee | None
    message: str

    @property
    def can_confirm(self) -> bool:
        others = (*self.already_invited, *self.already_patients, *self.entered_twice)
        return bool(self.to_invite) or any(each.tick for each in others)


@dataclass(frozen=True, slots=True)
class SentRow:
    name: str
    how: str
    status: Status
    status_words: str
    detail: Sequence[str]
    code: str | None


@dataclass(frozen=True, slots=True)
class NotInvited:
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class SentPage:
    """`polling`: seconds until the next look; 0 stops."""

    invited: Sequence[SentRow]
    not_invited: Sequence[NotInvited]
    polling: int
    poll_url: str


def check_page(
    found: Sequence[Checked],
    rows: Sequence[Any],
    clinic: Clinic,
    at: Moment,
    *,
    provider: Provider,
    message: str,
    sms: bool,
) -> CheckPage:
    """The recipients in three groups, each with what staff should know about them.

    `rows` are the rows of the form that they were typed in, in the same order.
    """
    groups: dict[Fate, list[Person]] = {fate: [] for fate in Fate}
    for one, row in zip(found, rows, strict=True):
        person = one.recipient
        note = _note_to_invite(one, row.hint, sms=sms)
        if one.repeats is not None:
            note = _("The same as patient %(number)s", number=rows[one.repeats].number)
        elif one.fate != Fate.INVITED:
            note = known(one.patient or one.invitation, clinic, at)
        typed = person.phone.typed if person.phone else None
        tick = row.is_different if one.by_name_only else None
        groups[one.fate].append(Person(person.name, person.email, typed, note, tick))
    return CheckPage(
        provider=provider.name,
        to_invite=groups[Fate.INVITED],
        already_invited=groups[Fate.ALREADY_INVITED],
        already_patients=groups[Fate.ALREADY_PATIENT],
        entered_twice=groups[Fate.REPEATED],
        message_to=next(iter(addressees(found, sms=sms)), None),
        message=message,
    )


def addressees(found: Sequence[Checked], *, sms: bool) -> list[Addressee]:
    return [
        Addressee(place, one.recipient.name)
        for place, one in enumerate(found)
        if one.fate == Fate.INVITED and inviting.reached(one.recipient, sms=sms)
    ]


def sent_page(confirmation: Confirmation, clinic: Clinic, at: Moment, *, keys: Keys) -> SentPage:
    """What became of everyone that was confirmed, in the order typed."""
    ids = [each for _fate, each in confirmation.outcome]
    invited = {each.id: each for each in listing.these(clinic, ids)}
    joined = {each.id: each for each in patients.these(clinic, ids)}
    messages = listing.messages_of(clinic, invited)
    rows: list[SentRow] = []
    others: list[NotInvited] = []
    for fate, each in confirmation.outcome:
        if fate == Fate.INVITED:
            rows.append(_sent_row(invited[each], messages.get(each, ()), at, keys))
            continue
        who = joined.get(each) or invited[each]
        twice = fate == Fate.REPEATED
        others.append(NotInvited(who.name, _("Entered twice") if twice else known(who, clinic, at)))
    next_look = looks.number() + 1
    return SentPage(
        invited=rows,
        not_invited=others,
        polling=looks.wait(chain.from_iterable(messages.values())),
        poll_url=url_for("invite.sent", slug=clinic.slug, key=confirmation.key, look=next_look),
    )


def notes_to_invite(one: Recipient, hint: str, *, sms: bool) -> list[str]:
    """How someone is reached, where that needs a word."""
    notes = [hint] if hint else []
    phone = one.phone
    reached = inviting.reached(one, sms=sms)
    if phone and not (sms and phone.can_text):
        notes.append(_("No text can be sent to this number."))
    if not reached:
        notes.append(
            _("Share the Invite Code.")
            if phone
            else _("No email or mobile number: share the Invite Code")
        )
    return notes


def same_contact(names: Sequence[str]) -> list[str]:
    """Families share contacts; those of a whole clinic would fill the page."""
    first = ", ".join(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        return [_("Same email or mobile number as %(names)s and others.", names=first)]
    return [_("Same email or mobile number as %(names)s.", names=first)] if names else []


def known(who: Invitation | Patient | None, clinic: Clinic, at: Moment) -> str:
    """Since when the clinic knows this patient, and how it stands."""
    if isinstance(who, Invitation):
        now_is = status.of(who, now=at.now, doubt_after=at.doubt_after)
        return _(
            "Already invited %(day)s by %(name)s, %(status)s, expires %(expires)s",
            day=formats.day(who.invited_at, clinic),
            name=who.invited_by.name,
            status=formats.status(now_is),
            expires=formats.day(who.expires_at, clinic),
        )
    return _("Joined %(day)s", day=formats.day(who.joined_at, clinic)) if who else ""


def _note_to_invite(one: Checked, hint: str, *, sms: bool) -> str:
    notes = notes_to_invite(one.recipient, hint, sms=sms)
    return " ".join([*notes, *same_contact(one.same_contact)])


def _sent_row(invitation: Invitation, sent: Sequence[Sent], at: Moment, keys: Keys) -> SentRow:
    """In the words of the list: one rule of status for both."""
    now_is = status.of(invitation, now=at.now, doubt_after=at.doubt_after)
    has_contact = bool(invitation.email or invitation.phone)
    return SentRow(
        name=invitation.name or formats.no_name(),
        how=outcomes.how_sent(sent, has_contact=has_contact),
        status=now_is,
        status_words=formats.status(now_is),
        detail=outcomes.details(sent, now_is, has_contact=has_contact),
        code=listing.code_of(invitation, keys=keys),
    )
