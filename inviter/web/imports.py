"""Imports: the uploaded files of a clinic, and one of them: check, fix, confirm, watch.

Views say what to do. What refuses is an exception of the use case: its words and the 409 that shows
how the file stands now are in one place, at the end.
"""

from collections.abc import Sequence

from flask import Blueprint, Response, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response as BaseResponse

from inviter import imports, inviting_many, mending
from inviter.db import db
from inviter.inviting_many import Overtaken
from inviter.mending import Cells, Finished
from inviter.models import Import
from inviter.quotas import TooMany
from inviter.roster import Fate
from inviter.web import addresses, formats, forms, guards, mending_forms
from inviter.web.fragments import respond
from inviter.web.import_confirm import ConfirmPage
from inviter.web.import_page import ImportPage
from inviter.web.import_shows import WORDS
from inviter.web.imports_list import ImportsList

bp = Blueprint("imports", __name__, url_prefix="/c/<slug>/imports")


@bp.get("")
def index(slug: str) -> Response:
    shown = ImportsList(addresses.number(request.args.get("page", "")))
    return respond("imports/imports.html", "content", "files", list=shown)


@bp.get("/<id:import_id>")
def page(slug: str, import_id: int) -> Response:
    return _page(ImportPage(guards.import_or_404(import_id)))


@bp.post("/<id:import_id>/save")
def save(slug: str, import_id: int) -> BaseResponse:
    """Save row, or Save all and check again."""
    made = guards.import_or_404(import_id)
    number = addresses.identity(request.form.get("save", ""))
    refused = _mend(made, number)
    if number not in refused:
        flash(_row_stands(made, number) if number else _rows_stand(made), "list")
    return _done(made, refused, saved=number or 0)


@bp.post("/<id:import_id>/keep")
def keep(slug: str, import_id: int) -> Response:
    """What is typed so far, while one types: it is checked once it is saved."""
    made = guards.import_or_404(import_id)
    is_all = mending.keep(made, mending_forms.read(request.form), now=g.now)
    db.session.commit()
    return Response(status=204 if is_all else 409)


@bp.post("/<id:import_id>/leave-out")
def leave_out(slug: str, import_id: int) -> BaseResponse:
    made, number = guards.import_or_404(import_id), _number()
    with db.session.begin_nested():  # both or neither
        refused = _mend(made, number)  # the others too
        instead = mending.leave_out(made, number, regions=_regions(), now=g.now)
    flash(_("Row %(number)s is left out.", number=number), "list")
    for other in instead:
        words = _("Row %(number)s, the same patient, takes its place.", number=other)
        flash(words, "list")
    return _done(made, refused, left=number)


@bp.post("/<id:import_id>/put-back")
def put_back(slug: str, import_id: int) -> BaseResponse:
    """Undo of Leave out."""
    made, number = guards.import_or_404(import_id), _number()
    refused = _mend(made, number)
    mending.put_back(made, number, regions=_regions(), now=g.now)
    flash(_row_stands(made, number), "list")
    return _done(made, refused)


@bp.get("/<id:import_id>/confirm")
def check(slug: str, import_id: int) -> Response:
    """The check before inviting: does nothing."""
    made = guards.import_or_404(import_id)
    if not imports.can_be_finished(made, g.now):
        raise Overtaken
    return _check_page(ConfirmPage(made, forms.new_key()))


@bp.post("/<id:import_id>/confirm")
def confirm(slug: str, import_id: int) -> BaseResponse:
    """Confirm and Invite: those who were shown as ready, and no others."""
    made, key = guards.import_or_404(import_id), request.form.get("key", "")
    if made.confirm_key != key and made.confirmed_at and not imports.ready(made):
        raise Overtaken
    shown = ConfirmPage(made, forms.new_key(), _why_not(made, key))
    if made.confirm_key != key and shown.message:
        return _check_page(shown, 409)
    try:
        most, seen = guards.settings().imported_per_day, made.revision
        inviting_many.confirm(made, key=key, by=g.user, seen=seen, most=most, now=g.now)
    except TooMany:  # others have confirmed another file at this moment: the check says how many
        db.session.rollback()
        return redirect(url_for("imports.check", slug=slug, import_id=import_id), 303)
    db.session.commit()
    return redirect(ImportPage(made).url(), 303)


@bp.post("/<id:import_id>/cancel")
def cancel(slug: str, import_id: int) -> BaseResponse:
    """Cancel the rest: a batch that is under way is waited for."""
    made = guards.import_or_404(import_id)
    try:
        stopped = inviting_many.cancel(made, by=g.user, now=g.now)
    except Overtaken:
        flash(_("Nothing was left to cancel."), "notice")
    else:
        invited = imports.counts([made])[made.id].get(Fate.INVITED, 0)
        flash(_cancelled(invited, stopped), "notice")
    db.session.commit()
    return redirect(ImportPage(made).url(), 303)


