"""What a page of 25 rows costs at least: a Flask app that renders them from memory by Jinja.

The rows are those of Invited Patients with all that is read in them: columns, badge, detail, the
links and buttons of each row. No database, no session, no translation.
"""

import json
import os
from pathlib import Path

from flask import Flask, render_template


def create_app() -> Flask:
    app = Flask(__name__, template_folder=str(Path(__file__).parent))
    page = json.loads(Path(os.environ["BENCH_ROWS"]).read_text())

    @app.get("/")
    def rows() -> str:
        return render_template("bare.html", labels=page["labels"], rows=page["rows"])

    return app
