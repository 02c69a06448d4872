"""Upload File to Invite Multiple Patients: the template, and taking a file in.

A file is read in the request and written down in batches, each a transaction of its own: while one
is being checked nobody waits to write. What is refused in the middle leaves nothing behind.
"""

import hashlib
from typing import BinaryIO, cast

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.datastructures import CombinedMultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as BaseResponse

from inviter import holding, imports, roster, spreadsheets
from inviter.db import db
from inviter.models import Import
from inviter.spreadsheets import HEADINGS, Refused, Sheet
from inviter.web import addresses, export, guards, invite
from inviter.web.upload_form import UploadForm, upload_form

bp = Blueprint("upload", __name__, url_prefix="/c/<slug>")

UPLOAD = "upload.upload"
"""The endpoint that takes more than any other."""
MEGABYTE = 1_000_000
FORM_AROUND = 100_000
"""What the form may add to the bytes of the file."""
PIECE = 256 * 1024


@bp.get("/template.csv")
def template(slug: str) -> Response:
    """With a mark that tells spreadsheets how it is written."""
    text = export.BOM + export.line(HEADINGS)
    response = Response(text, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = "attachment; filename=template.csv"
    return response


@bp.post("/imports")
def upload(slug: str) -> BaseResponse:
    """Import CSV: nobody is invited yet."""
    form = upload_form(CombinedMultiDict([request.files, request.form]))
    if not form.validate():
        return _page(form, 422)
    if not holding.room(g.clinic.id):
        form.refuse_for_room()
        return _page(form, 422)
    try:
        made = _take_in(form)
    except Refused as refused:
        form.refuse(refused)
        return _page(form, 422)
    return redirect(url_for("imports.page", slug=slug, import_id=made.id), 303)


@bp.errorhandler(RequestEntityTooLarge)
def too_large(_error: RequestEntityTooLarge) -> Response:
    """Refused by its length, before anything of it was read."""
    form = upload_form()
    form.refuse_size()
    return _page(form, 413)


def most_bytes() -> int:
    """Of a request with a file."""
    return guards.settings().upload_max_mb * MEGABYTE + FORM_AROUND


def _take_in(form: UploadForm) -> Import:
    """Raises Refused; then nothing of the file is kept."""
    file = cast(BinaryIO, form.upload.stream)
    content_mac = guards.keys().mac("import", _digest(file))
    sheet = spreadsheets.read(file, most_rows=guards.settings().upload_max_rows)
    made = imports.begin(
        g.clinic,
        provider=form.chosen,
        by=g.user,
        file_name=_name(form.upload.filename or ""),
        content_mac=content_mac,
        ignored=sheet.ignored,
        now=g.now,
    )
    db.session.commit()
    try:
        _write(made, sheet)
    except Refused:
        for _part in imports.drop(made):
            db.session.commit()
        raise
    imports.open_up(made, by=g.user, now=g.now)
    db.session.commit()
    return made


def _write(made: Import, sheet: Sheet) -> None:
    checked = roster.check(sheet.rows, guards.settings().sms_regions)
    for batch in imports.batches(checked):
        imports.write(made, batch)
        db.session.commit()


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(PIECE):
        digest.update(piece)
    file.seek(0)
    return digest.hexdigest()


def _name(typed: str) -> str:
    """Without folders, and without what is not seen."""
    last = typed.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable()).strip() or "file.csv"


def _page(form: UploadForm, status: int) -> Response:
    """Invite Patients with what is wrong at its card."""
    return invite.show(addresses.read(request.args, on="invite"), status, upload=form)
