"""Sign in and out, a forgotten password, one's own account: the pages of what `auth` knows."""

from typing import Any

from flask import Blueprint, Response, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired

from inviter import joining, outbox, team
from inviter.db import db
from inviter.models import Kind, SignIn, User
from inviter.web import (
    auth,
    browsers,
    formats,
    forms,
    passwords,
    second_factor,
    sign_ins,
    tries,
)
from inviter.web.fragments import respond

bp = Blueprint("auth", __name__)

ADDRESS = _l("Email or mobile number")


class Given:
    """The text for a blank. No star: on these pages every field is asked."""

    def __init__(self, text: str) -> None:
        self._required = DataRequired(text)

    def __call__(self, form: FlaskForm, field: Any) -> None:
        self._required(form, field)


class SignInForm(FlaskForm):
    """After `validate`, `user` is who signs in. One text for all that can be wrong with a pair."""

    address = StringField(ADDRESS, [Given(_l("Enter your email or mobile number"))])
    password = PasswordField(_l("Password"), [Given(_l("Enter your password"))])

    user: User

    def validate(self, extra_validators: Any = None) -> bool:
        if not super().validate(extra_validators):
            return False
        user = auth.authenticate(self.address.data, self.password.data)
        if user is None:
            wrong = _("The email or mobile number or the password is not right")
            self.address.errors = [tries.words() if tries.are_spent() else wrong]
            return False
        self.user = user
        return True


class ForgotPasswordForm(FlaskForm):
    address = StringField(ADDRESS, [Given(_l("Enter your email or mobile number"))])


class NewPasswordForm(FlaskForm):
    """A new password for `user`."""

    new_password = PasswordField(_l("New password"), [Given(_l("Enter a new password"))])

    user: User

    def validate(self, extra_validators: Any = None) -> bool:
        if not super().validate(extra_validators):
            return False
        problem = passwords.problem_of(self.new_password.data, address=self.user.address)
        self.new_password.errors = [problem] if problem else []
        return problem is None


class ChangePasswordForm(NewPasswordForm):
    password = PasswordField(_l("Current password"), [Given(_l("Enter your current password"))])

    def validate(self, extra_validators: Any = None) -> bool:
        if not super().validate(extra_validators):
            return False
        if not tries.may_try(tries.PASSWORD, str(self.user.id)):
            self.password.errors = [tries.words()]
            return False
        is_right = auth.is_password(self.user, self.password.data)
        self.password.errors = [] if is_right else [_("This is not your current password")]
        return is_right


@bp.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> BaseResponse:
    form = SignInForm(request.form)
    page = auth.local_path(request.args.get("next"))
    if request.method == "POST" or g.user is None:
        if not form.validate_on_submit():
            return _show("auth/sign_in.html", form, next=page)
        if auth.needs_second_factor(form.user):
            second_factor.begin(form.user)
            page = url_for("second_factor.page", next=page)
        else:
            auth.sign_in(form.user, now=g.now)
        db.session.commit()
    return redirect(page or url_for("home.home"), 303)


@bp.post("/sign-out")
def sign_out() -> BaseResponse:
    """`next` is for a patient who goes on with another account."""
    auth.sign_out()
    flash(_("You are signed out."), "notice")
    db.session.commit()
    return redirect(auth.local_path(request.args.get("next")) or url_for("auth.sign_in"), 303)


@bp.post("/stay-signed-in")
def stay() -> Response:
    """Being asked for is enough: idle minutes begin anew."""
    return Response(status=204)


@bp.route("/forgot-password", methods=["GET", "POST"])
def forgot_password() -> BaseResponse:
    form = ForgotPasswordForm(request.form)
    if not form.validate_on_submit():
        return _show("auth/forgot_password.html", form)
    if not tries.is_address_within(tries.FORGOTTEN):
        form.address.errors = [tries.words()]
        return _show("auth/forgot_password.html", form)
    _ask_for_reset(form.address.data)
    text = _("If an account has this address, a message is on its way. Its link works for a day.")
    flash(text, "notice")
    db.session.commit()
    return redirect(url_for("auth.sign_in"), 303)


