"""A QR code shows what it was made of, square by square."""

import re

import segno

from inviter.web import qr

ADDRESS = "https://invite.example.org/j/" + "A-_9" * 11


def squares(svg: str) -> set[tuple[int, int]]:
    """Those that are black."""
    black = re.findall(r'fill="#000" stroke="none" d="([^"]*)"', svg)[0]
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", black)
    assert "".join(f"M{x} {y}h{width}v1h-{width}z" for x, y, width in runs) == black
    return {(int(x) + step, int(y)) for x, y, width in runs for step in range(int(width))}


def test_every_square_is_drawn_within_a_border() -> None:
    svg = qr.drawn(ADDRESS)
    matrix = segno.make(ADDRESS, error="m", micro=False).matrix
    dark = {(x, y) for y, row in enumerate(matrix) for x, bit in enumerate(row) if bit}
    assert squares(svg) == {(x + 4, y + 4) for x, y in dark}
    side = len(matrix) + 8
    assert f'viewBox="0 0 {side} {side}"' in svg
    assert f'd="M0 0h{side}v{side}H0z"' in svg


def test_an_address_is_no_markup() -> None:
    assert "<b>" not in qr.drawn("https://invite.example.org/<b>")
