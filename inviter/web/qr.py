"""An address as a QR code, to be read by a phone's camera."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import segno
from markupsafe import Markup

PIXELS = 4
"""Of the screen, for each of the code's: some 180 in all, which a narrow phone has room for."""
BORDER = 4
"""Of the code's own, white: a camera needs them."""


def drawn(address: str) -> Markup:
    """As SVG that stands in the page. Its squares are filled: strokes are drawn as our icons'."""
    code = segno.make(address, error="m", micro=False)
    rows = [list(row) for row in code.matrix_iter(border=BORDER)]
    path, many = "".join(_dark(rows)), len(rows)
    return Markup(
        '<svg width="{0}" height="{0}" viewBox="0 0 {1} {1}" shape-rendering="crispEdges">'
        '<path fill="#fff" stroke="none" d="M0 0h{1}v{1}H0z"/>'
        '<path fill="#000" stroke="none" d="{2}"/></svg>'
    ).format(many * PIXELS, many, path)


def _dark(rows: Sequence[Sequence[int]]) -> Iterator[str]:
    """A rectangle for each run of dark squares of a row."""
    for y, row in enumerate(rows):
        x = 0
        for is_dark, run in groupby(row):
            width = len(list(run))
            if is_dark:
                yield f"M{x} {y}h{width}v1h-{width}z"
            x += width
