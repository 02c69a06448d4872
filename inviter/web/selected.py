"""Several invitations at once: send again after a check, remove with Undo, take away as a file."""

from collections.abc import Callable, Sequence

from flask import Blueprint, Response, abort, flash, g, redirect, request
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response as BaseResponse

from inviter import listing, selection
from inviter.db import db
from inviter.listing import COUNT_LIMIT
from inviter.selection import Outcome, Why
from inviter.web import addresses, guards, invite
from inviter.web import listing as patients_page
from inviter.web.addresses import Address
from inviter.web.fragments import respond
from inviter.web.invited import known, place

bp = Blueprint("selected", __name__, url_prefix="/c/<slug>/invitations/selected")

SHOWN = {"invite": invite.show, "patients": patients_page.show}
"""Each page with the list, drawn anew."""


@bp.post("")
def choose(slug: str) -> BaseResponse:
    """With selected: Remove Invite acts at once, Resend Invite is checked first."""
    address = addresses.read(request.form)
    ids = _chosen(address)
    if ids is None:
        flash(_("The list has changed since you selected all. Look again."), "list")
        return SHOWN[address.on](address, 409, block="results")
    if not ids:
        flash(_("Select at least one patient."), "list")
        return SHOWN[address.on](address, 422, block="results")
    if request.form.get("do") == "remove":
        return _remove(ids, address)
    return _check(ids, address)


@bp.post("/resend")
def resend(slug: str) -> BaseResponse:
    """What was checked. Pressed twice, the second finds that all were just sent."""
    address = addresses.read(request.form)
    keys, sms = guards.keys(), guards.settings().sms != "off"

    def resend_some(ids: Sequence[int], after: int) -> Outcome:
        return selection.resend(
            g.clinic, ids, by=g.user, keys=keys, sms=sms, now=g.now, after=after
        )

    outcome = _in_parts(resend_some, _ticked())
    _tell(
        ngettext("%(num)d invite resent.", "%(num)d invites resent.", outcome.done)
        if outcome.done
        else _("No invites were resent."),
        outcome,
    )
    db.session.commit()
    return redirect(address.url(slug, _anchor="list"), 303)


@bp.post("/restore")
def restore(slug: str) -> BaseResponse:
    """Undo the removal of several."""
    address = addresses.read(request.form)
    at = addresses.instant(request.form.get("removed", "")) or abort(404)
    outcome = selection.restore(g.clinic, at, by=g.user, now=g.now)
    words = ngettext("%(num)d invite is back.", "%(num)d invites are back.", outcome.done)
    _tell(words, outcome)
    db.session.commit()
    return redirect(address.url(slug, _anchor="list"), 303)


@bp.get("")
@bp.get("/resend")
@bp.get("/restore")
def again(slug: str) -> BaseResponse:
    """Where a browser comes back to after signing in."""
    return redirect(Address().url(slug), 303)


def reasons(outcome: Outcome) -> list[str]:
    """Why nothing was done to some, and to how many."""
    words = {
        Why.ACCEPTED: _("accepted: %(num)d"),
        Why.REMOVED: _("removed already: %(num)d"),
        Why.JUST_SENT: _("sent less than 15 minutes ago: %(num)d"),
        Why.DISOWNED: _("not for this person: %(num)d"),
        Why.NO_MESSAGE: _("no email or mobile number: %(num)d"),
        Why.OVERTAKEN: _("resent by someone else just now: %(num)d"),
        Why.INVITED_ANEW: _("invited anew meanwhile: %(num)d"),
        Why.TOO_LATE: _("removed more than 24 hours ago: %(num)d"),
    }
    return [words[why] % {"num": number} for why, number in outcome.refused.items()]


def _remove(ids: Sequence[int], address: Address) -> BaseResponse:
    outcome = _in_parts(lambda some, _: selection.remove(g.clinic, some, by=g.user, now=g.now), ids)
    words = ngettext("%(num)d invite removed.", "%(num)d invites removed.", outcome.done)
    _tell(words, outcome)
    db.session.commit()
    removed = g.now.isoformat() if outcome.done else None
    return redirect(address.url(g.clinic.slug, removed=removed, _anchor="list"), 303)


def _in_parts(act: Callable[[Sequence[int], int], Outcome], ids: Sequence[int]) -> Outcome:
    """Committed part by part, so that nobody waits long; begun again, none is done twice.

    `act` is told how many were done before.
    """
    outcome = Outcome()
    for part in selection.parts(ids):
        outcome += act(part, outcome.done)
        db.session.commit()
    return outcome


def _check(ids: Sequence[int], address: Address) -> Response:
    sms = guards.settings().sms != "off"
    outcome = selection.sendable(g.clinic, ids, sms=sms, now=g.now)
    return respond(
        "listing/resend.html",
        "resend",
        many=outcome.done,
        reasons=reasons(outcome),
        ids=ids,
        hidden=[("on", address.on), *address.arguments().items()],
        back_url=address.url(g.clinic.slug, _anchor="list"),
    )


def _tell(done: str, outcome: Outcome) -> None:
    why = reasons(outcome)
    flash(
        _("%(done)s Not the others: %(why)s.", done=done, why="; ".join(why)) if why else done,
        "list",
    )


def _chosen(address: Address) -> Sequence[int] | None:
    """What is ticked, or all that match; None where that is not as many as were shown."""
    meant = request.form.get("all")
    if meant is None:
        return _ticked()
    here = place()
    ids = listing.matching(here, known(here, address.wanted))
    return ids if str(len(ids)) == meant and len(ids) <= COUNT_LIMIT else None


def _ticked() -> Sequence[int]:
    typed = (addresses.identity(each) for each in request.form.getlist("id"))
    return [each for each in typed if each is not None][:COUNT_LIMIT]
