"""Who may enter: turns the clinic in the address and the person who is signed in into a scope.

There is no other way to anything that a clinic owns. Another clinic's address and one that does not
exist get the same 404.
"""

from flask import Response, abort, current_app, g, request

from inviter import imports, invitations, scope, team
from inviter.config import Config
from inviter.daily_texts import DailyTexts
from inviter.keys import Keys
from inviter.messages import Messages
from inviter.models import Clinic, Import, Invitation
from inviter.team import Provider
from inviter.web import auth, drafts

PUBLIC = auth.SESSIONLESS | frozenset(
    {
        "auth.sign_in",
        "auth.forgot_password",
        "auth.reset_password",
        "health.healthz",
        "health.readyz",
        "home.home",
        "joining.accept",
        "joining.code",
        "joining.find",
        "joining.join",
        "joining.joined",
        "joining.link",
        "replies.disown",
        "replies.disowned",
        "replies.renew",
        "replies.renewed",
        "second_factor.page",
        "second_factor.set_up",
    }
)
"""Every route that needs no sign-in. Written once; any other is private."""


def settings() -> Config:
    return current_app.extensions["settings"]


def keys() -> Keys:
    return current_app.extensions["keys"]


def daily_texts() -> DailyTexts:
    return current_app.extensions["daily_texts"]


def messages() -> Messages:
    return current_app.extensions["messages"]


def admit() -> Response | None:
    """Before each request: signed in, unless the route is public; on the clinic's team."""
    g.user = g.membership = g.clinic = None
    g.memberships = {}  # by clinic: a rollback, before an error is shown, forgets what leads there
    if request.endpoint is None or request.endpoint in auth.SESSIONLESS:
        return None
    g.user = auth.current_user()
    if request.endpoint in PUBLIC:
        return None
    if g.user is None:
        drafts.keep_for_idle(g.get("idle_user"))
        return auth.ask_to_sign_in()
    g.memberships = {each.clinic: each for each in team.memberships(g.user)}
    if slug := (request.view_args or {}).get("slug"):
        g.clinic = clinic_at(slug)
        g.membership = g.memberships[g.clinic]
        scope.hold_to(g.clinic.id)
    return None


def clinic_at(slug: str) -> Clinic:
    """With this address, where this person works."""
    return next((each for each in g.memberships if each.slug == slug), None) or abort(404)


def providers() -> tuple[Provider, ...]:
    """Of the clinic in the address, also those who left: asked for once a request."""
    if "providers" not in g:
        g.providers = team.providers(g.clinic)
    found: tuple[Provider, ...] = g.providers
    return found


def invitation_or_404(invitation_id: int) -> Invitation:
    """One of this clinic's, as it stands now; removed ones too."""
    return invitations.of(g.clinic, invitation_id) or abort(404)


def import_or_404(import_id: int) -> Import:
    """One of this clinic's uploaded files, as it stands now."""
    return imports.of(g.clinic, import_id) or abort(404)


def admins_only() -> None:
    if not g.membership.is_admin:
        abort(403)
