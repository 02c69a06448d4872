"""The rows of a file that need fixing, as a file: with the reasons, to be mended and uploaded."""

from collections.abc import Iterator
from datetime import datetime

from flask import Blueprint, Response, g, redirect, stream_with_context, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

from inviter import activity, imports
from inviter.activity import Action
from inviter.db import db, end_reading, read_only
from inviter.models import Import, ImportRow
from inviter.roster import Fate
from inviter.spreadsheets import HEADINGS
from inviter.web import export, guards
from inviter.web.mending_forms import RowToFix

bp = Blueprint("rows_to_fix", __name__, url_prefix="/c/<slug>/imports/<id:import_id>/rows-to-fix")

TO_FIX = (Fate.NEEDS_FIXING,)


@bp.post("")
def download(slug: str, import_id: int) -> Response:
    """Recorded before the first line leaves."""
    made = guards.import_or_404(import_id)
    many = imports.counts([made])[made.id].get(Fate.NEEDS_FIXING, 0)
    _record(made, many, g.now)
    db.session.commit()
    lines = stream_with_context(_lines(made))
    response = Response(lines, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = "attachment; filename=rows-to-fix.csv"
    return response


@bp.get("")
def again(slug: str, import_id: int) -> BaseResponse:
    """Where a browser comes back to after signing in."""
    made = guards.import_or_404(import_id)
    return redirect(url_for("imports.page", slug=slug, import_id=made.id), 303)


def _record(made: Import, many: int, now: datetime) -> None:
    known = {"clinic_id": made.clinic_id, "import_id": made.id}
    activity.record(Action.EXPORTED, by=g.user, now=now, rows=many, **known)


def _lines(made: Import) -> Iterator[str]:
    """Batch by batch, so that memory is bounded; while it lasts nobody waits for it to write."""
    read_only.set(True)
    yield export.BOM + export.line([*HEADINGS, _("Problem")])
    number = 0
    while rows := imports.rows_after(made, number, TO_FIX):
        number = rows[-1].number
        end_reading()  # a slow reader keeps no transaction open
        yield "".join(
            export.line([*_cells(each), _why(each), *(each.beyond or ())]) for each in rows
        )


def _cells(row: ImportRow) -> tuple[str, ...]:
    """What stood beyond the headings comes last: uploaded again it still does, until someone has
    put each cell in its place."""
    return row.first_name, row.last_name, row.email, row.phone


def _why(row: ImportRow) -> str:
    return RowToFix(row).all_problems
