"""What happened at a clinic, in sentences that say who did what, and to whom."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from inviter.activity import Action, Line, View
from inviter.contacts import N_
from inviter.happenings import Happening, Kind
from inviter.models import Channel, How
from inviter.models import Kind as MessageKind
from inviter.web import formats, history, outcomes

EMAIL, TEXT = Channel.EMAIL, Channel.SMS

KINDS = {
    Kind.INVITATIONS: N_("Invitations"),
    Kind.MESSAGES: N_("Messages"),
    Kind.CODES: N_("Invite Codes"),
    Kind.CONTACTS: N_("Contacts and providers"),
    Kind.FILES: N_("Files"),
    Kind.LOOKS: N_("Looking and exporting"),
    Kind.ACCOUNTS: N_("Accounts"),
    Kind.SETTINGS: N_("Settings"),
}

SENTENCES: dict[tuple[str, ...], str] = {
    (Action.INVITED,): N_("%(by)s invited %(patient)s"),
    (Action.RENEWED,): N_("%(patient)s asked for a new link: sent again"),
    (Action.DISOWNED,): N_("Who opened the link of %(patient)s said: This is not for me"),
    (Action.RESENT,): N_("%(by)s sent the invitation to %(patient)s again"),
    (Action.REMOVED,): N_("%(by)s removed the invite for %(patient)s"),
    (Action.RESTORED,): N_("%(by)s brought back the invite for %(patient)s"),
    (Action.ACCEPTED, How.LINK): N_("%(patient)s accepted the invitation, by link"),
    (Action.ACCEPTED, How.CODE): N_("%(patient)s accepted the invitation, by Invite Code"),
    (Action.PATIENT_REMOVED,): N_("%(by)s removed %(patient)s from the clinic"),
    (Action.SENT, EMAIL): N_("Email sent to %(patient)s"),
    (Action.SENT, TEXT): N_("Text sent to %(patient)s"),
    (Action.DELIVERED, EMAIL): N_("Email to %(patient)s delivered"),
    (Action.DELIVERED, TEXT): N_("Text to %(patient)s delivered"),
    (Action.FAILED, EMAIL): N_("Email to %(patient)s failed: %(reason)s"),
    (Action.FAILED, TEXT): N_("Text to %(patient)s failed: %(reason)s"),
    (Action.IN_DOUBT, EMAIL): N_("Email to %(patient)s may or may not have arrived"),
    (Action.IN_DOUBT, TEXT): N_("Text to %(patient)s may or may not have arrived"),
    (Action.SUPPRESSED, EMAIL): N_("Email to %(patient)s not sent: the address opted out"),
    (Action.SUPPRESSED, TEXT): N_("Text to %(patient)s not sent: the number opted out"),
    (Action.PROVIDER_CHANGED,): N_("%(by)s changed the provider of %(patient)s"),
    (Action.PATIENT_ERASED,): N_("%(by)s erased %(patient)s"),
    (Action.CODE_SHOWN,): N_("%(by)s had the code of %(patient)s shown large"),
    (Action.UPLOADED,): N_("%(by)s uploaded %(file)s"),
    (Action.IMPORT_CANCELLED,): N_("%(by)s cancelled the import of %(file)s"),
    (Action.VIEWED, View.INVITED): N_("%(by)s looked at Invited Patients"),
    (Action.VIEWED, View.PATIENTS): N_("%(by)s looked at Patients"),
    (Action.VIEWED, View.INVITATION): N_("%(by)s looked at the invitation of %(patient)s"),
    (Action.VIEWED, View.IMPORT): N_("%(by)s looked at the rows of %(file)s"),
    (Action.VIEWED, View.ACTIVITY): N_("%(by)s looked at Activity"),
    (Action.SECOND_FACTOR_RESET,): N_("The authenticator app of %(member)s was reset"),
    (Action.SETTINGS_CHANGED,): N_("%(by)s changed settings: %(settings)s"),
}

COUNTED: dict[tuple[str, ...], tuple[str, str]] = {
    (Action.IMPORTED,): (
        N_("%(by)s invited %(count)s patient from %(file)s"),
        N_("%(by)s invited %(count)s patients from %(file)s"),
    ),
    (Action.CONTACTS_ERASED,): (
        N_("Contacts of %(count)s invitation erased: no longer needed"),
        N_("Contacts of %(count)s invitations erased: no longer needed"),
    ),
    (Action.EXPORTED, ""): (
        N_("%(by)s exported %(count)s invited patient"),
        N_("%(by)s exported %(count)s invited patients"),
    ),
    (Action.EXPORTED, View.IMPORT): (
        N_("%(by)s downloaded %(count)s row to fix of %(file)s"),
        N_("%(by)s downloaded %(count)s rows to fix of %(file)s"),
    ),
    (Action.EXPORTED, View.ACTIVITY): (
        N_("%(by)s exported %(count)s line of Activity"),
        N_("%(by)s exported %(count)s lines of Activity"),
    ),
}
"""Of one, and of several."""

SETTINGS = {
    "name": N_("name"),
    "phone": N_("phone number"),
    "email": N_("email for replies"),
    "time_zone": N_("time zone"),
    "expiry_days": N_("days until invitations expire"),
    "keep_contacts_days": N_("days until contacts are erased"),
    "idle_minutes": N_("minutes until sign-out"),
}


def sentence(row: Happening, people: dict[int, str]) -> str:
    """What has none here is said as the history of its invitation says it."""
    count = row.details.get("count", row.details.get("rows", 0))
    words = {
        "by": row.by or _("someone"),
        "patient": patient(row),
        "file": row.file or _("a file"),
        "count": f"{count:,}",
        "reason": outcomes.reason(row.details.get("reason")),
        "settings": ", ".join(map(_setting, row.details.get("settings", ()))),
        "member": people.get(row.details.get("member_id", 0)) or _("someone"),
    }
    told = (row.action, *_told(row))
    if told in COUNTED:
        return ngettext(*COUNTED[told], count, **words)
    template = SENTENCES.get(told)
    return _(template, **words) if template else _as_in_history(row)


def patient(row: Happening) -> str:
    """Names that were erased are gone here too."""
    return row.patient or _("a patient")


def kind(value: Kind) -> str:
    return formats.word(KINDS[value])


def _setting(name: str) -> str:
    return formats.word(SETTINGS.get(name, name))


def _told(row: Happening) -> list[str]:
    """Details by which the sentences of an action differ."""
    details = row.details
    match row.action:
        case Action.EXPORTED:
            return [View.IMPORT if "import_id" in details else details.get("view", "")]
        case Action.VIEWED:
            return [details["view"]]
        case Action.ACCEPTED:
            return [details.get("how", "")]
        case _ if details.get("kind") == MessageKind.JOINED:
            return []
        case _ if "channel" in details:
            return [details["channel"]]
    return []


def _as_in_history(row: Happening) -> str:
    line = Line(row.at, row.action, row.by, row.details)  # type: ignore[arg-type]
    try:
        said: Any = history.sentence(line)
    except KeyError:
        return row.action.capitalize()
    return _("%(patient)s: %(what)s", patient=patient(row), what=said)
