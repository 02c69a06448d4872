"""The tables. Facts only: status is derived (`status.py`), rules live in the use cases.

What must never happen is a constraint or a unique index here. Everything a clinic owns carries
`clinic_id`, leading its key, so that no row is reachable but through its clinic.
"""

from inviter.models.budgets import Budget
from inviter.models.drafts import Draft
from inviter.models.events import OptOut, ProviderEvent
from inviter.models.imports import Import, ImportRow, ImportState
from inviter.models.invitations import (
    BLOCKED,
    DISOWNED,
    EXPIRING,
    LIVE,
    MOST_CODE_TRIES,
    OPEN,
    RESTING,
    TROUBLED,
    WITHOUT_MESSAGE,
    Activity,
    Confirmation,
    How,
    Invitation,
    Patient,
)
from inviter.models.messages import (
    QUEUED,
    Answer,
    Attempt,
    Channel,
    Delivery,
    Kind,
    MailboxMessage,
    Pause,
)
from inviter.models.people import NO_CLINIC, Clinic, Membership, RecoveryCode, SignIn, User
from inviter.models.seals import Seal, SealHead

__all__ = [
    "BLOCKED",
    "DISOWNED",
    "EXPIRING",
    "LIVE",
    "MOST_CODE_TRIES",
    "NO_CLINIC",
    "OPEN",
    "QUEUED",
    "RESTING",
    "TROUBLED",
    "WITHOUT_MESSAGE",
    "Activity",
    "Answer",
    "Attempt",
    "Budget",
    "Channel",
    "Clinic",
    "Confirmation",
    "Delivery",
    "Draft",
    "How",
    "Import",
    "ImportRow",
    "ImportState",
    "Invitation",
    "Kind",
    "MailboxMessage",
    "Membership",
    "OptOut",
    "Patient",
    "Pause",
    "ProviderEvent",
    "RecoveryCode",
    "Seal",
    "SealHead",
    "SignIn",
    "User",
]
