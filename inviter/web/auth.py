"""Who is signed in, and whose password it is: the only module that names flask_security.

From Flask-Security come hashing and the login manager. Its own pages have no route, ours are in
`accounts.py` and `second_factor.py`: so JSON sign-in, remember-me and links made from the Host
header are not there to be closed. Nothing here commits but `authenticate`.
"""

import re
import secrets
import threading
from datetime import datetime, timedelta
from typing import Any

import flask_security
from flask import (
    Flask,
    Response,
    after_this_request,
    current_app,
    flash,
    g,
    request,
    session,
    url_for,
)
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_babel import gettext as _
from flask_wtf.csrf import validate_csrf
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import select, update
from wtforms import ValidationError

from inviter import contacts, team
from inviter.config import Config
from inviter.db import db
from inviter.models import User
from inviter.web import drafts, passwords, sign_ins, tries
from inviter.web.fragments import leave_to, wants_fragment
from inviter.web.looks import LOOK

MOST_IDLE = timedelta(minutes=480)
SEEN_EVERY = 30
"""Seconds: who goes on doing something gets a new cookie only so often."""
RESET_WITHIN = timedelta(days=1)
SESSIONLESS = frozenset(
    {
        "asset",
        "policy.report",
        "webhooks.sendgrid",
        "webhooks.twilio_inbound",
        "webhooks.twilio_status",
    }
)
"""What is the same for everyone, what browsers post by themselves, and what machines sign."""
POLLS = ("imports.page", "invitations.page", "invite.sent")
"""Pages that look again by themselves: that keeps nobody signed in."""

LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\s\x00-\x1f\x7f]{0,2000}")

SETTINGS: dict[str, Any] = {
    "PASSWORD_SCHEMES": ["argon2"],
    "PASSWORD_SINGLE_HASH": {"argon2"},
    "HASHING_SCHEMES": ["argon2"],
    "PASSWORD_LENGTH_MIN": passwords.LENGTH,
    "RETURN_GENERIC_RESPONSES": True,
    "API_ENABLED_METHODS": ["session"],
    "EMAIL_VALIDATOR_ARGS": {"check_deliverability": False},
    "STATIC_FOLDER": None,
    "CLI_USERS_NAME": "",
    "CLI_ROLES_NAME": "",
}

_argon2 = threading.BoundedSemaphore(2)  # one check takes 64 MiB and 0.17 s


class Account(flask_security.UserMixin):
    """What Flask-Security sees of a person; everyone else sees the row."""

    def __init__(self, row: User) -> None:
        self.row, self.active, self.fs_uniquifier = row, row.is_active, row.fs_uniquifier

    @property
    def password(self) -> str:
        return self.row.password

    @password.setter
    def password(self, hashed: str) -> None:
        self.row.password = hashed


class Accounts(flask_security.UserDatastore):
    """The rows are followed by the session already; the views commit."""

    def put(self, model: Account) -> Account:
        return model


class Sessions(SecureCookieSessionInterface):
    """Libraries look into it everywhere, and Vary: Cookie would keep assets out of caches."""

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if request.endpoint not in SESSIONLESS:
            super().save_session(app, session, response)


def init(app: Flask) -> None:
    """After CSRFProtect. What argon2 costs comes from the settings, so that tests can be quick."""
    settings: Config = app.extensions["settings"]
    app.config.update({f"SECURITY_{name}": value for name, value in SETTINGS.items()})
    app.config["SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS"] = {
        "argon2__time_cost": settings.argon2_time_cost,
        "argon2__memory_cost": settings.argon2_memory_kib,
    }
    app.config["PERMANENT_SESSION_LIFETIME"] = MOST_IDLE
    app.session_interface = Sessions()
    security = flask_security.Security()
    security.unauthn_handler(lambda _mechanisms=None, headers=None: ask_to_sign_in())
    security.want_json(lambda _request: False)
    security.init_app(app, Accounts(User, None), register_blueprint=False)
    security.login_manager.user_loader(_load)
    security.login_manager.request_loader(lambda _request: None)  # a token signs nobody in


