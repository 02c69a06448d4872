"""Where one lands, and changing the clinic."""

from flask import Blueprint, abort, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from inviter import team

bp = Blueprint("home", __name__)

PAGES = {"invite": "invite.page", "patients": "listing.patients"}


@bp.get("/")
def home() -> Response:
    """Staff land at the clinic where they were last, patients at their account."""
    if g.user is None:
        return redirect(url_for("auth.sign_in"))
    clinics = team.clinics_of(g.user)
    if not clinics:
        return redirect(url_for("auth.account"))
    last = next((each for each in clinics if each.slug == session.get("clinic")), clinics[0])
    return redirect(url_for("invite.page", slug=last.slug))


@bp.get("/switch")
def switch() -> Response:
    """Select Clinic: the same page of another clinic of one's own."""
    slug = request.args.get("to", "")
    page = PAGES.get(request.args.get("page", ""), "invite.page")
    if team.membership(g.user, slug) is None:
        abort(404)
    return redirect(url_for(page, slug=slug), 303)
