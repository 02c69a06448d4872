"""Remove from clinic: asked first, because only an invitation brings a patient back."""

from flask import Blueprint, Response, abort, flash, g, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

from inviter import patients
from inviter.db import db
from inviter.patients import Gone
from inviter.web.fragments import respond

bp = Blueprint("patients", __name__, url_prefix="/c/<slug>/patients/<id:patient_id>")


@bp.get("/remove")
def ask(slug: str, patient_id: int) -> Response:
    patient = patients.of(g.clinic, patient_id) or abort(404)
    return respond("listing/remove.html", "remove", patient=patient)


@bp.post("/remove")
def remove(slug: str, patient_id: int) -> BaseResponse:
    """Who presses second, or twice, is told so."""
    patient = patients.of(g.clinic, patient_id, removed_too=True) or abort(404)
    try:
        patients.remove(patient, by=g.user, now=g.now)
    except Gone:
        flash(_("%(name)s was removed already.", name=patient.name), "notice")
    else:
        text = _(
            "%(name)s is removed from this clinic, and may be invited anew.", name=patient.name
        )
        flash(text, "success")
    db.session.commit()
    return redirect(url_for("listing.patients", slug=slug), 303)
