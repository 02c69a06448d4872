"""An invitation gets other contacts and, where the old ones may have been written to, another code.

Whoever got a message holds link, code and name (security.md, "The link").
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from inviter import duplicates, outbox
from inviter.activity import Action
from inviter.contacts import Phone
from inviter.db import change, db
from inviter.keys import Keys
from inviter.models import Channel, Invitation
from inviter.status import Sending

MOST_DRAWS = 100
CHANNELS = {"email": Channel.EMAIL, "phone": Channel.SMS}


@dataclass(eq=False)
class OutOfCodes(Exception):
    """No free code was drawn: the clinic holds too many."""

    clinic_id: int


def free_code(clinic_id: int, *, keys: Keys, new_code: Callable[[], str]) -> str:
    """One that is not held under a secret that was replaced: no index tells that. Under the
    current one it may be: the index refuses it then."""
    for _ in range(MOST_DRAWS):
        code = new_code()
        macs = keys.code_macs(code, clinic_id=clinic_id)[1:]
        held = select(Invitation.id).where(
            Invitation.clinic_id == clinic_id, Invitation.code_mac.in_(macs)
        )
        if not macs or db.session.scalar(held.limit(1)) is None:
            return code
    raise OutOfCodes(clinic_id)


def fields_changed(invitation: Invitation, email: str | None, phone: Phone | None) -> list[str]:
    will_be = {"email": email, "phone": phone.e164 if phone else None}
    return [field for field in CHANNELS if getattr(invitation, field) != will_be[field]]


def readdress(
    invitation: Invitation,
    email: str | None,
    phone: Phone | None,
    *,
    keys: Keys,
    new_code: Callable[[], str],
) -> bool:
    """Write the contacts; whether code and link changed with them. A code taken is drawn again.

    The caller has locked the invitation. Raises IntegrityError, with all as it was, where another
    invitation of the same patient has one of these contacts.
    """
    for _ in range(MOST_DRAWS):
        try:
            with db.session.begin_nested():
                return _write(invitation, email, phone, keys, new_code)
        except IntegrityError:
            if duplicates.same_as(invitation, email, phone.e164 if phone else None):
                raise
    raise OutOfCodes(invitation.clinic_id)


def replace_code(invitation: Invitation, *, keys: Keys, new_code: Callable[[], str]) -> None:
    """Code and link open nothing now, and the new ones are nobody's yet: staff hand them over.

    The caller has locked the invitation.
    """
    outbox.withdraw(invitation, because=Action.CODE_REPLACED)
    _write_drawn(invitation, lambda: _another_code(invitation, keys, new_code))


def draw(invitation: Invitation, *, keys: Keys, new_code: Callable[[], str]) -> None:
    """A code for one whose own has rested and may be another's by now; the link stays.

    The caller has locked the invitation.
    """
    _write_drawn(invitation, lambda: _own_code(invitation, keys, new_code))


def _write_drawn(invitation: Invitation, draw_values: Callable[[], dict[str, Any]]) -> None:
    for _ in range(MOST_DRAWS):
        values = draw_values()
        with suppress(IntegrityError), db.session.begin_nested():
            change(update(Invitation).where(*_here(invitation)).values(**values))
            return
    raise OutOfCodes(invitation.clinic_id)


def _write(
    invitation: Invitation,
    email: str | None,
    phone: Phone | None,
    keys: Keys,
    new_code: Callable[[], str],
) -> bool:
    """What is queued for a contact that goes is withdrawn first: nothing more can arrive then.

    With another code all that was sent is in vain, and what is queued by other channels goes too.
    Once erased, nobody can tell whether the new contact is the old one.
    """
    fields = fields_changed(invitation, email, phone)
    lost = [CHANNELS[field] for field in fields if getattr(invitation, field)]
    if invitation.erased_at:
        lost = list(Channel)
    outbox.withdraw(invitation, lost, because=Action.CONTACT_CHANGED)
    is_known = bool(lost and invitation.disowned_at) or outbox.may_have_arrived(invitation, lost)
    values: dict[str, Any] = {
        "email": email,
        "phone": phone.e164 if phone else None,
        "phone_typed": phone.typed if phone else None,
        "can_text": bool(phone and phone.can_text),
        "erased_at": None,
    }
    if is_known:
        outbox.withdraw(invitation, because=Action.CONTACT_CHANGED)
        values |= _another_code(invitation, keys, new_code)
    elif invitation.code_mac is None:
        values |= _own_code(invitation, keys, new_code)
    change(update(Invitation).where(*_here(invitation)).values(**values))
    return is_known


def _here(invitation: Invitation) -> tuple[Any, ...]:
    return Invitation.clinic_id == invitation.clinic_id, Invitation.id == invitation.id


def _own_code(invitation: Invitation, keys: Keys, new_code: Callable[[], str]) -> dict[str, Any]:
    clinic_id = invitation.clinic_id
    code = free_code(clinic_id, keys=keys, new_code=new_code)
    return {
        "code_sealed": keys.seal_code(code, clinic_id=clinic_id, invitation_id=invitation.id),
        "code_mac": keys.code_mac(code, clinic_id=clinic_id),
        "code_given_at": None,
        "code_tries": 0,
        "wrong_names": 0,
    }


def _another_code(
    invitation: Invitation, keys: Keys, new_code: Callable[[], str]
) -> dict[str, Any]:
    """The one that was handed over before opens nothing now.

    It begins a generation without messages, by which `outbox.may_have_arrived` knows of it.
    """
    return {
        **_own_code(invitation, keys, new_code),
        "disowned_at": None,
        "link_version": invitation.link_version + 1,
        "generation": invitation.generation + 1,
        "sending": Sending.NONE,
        "doubt_since": None,
    }
