"""Where people are signed in: a row for each browser, whose secret is in its session.

Without the row a copied cookie opens nothing.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from flask import g, request, session
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import joinedload

from inviter.db import UtcDateTime, db
from inviter.models import Membership, SignIn, User
from inviter.scope import across_clinics
from inviter.web import browsers

LONGEST = timedelta(hours=12)

SIGNED_IN = (
    select(User, SignIn.with_second_factor)
    .join(SignIn, SignIn.user_id == User.id)
    .options(joinedload(User.memberships).joinedload(Membership.clinic))
    .where(
        SignIn.secret_hash == bindparam("secret_hash"),
        SignIn.started_at > bindparam("since", type_=UtcDateTime),
        User.fs_uniquifier == bindparam("uniquifier"),
        User.is_active,
    )
)
"""With where they work, and how they signed in. Asked with every page, so built once."""


def begin(user: User, *, now: datetime, with_second_factor: bool) -> None:
    """In this browser, with the caller's commit; those that ended by themselves are forgotten."""
    secret = secrets.token_urlsafe(32)
    session["sign_in"] = secret
    long_ago = SignIn.started_at <= now - LONGEST
    db.session.execute(delete(SignIn).where(SignIn.user_id == user.id, long_ago))
    db.session.add(
        SignIn(
            secret_hash=_hashed(secret),
            user_id=user.id,
            started_at=now,
            with_second_factor=with_second_factor,
            browser=browsers.words_for(request.user_agent.string),
        )
    )


@across_clinics()
def of_this_session(uniquifier: str) -> tuple[User, bool] | None:
    """Whose it is, and whether they showed a second factor."""
    known = {
        "secret_hash": _hashed(session.get("sign_in", "")),
        "uniquifier": uniquifier,
        "since": g.now - LONGEST,
    }
    found = db.session.execute(SIGNED_IN, known).unique().one_or_none()
    return (found[0], found[1]) if found else None


def of(user: User, *, now: datetime) -> list[SignIn]:
    """The browsers in which this person is signed in, the newest first."""
    is_young = SignIn.started_at > now - LONGEST
    query = select(SignIn).where(SignIn.user_id == user.id, is_young)
    return list(db.session.scalars(query.order_by(SignIn.started_at.desc(), SignIn.secret_hash)))


def name_of(row: SignIn) -> str:
    """For its address: half of a hash leads to nothing."""
    return row.secret_hash[:32]


def is_this(row: SignIn) -> bool:
    return row.secret_hash == _hashed(session.get("sign_in", ""))


def end(user: User, name: str) -> None:
    """One of this person's; what is nobody's or someone else's stays as it is."""
    is_named = func.substr(SignIn.secret_hash, 1, 32) == name
    db.session.execute(delete(SignIn).where(SignIn.user_id == user.id, is_named))


def end_this() -> None:
    if secret := session.get("sign_in"):
        db.session.execute(delete(SignIn).where(SignIn.secret_hash == _hashed(secret)))


def end_all(user: User) -> None:
    db.session.execute(delete(SignIn).where(SignIn.user_id == user.id))


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
