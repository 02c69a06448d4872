"""One invitation: its page, and what staff do with it there or in its row of the list.

Views say what to do. What refuses is an exception of the use case: its words and the 409 that shows
how things stand now are in one place, at the end.
"""

from typing import Any

from flask import Blueprint, Response, flash, g, redirect, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

from inviter import invitations, quotas, team
from inviter.db import db
from inviter.invitations import (
    Closed,
    Disowned,
    GivenHow,
    GivenTo,
    InvitedAnew,
    JustSent,
    NoMessage,
    Overtaken,
    TooLate,
)
from inviter.models import Invitation
from inviter.quotas import TooMany
from inviter.web import (
    addresses,
    contact_form,
    formats,
    forms,
    guards,
    history,
    letters,
    previews,
    selected,
)
from inviter.web.contact_form import ContactForm
from inviter.web.fragments import respond
from inviter.web.invitation_page import InvitationPage, closed_by, url_of

bp = Blueprint("invitations", __name__, url_prefix="/c/<slug>/invitations")

HERE = "invitation"
"""What `on` says where a button was not pressed in a list."""


@bp.get("/<id:invitation_id>")
def page(slug: str, invitation_id: int) -> Response:
    return _page(guards.invitation_or_404(invitation_id))


@bp.post("/<id:invitation_id>/resend")
def resend(slug: str, invitation_id: int) -> BaseResponse:
    invitation = guards.invitation_or_404(invitation_id)
    _resend(invitation, seen=_seen_or_never(), sure="sure" in request.args)
    _tell(_("Invite resent to %(name)s.", name=invitation.name))
    db.session.commit()
    return _back(invitation)


@bp.post("/<id:invitation_id>/remove")
def remove(slug: str, invitation_id: int) -> BaseResponse:
    invitation = guards.invitation_or_404(invitation_id)
    invitations.remove(invitation, by=g.user, now=g.now)
    text = _("Invite for %(name)s removed.", name=invitation.name)
    flash(text, "success" if _is_here() else "live")  # its row says so itself, with Undo
    db.session.commit()
    return _back(invitation)


@bp.post("/<id:invitation_id>/restore")
def restore(slug: str, invitation_id: int) -> BaseResponse:
    """Undo."""
    invitation = guards.invitation_or_404(invitation_id)
    invitations.restore(invitation, by=g.user, now=g.now)
    _tell(_("Invite for %(name)s is back.", name=invitation.name))
    db.session.commit()
    return _back(invitation)


@bp.get("/<id:invitation_id>/contact")
def contact(slug: str, invitation_id: int) -> Response:
    """Fix and resend, or Change."""
    invitation = _open(invitation_id)
    return _contact_page(invitation, contact_form.of(invitation))


@bp.post("/<id:invitation_id>/contact")
def change_contact(slug: str, invitation_id: int) -> BaseResponse:
    invitation = guards.invitation_or_404(invitation_id)
    form = contact_form.of(invitation, request.form)
    if not form.validate():
        return _contact_page(invitation, form, 422)
    try:
        code_changed = _put_right(invitation, form)
    except InvitedAnew as anew:
        form.refuse(anew, g.clinic)
        return _contact_page(invitation, form, 422)
    except TooMany as many:
        form.email.errors = [formats.too_many_typed(many, g.clinic)]
        return _contact_page(invitation, form, 422)
    except JustSent as sent:
        form.ask(formats.ago(g.now - sent.at))
        return _contact_page(invitation, form, 422)
    except Disowned:
        form.ask_who()
        return _contact_page(invitation, form, 422)
    _tell(form.said(code_changed=code_changed))
    db.session.commit()
    return _back(invitation)


@bp.get("/<id:invitation_id>/preview")
def preview(slug: str, invitation_id: int) -> Response:
    """The message as the patient gets it."""
    invitation = guards.invitation_or_404(invitation_id)
    return respond(
        "previews/preview.html",
        "preview",
        preview=previews.of_invitation(invitation),
        form=None,
        next=None,
        back_url=url_of(invitation),
    )


@bp.get("/<id:invitation_id>/preview/letter")
def letter(slug: str, invitation_id: int) -> Response:
    """Its email, in a frame of the preview."""
    return letters.framed(previews.letter(guards.invitation_or_404(invitation_id)))


@bp.post("/<id:invitation_id>/provider")
def change_provider(slug: str, invitation_id: int) -> BaseResponse:
    guards.admins_only()
    invitation = guards.invitation_or_404(invitation_id)
    typed = request.form.get("provider")
    here = team.providers_for(g.membership, guards.providers())
    chosen = next((each for each in here if str(each.id) == typed), None)
    if chosen is None:
        flash(_("Choose a provider"), "error")
        return _page(invitation, 422)
    invitations.change_provider(invitation, chosen, by=g.user, now=g.now)
    flash(_("The provider is now %(name)s.", name=chosen.name), "success")
    db.session.commit()
    return _to_page(invitation)


@bp.post("/<id:invitation_id>/show-code")
def show_code(slug: str, invitation_id: int) -> BaseResponse:
    """Show large: whoever stands by can read it, so who did is kept."""
    invitation = _open(invitation_id)
    invitations.show_code(invitation, by=g.user, now=g.now)
    db.session.commit()
    return _to_page(invitation, large=1, _anchor="code")


