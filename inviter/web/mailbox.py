"""The demo's mailbox: what patients and staff would have got, with links that work."""

from dataclasses import dataclass

from flask import Blueprint, Response, abort, g, request, url_for
from sqlalchemy import select

from inviter.db import db
from inviter.models import Channel, Clinic, MailboxMessage
from inviter.web import formats, home, letters, outcomes
from inviter.web.fragments import respond

bp = Blueprint("mailbox", __name__, url_prefix="/mailbox")

SHOWN = 100


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    channel: str
    subject: str
    at: str
    url: str
    html_url: str
    text: str


@bp.before_request
def enter() -> None:
    """For any staff; the links at the left and the clock are those of the clinic they were at."""
    clinics = {each.slug: each for each in g.memberships}
    if not clinics:
        abort(404)
    last = request.cookies.get(home.LAST_CLINIC, "")
    g.clinic = clinics.get(last) or next(iter(clinics.values()))


@bp.get("")
def mailbox() -> Response:
    newest = select(MailboxMessage).order_by(MailboxMessage.id.desc()).limit(SHOWN)
    messages = [_mail(each, g.clinic) for each in db.session.scalars(newest)]
    return respond("mailbox/mailbox.html", "content", messages=messages)


@bp.get("/<id:message_id>")
def message(message_id: int) -> Response:
    found = _mail(_message_or_404(message_id), g.clinic)
    return respond("mailbox/message.html", "content", message=found)


@bp.get("/<id:message_id>/letter")
def letter(message_id: int) -> Response:
    return letters.framed(_message_or_404(message_id).html, opens_links=True)


def _message_or_404(message_id: int) -> MailboxMessage:
    return db.session.get(MailboxMessage, message_id) or abort(404)


def _mail(message: MailboxMessage, clinic: Clinic) -> Mail:
    is_email = message.channel == Channel.EMAIL
    return Mail(
        to=message.sent_to if is_email else formats.phone(message.sent_to),
        channel=outcomes.channel(message.channel),
        subject=message.subject or _first_words(message.text),
        at=formats.moment(message.sent_at, clinic),
        url=url_for("mailbox.message", message_id=message.id),
        html_url=url_for("mailbox.letter", message_id=message.id) if is_email else "",
        text=message.text,
    )


def _first_words(text: str) -> str:
    """What a phone shows of a text before it is opened."""
    return text if len(text) <= 60 else f"{text[:60]}…"
