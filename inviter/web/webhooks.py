"""Where providers report what became of messages, and patients text STOP.

Nobody is signed in and nothing is parsed before the signature is known to be right; Twilio's covers
the fields of the form, which are read for it. Without its key an address is closed.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NoReturn

import structlog
from flask import Blueprint, Response, abort, g, request
from twilio.request_validator import SIGNATURE_HEADER, RequestValidator
from werkzeug.exceptions import RequestEntityTooLarge

from inviter import events
from inviter.db import db
from inviter.events import MOST_AT_ONCE, Event
from inviter.web import guards, reported

MOST_BYTES = 1_000_000
"""SendGrid posts up to 768 KB at once."""
MOST_BYTES_OF_A_TEXT = 64_000
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
OLDEST = timedelta(hours=48)
"""SendGrid repeats for 24 hours, and says of no time after which a repetition is a forgery."""

bp = Blueprint("webhooks", __name__, url_prefix="/webhooks")
log = structlog.get_logger()


@bp.post("/sendgrid")
def sendgrid() -> Response:
    body = _signed_by_sendgrid()
    try:
        found = reported.by_sendgrid(body, now=g.now)
    except reported.Unreadable:
        _refuse(400, "no list of events")
    return _take(found)


@bp.post("/twilio/status")
def twilio_status() -> Response:
    _check_twilio()
    attempt_id = request.args.get("attempt", "")
    return _take(reported.status_by_twilio(request.form, attempt_id, now=g.now))


@bp.post("/twilio/inbound")
def twilio_inbound() -> Response:
    """Twilio answers STOP by itself; an empty answer says nothing more."""
    _check_twilio()
    return _take(reported.text_by_twilio(request.form, now=g.now))


def _take(found: list[Event]) -> Response:
    """Whatever they were of: what is refused is posted again and again."""
    for start in range(0, len(found), MOST_AT_ONCE):
        events.take(found[start : start + MOST_AT_ONCE], now=g.now)
        db.session.commit()
    return Response(mimetype="text/plain")


def _signed_by_sendgrid() -> str:
    """The body, if SendGrid signed it as it is, and not long ago."""
    key = guards.settings().sendgrid_webhook_key
    signature = request.headers.get(SIGNATURE, "")
    timestamp = request.headers.get(TIMESTAMP, "")
    request.max_content_length = MOST_BYTES
    try:
        body = request.get_data().decode()
        is_right = bool(key) and _verifier(key).verify_signature(body, signature, timestamp)
    except RequestEntityTooLarge:
        _refuse(413, "too much at once")
    except Exception:  # the verifier raises whatever junk leads to
        is_right = False
    if not is_right:
        _refuse(401, "not signed by SendGrid")
    if _is_old(timestamp):
        _refuse(401, "signed too long ago")
    return body


@lru_cache(maxsize=1)
def _verifier(key: str) -> Any:
    from sendgrid.helpers.eventwebhook import EventWebhook  # only where SendGrid is used

    return EventWebhook(key)


def _is_old(timestamp: str) -> bool:
    try:
        signed_at = datetime.fromtimestamp(int(timestamp), UTC)
    except (ValueError, OverflowError, OSError):
        return True
    return bool(g.now - signed_at > OLDEST)


def _check_twilio() -> None:
    """Twilio signs the address that we gave it, whatever the request says of its host."""
    settings = guards.settings()
    request.max_content_length = MOST_BYTES_OF_A_TEXT
    query = request.query_string.decode("latin-1")
    address = f"{settings.base_url}{request.path}{'?' if query else ''}{query}"
    signature = request.headers.get(SIGNATURE_HEADER, "")
    try:
        fields = request.form
    except RequestEntityTooLarge:
        _refuse(413, "too much at once")
    token = settings.twilio_auth_token
    if not (token and RequestValidator(token).validate(address, fields, signature)):
        _refuse(401, "not signed by Twilio")


def _refuse(status: int, why: str) -> NoReturn:
    """In a line for whoever sets it up; pages are for people."""
    log.warning("webhook refused", endpoint=request.endpoint, reason=why)
    abort(Response(f"{why}\n", status, mimetype="text/plain"))
