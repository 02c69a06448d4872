"""The second factor of staff: codes from an authenticator app, or else recovery codes.

A code counts once: the period it was made in is claimed by an UPDATE, a recovery code by a DELETE.
"""

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import delete, func, insert, select, update

from inviter.db import db
from inviter.keys import Keys, Unreadable
from inviter.models import RecoveryCode, User

PERIOD = 30  # seconds
DIGITS = 6
SECRET_BYTES = 20
RECOVERY_CODES = 10
RECOVERY_LENGTH = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Of recovery codes: none that is read as another."""


def new_secret() -> str:
    """As an authenticator app takes it, in letters and digits."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def address_of(secret: str, user: User) -> str:
    """What a QR code or a link tells an authenticator app."""
    label = quote(f"Inviter:{user.address}")
    return f"otpauth://totp/{label}?secret={secret}&issuer=Inviter"


def set_up(user: User, secret: str, code: str, *, keys: Keys, now: datetime) -> list[str]:
    """Have the person use this secret from now on; their recovery codes, shown only now.

    Empty, and nothing kept, when the code is not of this secret, or they have a secret already.
    """
    counter = _counter(secret, code, now)
    if counter is None:
        return []
    sealed = keys.seal(purpose_of(user.id), secret)
    claim = update(User).where(User.id == user.id, User.second_factor.is_(None))
    if not _changed(claim.values(second_factor=sealed, last_counter=counter)):
        return []
    return new_recovery_codes(user, keys=keys)


def new_recovery_codes(user: User, *, keys: Keys) -> list[str]:
    """Those before no longer count."""
    letters = [LETTERS] * RECOVERY_LENGTH
    codes = ["".join(map(secrets.choice, letters)) for _ in range(RECOVERY_CODES)]
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    rows = [{"user_id": user.id, "mac": keys.mac(purpose_of(user.id), code)} for code in codes]
    db.session.execute(insert(RecoveryCode), rows)
    return codes


def recovery_codes_left(user: User) -> int:
    query = select(func.count()).where(RecoveryCode.user_id == user.id)
    return db.session.scalar(query) or 0


def is_right(user: User, typed: str, *, keys: Keys, now: datetime) -> bool:
    """Whether it is a code from the app or a recovery code; it counts no second time."""
    code = "".join(typed.split()).replace("-", "").casefold()
    if len(code) == DIGITS:
        return is_from_app(user, code, keys=keys, now=now)
    macs = keys.macs(purpose_of(user.id), code)
    return _changed(
        delete(RecoveryCode).where(RecoveryCode.user_id == user.id, RecoveryCode.mac.in_(macs))
    )


def is_from_app(user: User, typed: str, *, keys: Keys, now: datetime) -> bool:
    """Whether it is a code from the app that was not used before."""
    try:
        secret = keys.unseal(purpose_of(user.id), user.second_factor or "")
    except Unreadable:
        return False
    counter = _counter(secret, typed, now)
    if counter is None:
        return False
    claim = update(User).where(User.id == user.id, User.last_counter < counter)
    return _changed(claim.values(last_counter=counter))


def remove(user: User) -> None:
    """For who lost the phone and the recovery codes: they set up anew when they sign in next."""
    user.second_factor = None
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    db.session.flush()


def _counter(secret: str, typed: str, now: datetime) -> int | None:
    """The period that a code was made in: this one, or the one before, for slow typing and slow
    clocks; or the next, for fast ones."""
    code = "".join(typed.split())
    app = TOTP(base64.b32decode(secret), DIGITS, SHA1(), PERIOD, enforce_key_length=False)  # noqa: S303
    this = int(now.timestamp()) // PERIOD
    for counter in (this, this - 1, this + 1):
        if hmac.compare_digest(app.generate(counter * PERIOD), code.encode()):
            return counter
    return None


def purpose_of(user_id: int) -> str:
    """What a secret is sealed for: it opens for this person only."""
    return f"second factor {user_id}"


def _changed(statement: object) -> bool:
    return bool(db.session.execute(statement).rowcount == 1)  # type: ignore
