"""Static files under addresses that change with their content, so that browsers keep them."""

import gzip
import hashlib
from pathlib import Path

import django_htmx
from flask import Flask, Response, abort, request

HTMX = Path(django_htmx.__file__).parent / "static" / "django_htmx" / "htmx-2.min.js"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
A_YEAR = "public, max-age=31536000, immutable"


class Asset:
    """One file, read and packed once at the start."""

    def __init__(self, path: Path) -> None:
        self.body = path.read_bytes()
        self.packed = gzip.compress(self.body, 9, mtime=0)
        self.type = TYPES[path.suffix]
        self.version = hashlib.sha256(self.body).hexdigest()[:12]


def init(app: Flask) -> None:
    """Adds `asset(name)` to templates and the route that it leads to."""
    folder = Path(app.root_path) / "static"
    assets = {path.name: Asset(path) for path in folder.iterdir() if path.suffix in TYPES}
    assets["htmx.js"] = Asset(HTMX)

    def asset_url(name: str) -> str:
        return f"/static/{assets[name].version}/{name}"

    def asset(version: str, name: str) -> Response:
        found = assets.get(name)
        if found is None or found.version != version:
            abort(404)
        return _serve(found)

    app.jinja_env.globals["asset"] = asset_url
    app.add_url_rule("/static/<version>/<name>", view_func=asset)


def _serve(asset: Asset) -> Response:
    packed = request.accept_encodings.best_match(["gzip"]) is not None
    response = Response(asset.packed if packed else asset.body, content_type=asset.type)
    if response.mimetype != "image/svg+xml":
        response.content_type = f"{asset.type}; charset=utf-8"
    if packed:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = A_YEAR
    return response
