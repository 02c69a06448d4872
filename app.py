"""Composition root: the only module that knows every other. `python app.py` starts everything."""

import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path

import flask_migrate
import structlog
import waitress
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import String, column, inspect, select, table
from sqlalchemy.exc import OperationalError

from inviter import cli, config, importer, logs, scope, sealer, upkeep, web, worker
from inviter.config import CannotStart, Config
from inviter.crew import Companion, Crew
from inviter.daily_texts import DailyTexts
from inviter.db import db
from inviter.keys import Keys
from inviter.messages import Messages
from inviter.senders import chosen
from inviter.web import auth

log = structlog.get_logger()
MIGRATIONS = str(Path(__file__).parent / "inviter" / "migrations")
VERSION_TABLE = "alembic_version"
LONGEST_CALL = 30  # seconds
WEB_THREADS = 4
MANY_OBJECTS = 50_000
"""By Python's own 700 all that the libraries hold is looked through again and again for garbage:
a third of the time that a large file takes."""


class DatabaseBehind(CannotStart):
    """The database has another version than the code, or does not answer."""


def create_app(settings: Config | None = None, *, check: bool | None = None) -> Flask:
    """Raises ConfigError and, unless a `flask` command is what runs, DatabaseBehind."""
    gc.set_threshold(MANY_OBJECTS)
    settings = settings or config.read(os.environ, demo=cli.is_demo())
    app = Flask(__name__, static_folder=None, static_url_path="/static")
    app.config.update(
        SECRET_KEY=Keys(settings.secret_key).sign_with("sessions"),
        SECRET_KEY_FALLBACKS=[Keys(old).sign_with("sessions") for old in settings.old_secret_keys],
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True, "hide_parameters": True},
        TRUSTED_HOSTS=list(settings.trusted_hosts) or None,
    )
    app.extensions["settings"] = settings
    app.extensions["keys"] = keys = Keys(settings.secret_key, settings.old_secret_keys)
    app.extensions["daily_texts"] = DailyTexts(
        keys, of_clinic=settings.texts_per_day, to_block=settings.texts_per_block
    )
    app.extensions["messages"] = Messages(settings, keys=keys, reset_token=auth.reset_token)
    logs.init(settings.log_format)
    db.init_app(app)
    flask_migrate.Migrate(app, db, directory=MIGRATIONS, render_as_batch=True)
    web.init(app)
    cli.init(app, accounts=auth, crew_of=crew_of, check=check_database)
    upkeep.init(app, check=check_database)
    if check if check is not None else not cli.is_command():
        check_database(app)
    return app


def check_database(app: Flask) -> None:
    """Raises DatabaseBehind with the command that mends it."""
    head = ScriptDirectory(MIGRATIONS).get_current_head()
    try:
        current = _version_of_database(app)
    except OperationalError as error:
        raise DatabaseBehind(f"The database does not answer: {error.orig}") from None
    if current != head:
        raise DatabaseBehind(
            f"The database has version {current or 'none'}, this code needs {head}. "
            "Run: flask --app app db upgrade"
        )


def _version_of_database(app: Flask) -> str | None:
    with app.app_context(), db.engine.connect() as connection:
        if scope.is_bypassed(connection):
            log.warning("a superuser's connection: the database keeps clinics apart for none")
        known = inspect(connection).has_table(VERSION_TABLE)
        version = select(column("version_num", String)).select_from(table(VERSION_TABLE))
        return connection.scalar(version) if known else None


def worker_of(app: Flask, threads: int = worker.THREADS) -> worker.Worker:
    """A delivery worker with everything it needs handed to it."""
    settings: Config = app.extensions["settings"]
    return worker.Worker(
        context=app.app_context,
        messages=app.extensions["messages"],
        senders=chosen.senders_for(settings, app.app_context),
        rates=chosen.rates_for(settings),
        threads=threads,
        daily=app.extensions["daily_texts"],
    )


def importer_of(app: Flask) -> importer.Importer:
    settings, keys = app.extensions["settings"], app.extensions["keys"]
    return importer.Importer(context=app.app_context, settings=settings, keys=keys)


def sealer_of(app: Flask) -> sealer.Sealer:
    return sealer.Sealer(context=app.app_context, keys=app.extensions["keys"])


def crew_of(app: Flask, threads: int = worker.THREADS) -> Crew:
    """All that goes on beside the web: sending, inviting from files, sealing what happened."""
    return Crew(worker_of(app, threads), importer_of(app), sealer_of(app))


def companion_of(settings: Config) -> Companion:
    """The crew in a process of its own: as threads of the web's it would take the web's time."""
    worker_command = (sys.executable, "-m", "flask", "--app", __file__, "worker")
    its = ("--until-input-ends", "--threads", str(worker.THREADS))
    return Companion(
        (*worker_command, *its), {**os.environ, "INVITER_DEMO": str(int(settings.demo))}
    )


def main() -> None:
    """Web, and delivery beside it, on a database that is made, upgraded and filled."""
    settings = config.read(os.environ, demo=True)
    app = create_app(settings, check=False)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        server = waitress.create_server(
            app, host=settings.host, port=settings.port, threads=WEB_THREADS, ident=None
        )
        with app.app_context():
            flask_migrate.upgrade(directory=MIGRATIONS)
            password = cli.fill_if_empty(app, auth) if settings.demo else None
    except OperationalError as error:
        raise DatabaseBehind(f"The database does not answer: {error.orig}") from None
    except OSError as error:
        raise CannotStart(f"Port {settings.port} cannot be listened on: {error}") from None
    cli.greet(settings, password)
    beside = companion_of(settings)
    thread = threading.Thread(target=beside.run, name="companion", daemon=True)
    thread.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.run()
    finally:  # what is in flight is finished
        beside.stop()
        thread.join(timeout=LONGEST_CALL)


if __name__ == "__main__":
    main()
