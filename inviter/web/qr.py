"""An address as a QR code, to be read by a phone's camera."""

import segno
from markupsafe import Markup

PIXELS = 4
"""Of the screen, for each of the code's: some 180 in all, which a narrow phone has room for."""


def drawn(address: str) -> Markup:
    """As SVG that stands in the page: it is made by none but us, and reaches nobody else."""
    picture = segno.make(address, error="m", micro=False).svg_inline(
        scale=PIXELS, light="#fff", svgclass=None, lineclass=None
    )
    return Markup(picture)  # noqa: S704  (its path is made of numbers)
