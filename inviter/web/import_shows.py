"""Which rows of an uploaded file are shown, and the words for how each stands."""

from enum import StrEnum

from inviter.contacts import N_
from inviter.imports import TO_INVITE
from inviter.roster import Fate


class Show(StrEnum):
    """Which rows, as an address says it."""

    FIX = "fix"
    READY = "ready"
    CHANGED = "changed"
    DUPLICATE = "duplicate"
    INVITED_BEFORE = "invited-before"
    PATIENT = "patient"
    SKIPPED = "skipped"
    INVITED = "invited"


FATES = {
    Show.FIX: (Fate.NEEDS_FIXING,),
    Show.READY: TO_INVITE,
    Show.CHANGED: (Fate.CHANGED,),
    Show.DUPLICATE: (Fate.DUPLICATE_IN_FILE,),
    Show.INVITED_BEFORE: (Fate.ALREADY_INVITED,),
    Show.PATIENT: (Fate.ALREADY_PATIENT,),
    Show.SKIPPED: (Fate.SKIPPED,),
    Show.INVITED: (Fate.INVITED,),
}
WORDS = {
    Fate.NEEDS_FIXING: N_("Needs fixing"),
    Fate.READY: N_("Ready"),
    Fate.CHANGED: N_("Changed"),
    Fate.DUPLICATE_IN_FILE: N_("Duplicate in file"),
    Fate.ALREADY_INVITED: N_("Already invited"),
    Fate.ALREADY_PATIENT: N_("Already a patient"),
    Fate.SKIPPED: N_("Skipped"),
    Fate.INVITED: N_("Invited"),
}
NOT_INVITED = (
    *(Fate.NEEDS_FIXING, Fate.READY, Fate.DUPLICATE_IN_FILE, Fate.ALREADY_INVITED),
    *(Fate.ALREADY_PATIENT, Fate.SKIPPED),
)
