"""How HTML leaves: a whole page to a browser, the named blocks of the same page to htmx.

The only Python that knows htmx exists. Code that changes something does not.
"""

from typing import Any

from flask import Response, make_response, render_template, request
from jinja2_fragments.flask import render_block


def respond(
    template: str,
    *blocks: str,
    status: int = 200,
    row: str | None = None,
    url: str | None = None,
    **context: Any,
) -> Response:
    """The page; for htmx the one of its blocks that is to be replaced, or else the first.

    With it come the page's title, what there is to announce, and where something was done to rows
    what needs attention now. A refusal (4xx) redraws its block wherever that stands, not where the
    form was aimed, and the address stays. Where `row` names a row of a table, htmx gets that row
    alone. `url` is the address by which the browser remembers what it shows.
    """
    if not wants_fragment():
        return make_response(render_template(template, **context), status)
    target = request.headers.get("HX-Target", "")
    if row and target not in blocks:
        return _row(row, status, context)
    block = target if target in blocks else blocks[0]
    title = render_block(template, "title", **context)
    whole = block == "content"
    around = render_template(
        "fragment.html",
        title=title,
        whole=whole,
        news=_news(block, context),
        counts=context["listing"] if block == "results" else None,
    )
    response = make_response(around + render_block(template, block, **context), status)
    if status >= 400:
        _aim(response, block)
        response.headers["HX-Push-Url"] = "false"
    if url:
        _remember(response, url)
    return response


def _news(block: str, context: dict[str, Any]) -> str:
    """What is to be heard of a list that was redrawn, and of a file whose patients are invited."""
    if block in ("progress", "happenings"):
        return context["page"].news
    return context["listing"].news if block in ("list", "results", "row") else ""


def _remember(response: Response, url: str) -> None:
    """A search that goes on while one types is one step back, and not one for each pause."""
    current = request.headers.get("HX-Current-URL", "")
    goes_on = request.headers.get("HX-Trigger") == "filter" and "?q=" in current and "?q=" in url
    if not current.endswith(url):
        response.headers["HX-Replace-Url" if goes_on else "HX-Push-Url"] = url


def _row(name: str, status: int, context: dict[str, Any]) -> Response:
    """A row comes first: behind other elements a browser would not read it as one."""
    row = render_block("listing/row.html", "row", **context)
    news = _news("row", context)
    around = render_template("fragment.html", title="", whole=False, news=news, counts=None)
    response = make_response(row + around, status)
    _aim(response, name)
    return response


def _aim(response: Response, target: str) -> None:
    response.headers["HX-Retarget"] = f"#{target}"
    response.headers["HX-Reswap"] = "outerHTML"


def wants_fragment() -> bool:
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def leave_to(url: str) -> Response:
    """Send the whole browser to an address, out of a swap if need be."""
    if not wants_fragment():
        return Response(status=302, headers={"Location": url})
    return Response(status=401, headers={"HX-Redirect": url})
