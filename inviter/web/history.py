"""What happened to an invitation, in sentences; and so why something is refused now."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from inviter import activity
from inviter.activity import Action, Line
from inviter.contacts import N_
from inviter.daily_texts import OF_CLINIC, REASONS, TO_BLOCK, TO_NUMBER
from inviter.invitations import Closed, GivenHow, GivenTo, InvitedAnew, NoMessage, TooLate
from inviter.models import Channel, Clinic, How, Invitation, Kind, Patient
from inviter.status import Status
from inviter.web import formats, outcomes

EMAIL, TEXT = Channel.EMAIL, Channel.SMS

TELLING: dict[Action, tuple[str, ...]] = {
    Action.SENT: ("channel",),
    Action.FAILED: ("channel",),
    Action.IN_DOUBT: ("channel",),
    Action.DELIVERED: ("channel",),
    Action.SUPPRESSED: ("channel",),
    Action.PUT_OFF: ("channel", "reason"),
    Action.OPTED_OUT: ("channel",),
    Action.OPTED_IN: ("channel",),
    Action.ACCEPTED: ("how", "has_other_contact"),
    Action.CONTACT_CHANGED: ("fields", "code_changed"),
    Action.CODE_GIVEN: ("how", "to"),
}
"""Details by which the sentence of an action differs."""

SENTENCES: dict[tuple[Any, ...], str] = {
    (Action.INVITED,): N_("Invited by %(by)s"),
    (Action.IMPORTED,): N_("Invited by %(by)s, from a file"),
    (Action.SENT, EMAIL): N_("Email sent"),
    (Action.SENT, TEXT): N_("Text sent"),
    (Action.DELIVERED, EMAIL): N_("Email delivered"),
    (Action.DELIVERED, TEXT): N_("Text delivered"),
    (Action.SUPPRESSED, EMAIL): N_("Email not sent: the address opted out of messages"),
    (Action.SUPPRESSED, TEXT): N_("Text not sent: the number opted out of messages"),
    (Action.PUT_OFF, TEXT, REASONS[TO_NUMBER]): N_(
        "Text waits for the next day: 3 a day go to one number"
    ),
    (Action.PUT_OFF, TEXT, REASONS[TO_BLOCK]): N_(
        "Text waits for the next day: so many went to numbers that begin like this one"
    ),
    (Action.PUT_OFF, TEXT, REASONS[OF_CLINIC]): N_(
        "Text waits for the next day: the clinic has sent all that it may in a day"
    ),
    (Action.OPTED_OUT, EMAIL): N_("Opted out of emails"),
    (Action.OPTED_OUT, TEXT): N_("Opted out of texts"),
    (Action.OPTED_IN, EMAIL): N_("Wants emails again"),
    (Action.OPTED_IN, TEXT): N_("Wants texts again"),
    (Action.FAILED, EMAIL): N_("Email failed: %(reason)s"),
    (Action.FAILED, TEXT): N_("Text failed: %(reason)s"),
    (Action.IN_DOUBT, EMAIL): N_("Email may or may not have arrived"),
    (Action.IN_DOUBT, TEXT): N_("Text may or may not have arrived"),
    (Action.ACCEPTED, How.LINK, False): N_("Accepted, by link"),
    (Action.ACCEPTED, How.CODE, False): N_("Accepted, by Invite Code"),
    (Action.ACCEPTED, How.LINK, True): N_("Accepted, by link; joined with other contact details"),
    (Action.ACCEPTED, How.CODE, True): N_(
        "Accepted, by Invite Code; joined with other contact details"
    ),
    (Action.RENEWED,): N_("The patient asked for a new link: sent again"),
    (Action.DISOWNED,): N_("Whoever opened the link said: This is not for me"),
    (Action.RESENT,): N_("Sent again by %(by)s"),
    (Action.REMOVED,): N_("Removed by %(by)s"),
    (Action.RESTORED,): N_("Brought back by %(by)s"),
    (Action.CONTACT_CHANGED, "email", False): N_("Email address changed by %(by)s"),
    (Action.CONTACT_CHANGED, "phone", False): N_("Mobile number changed by %(by)s"),
    (Action.CONTACT_CHANGED, "email phone", False): N_(
        "Email address and mobile number changed by %(by)s"
    ),
    (Action.CONTACT_CHANGED, "email", True): N_(
        "Email address changed by %(by)s; the Invite Code is new"
    ),
    (Action.CONTACT_CHANGED, "phone", True): N_(
        "Mobile number changed by %(by)s; the Invite Code is new"
    ),
    (Action.CONTACT_CHANGED, "email phone", True): N_(
        "Email address and mobile number changed by %(by)s; the Invite Code is new"
    ),
    (Action.PROVIDER_CHANGED,): N_("Provider changed by %(by)s"),
    (Action.CODE_SHOWN,): N_("Code shown large by %(by)s"),
    (Action.CODE_GIVEN, GivenHow.IN_PERSON, GivenTo.PATIENT): N_(
        "Code given by %(by)s in person to the patient"
    ),
    (Action.CODE_GIVEN, GivenHow.IN_PERSON, GivenTo.RELATIVE): N_(
        "Code given by %(by)s in person to a relative"
    ),
    (Action.CODE_GIVEN, GivenHow.IN_PERSON, GivenTo.OTHER): N_(
        "Code given by %(by)s in person to someone else"
    ),
    (Action.CODE_GIVEN, GivenHow.BY_PHONE, GivenTo.PATIENT): N_(
        "Code given by %(by)s by phone to the patient"
    ),
    (Action.CODE_GIVEN, GivenHow.BY_PHONE, GivenTo.RELATIVE): N_(
        "Code given by %(by)s by phone to a relative"
    ),
    (Action.CODE_GIVEN, GivenHow.BY_PHONE, GivenTo.OTHER): N_(
        "Code given by %(by)s by phone to someone else"
    ),
    (Action.CODE_GIVEN, GivenHow.ON_PAPER, GivenTo.PATIENT): N_(
        "Code given by %(by)s on paper to the patient"
    ),
    (Action.CODE_GIVEN, GivenHow.ON_PAPER, GivenTo.RELATIVE): N_(
        "Code given by %(by)s on paper to a relative"
    ),
    (Action.CODE_GIVEN, GivenHow.ON_PAPER, GivenTo.OTHER): N_(
        "Code given by %(by)s on paper to someone else"
    ),
    (Action.CODE_BLOCKED,): N_(
        "10 wrong codes came with this name. The code opens nothing until it is sent or given again"
    ),
    (Action.CODE_REPLACED,): N_(
        "The code came with other names 5 times. Code and link are new: send or give them again"
    ),
    (Action.PATIENT_REMOVED,): N_("Removed from the clinic by %(by)s"),
    (Action.CONTACTS_ERASED,): N_("Email address and mobile number erased: no longer needed"),
    (Action.PATIENT_ERASED,): N_("Name, email address and mobile number erased by %(by)s"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history, in words."""

    at: str
    when: str
    text: str


