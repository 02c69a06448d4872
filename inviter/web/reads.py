"""Who looked at patients is written down too, once what they asked for has left.

So a page only reads and waits for nobody who writes, and the record of a look is a short
transaction of its own, at most once in a quarter of an hour for a person and a page. Should it
fail, the log says so, and the next look is written down instead.
"""

from datetime import datetime

import structlog
from flask import Flask, Response, current_app, g, request

from inviter import activity, logs, scope
from inviter.activity import VIEWED_EVERY, Look, View
from inviter.db import db
from inviter.keys import Keys

SHOWS = {
    "activity.page": View.ACTIVITY,
    "erasing.ask": View.INVITATION,
    "imports.check": View.IMPORT,
    "imports.page": View.IMPORT,
    "invitations.contact": View.INVITATION,
    "invitations.letter": View.INVITATION,
    "invitations.page": View.INVITATION,
    "invitations.preview": View.INVITATION,
    "invite.page": View.INVITED,
    "listing.patients": View.PATIENTS,
}
"""Pages with patients on them."""

MOST_KNOWN = 10_000
Known = dict[Look, datetime]

log = structlog.get_logger()


def init(app: Flask) -> None:
    app.extensions["looks"] = {}
    app.after_request(_note)


def _note(response: Response) -> Response:
    view = SHOWS.get(request.endpoint or "")
    if view and request.method == "GET" and response.status_code == 200:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        thing_id = next(
            (id for id in (request.view_args or {}).values() if id != g.clinic.slug), None
        )
        look, now = Look(g.clinic.id, g.user.id, view, thing_id), g.now
        response.call_on_close(lambda: _record(app, look, now))
    return response


def _record(app: Flask, look: Look, now: datetime) -> None:
    """What this process has written down is not asked of the database again."""
    known: Known = app.extensions["looks"]
    last = known.get(look)
    if last and now - last < VIEWED_EVERY:
        return
    keys: Keys = app.extensions["keys"]
    scope.hold_to(look.clinic_id)
    try:
        with app.app_context():
            activity.viewed(look, keys=keys, now=now)
            db.session.commit()
    except Exception as error:  # the answer has left: nobody is there to be told
        log.error("look not recorded", reason=type(error).__name__, where=logs.where(error))
        return
    finally:
        scope.hold_to(None)
    if len(known) >= MOST_KNOWN:
        known.clear()
    known[look] = now
