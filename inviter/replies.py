"""What whoever opened an Invitation Link can answer without joining: a new link, please; this is
not for me.

Nothing is sent but to the contact on file, and nothing is told of what became of it.
"""

from datetime import datetime, timedelta

from sqlalchemy import update

from inviter import activity, budgets, invitations, joining, opt_outs, outbox
from inviter.activity import Action
from inviter.db import change, db
from inviter.keys import Keys
from inviter.models import Invitation
from inviter.readdressing import OutOfCodes
from inviter.refusals import Closed, Disowned, JustSent, NoMessage, Overtaken
from inviter.standing import address_of
from inviter.status import Status

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOST_FROM_ONE_ADDRESS = 20
MOST_FOR_ONE_INVITATION = 3
ADDRESS, INVITATION = "new link, address", "new link, invitation"


def may_ask(invitation: Invitation, network: str, *, keys: Keys, now: datetime) -> bool:
    """Count a press of "Send me a new link"; the caller commits, whatever comes of it."""
    from_here = budgets.key(ADDRESS, network, keys=keys)
    for_this = budgets.key(INVITATION, f"{invitation.clinic_id} {invitation.id}", keys=keys)
    return budgets.spend(
        ADDRESS, from_here, most=MOST_FROM_ONE_ADDRESS, within=HOUR, now=now
    ) and budgets.spend(INVITATION, for_this, most=MOST_FOR_ONE_INVITATION, within=DAY, now=now)


def renew(invitation: Invitation, *, keys: Keys, sms: bool, now: datetime) -> bool:
    """Send an expired invitation again as staff would, with the same code and link.

    Whether it was. Not one that is open, accepted, removed or disowned, nor to who opted out; of
    two presses at once, one.
    """
    if joining.closed_by(invitation, now=now) != Status.EXPIRED or not _is_welcome(invitation, sms):
        return False
    try:
        invitations.resend(
            invitation,
            seen=invitation.generation,
            keys=keys,
            sms=sms,
            now=now,
            by=None,
            action=Action.RENEWED,
        )
    except (Closed, Disowned, JustSent, NoMessage, Overtaken, OutOfCodes):
        return False
    return True


def disown(invitation: Invitation, *, now: datetime) -> bool:
    """It reached someone for whom it is not: staff see so, and until they act nothing more is sent.

    Whether it is so now: not one that is closed, or has another link since. The link goes on to
    work, for a scanner may have pressed the button, and who joins has to know the name.
    """
    marked = change(
        update(Invitation)
        .where(*joining.still_open(invitation, now=now), Invitation.disowned_at.is_(None))
        .values(disowned_at=now)
    )
    if marked:
        outbox.withdraw(invitation, because=Action.DISOWNED)
        activity.record(
            Action.DISOWNED,
            clinic_id=invitation.clinic_id,
            invitation_id=invitation.id,
            now=now,
        )
        db.session.flush()
    db.session.refresh(invitation, [*joining.WHAT_STAFF_CHANGE, "disowned_at"])
    return invitation.disowned_at is not None


def _is_welcome(invitation: Invitation, sms: bool) -> bool:
    """Whether there is a contact on file that wants messages."""
    ways = invitations.channels(email=invitation.email, can_text=invitation.can_text, sms=sms)
    asked = {(each, address_of(each, invitation) or "") for each in ways}
    return bool(asked - opt_outs.among(asked))