def entries(lines: Iterable[Line], clinic: Clinic) -> list[Entry]:
    return [
        Entry(each.at.isoformat(), formats.moment(each.at, clinic), sentence(each))
        for each in lines
    ]


def sentence(line: Line) -> str:
    told = (_word(line.details.get(each, False)) for each in TELLING.get(line.action, ()))
    template = SENTENCES[(line.action, *told)]
    reason = outcomes.reason(line.details.get("reason"))
    said = _(template, by=line.by or _("someone"), reason=reason)
    if line.details.get("kind") == Kind.JOINED:
        return _("Notice of having joined: %(what)s", what=said)
    return said


def last(lines: Iterable[Line], *actions: Action) -> Line | None:
    found = [each for each in lines if each.action in actions]
    return found[-1] if found else None


def refusal(refused: Exception, invitation: Invitation, clinic: Clinic, *, seen: int | None) -> str:
    """Why it could not be done, by whom it was done already. `seen`: which sending was shown."""
    name = invitation.name
    if isinstance(refused, Closed):
        return _closed(refused.status, invitation, clinic)
    if isinstance(refused, InvitedAnew):
        return _invited_anew(refused.known, name, clinic)
    if isinstance(refused, TooLate):
        return _("Removed more than 24 hours ago: invite %(name)s anew.", name=name)
    if isinstance(refused, NoMessage):
        return _("No message can be sent to %(name)s: add an email address.", name=name)
    return _overtaken(invitation, clinic, seen)


def _word(value: Any) -> Any:
    """Names of fields stand in a list."""
    return " ".join(value) if isinstance(value, list) else value


def _closed(status: Status, invitation: Invitation, clinic: Clinic) -> str:
    if status == Status.ACCEPTED:
        return _("%(name)s has accepted the invitation meanwhile.", name=invitation.name)
    line = last(activity.of(invitation), Action.REMOVED, Action.PATIENT_REMOVED)
    if line is None or line.by is None:
        return _("This invite was removed already.")
    when = formats.moment(line.at, clinic)
    return _("Already removed by %(by)s on %(when)s.", by=line.by, when=when)


def _overtaken(invitation: Invitation, clinic: Clinic, seen: int | None) -> str:
    line = last(activity.of(invitation), Action.RESENT, Action.CONTACT_CHANGED)
    was_changed = line is not None and line.action == Action.CONTACT_CHANGED
    is_same_send = seen == invitation.generation and not was_changed
    if seen is None or is_same_send or line is None or line.by is None:
        return _("The list has changed since you opened it. Look again before you send.")
    when = formats.moment(line.at, clinic)
    if was_changed:
        return _("Already changed by %(by)s on %(when)s.", by=line.by, when=when)
    return _("Already resent by %(by)s on %(when)s.", by=line.by, when=when)


def _invited_anew(known: Invitation | Patient | None, name: str, clinic: Clinic) -> str:
    if isinstance(known, Patient):
        return _("%(name)s is already a patient, so this invite stays removed.", name=name)
    if known is None:
        return _("%(name)s was invited anew meanwhile, so this invite stays removed.", name=name)
    return _(
        "%(name)s was invited anew on %(day)s by %(by)s, so this invite stays removed.",
        name=name,
        day=formats.day(known.invited_at, clinic),
        by=known.invited_by.name,
    )