@bp.post("/<id:import_id>/discard")
def discard(slug: str, import_id: int) -> BaseResponse:
    """Cancel import: a file that was not to be uploaded is gone, and not only out of sight."""
    made = guards.import_or_404(import_id)
    mending.discard(made, by=g.user, now=g.now)
    flash(_("Import cancelled: nobody was invited, and its rows are erased."), "notice")
    for _part in imports.erase_rows(made):
        db.session.commit()
    return redirect(url_for("imports.index", slug=slug), 303)


@bp.get("/<id:import_id>/save")
@bp.get("/<id:import_id>/keep")
@bp.get("/<id:import_id>/leave-out")
@bp.get("/<id:import_id>/put-back")
@bp.get("/<id:import_id>/cancel")
@bp.get("/<id:import_id>/discard")
def again(slug: str, import_id: int) -> BaseResponse:
    """Where a browser comes back to after signing in."""
    return redirect(ImportPage(guards.import_or_404(import_id)).url(), 303)


@bp.errorhandler(Finished)
@bp.errorhandler(Overtaken)
def refused(_refusal: Exception) -> Response:
    """Nothing was changed: why, and how the file stands now. What was typed is shown again."""
    made = guards.import_or_404((request.view_args or {})["import_id"])
    shown = ImportPage(made, request.form if "row" in request.form else None)
    if shown.is_erased or not (shown.is_inviting or shown.can_mend):
        flash(_("The rows of this file can no longer be changed."), "notice")
    elif shown.is_inviting or (shown.is_done and not shown.to_invite):
        flash(_("Someone has confirmed this file meanwhile: nothing was changed."), "notice")
        if shown.is_inviting and shown.is_fixing:
            flash(_("What you typed can be saved once the patients are invited."), "notice")
    else:
        flash(_("This file has changed meanwhile. Nothing was done: look again."), "notice")
    return _page(shown, 409)


def _page(shown: ImportPage, status: int = 200) -> Response:
    """A refusal redraws all of it: how the file stands is above the rows."""
    blocks = ("content", "check", "progress") if status < 400 else ("content",)
    return respond("imports/import.html", *blocks, status=status, page=shown)


def _why_not(made: Import, key: str) -> str:
    """Why it has to be seen once more before anyone is invited; "" where it has not."""
    if not forms.KEY.fullmatch(key):
        return _("Check once more before you confirm.")
    if request.form.get("seen") != str(made.revision):
        return _("Someone has changed rows since: check once more.")
    return ""


def _check_page(shown: ConfirmPage, status: int = 200) -> Response:
    return respond("imports/confirm.html", "confirm", status=status, page=shown)


def _mend(made: Import, number: int | None) -> list[int]:
    """This row, or all, as they were typed; the numbers of those that others have changed. What was
    typed into others is not lost: the page is drawn anew from what is kept."""
    rows = mending_forms.read(request.form)
    meant = [each for each in rows if number in (None, each.number) or each.typed]
    if number and number not in [each.number for each in rows]:  # it has no inputs
        meant.append(Cells(number))
    return mending.mend(made, meant, regions=_regions(), now=g.now, saved=number)


def _regions() -> tuple[str, ...]:
    return tuple(guards.settings().sms_regions)


def _number() -> int:
    """Of the row whose button was pressed; none has 0."""
    return addresses.identity(request.form.get("number", "")) or 0


def _row_stands(made: Import, number: int) -> str:
    found = imports.row(made, number)
    if found is None:
        return ""
    return _("Row %(number)s: %(fate)s.", number=number, fate=formats.word(WORDS[found.fate]))


def _rows_stand(made: Import) -> str:
    left = imports.counts([made])[made.id].get(Fate.NEEDS_FIXING, 0)
    if not left:
        return _("Saved. No row needs fixing.")
    return ngettext(
        "Saved. %(number)s row needs fixing.",
        "Saved. %(number)s rows need fixing.",
        left,
        number=f"{left:,}",
    )


def _cancelled(invited: int, stopped: int) -> str:
    number = f"{invited:,}"
    done = ngettext(
        "%(number)s patient was invited", "%(number)s patients were invited", invited, number=number
    )
    number = f"{stopped:,}"
    rest = ngettext("%(number)s was stopped", "%(number)s were stopped", stopped, number=number)
    return _("Cancelled: %(done)s, %(rest)s.", done=done, rest=rest)


def _done(made: Import, refused: Sequence[int], **more: int) -> BaseResponse:
    """Back to the same rows; with what was typed where someone else has changed it."""
    db.session.commit()
    if not refused:
        return _back(made, **more)
    rows = ", ".join(map(str, refused))
    flash(
        ngettext(
            "Someone has changed row %(rows)s meanwhile: what you typed there is not saved.",
            "Someone has changed rows %(rows)s meanwhile: what you typed there is not saved.",
            len(refused),
            rows=rows,
        ),
        "notice",
    )
    shown = ImportPage(guards.import_or_404(made.id), request.form, refused[0])
    return _page(shown, 409)


def _back(made: Import, **more: int) -> BaseResponse:
    """To the same rows. A browser that is sent to an anchor heeds no autofocus."""
    here = {name: request.form[name] for name in ("show", "page") if name in request.form}
    return redirect(ImportPage(made).url(**here, **more, _anchor=None if more else "check"), 303)
