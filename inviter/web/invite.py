"""Invite Patients: type, check, confirm, see what was sent."""

from collections.abc import Callable, Sequence
from functools import cache

from flask import Blueprint, Response, abort, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from inviter import duplicates, holding, inviting, team
from inviter.db import db
from inviter.duplicates import Checked, Fate
from inviter.holding import NoRoom
from inviter.inviting import KeyUsed, TooMany
from inviter.models import Confirmation
from inviter.status import Moment
from inviter.web import (
    addresses,
    checked,
    drafts,
    formats,
    forms,
    guards,
    home,
    letters,
    pasting,
    paused,
    previews,
)
from inviter.web.addresses import Address
from inviter.web.forms import Error, InviteForm
from inviter.web.fragments import respond
from inviter.web.invited import InvitedList
from inviter.web.upload_form import UploadForm, upload_form

bp = Blueprint("invite", __name__, url_prefix="/c/<slug>")

LISTED = ("list", "results")
"""What of the list may be redrawn."""


@bp.get("/invite")
def page(slug: str) -> Response:
    return home.remember_clinic(show(addresses.read(request.args, on="invite")), slug)


def show(
    address: Address,
    status: int = 200,
    row_id: int | None = None,
    block: str = "content",
    upload: UploadForm | None = None,
) -> Response:
    """Invite Patients with the form as it was left, and the list at this address.

    Where only the list is redrawn, no form is made. `upload` is a file that was refused.
    """
    errors = upload.summary() if upload else ()
    return _respond(
        cache(_form_as_left), InvitedList(address, row_id), block, status, errors, upload
    )


@bp.post("/invite/rows")
def rows(slug: str) -> Response:
    """Add, remove, undo that, paste several, or come back from the check: only redraws."""
    form = _form(request.form)
    if "add" in request.form:
        return _page(_with_row_added(form), block="rows")
    if "remove" in request.form:
        return _page(_with_row_removed(form, request.form["remove"]), block="rows")
    if "undo" in request.form:
        return _page(_with_row_restored(form), block="rows")
    if "into" in request.form:
        return _with_rows_pasted(form, request.form["into"], request.form.get("paste", ""))
    if "keep" in request.form:
        form.focus = form.rows[0].first_name.id
        return _page(form, block="rows")
    return _page(form)


@bp.post("/invite/confirm")
def confirm(slug: str) -> Response:
    """The check before sending: says what would happen, and does nothing."""
    form = _form(request.form)
    if not form.validate():
        return _page(form, 422)
    return _check_page(form)


@bp.post("/invite")
def invite(slug: str) -> BaseResponse:
    """Confirm and Invite."""
    form = _form(request.form)
    if not form.validate():
        return _page(form, 422)
    if not form.has_key:
        return _check_page(form, _("Check once more before you confirm."), 409)
    try:
        confirmation = inviting.invite(
            g.clinic,
            form.recipients,
            provider=form.chosen,
            by=g.user,
            key=form.key.data,
            keys=guards.keys(),
            sms=_sms(),
            most=guards.settings().invitations_per_hour,
            now=g.now,
        )
    except KeyUsed:
        return _check_page(form, _("You have changed something since: check once more."), 409)
    except TooMany as refused:
        return _check_page(form, formats.too_many_typed(refused, g.clinic), 409)
    except NoRoom:  # nothing is committed: its key may confirm later
        return _check_page(form, code=409)
    drafts.sent(form.key.data)
    _say(confirmation)
    db.session.commit()
    return redirect(url_for("invite.sent", slug=slug, key=confirmation.key), 303)


@bp.post("/invite/preview")
def preview(slug: str) -> Response:
    """The message to one of them, before there is an invitation."""
    form = _form(request.form)
    if not form.validate():
        return _page(form, 422)
    place = addresses.identity(request.form.get("preview", ""))
    found = duplicates.check(g.clinic, form.recipients)
    later = [each for each in checked.addressees(found, sms=_sms()) if each.place >= (place or 0)]
    if not later or later[0].place != place:
        return _check_page(form)
    return respond(
        "previews/preview.html",
        "preview",
        preview=previews.of_recipient(form.recipients[place], form.chosen),
        form=form,
        next=later[1] if later[1:] else None,
    )


@bp.get("/invite/letter/<sealed>")
def letter(slug: str, sealed: str) -> Response:
    """Its email, in a frame of the preview."""
    return letters.framed(previews.intended_letter(sealed))


@bp.get("/invite/confirm")
@bp.get("/invite/preview")
@bp.get("/invite/rows")
def again(slug: str) -> BaseResponse:
    """Nothing is kept of a check: start from the form."""
    return redirect(url_for("invite.page", slug=slug), 303)


@bp.get("/invitations/sent/<key>")
def sent(slug: str, key: str) -> Response:
    """Invitations Sent: reloadable, the same for everyone at the clinic."""
    confirmation = inviting.confirmation(g.clinic, key) or abort(404)
    page = checked.sent_page(confirmation, g.clinic, _moment(), keys=guards.keys())
    return respond("invite/sent.html", "content", "sent", sent=page)


