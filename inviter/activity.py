"""The record of who did what, when. Lines are only ever added; they hold ids, never values."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from inviter.db import db
from inviter.models import Activity, User


class Action(StrEnum):
    INVITED = "invited"
    SENT = "sent"
    FAILED = "sending failed"
    IN_DOUBT = "sending in doubt"
    ACCEPTED = "accepted"


def record(
    action: Action,
    *,
    clinic_id: int,
    now: datetime,
    by: User | None = None,
    invitation_id: int | None = None,
    **details: Any,
) -> None:
    """`by` is None for what the system does. `details` hold ids and words of ours."""
    db.session.add(
        Activity(
            clinic_id=clinic_id,
            at=now,
            by_id=by.id if by else None,
            action=action,
            invitation_id=invitation_id,
            details=details,
        )
    )
