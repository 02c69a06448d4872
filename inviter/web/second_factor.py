"""Sign-in's second step for staff: a code from an authenticator app, and setting one up.

Whose password was right is half signed in: it opens these pages for ten minutes and nothing else.
"""

from typing import Any

from flask import Blueprint, Response, flash, g, redirect, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse
from wtforms import StringField

from inviter import outbox, second_factor
from inviter.db import db
from inviter.models import Kind, User
from inviter.web import auth, forms, guards, qr, sign_ins, tries
from inviter.web.fragments import respond

bp = Blueprint("second_factor", __name__)

HALF_SECONDS = 10 * 60
HALF = "half"
CODES = "codes"
SECRET = "second factor being set up"
SHOWN_CODES = "recovery codes being shown"


class CodeForm(FlaskForm):
    code = StringField(_l("Code"))

    def refuse(self, text: str) -> None:
        self.code.errors = [text]


def begin(user: User) -> None:
    """The password was right. Nothing of the session before is left, and nobody is signed in."""
    sign_ins.end_this()
    session.clear()
    session[HALF] = {"who": user.fs_uniquifier, "at": int(g.now.timestamp())}
    if user.second_factor is None:
        sealed = guards.keys().seal(SECRET, second_factor.new_secret())
        session[HALF]["secret"] = sealed


@bp.route("/second-factor", methods=["GET", "POST"])
def page() -> BaseResponse:
    """A code from the app, or a recovery code."""
    user, form = _half_signed_in(), CodeForm(request.form)
    if user is None:
        return _start_again()
    if user.second_factor is None:
        return redirect(url_for("second_factor.set_up", next=_next()), 303)
    if not form.validate_on_submit():
        return _show("auth/second_factor.html", form)
    if not _may_try(user, form):
        return _show("auth/second_factor.html", form)
    if not second_factor.is_right(user, form.code.data or "", keys=guards.keys(), now=g.now):
        form.refuse(_("This code is not right or was used already. Wait for the next one"))
        return _show("auth/second_factor.html", form)
    tries.forget(tries.SECOND_FACTOR, str(user.id))
    left = second_factor.recovery_codes_left(user)
    auth.sign_in(user, now=g.now, with_second_factor=True)
    if left <= 2:
        flash(_("You have few recovery codes left. Make new ones on your account page."), "notice")
    db.session.commit()
    return redirect(_next() or url_for("home.home"), 303)


@bp.route("/second-factor/set-up", methods=["GET", "POST"])
def set_up() -> BaseResponse:
    """For who has none. Who has one cannot get another here, whatever cookie they kept."""
    user, form = _half_signed_in(), CodeForm(request.form)
    secret = _secret() if user is not None and user.second_factor is None else None
    if user is None or secret is None:
        return _start_again()
    address = second_factor.address_of(secret, user)
    context = {"key": _in_fours(secret), "address": address, "drawn": qr.drawn(address)}
    if not form.validate_on_submit():
        return _show("auth/second_factor_set_up.html", form, **context)
    if not _may_try(user, form):
        return _show("auth/second_factor_set_up.html", form, **context)
    codes = second_factor.set_up(user, secret, form.code.data or "", keys=guards.keys(), now=g.now)
    if not codes:
        form.refuse(_("This code is not right. Check the time of your phone and try the next one"))
        return _show("auth/second_factor_set_up.html", form, **context)
    tries.forget(tries.SECOND_FACTOR, str(user.id))
    auth.sign_in(user, now=g.now, with_second_factor=True)
    outbox.put_account_mail(user, Kind.SECOND_FACTOR_SET, now=g.now)
    _keep_to_show(codes)
    db.session.commit()
    return redirect(url_for("second_factor.recovery_codes", next=_next()), 303)


@bp.get("/account/recovery-codes")
def recovery_codes() -> BaseResponse:
    """Those that were just made, until one says that they are kept; else how many are left."""
    codes = _shown_codes()
    left = second_factor.recovery_codes_left(g.user)
    return respond(
        "auth/recovery_codes.html",
        "content",
        codes=codes,
        left=left,
        form=CodeForm(),
        errors=[],
        next=_next(),
    )


@bp.post("/account/recovery-codes/kept")
def recovery_codes_kept() -> BaseResponse:
    session.pop(CODES, None)
    return redirect(_next() or url_for("home.home"), 303)


@bp.post("/account/recovery-codes")
def make_recovery_codes() -> BaseResponse:
    """By a code from the app: who finds a browser signed in gets no key to come back."""
    form = CodeForm(request.form)
    if not _may_try(g.user, form):
        left = second_factor.recovery_codes_left(g.user)
        return _show("auth/recovery_codes.html", form, codes=[], left=left)
    if not second_factor.is_from_app(g.user, form.code.data or "", keys=guards.keys(), now=g.now):
        form.refuse(_("This code is not right or was used already. Wait for the next one"))
        left = second_factor.recovery_codes_left(g.user)
        return _show("auth/recovery_codes.html", form, codes=[], left=left)
    tries.forget(tries.SECOND_FACTOR, str(g.user.id))
    _keep_to_show(second_factor.new_recovery_codes(g.user, keys=guards.keys()))
    db.session.commit()
    return redirect(url_for("second_factor.recovery_codes"), 303)


def _half_signed_in() -> User | None:
    half = session.get(HALF, {})
    if int(g.now.timestamp()) - half.get("at", 0) > HALF_SECONDS:
        return None
    query = select(User).where(User.fs_uniquifier == half.get("who"), User.is_active)
    return db.session.scalar(query)


def _may_try(user: User, form: CodeForm) -> bool:
    """Counted before the look: of many tries at once no more than may."""
    is_within = tries.may_try(tries.SECOND_FACTOR, str(user.id))
    if not is_within:
        form.refuse(tries.words())
    return is_within


def _start_again() -> BaseResponse:
    if g.user is None:
        session.pop(HALF, None)
        flash(_("Sign in with your password first."), "notice")
    return redirect(url_for("auth.sign_in", next=_next()), 303)


def _secret() -> str | None:
    sealed = session[HALF].get("secret")
    return guards.keys().unseal(SECRET, sealed) if sealed else None


def _in_fours(secret: str) -> str:
    return " ".join(secret[place : place + 4] for place in range(0, len(secret), 4))


def _keep_to_show(codes: list[str]) -> None:
    """Sealed: a cookie is signed, but anyone at the browser can read it."""
    session[CODES] = guards.keys().seal(SHOWN_CODES, " ".join(codes))


def _shown_codes() -> list[str]:
    sealed = session.get(CODES)
    codes = guards.keys().unseal(SHOWN_CODES, sealed).split() if sealed else []
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def _next() -> str | None:
    return auth.local_path(request.args.get("next"))


def _show(template: str, form: FlaskForm, **context: Any) -> Response:
    status = tries.status_of(form.errors)
    errors = forms.errors_of(form)
    return respond(
        template, "content", status=status, form=form, errors=errors, next=_next(), **context
    )
