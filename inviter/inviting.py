"""Inviting patients: each once, whatever is pressed twice and whoever presses at the same time."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from inviter import activity, codes, holding, invitations, outbox, quotas
from inviter.activity import Action
from inviter.db import change, db, insert, new_id
from inviter.duplicates import Checked, Fate, check, in_line, next_twin, one_at_a_time
from inviter.keys import Keys, new_link_id
from inviter.models import Channel, Clinic, Confirmation, Invitation, User
from inviter.quotas import TooMany as TooMany
from inviter.readdressing import MOST_DRAWS, free_code
from inviter.readdressing import OutOfCodes as OutOfCodes
from inviter.roster import Recipient
from inviter.team import Provider


class KeyUsed(Exception):
    """This key confirmed something else."""


def invite(
    clinic: Clinic,
    recipients: Sequence[Recipient],
    *,
    provider: Provider,
    by: User,
    key: str,
    keys: Keys,
    sms: bool,
    now: datetime,
    most: int = quotas.TYPED_PER_HOUR,
    new_code: Callable[[], str] = codes.random_code,
) -> Confirmation:
    """Make the invitations that `check` promised, their deliveries and the record of it.

    The key makes it happen once: pressed again, at the same moment or later, it gives the same
    answer. Two people who invite the same patient at once leave one invitation, and both are told.
    Raises KeyUsed where the key confirmed other content, TooMany where the clinic would have
    invited more than `most` in an hour: the key is free then; and NoRoom where the clinic may not
    hold as many codes: then the caller commits nothing.
    """
    content = content_mac(recipients, provider=provider, by=by, keys=keys)
    confirmation = _begin(clinic, key, content, by, now)
    if confirmation is None:
        return _earlier(clinic, key, content)
    one_at_a_time(clinic.id)
    press = _Press(clinic, provider, by, keys, sms, now, new_code)
    # The newest stands first in the list: so that those of one form stand as they were typed.
    ids = sorted((new_id() for _ in recipients), reverse=True)
    checked = check(clinic, recipients)
    new = [each.fate for each in checked].count(Fate.INVITED)
    holding.check(clinic.id, new)
    _count(confirmation, new, most, now)
    for place in sorted(range(len(recipients)), key=lambda place: in_line(recipients[place])):
        if checked[place].fate == Fate.INVITED:
            checked[place] = _invite_one(press, recipients[place], ids[place], place)
    confirmation.outcome = [[each.fate, _id_of(each, checked)] for each in checked]
    db.session.flush()
    return confirmation


def confirmation(clinic: Clinic, key: str) -> Confirmation | None:
    return db.session.get(Confirmation, (clinic.id, key))


def content_mac(
    recipients: Iterable[Recipient], *, provider: Provider, by: User, keys: Keys
) -> str:
    """What a key stands for: the same people, for the same provider, by the same person."""
    people = [
        [each.first_name, each.last_name, each.email, each.number, each.is_different]
        for each in recipients
    ]
    return keys.mac("confirmation", json.dumps([provider.id, by.id, people]))


def reached(recipient: Recipient, *, sms: bool) -> list[Channel]:
    """How a recipient is reached; none means by the code alone."""
    return invitations.channels(email=recipient.email, can_text=recipient.can_text, sms=sms)


def _begin(clinic: Clinic, key: str, content: str, by: User, now: datetime) -> Confirmation | None:
    """The one who inserts the key goes on; everyone else waits here for that one's answer."""
    inserted = change(
        insert(Confirmation)
        .values(
            clinic_id=clinic.id,
            key=key,
            content_mac=content,
            confirmed_by_id=by.id,
            confirmed_at=now,
            outcome=[],
        )
        .on_conflict_do_nothing()
    )
    return confirmation(clinic, key) if inserted else None


def _count(confirmation: Confirmation, many: int, most: int, now: datetime) -> None:
    try:
        quotas.count(quotas.TYPED, confirmation.clinic_id, many, most=most, now=now)
    except TooMany:
        db.session.delete(confirmation)
        db.session.flush()
        raise


def _earlier(clinic: Clinic, key: str, content: str) -> Confirmation:
    earlier = confirmation(clinic, key)
    if earlier is None or earlier.content_mac != content:
        raise KeyUsed(key)
    return earlier


@dataclass(frozen=True, slots=True)
class _Press:
    """What all invitations of one press of Confirm have in common."""

    clinic: Clinic
    provider: Provider
    by: User
    keys: Keys
    sms: bool
    now: datetime
    new_code: Callable[[], str]


def _invite_one(press: _Press, recipient: Recipient, invitation_id: int, place: int) -> Checked:
    """Invited, or what stood in the way meanwhile. A code that is taken is drawn again."""
    for _ in range(MOST_DRAWS):
        invitation = _insert(press, recipient, invitation_id)
        if invitation:
            outbox.put(invitation, reached(recipient, sms=press.sms), place=place, now=press.now)
            activity.record(
                Action.INVITED,
                clinic_id=press.clinic.id,
                invitation_id=invitation.id,
                by=press.by,
                now=press.now,
            )
            return Checked(recipient, Fate.INVITED, invitation)
        met = check(press.clinic, [recipient])[0]
        if met.fate != Fate.INVITED:
            return met
    raise OutOfCodes(press.clinic.id)


def _insert(press: _Press, recipient: Recipient, invitation_id: int) -> Invitation | None:
    """None where a unique index refused it: the patient is invited already, or the code taken."""
    clinic_id = press.clinic.id
    code = free_code(clinic_id, keys=press.keys, new_code=press.new_code)
    inserted = change(
        insert(Invitation)
        .values(
            clinic_id=clinic_id,
            id=invitation_id,
            first_name=recipient.first_name,
            last_name=recipient.last_name,
            name_key=recipient.name_key,
            email=recipient.email,
            phone=recipient.number,
            phone_typed=recipient.phone.typed if recipient.phone else None,
            can_text=recipient.can_text,
            twin=next_twin(clinic_id, recipient),
            provider_id=press.provider.id,
            invited_by_id=press.by.id,
            invited_at=press.now,
            expires_at=invitations.expiry(press.clinic, press.now),
            code_sealed=press.keys.seal_code(
                code, clinic_id=clinic_id, invitation_id=invitation_id
            ),
            code_mac=press.keys.code_mac(code, clinic_id=clinic_id),
            link_id=new_link_id(),
        )
        .on_conflict_do_nothing()
    )
    return db.session.get(Invitation, (clinic_id, invitation_id)) if inserted else None


def _id_of(one: Checked, checked: Sequence[Checked]) -> int:
    """The invitation or patient that a fate speaks of."""
    if one.repeats is not None:
        return _id_of(checked[one.repeats], checked)
    known = one.patient or one.invitation
    assert known is not None  # noqa: S101  (every fate but REPEATED names one)
    return known.id
