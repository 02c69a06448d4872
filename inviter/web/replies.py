"""What is answered to an invitation without joining: "Send me a new link", "This is not for me".

Both are POSTs: a link that is opened, by whomever and however often, does neither.
"""

from flask import Blueprint, abort, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from inviter import replies, team
from inviter.db import db
from inviter.web import closed_links, guards, proofs, tries
from inviter.web.fragments import respond

bp = Blueprint("replies", __name__, url_prefix="/join/<slug>")


@bp.post("/new-link")
def renew(slug: str) -> BaseResponse:
    """Send me a new link. One answer, whatever came of it; a try that is too many does nothing."""
    _proof, invitation = proofs.let_in(slug)
    keys, network = guards.keys(), tries.network(request.remote_addr or "")
    if replies.may_ask(invitation, network, keys=keys, now=g.now):
        replies.renew(invitation, keys=keys, sms=guards.settings().sms != "off", now=g.now)
    db.session.commit()
    return redirect(url_for("replies.renewed", slug=slug), 303)


@bp.get("/new-link")
def renewed(slug: str) -> BaseResponse:
    """Says nothing of any invitation."""
    clinic = team.clinic_at(slug) or abort(404)
    return respond("joining/renewed.html", "content", clinic=clinic)


@bp.post("/not-for-me")
def disown(slug: str) -> BaseResponse:
    """This is not for me."""
    _proof, invitation = proofs.let_in(slug)
    if not replies.disown(invitation, now=g.now):
        return closed_links.closed(invitation)
    db.session.commit()
    return redirect(url_for("replies.disowned", slug=slug), 303)


@bp.get("/not-for-me")
def disowned(slug: str) -> BaseResponse:
    """To who said so; anyone else is where the code is typed."""
    _proof, invitation = proofs.shown_for(slug)
    if invitation is None or invitation.disowned_at is None:
        return redirect(url_for("joining.code", slug=slug), 303)
    return respond("joining/disowned.html", "content", clinic=invitation.clinic)