@bp.post("/<id:invitation_id>/give-code")
def give_code(slug: str, invitation_id: int) -> BaseResponse:
    invitation = guards.invitation_or_404(invitation_id)
    how, to = request.form.get("how", ""), request.form.get("to", "")
    if how not in list(GivenHow) or to not in list(GivenTo):
        flash(_("Say how and to whom the code was given"), "error")
        return _page(invitation, 422)
    invitations.give_code(invitation, how=GivenHow(how), to=GivenTo(to), by=g.user, now=g.now)
    flash(_("It is noted that the code was given."), "success")
    db.session.commit()
    return _to_page(invitation)


@bp.get("/<id:invitation_id>/resend")
@bp.get("/<id:invitation_id>/remove")
@bp.get("/<id:invitation_id>/restore")
@bp.get("/<id:invitation_id>/provider")
@bp.get("/<id:invitation_id>/show-code")
@bp.get("/<id:invitation_id>/give-code")
def again(slug: str, invitation_id: int) -> BaseResponse:
    """Where a browser comes back to after signing in."""
    return _to_page(guards.invitation_or_404(invitation_id))


@bp.errorhandler(JustSent)
@bp.errorhandler(Disowned)
def unsure(_refused: Exception) -> BaseResponse:
    """Asks first, where the button was pressed."""
    return _back(_addressed(), ask=1)


@bp.errorhandler(Closed)
@bp.errorhandler(InvitedAnew)
@bp.errorhandler(NoMessage)
@bp.errorhandler(Overtaken)
@bp.errorhandler(TooLate)
def refused(refusal: Exception) -> Response:
    """Nothing was changed: why, and how the invitation stands now."""
    invitation = _addressed()
    _tell(history.refusal(refusal, invitation, g.clinic, seen=_seen()), "notice")
    if _is_here():
        return _page(invitation, 409)
    address = addresses.read(request.values)
    return selected.SHOWN[address.on](address, 409, invitation.id)


def _open(invitation_id: int) -> Invitation:
    invitation = guards.invitation_or_404(invitation_id)
    if closed := closed_by(invitation):
        raise Closed(closed)
    return invitation


def _resend(invitation: Invitation, *, seen: int, sure: bool) -> None:
    keys, sms = guards.keys(), guards.settings().sms != "off"
    invitations.resend(invitation, seen=seen, by=g.user, keys=keys, sms=sms, now=g.now, sure=sure)


def _put_right(invitation: Invitation, form: ContactForm) -> bool:
    """The change, and the sending where that was pressed: both or neither."""
    seen = _seen_or_never()
    with db.session.begin_nested():
        code_changed = invitations.change_contact(
            invitation,
            email=form.address,
            phone=form.phone,
            by=g.user,
            keys=guards.keys(),
            now=g.now,
            seen=seen,
            shown=form.shown,
        )
        if form.sends:
            if form.is_other:
                most = guards.settings().invitations_per_hour
                quotas.count(quotas.TYPED, g.clinic.id, 1, most=most, now=g.now)
            # Another code has begun another generation, under the same lock.
            seen = invitation.generation if code_changed else seen
            _resend(invitation, seen=seen, sure=form.is_sure)
    return code_changed


def _page(invitation: Invitation, status: int = 200) -> Response:
    is_large = request.args.get("large") == "1"
    shown = InvitationPage(invitation, asks="ask" in request.args, is_large=is_large)
    return respond(
        "invitations/invitation.html",
        "content",
        "history",
        status=status,
        url=None if shown.is_look else shown.here,
        page=shown,
    )


def _contact_page(invitation: Invitation, form: ContactForm, status: int = 200) -> Response:
    shown = InvitationPage(invitation)
    address = addresses.read(request.values)
    here, back_url = [("on", HERE)], shown.url
    if not _is_here():
        here = [("on", address.on), *address.arguments().items()]
        back_url = address.url(g.clinic.slug, _anchor="list")
    return respond(
        "invitations/contact.html",
        "contact",
        status=status,
        page=shown,
        form=form,
        errors=forms.errors_of(form),
        hidden=[*here, ("seen", request.form.get("seen", invitation.generation))],
        back_url=back_url,
        # Beside the list its row, on a page of its own that page.
        target="#content" if _is_here() else f"#invitation-{invitation.id}, .alone",
    )


def _is_here() -> bool:
    return request.values.get("on") == HERE


def _seen() -> int | None:
    """Which sending was shown to who presses; None where that is not said."""
    return addresses.identity(request.form.get("seen", ""))


def _seen_or_never() -> int:
    """As `_seen`; what is not said is never the present sending."""
    seen = _seen()
    return -1 if seen is None else seen


def _addressed() -> Invitation:
    return guards.invitation_or_404((request.view_args or {})["invitation_id"])


def _tell(text: str, kind: str = "success") -> None:
    flash(text, kind if _is_here() else "list")


def _back(invitation: Invitation, **more: Any) -> BaseResponse:
    """To where it was pressed: the invitation's page, or its row in the list."""
    if _is_here():
        return _to_page(invitation, **more)
    address = addresses.read(request.values)
    url = address.url(g.clinic.slug, row=invitation.id, _anchor="list", **more)
    return redirect(url, 303)


def _to_page(invitation: Invitation, **more: Any) -> BaseResponse:
    return redirect(url_of(invitation, **more), 303)
