"""What a person sees when something is refused or breaks: what became of their work, what to do."""

import sqlite3
from typing import Any

import structlog
from flask import Flask, Response, g, make_response, render_template, request
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from inviter import logs, team
from inviter.db import db
from inviter.readdressing import OutOfCodes
from inviter.web import auth

log = structlog.get_logger()


def init(app: Flask) -> None:
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(CSRFError, _out_of_date)
    app.register_error_handler(OperationalError, _out_of_reach)
    app.register_error_handler(OutOfCodes, _out_of_codes)
    app.register_error_handler(500, _broken)
    # Flask's own line would hold the path, on some pages a link, and values of statements.
    app.log_exception = _log_nothing  # type: ignore[method-assign]


def _log_nothing(exc_info: Any) -> None:
    """`_broken` logs, in words of ours."""


def _refused(error: HTTPException) -> Response:
    if error.response is not None:
        return error.response  # type: ignore[return-value]
    match error.code:
        case 404:
            heading, text = (
                _("Page not found"),
                _("Check the address, or begin at the start page."),
            )
        case 403 if g.get("clinic"):
            heading, text = _("Only for Clinic Admins"), _whom_to_ask()
        case 413:
            heading, text = _("That is too much at once"), _("Nothing was sent. Send less at once.")
        case 405:
            heading, text = _("Page not found"), _("Begin at the start page.")
        case _:
            heading, text = _("That did not work"), _("Nothing was sent. Go back and try again.")
    page = _page(heading, text, error.code or 400)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        page.headers["Allow"] = ", ".join(error.valid_methods)
    return page


def _whom_to_ask() -> str:
    """Who can give access."""
    who = {"clinic": g.clinic.name, "names": ", ".join(each.name for each in team.admins(g.clinic))}
    if request.method == "POST":
        return _("Nothing was changed. Ask a Clinic Admin of %(clinic)s: %(names)s.", **who)
    return _("Ask a Clinic Admin of %(clinic)s: %(names)s.", **who)


def _out_of_date(_error: CSRFError) -> Response:
    return _page(
        _("This page is out of date"),
        _("Nothing was sent. Go back, reload the page and try again."),
        400,
    )


def _out_of_reach(error: OperationalError) -> Response:
    """The database was locked, full or gone: nothing of this request was kept."""
    _ask_nothing_more()
    log.error(
        "database out of reach",
        reference=g.get("reference"),
        endpoint=request.endpoint,
        reason=type(error.orig).__name__,
    )
    text = _("Nothing was sent and nothing was changed. Try again in a minute.")
    if request.method == "POST" and not isinstance(error.orig, sqlite3.OperationalError):
        text = _uncertain()  # a server may have committed before it was lost
    return _page(_("Inviter cannot save anything right now"), text, 503)


def _out_of_codes(error: OutOfCodes) -> Response:
    """Nothing of this request was kept."""
    _ask_nothing_more()
    log.error("out of codes", reference=g.get("reference"), clinic=error.clinic_id)
    text = _("Nothing was sent and nothing was changed. Tell whoever runs Inviter for you.")
    return _page(_("This clinic has no free Invite Codes left"), text, 503)


def _broken(error: Exception) -> Response:
    _ask_nothing_more()
    cause = getattr(error, "original_exception", None) or error
    log.error(
        "request failed",
        reference=g.get("reference"),
        endpoint=request.endpoint,
        reason=type(cause).__name__,
        where=logs.where(cause),
    )
    text = _("Something went wrong on our side. Nothing was sent.")
    if request.method == "POST":
        text = _uncertain()
    return _page(_("Something went wrong"), text, 500)


def _uncertain() -> str:
    return _(
        "We could not confirm that this was sent. Check Invited Patients before you try again."
    )


def _ask_nothing_more() -> None:
    """The page that tells of trouble needs no query, or it would meet the same trouble."""
    db.session.rollback()
    auth.show_nobody()
    g.user = g.clinic = g.membership = None
    g.pop("around", None)


def _page(heading: str, text: str, status: int) -> Response:
    """Always a whole page: in a swap, app.js shows its text above what the person was doing."""
    reference = g.get("reference", "") if status >= 500 else ""
    page = render_template("errors/error.html", heading=heading, text=text, reference=reference)
    return make_response(page, status)