def current_user() -> User | None:
    """The person's row: one query a request, none for assets."""
    account = flask_security.current_user
    return account.row if account.is_authenticated else None


def show_nobody() -> None:
    """For the rest of this request nobody is looked up: the library asks on every page."""
    g._login_user = current_app.extensions["security"].login_manager.anonymous_user()


def ask_to_sign_in() -> Response:
    """Sends the whole browser to sign in, and from there back to the page it was on."""
    asks_for_page = request.method in ("GET", "HEAD") and not wants_fragment()
    if not asks_for_page and "_flashes" not in session:
        flash(_("You were signed out, and nothing was sent. Sign in to go on."), "notice")
    page = request.url if asks_for_page else request.headers.get("HX-Current-URL", request.referrer)
    path = re.sub(r"^\w+://[^/]*", "", page or "").partition("#")[0]
    return leave_to(url_for("auth.sign_in", next=local_path(path)))


def local_path(text: str | None) -> str | None:
    """`text` where it leads to a page of ours, else None. Browsers read a backslash as a slash."""
    return text if text and LOCAL_PATH.fullmatch(text) else None


def authenticate(address: str, password: str) -> User | None:
    """Whose address and password this is; the same work for every wrong answer.

    None without a look where it was tried too often (`tries.are_spent`).
    Ends the transaction: on SQLite the one writer does not wait for argon2.
    """
    if not tries.may_try(tries.SIGN_IN, written_alike(address)):
        return None
    user = find_by_address(address)
    db.session.commit()
    is_right = is_password(user, password)
    if user is None or not is_right or not user.is_active:
        return None
    tries.forget(tries.SIGN_IN, written_alike(address))
    return user


def sign_in(user: User, *, now: datetime, with_second_factor: bool = False) -> None:
    """A new sign-in in this browser: new secret, new CSRF token, nothing of the old session left.

    A flash made before it is lost. Without the caller's commit the new cookie opens nothing.
    """
    sign_ins.end_this()
    session.clear()
    flask_security.login_user(Account(user), remember=False, authn_via=["password"])
    session["seen_at"] = int(now.timestamp())
    sign_ins.begin(user, now=now, with_second_factor=with_second_factor)


def needs_second_factor(user: User) -> bool:
    """Who works at a clinic, and who did when they set it up."""
    is_asked: bool = current_app.extensions["settings"].require_mfa
    return is_asked and (user.second_factor is not None or team.is_staff(user))


def sign_out() -> None:
    """Once the caller has committed, a copy of this browser's cookie is dead.

    The browser forgets the pages it kept. Not its cookies: the next page says what became of it.
    """
    sign_ins.end_this()
    flask_security.logout_user()
    session.clear()
    after_this_request(_have_pages_forgotten)


def end_sign_ins(user: User) -> bool:
    """Sign the person out everywhere, also where they are signing in at this moment.

    Open reset links die too. False when it was done meanwhile: a reset link counts once.
    """
    claim = update(User).where(User.id == user.id, User.fs_uniquifier == user.fs_uniquifier)
    found = db.session.execute(claim.values(fs_uniquifier=new_uniquifier()))
    sign_ins.end_all(user)
    return bool(found.rowcount == 1)  # type: ignore[attr-defined]


def set_password(user: User, text: str) -> bool:
    """Ends every sign-in. False, and nothing set, when another change came first.

    Ends the transaction first: on SQLite the one writer does not wait for argon2.
    """
    db.session.commit()
    hashed = hash_password(text)
    if not end_sign_ins(user):
        return False
    user.password = hashed
    return True


def find_by_address(text: str) -> User | None:
    """By email or by mobile number, however it is written."""
    address = written_alike(text)
    where = User.email == address if "@" in address else User.phone == address
    return db.session.scalar(select(User).where(where))


def written_alike(text: str) -> str:
    """An email or mobile number as it is kept."""
    typed = text.strip().replace("\0", "")
    try:
        if "@" in typed:
            return contacts.email(typed) or ""
        phone = contacts.phone(typed, current_app.extensions["settings"].sms_regions)
    except contacts.Problem:
        return typed.lower()  # an address may be older than a rule
    return phone.e164 if phone else ""


