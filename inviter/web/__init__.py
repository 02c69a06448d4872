"""The web: routes, forms and pages. It queues messages and never sends one."""

import secrets

from flask import Flask, abort, g, request
from flask_babel import Babel
from flask_wtf import CSRFProtect
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter, Map

from inviter import clock, scope
from inviter.config import Config
from inviter.db import db, end_reading, read_only
from inviter.web import (
    accounts,
    activity,
    assets,
    auth,
    clinic_settings,
    columns,
    drafts,
    erasing,
    errors,
    export,
    formats,
    guards,
    health,
    home,
    imports,
    invitations,
    invite,
    joining,
    listing,
    mailbox,
    navigation,
    patients,
    policy,
    reads,
    replies,
    rows_to_fix,
    second_factor,
    selected,
    upload,
    webhooks,
)

csrf = CSRFProtect()

REDRAWS = ("auth.stay", "columns.arrange", "invite.confirm", "invite.preview", "invite.rows")
"""POSTs that change nothing."""

MOST_ID = 2**63 - 1


def init(app: Flask) -> None:
    settings: Config = app.extensions["settings"]
    app.config.update(
        WTF_CSRF_TIME_LIMIT=None,  # the token lives as long as the session
        MAX_FORM_MEMORY_SIZE=500_000,
        MAX_CONTENT_LENGTH=1_000_000,
        SESSION_COOKIE_NAME="__Host-session" if settings.is_secure else "session",
        SESSION_COOKIE_SECURE=settings.is_secure,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.url_map.converters["id"] = IdConverter
    app.before_request(_begin)
    app.after_request(policy.protect)
    app.teardown_request(_end)
    Babel(app, default_locale="en")
    app.before_request(guards.admit)  # who is signed out is sent to sign in, not told of a token
    csrf.init_app(app)
    csrf.exempt(webhooks.bp)  # machines, which sign what they post
    csrf.exempt(policy.bp)  # browsers by themselves
    assets.init(app)
    formats.init(app)
    navigation.init(app)
    errors.init(app)
    auth.init(app)
    reads.init(app)
    for module in (
        accounts,
        activity,
        clinic_settings,
        columns,
        drafts,
        erasing,
        export,
        home,
        imports,
        invitations,
        invite,
        listing,
        joining,
        health,
        patients,
        policy,
        replies,
        rows_to_fix,
        second_factor,
        selected,
        upload,
        webhooks,
    ):
        app.register_blueprint(module.bp)
    if settings.demo:
        app.register_blueprint(mailbox.bp)
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops)  # type: ignore[method-assign]


class IdConverter(IntegerConverter):
    """An id in an address; what no column could hold is not there."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=MOST_ID)


def _begin() -> None:
    """`now` is taken once a request; who only reads does not wait for SQLite's writer."""
    g.now = clock.now()
    g.reference = secrets.token_hex(4)
    reads = request.method in ("GET", "HEAD", "OPTIONS") or request.endpoint in REDRAWS
    read_only.set(reads)
    if request.endpoint == upload.UPLOAD:
        request.max_content_length = upload.most_bytes()
    if "\0" in request.path:  # PostgreSQL takes none, and no page has one
        abort(404)


def _end(error: BaseException | None) -> None:
    try:
        if read_only.get() and error is None:
            end_reading()
        db.session.rollback()
    finally:
        scope.hold_to(None)
        read_only.set(False)