@bp.route("/reset-password/<token>", methods=["GET", "POST"])
def reset_password(token: str) -> BaseResponse:
    """Leads to sign in, not into the account: there is the second factor still to come."""
    user = auth.user_of_reset_token(token)
    if user is None:
        return _link_is_used()
    form = NewPasswordForm(request.form)
    form.user = user
    if request.method == "POST" and not tries.may_try(tries.RESET, str(user.id)):
        form.new_password.errors = [tries.words()]
        return _show("auth/reset_password.html", form, token=token)
    if not form.validate_on_submit():
        return _show("auth/reset_password.html", form, token=token)
    if not auth.set_password(user, form.new_password.data):
        return _link_is_used()
    outbox.put_account_mail(user, Kind.PASSWORD_CHANGED, now=g.now)
    auth.sign_out()
    flash(_("Your password was changed. Sign in with it."), "success")
    db.session.commit()
    return redirect(url_for("auth.sign_in"), 303)


@bp.get("/account")
def account() -> Response:
    back_url = url_for("home.home") if team.is_staff(g.user) else ""
    patients = joining.patients_of(g.user)
    return respond(
        "auth/account.html",
        "content",
        user=g.user,
        patients=patients,
        back_url=back_url,
        has_second_factor=g.user.second_factor is not None,
        sign_ins=[_item(each) for each in sign_ins.of(g.user, now=g.now)],
    )


@bp.route("/account/password", methods=["GET", "POST"])
def change_password() -> BaseResponse:
    """Every other browser is signed out; this one goes on with a new sign-in."""
    form = ChangePasswordForm(request.form)
    form.user = g.user
    if not form.validate_on_submit():
        return _show("auth/change_password.html", form, address=g.user.address)
    if not auth.set_password(g.user, form.new_password.data):
        return auth.ask_to_sign_in()
    outbox.put_account_mail(g.user, Kind.PASSWORD_CHANGED, now=g.now)
    auth.sign_in(g.user, now=g.now, with_second_factor=g.with_second_factor)
    flash(_("Your password was changed, and every other browser was signed out."), "success")
    db.session.commit()
    return redirect(url_for("auth.account"), 303)


@bp.post("/account/sign-ins/<name>/end")
def end_sign_in(name: str) -> BaseResponse:
    """One of one's own, in another browser; one that has ended is no mistake."""
    sign_ins.end(g.user, name)
    flash(_("That browser is signed out."), "success")
    db.session.commit()
    return redirect(url_for("auth.account"), 303)


@bp.post("/account/sign-out-everywhere")
def sign_out_everywhere() -> BaseResponse:
    auth.end_sign_ins(g.user)
    auth.sign_out()
    flash(_("You are signed out everywhere, also in this browser."), "notice")
    db.session.commit()
    return redirect(url_for("auth.sign_in"), 303)


def _item(sign_in: SignIn) -> dict[str, str]:
    """A person's clinics may have several clocks, a patient none: the time is said as UTC."""
    here = sign_ins.is_this(sign_in)
    return {
        "browser": browsers.shown(sign_in.browser),
        "since": formats.moment_utc(sign_in.started_at),
        "url": "" if here else url_for("auth.end_sign_in", name=sign_ins.name_of(sign_in)),
    }


def _show(template: str, form: FlaskForm, **context: Any) -> Response:
    status = tries.status_of(form.errors)
    errors = forms.errors_of(form)
    return respond(template, "content", status=status, form=form, errors=errors, **context)


def _ask_for_reset(address: str) -> None:
    """One check of a password, of nobody's, takes longer than all that tells a known address."""
    auth.is_password(None, "")
    may_ask = tries.may_try(tries.FORGOTTEN, auth.written_alike(address))
    user = auth.find_by_address(address)
    if user and user.is_active and may_ask:
        outbox.put_account_mail(user, Kind.PASSWORD_RESET, now=g.now)


def _link_is_used() -> BaseResponse:
    flash(_("This link was used already or is older than a day. Ask for a new one here."), "notice")
    return redirect(url_for("auth.forgot_password"), 303)