def hash_password(text: str) -> str:
    with _argon2:
        return str(flask_security.hash_password(passwords.normal(text)))


def is_password(user: User | None, text: str) -> bool:
    """The same work without a user. A hash made at another cost is renewed; the caller commits."""
    text = passwords.normal(text)
    with _argon2:
        if user is None or not user.password or len(text) > passwords.LIMIT:
            flask_security.hash_password(text[: passwords.LIMIT])
            return False
        return bool(Account(user).verify_and_update_password(text))


def new_uniquifier() -> str:
    """For a new account, and whenever all of a person's sign-ins end."""
    return secrets.token_hex(16)


def reset_token(user: User) -> str:
    """For /reset-password/<token>: works for a day, once. Needs an app context, no request."""
    return str(_reset_serializer().dumps(user.fs_uniquifier))


def user_of_reset_token(token: str) -> User | None:
    """None when it is forged, too old, used, or overtaken by another change of the password."""
    try:
        uniquifier = _reset_serializer().loads(token, max_age=int(RESET_WITHIN.total_seconds()))
    except BadData:
        return None
    return db.session.scalar(select(User).where(User.fs_uniquifier == uniquifier, User.is_active))


def _have_pages_forgotten(response: Response) -> Response:
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _load(uniquifier: str) -> Account | None:
    """The person of this session, unless it was ended, here or elsewhere, or was idle too long."""
    if request.endpoint == "asset":  # the library asks for every request
        return None
    now, minutes = int(g.now.timestamp()), MOST_IDLE.seconds // 60
    unseen_for = now - session.get("seen_at", 0)
    row = _signed_in(uniquifier) if unseen_for <= minutes * 60 + SEEN_EVERY else None
    if row is not None:
        minutes = g.idle_minutes = idle_minutes(row)
    is_idle = unseen_for > minutes * 60 + SEEN_EVERY
    if row is None or is_idle:
        g.idle_user = row if request.endpoint in drafts.FORMS and _is_own_form() else None
        session.clear()  # what waits to be shown too: the next person here may be someone else
        idle = _("You were signed out after %(minutes)s minutes.", minutes=minutes)
        flash(idle if is_idle else _("You were signed out. Sign in again."), "notice")
        return None
    is_poll = request.endpoint in POLLS and LOOK in request.args
    if unseen_for >= SEEN_EVERY and not is_poll:
        session["seen_at"] = now
    g.fs_authn_via, g.fs_paa = "session", session.get("fs_paa", 0)
    return Account(row)


def _is_own_form() -> bool:
    try:
        validate_csrf(request.form.get("csrf_token"))
    except ValidationError:
        return False
    return True


def _signed_in(uniquifier: str) -> User | None:
    """The person of this session, if they showed all that is asked of them."""
    found = sign_ins.of_this_session(uniquifier)
    if found is None:
        return None
    user, g.with_second_factor = found
    is_asked = current_app.extensions["settings"].require_mfa and user.memberships
    return user if g.with_second_factor or not is_asked else None


def idle_minutes(user: User) -> int:
    """Of someone at several clinics the fewest: a browser holds what any of them shows."""
    fallback: int = current_app.extensions["settings"].idle_minutes
    return min((each.clinic.idle_minutes for each in user.memberships), default=fallback)


def idle_seconds() -> int:
    """From this request until nothing is open any more; one that renewed no cookie counts too."""
    minutes: int = g.get("idle_minutes") or current_app.extensions["settings"].idle_minutes
    return minutes * 60 + SEEN_EVERY + 1


def _reset_serializer() -> URLSafeTimedSerializer:
    """Not the library's: with SECRET_KEY_FALLBACKS that one signs by the oldest key."""
    keys = [*reversed(current_app.config["SECRET_KEY_FALLBACKS"]), current_app.config["SECRET_KEY"]]
    return URLSafeTimedSerializer(keys, salt="reset password")
