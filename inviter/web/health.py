"""For machines: is the process alive, can it work."""

from flask import Blueprint, Response
from sqlalchemy.exc import OperationalError

from inviter import db

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> Response:
    return Response("ok\n", mimetype="text/plain")


@bp.get("/readyz")
def readyz() -> Response:
    try:
        db.ping()
    except OperationalError:
        return Response("the database does not answer\n", 503, mimetype="text/plain")
    return Response("ok\n", mimetype="text/plain")
