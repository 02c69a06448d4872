"""Where one lands, and changing the clinic."""

from flask import Blueprint, flash, g, redirect, request, url_for
from flask import Response as FlaskResponse
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from inviter import team
from inviter.web import guards

bp = Blueprint("home", __name__)

LAST_CLINIC = "clinic"
LAST_CLINIC_SECONDS = 365 * 24 * 60 * 60

PAGES = {
    "activity": "activity.page",
    "invite": "invite.page",
    "patients": "listing.patients",
    "imports": "imports.index",
    "settings": "settings.page",
}
FOR_ADMINS = ("activity.page", "settings.page")


@bp.get("/")
def home() -> Response:
    """Staff land at the clinic where they were last, patients at their account."""
    if g.user is None:
        return redirect(url_for("auth.sign_in"))
    slugs = [each.clinic.slug for each in team.memberships(g.user)]
    if not slugs:
        return redirect(url_for("auth.account"))
    last = request.cookies.get(LAST_CLINIC)
    return redirect(url_for("invite.page", slug=last if last in slugs else slugs[0]))


@bp.get("/switch")
def switch() -> Response:
    """Select Clinic: the same page of another clinic of one's own."""
    clinic = guards.clinic_at(request.args.get("to", ""))
    page = PAGES.get(request.args.get("page", ""), "invite.page")
    if page in FOR_ADMINS and not g.memberships[clinic].is_admin:
        page = "invite.page"
    flash(_("Now showing %(clinic)s", clinic=clinic.name), "live")
    return redirect(url_for(page, slug=clinic.slug), 303)


def remember_clinic(response: FlaskResponse, slug: str) -> FlaskResponse:
    """In this browser, beyond signing out: a clinic's short name is no secret."""
    response.set_cookie(
        LAST_CLINIC,
        slug,
        max_age=LAST_CLINIC_SECONDS,
        secure=guards.settings().is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response
