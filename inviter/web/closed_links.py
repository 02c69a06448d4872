"""The pages of links that let nobody in: why, and what to do. None tells who was invited."""

from flask import Response, g, url_for
from flask_babel import gettext as _

from inviter import joining
from inviter.keys import LINK_TOKEN_LENGTH
from inviter.models import Clinic, Invitation
from inviter.status import Status
from inviter.web import formats, guards
from inviter.web.fragments import respond


def closed(invitation: Invitation) -> Response:
    """For a genuine link: what happened to the invitation."""
    clinic = invitation.clinic
    match joining.closed_by(invitation, now=g.now):
        case Status.ACCEPTED:
            return _page(
                _("This invitation has been used"),
                _("If it was you who joined, sign in. If not, call the clinic."),
                clinic=clinic,
                link=(_("Sign in"), url_for("auth.sign_in")),
            )
        case Status.EXPIRED:
            day = formats.day(invitation.expires_at, clinic)
            return _page(
                _("This invitation has expired"),
                _("It was open until %(day)s.", day=day),
                clinic=clinic,
                link_id=invitation.link_id,
            )
        case Status.REMOVED:
            return _page(
                _("This invitation was taken back by the clinic"),
                _("Call the clinic if you think that this is a mistake."),
                clinic=clinic,
            )
    return _replaced(clinic)


def unknown(token: str) -> Response:
    """For a link that opens nothing: replaced, cut off, or none of ours."""
    clinic = joining.clinic_of_old_link(token, keys=guards.keys())
    if clinic is not None:
        return _replaced(clinic)
    is_cut_off = len(token) < LINK_TOKEN_LENGTH
    return _page(
        _("This link is not complete") if is_cut_off else _("This link does not work"),
        _(
            "Open it again from the message itself, or type the whole of it. If it still does not"
            " work, use the Invite Code in the message, or ask the clinic for a new invitation."
        ),
        link=(_("Enter an Invite Code"), url_for("joining.find")),
        status=404,
    )


def _replaced(clinic: Clinic) -> Response:
    return _page(
        _("This link has been replaced"),
        _(
            "The clinic has changed the invitation since. Open the newest message from the clinic."
            " If there is none, call the clinic."
        ),
        clinic=clinic,
    )


def _page(
    heading: str,
    text: str,
    *,
    clinic: Clinic | None = None,
    link: tuple[str, str] | None = None,
    link_id: str = "",
    status: int = 410,
) -> Response:
    """`link_id`: of an invitation for which a new link can be asked."""
    return respond(
        "joining/closed.html",
        "content",
        heading=heading,
        text=text,
        clinic=clinic,
        link=link,
        link_id=link_id,
        status=status,
    )
