"""What pages may do in a browser, and where browsers report what they were kept from doing."""

import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import HTTPException

from inviter.web import guards

REPORT_PATH = "/csp-report"
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        f"report-uri {REPORT_PATH}",
        "report-to csp",
    )
)
A_YEAR = "max-age=31536000"

MOST_BYTES = 16_000
"""Of one report; whoever posts it is not signed in."""
MOST_A_MINUTE = 20
"""Of a process. What a hundred browsers report is said by the first; the log is not theirs."""
DIRECTIVE = re.compile(r"[a-z]+(-[a-z]+){1,4}")

bp = Blueprint("policy", __name__)
log = structlog.get_logger()


def protect(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("Cache-Control", "private, no-store")
    headers["Reporting-Endpoints"] = f'csp="{REPORT_PATH}"'
    headers["Referrer-Policy"] = "same-origin"  # Flask-WTF wants a Referer over https
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("X-Frame-Options", "DENY")
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    if guards.settings().is_secure:
        headers["Strict-Transport-Security"] = A_YEAR
    if response.mimetype == "text/html":
        response.vary.add("HX-Request")
    return response


@bp.post(REPORT_PATH)
def report() -> Response:
    """One answer to whatever comes; anyone may post, so little of it is believed or kept."""
    if _budget.spend():
        request.max_content_length = MOST_BYTES
        for directive, page in _read():
            log.warning("kept from a page", directive=directive, page=page)
    return Response(status=204)


def _read() -> Iterator[tuple[str, str]]:
    """The rule that was broken and the endpoint it was on: a path itself may hold a link."""
    try:
        told = json.loads(request.get_data())
    except (HTTPException, ValueError, RecursionError):
        return
    reports = told[:1] if isinstance(told, list) else [told]
    for each in (each for each in reports if isinstance(each, dict)):
        body = each.get("body", each.get("csp-report"))
        if isinstance(body, dict):
            directive = _text(body, "effectiveDirective", "effective-directive")
            directive = directive or _text(body, "violated-directive").partition(" ")[0]
            if DIRECTIVE.fullmatch(directive):
                yield directive, _endpoint(_text(body, "documentURL", "document-uri"))


def _text(body: dict[str, Any], *names: str) -> str:
    found = next((body[name] for name in names if name in body), "")
    return found if isinstance(found, str) else ""


def _endpoint(address: str) -> str:
    try:
        endpoint, _values = current_app.url_map.bind("").match(urlsplit(address).path, "GET")
    except (HTTPException, ValueError):
        return "no page of ours"
    return str(endpoint)


class _Budget:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute, self._spent = 0, 0

    def spend(self) -> bool:
        """Whether there is something left of this minute's."""
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._spent = minute, 0
            self._spent += 1
            return self._spent <= MOST_A_MINUTE


_budget = _Budget()
