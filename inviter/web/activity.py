"""Activity: what happened at a clinic, for its Clinic Admins; and all of it as a file."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, g, redirect, request, stream_with_context, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

from inviter import activity, happenings
from inviter.activity import Action, View
from inviter.db import db, end_reading, read_only
from inviter.happenings import Conditions, Happening, TooMany
from inviter.web import guards, happened
from inviter.web.activity_list import ActivityList
from inviter.web.export import BOM, line
from inviter.web.fragments import respond

BATCH = 500

bp = Blueprint("activity", __name__, url_prefix="/c/<slug>/activity")


@bp.get("")
def page(slug: str) -> Response:
    guards.admins_only()
    shown = ActivityList(request.args)
    return respond("activity/activity.html", "content", "happenings", url=shown.url, page=shown)


@bp.post("/export")
def export(slug: str) -> BaseResponse:
    """Recorded before the first line leaves."""
    guards.admins_only()
    shown = ActivityList(request.form)
    try:
        where = happenings.earlier(happenings.conditions(g.clinic, shown.wanted), g.now)
    except TooMany:
        flash(shown.empty, "notice")
        return redirect(shown.url, 303)
    lines = _lines(where, shown.people)
    known = {"clinic_id": g.clinic.id, "view": View.ACTIVITY, "rows": happenings.count(where)}
    activity.record(Action.EXPORTED, by=g.user, now=g.now, **known)
    db.session.commit()
    response = Response(stream_with_context(lines), content_type="text/csv; charset=utf-8")
    today = _moment(g.now)[:10]
    response.headers["Content-Disposition"] = f"attachment; filename=activity-{slug}-{today}.csv"
    return response


@bp.get("/export")
def again(slug: str) -> BaseResponse:
    """Where a browser comes back to after signing in."""
    guards.admins_only()
    return redirect(url_for("activity.page", slug=slug), 303)


def _lines(where: Conditions, people: dict[int, str]) -> Iterator[str]:
    """Batch by batch, so that memory is bounded; while it lasts nobody waits for it to write."""
    read_only.set(True)
    yield BOM + line([_("When"), _("Who"), _("What happened"), _("Patient Name")])
    for rows in happenings.batches(where, size=BATCH):
        end_reading()  # a slow reader keeps no transaction open
        yield "".join(line(_cells(each, people)) for each in rows)


def _cells(row: Happening, people: dict[int, str]) -> list[str]:
    return [_moment(row.at), row.by or "", happened.sentence(row, people), row.patient]


def _moment(at: datetime) -> str:
    """By the clinic's clock, as every spreadsheet reads it."""
    return f"{at.astimezone(ZoneInfo(g.clinic.time_zone)):%Y-%m-%d %H:%M:%S}"
