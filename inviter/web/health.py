"""For machines: is the process alive, can it work."""

from flask import Blueprint, Response
from sqlalchemy.exc import OperationalError

from inviter import pauses

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> Response:
    return Response("ok\n", mimetype="text/plain")


@bp.get("/readyz")
def readyz() -> Response:
    """A channel that is paused keeps no page from working: it is told, and all is ready."""
    try:
        paused = sorted(pauses.standing().items())
    except OperationalError:
        return Response("the database does not answer\n", 503, mimetype="text/plain")
    lines = [f"{channel} paused: {each.reason}, since {each.since}" for channel, each in paused]
    return Response("\n".join(["ok", *lines, ""]), mimetype="text/plain")
