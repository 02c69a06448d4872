"""Invited Patients as a file for spreadsheets: what is looked for, in its order, its columns."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, redirect, request, stream_with_context
from werkzeug.wrappers import Response as BaseResponse

from inviter import activity, codes, listing
from inviter.activity import Action
from inviter.conditions import Column, Place
from inviter.db import db, end_reading, read_only
from inviter.listing import InvitedRow
from inviter.web import addresses, columns, formats
from inviter.web.addresses import Address
from inviter.web.invited import known, place

BATCH = 500
BOM = "\ufeff"
FORMULA = tuple("=+-@\t\r＝＋－＠")

bp = Blueprint("export", __name__, url_prefix="/c/<slug>/invitations/export")


@bp.post("")
def export(slug: str) -> Response:
    """Recorded before the first line leaves."""
    address = addresses.read(request.form)
    here = place()
    ids = listing.matching(here, known(here, address.wanted), limit=None)
    activity.record(Action.EXPORTED, clinic_id=g.clinic.id, by=g.user, now=g.now, rows=len(ids))
    db.session.commit()
    lines = _lines(here, ids, columns.shown(address))
    response = Response(stream_with_context(lines), content_type="text/csv; charset=utf-8")
    today = _date(g.now)
    response.headers["Content-Disposition"] = f"attachment; filename=invited-{slug}-{today}.csv"
    return response


@bp.get("")
def again(slug: str) -> BaseResponse:
    """Where a browser comes back to after signing in."""
    return redirect(Address().url(slug), 303)


def inert(text: str) -> str:
    """A spreadsheet would work out what begins like a formula: an apostrophe keeps it a text."""
    return f"'{text}" if text.lstrip(" \n").startswith(FORMULA) else text


def line(cells: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow([inert(each) for each in cells])
    return written.getvalue()


def _lines(here: Place, ids: Sequence[int], shown: Sequence[Column]) -> Iterator[str]:
    """Batch by batch, so that memory is bounded; while it lasts nobody waits for it to write."""
    read_only.set(True)
    yield BOM + line([columns.label(each) for each in shown])
    for start in range(0, len(ids), BATCH):
        rows = listing.rows(here, ids[start : start + BATCH])
        end_reading()  # a slow reader keeps no transaction open
        yield "".join(line([_cell(row, each) for each in shown]) for row in rows)


def _cell(row: InvitedRow, column: Column) -> str:
    return {
        Column.NAME: row.name,
        Column.PROVIDER: row.provider,
        Column.INVITED: _date(row.invited_at),
        Column.ACCEPTED: _date(row.accepted_at),
        Column.PHONE: row.phone or "",
        Column.EMAIL: row.email or "",
        Column.CODE: codes.spaced(row.code) if row.code else "",  # 012345 would lose its zero
        Column.STATUS: formats.status(row.status),
    }[column]


def _date(at: datetime | None) -> str:
    """By the clinic's calendar, as every spreadsheet reads it."""
    return f"{at.astimezone(ZoneInfo(g.clinic.time_zone)):%Y-%m-%d}" if at else ""
