"""How HTML leaves: a whole page to a browser, the named blocks of the same page to htmx.

The only Python that knows htmx exists. Code that changes something does not.
"""

from typing import Any

from flask import Response, make_response, render_template, request
from jinja2_fragments.flask import render_block


def respond(template: str, *blocks: str, status: int = 200, **context: Any) -> Response:
    """The page, or for htmx its blocks, with the page's title and what there is to announce.

    A refusal (4xx) redraws its blocks wherever they stand, not where the form was aimed.
    """
    if not wants_fragment():
        return make_response(render_template(template, **context), status)
    title = render_block(template, "title", **context)
    around = render_template("fragment.html", title=title, whole="content" in blocks)
    parts = [render_block(template, block, **context) for block in blocks]
    response = make_response("".join([around, *parts]), status)
    if status >= 400:
        response.headers["HX-Retarget"] = f"#{blocks[0]}"
        response.headers["HX-Reswap"] = "outerHTML"
    return response


def wants_fragment() -> bool:
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def leave_to(url: str) -> Response:
    """Send the whole browser to an address, out of a swap if need be."""
    if not wants_fragment():
        return Response(status=302, headers={"Location": url})
    return Response(status=401, headers={"HX-Redirect": url})
