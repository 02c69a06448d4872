"""A letter, framed in a page as a mail program would show it."""

from flask import Response, make_response

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
"""Letters carry their style within them, as mail programs want it, and can do nothing else."""
OPENING = f"{POLICY} allow-popups allow-popups-to-escape-sandbox"


def framed(html: str, *, opens_links: bool = False) -> Response:
    """Links open a page of their own, or nothing at all."""
    response = make_response(html.replace("<head>", '<head><base target="_blank">', 1))
    response.headers["Content-Security-Policy"] = OPENING if opens_links else POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
