"""Settings: what patients read of a clinic, and how long things last, for its Clinic Admins."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import StringField

from inviter import clinic_settings, contacts
from inviter.clinic_settings import LIMITS
from inviter.db import db
from inviter.web import forms, guards
from inviter.web.forms import Required
from inviter.web.fragments import respond

SETTINGS = ("name", "phone", "email", *LIMITS)

bp = Blueprint("settings", __name__, url_prefix="/c/<slug>/settings")


class SettingsForm(FlaskForm):
    """After `validate`, `wanted` is what someone changed: what differs from what was shown."""

    name = StringField(_l("Name of the clinic"), [Required()])
    phone = StringField(_l("Phone number of the clinic"))
    email = StringField(_l("Email for replies"))
    expiry_days = StringField(_l("Days until an invitation expires"), [Required()])
    keep_contacts_days = StringField(_l("Days until contacts are erased"), [Required()])
    idle_minutes = StringField(_l("Minutes until staff are signed out"), [Required()])

    def validate(self, extra_validators: Any = None) -> bool:
        super().validate(extra_validators)
        ways: dict[str, Callable[[str], Any]] = {
            "name": clinic_settings.name,
            "phone": partial(clinic_settings.phone, regions=guards.settings().sms_regions),
            "email": contacts.email,
            **{each: partial(clinic_settings.whole, setting=each) for each in LIMITS},
        }
        shown = _shown()
        self.wanted = {
            each: forms.read(self[each], ways[each])
            for each in SETTINGS
            if self[each].data != shown[each]
        }
        return not self.errors


@bp.route("", methods=["GET", "POST"])
def page(slug: str) -> BaseResponse:
    guards.admins_only()
    known = g.clinic if request.method == "GET" else None
    form = SettingsForm(request.form, obj=known)
    if not form.validate_on_submit():
        errors = forms.errors_of(form)
        status = 422 if errors else 200
        facts: dict[str, Any] = {"form": form, "shown": _shown(), "errors": errors}
        return respond("settings/settings.html", "content", status=status, **facts)
    changed = clinic_settings.change(g.clinic, form.wanted, by=g.user, now=g.now)
    flash(_("Settings saved.") if changed else _("Nothing was changed."), "success")
    db.session.commit()
    return redirect(url_for("settings.page", slug=slug), 303)


def _shown() -> dict[str, str | None]:
    """What each setting was when the page was opened: what a colleague has changed since stays."""
    if request.method == "GET":
        return {each: str(getattr(g.clinic, each) or "") for each in SETTINGS}
    return {each: request.form.get(f"shown_{each}") for each in SETTINGS}
