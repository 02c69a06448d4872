"""Settings: what patients read of a clinic, and how long things last, for its Clinic Admins."""

from functools import partial
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import SelectField, StringField

from inviter import clinic_settings, contacts
from inviter.clinic_settings import LIMITS
from inviter.db import db
from inviter.web import forms, guards
from inviter.web.forms import Required
from inviter.web.fragments import respond

REGIONS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe"),
    *("Indian", "Pacific"),
)

bp = Blueprint("settings", __name__, url_prefix="/c/<slug>/settings")


class SettingsForm(FlaskForm):
    """After `validate`, `wanted` is what to keep."""

    name = StringField(_l("Name of the clinic"), [Required()])
    phone = StringField(_l("Phone number of the clinic"))
    email = StringField(_l("Email for replies"))
    time_zone = SelectField(_l("Time zone"))
    expiry_days = StringField(_l("Days until an invitation expires"), [Required()])
    keep_contacts_days = StringField(_l("Days until contacts are erased"), [Required()])
    idle_minutes = StringField(_l("Minutes until staff are signed out"), [Required()])

    def __init__(self, *args: Any, **known: Any) -> None:
        super().__init__(*args, **known)
        self.time_zone.choices = _time_zones()

    def validate(self, extra_validators: Any = None) -> bool:
        super().validate(extra_validators)
        regions = guards.settings().sms_regions
        phone = forms.read(self.phone, lambda text: contacts.phone(text, regions))
        self.wanted = {
            "name": forms.read(self.name, clinic_settings.name),
            "phone": phone.typed if phone else None,
            "email": forms.read(self.email, contacts.email),
            "time_zone": self.time_zone.data,
        }
        for each in LIMITS:
            whole = partial(clinic_settings.whole, setting=each)
            self.wanted[each] = forms.read(self[each], whole)
        return not self.errors


@bp.route("", methods=["GET", "POST"])
def page(slug: str) -> BaseResponse:
    guards.admins_only()
    known = g.clinic if request.method == "GET" else None
    form = SettingsForm(request.form, obj=known)
    if not form.validate_on_submit():
        errors = forms.errors_of(form)
        status = 422 if errors else 200
        return respond("settings/settings.html", "content", status=status, form=form, errors=errors)
    changed = clinic_settings.change(g.clinic, form.wanted, by=g.user, now=g.now)
    flash(_("Settings saved.") if changed else _("Nothing was changed."), "success")
    db.session.commit()
    return redirect(url_for("settings.page", slug=slug), 303)


def _time_zones() -> list[tuple[str, str]]:
    """By region and city; the clinic's own is among them, whatever it is."""
    cities = {each for each in available_timezones() if each.partition("/")[0] in REGIONS}
    return [(each, each.replace("_", " ")) for each in sorted(cities | {g.clinic.time_zone})]
