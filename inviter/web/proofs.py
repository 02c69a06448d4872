"""What a browser has shown to be let in to the pages for joining: a genuine link, or code and name.

It travels in a short cookie of its own, which only these pages read: the link's token, and whether
the names were typed already. It never holds a name.
"""

from dataclasses import dataclass

from flask import abort, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response as BaseResponse

from inviter import joining, team
from inviter.models import How, Invitation
from inviter.web import guards
from inviter.web.fragments import respond

COOKIE = "joining"
COOKIE_SECONDS = 60 * 60


@dataclass(frozen=True, slots=True)
class Proof:
    """What this browser has shown to be let in."""

    token: str
    how: How


def let_in(slug: str) -> tuple[Proof, Invitation]:
    """What this browser has shown, and the invitation that its page is of; else another page."""
    proof, invitation = shown_for(slug)
    if proof is None or invitation is None:
        abort(redirect(url_for("joining.code", slug=slug), 303))
    if request.method == "POST" and request.form.get("invitation") != invitation.link_id:
        text = _("Another invitation was opened in this browser since. Start again with this one.")
        flash(text, "notice")
        abort(redirect(url_for("joining.code", slug=slug), 303))
    if g.user is not None and team.is_staff(g.user):
        abort(respond("joining/staff.html", "content", clinic=invitation.clinic))
    return proof, invitation


def shown_for(slug: str) -> tuple[Proof | None, Invitation | None]:
    """What the cookie holds, and the invitation of this clinic that it opens."""
    try:
        cookie = request.cookies.get(_cookie_name(), "")
        token, how = _serializer().loads(cookie, max_age=COOKIE_SECONDS)
    except BadSignature:
        return None, None
    invitation = joining.by_link(token, keys=guards.keys())
    if invitation is None or invitation.clinic.slug != slug:
        return None, None
    return Proof(token, How(how)), invitation


def remember(response: BaseResponse, proof: Proof) -> BaseResponse:
    response.set_cookie(
        _cookie_name(),
        _serializer().dumps([proof.token, proof.how]),
        max_age=COOKIE_SECONDS,
        path="/join",
        secure=guards.settings().is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def _cookie_name() -> str:
    """No other host may set it; __Host- would send it to every page."""
    return f"__Secure-{COOKIE}" if guards.settings().is_secure else COOKIE


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(guards.keys().sign_with("joining"))