def _form(posted: MultiDict[str, str] | None = None, **data: object) -> InviteForm:
    return forms.invite_form(
        team.providers_for(g.membership, guards.providers()),
        may_choose=g.membership.is_admin,
        regions=guards.settings().sms_regions,
        posted=posted,
        data=data,
    )


def _form_as_left() -> InviteForm:
    """Empty, or with what was typed and not sent."""
    kept = drafts.kept()
    form = _form(kept)
    form.back = drafts.words(kept) if kept else ""
    return form


def _page(form: InviteForm, code: int = 200, *, block: str = "content") -> Response:
    """The form and the list; `block` is what is redrawn for who has the page already."""
    invited = InvitedList(addresses.read(request.args, on="invite"))
    return _respond(lambda: form, invited, block, code, form.summary())


def _respond(
    form: Callable[[], InviteForm],
    invited: InvitedList,
    block: str,
    status: int,
    errors: Sequence[Error] = (),
    upload: UploadForm | None = None,
) -> Response:
    """Forms and list are made where something of them is drawn."""
    return respond(
        "invite/invite.html",
        block,
        *LISTED,
        status=status,
        row=invited.row_name,
        url=invited.remembered if request.method == "GET" else None,
        form_of=form,
        upload_of=lambda: upload or upload_form(),
        notices_of=paused.notices,
        errors=errors,
        listing=invited,
    )


def _with_row_added(form: InviteForm) -> InviteForm:
    redrawn = _form(**forms.with_row_added(form))
    number = len(redrawn.rows)
    redrawn.focus = redrawn.rows[-1].first_name.id
    flash(_("Patient %(number)s added", number=number), "live")
    return redrawn


def _with_row_removed(form: InviteForm, place_typed: str) -> InviteForm:
    """The last row that is left is kept: a form without rows is no form."""
    place = next((n for n in range(len(form.rows)) if str(n) == place_typed), None)
    if place is None or len(form.rows) == 1:
        return form
    redrawn = _form(**forms.with_row_removed(form, place))
    redrawn.removed = forms.removed_row(form, place)
    redrawn.removed_number = place + 1
    redrawn.focus = redrawn.rows[max(place - 1, 0)].first_name.id
    flash(_("Row %(number)s removed", number=place + 1), "live")
    return redrawn


def _with_row_restored(form: InviteForm) -> InviteForm:
    removed = forms.posted_removed_row(request.form)
    place = min(max(removed.place.data or 0, 0), len(form.rows))
    redrawn = _form(**forms.with_row_restored(form, removed, place))
    redrawn.focus = redrawn.rows[place].first_name.id
    flash(_("Row %(number)s is back", number=place + 1), "live")
    return redrawn


def _with_rows_pasted(form: InviteForm, name: str, text: str) -> Response:
    """As many as can be invited here; for more there is the upload."""
    data = pasting.into(form, name, text)
    if len(data["rows"]) > forms.MOST_ROWS:
        form.too_many = True
        return _page(form, 422)
    redrawn = _form(**data)
    redrawn.focus = redrawn.rows[0].first_name.id
    count = len(redrawn.rows)
    flash(ngettext("%(num)d patient", "%(num)d patients", count), "live")
    return _page(redrawn, block="rows")


def _check_page(form: InviteForm, message: str = "", code: int = 200) -> Response:
    found = duplicates.check(g.clinic, form.recipients)
    if not form.has_key or _is_spent(form, found):
        form.key.data = forms.new_key()
    page = checked.check_page(
        found,
        form.filled,
        g.clinic,
        _moment(),
        provider=form.chosen,
        message=message or _no_room(found),
        sms=_sms(),
    )
    return respond("invite/confirm.html", "confirm", status=code, form=form, check=page)


def _no_room(found: Sequence[Checked]) -> str:
    """Why not all of these can be invited, if so."""
    try:
        holding.check(g.clinic.id, sum(each.fate == Fate.INVITED for each in found))
    except NoRoom as many:
        return formats.no_room(many.room)
    return ""


def _is_spent(form: InviteForm, found: Sequence[Checked]) -> bool:
    """A key that has confirmed stays only for going back to what it confirmed."""
    earlier = inviting.confirmation(g.clinic, form.key.data)
    if earlier is None:
        return False
    mine = inviting.content_mac(
        form.recipients, provider=form.chosen, by=g.user, keys=guards.keys()
    )
    return earlier.content_mac != mine or any(each.fate == Fate.INVITED for each in found)


def _sms() -> bool:
    return guards.settings().sms != "off"


def _moment() -> Moment:
    return Moment(g.now, guards.settings().doubt_after)


def _say(confirmation: Confirmation) -> None:
    """The banner: how many were invited, and that the others were not."""
    fates = [fate for fate, _id in confirmation.outcome]
    invited, others = fates.count(Fate.INVITED), len(fates) - fates.count(Fate.INVITED)
    if invited:
        text = ngettext(
            "%(num)d invite sent successfully.", "%(num)d invites sent successfully.", invited
        )
        flash(text, "success")
    if others:
        text = ngettext(
            "%(num)d patient was not invited a second time: see below.",
            "%(num)d patients were not invited a second time: see below.",
            others,
        )
        flash(text, "notice")
