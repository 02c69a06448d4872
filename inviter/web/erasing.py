"""Erase patient: asked first, because nothing brings back what is erased. For Clinic Admins."""

from flask import Blueprint, Response, flash, g, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

from inviter import erasing
from inviter.bulk import Reader
from inviter.db import db
from inviter.web import guards
from inviter.web.fragments import respond
from inviter.web.invitation_page import InvitationPage, url_of

bp = Blueprint("erasing", __name__, url_prefix="/c/<slug>/invitations/<id:invitation_id>/erase")


@bp.get("")
def ask(slug: str, invitation_id: int) -> BaseResponse | Response:
    """Who may not, or has nothing left to erase, is shown what there is."""
    invitation = guards.invitation_or_404(invitation_id)
    page = InvitationPage(invitation)
    if not page.can_erase:
        return redirect(url_of(invitation), 303)
    return respond("erasing/erase.html", "erase", page=page)


@bp.post("")
def erase(slug: str, invitation_id: int) -> BaseResponse:
    """Pressed twice it is said again."""
    guards.admins_only()
    invitation = guards.invitation_or_404(invitation_id)
    reader = Reader(guards.settings().sms_regions)
    erasing.erase(invitation, by=g.user, keys=guards.keys(), reader=reader, now=g.now)
    flash(_("The patient’s name and contacts are erased."), "success")
    db.session.commit()
    return redirect(url_for("listing.patients", slug=slug), 303)
