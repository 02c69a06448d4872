"""What the rows of a page cost at least: a bare Flask app that renders the same 25 from memory.

By the same macros of the same Jinja templates, so the same HTML; but without a session, a database
or the rest of the page.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace

from flask import Flask, render_template
from flask_babel import Babel
from jinja2 import StrictUndefined

from inviter.config import ROOT
from inviter.web import formats
from inviter.web.invited import Head
from inviter.web.invited_rows import Invited, Words


def create_app() -> Flask:
    app = Flask(__name__, template_folder=str(ROOT / "templates"))
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    Babel(app, default_locale="en")
    formats.init(app)
    for name, template in (("ui", "ui.html"), ("lists", "listing/list.html")):
        app.jinja_env.globals[name] = app.jinja_env.get_template(template).module
    page = app.jinja_env.from_string(
        "<!doctype html><title>Invited Patients</title><main>{{ lists.table(listing) }}</main>"
    )
    listing = remembered(Path(os.environ["BENCH_ROWS"]))

    @app.get("/")
    def rows() -> str:
        return render_template(page, listing=listing)

    return app


def remembered(path: Path) -> SimpleNamespace:
    kept = json.loads(path.read_text())
    words = Words(**kept.pop("words"))
    return SimpleNamespace(
        rows=[Invited(**each) for each in kept.pop("rows")],
        heads=[Head(**each) for each in kept.pop("heads")],
        words=words,
        badges=lambda draw: {key: draw(key, text) for key, text in words.statuses.items()},
        **kept,
    )
