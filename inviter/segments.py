"""What a text message costs: the alphabet it needs, and the segments it is carried in.

One character that GSM-7 lacks makes a segment hold 70 instead of 160. What merely looks better is
written in GSM-7 where that is enough; a letter is never made into another, least of all in a name.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")
"""Also GSM-7, but each takes the room of two."""
PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005", " "),
        **dict.fromkeys("\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
        **dict.fromkeys("\u00ad\u200b\u2060\ufeff", ""),
        "…": "...",
        "•": "-",
    }
)
"""Marks only, by what GSM-7 has for them."""


@dataclass(frozen=True, slots=True)
class Segments:
    """`characters` are counted as the limits do: some take the room of two."""

    encoding: str
    characters: int
    segments: int


def count(text: str) -> Segments:
    if forcing(text):
        widths = [len(each.encode("utf-16-le")) // 2 for each in text]
        return Segments("UCS-2", sum(widths), _segments(widths, alone=70, joined=67))
    widths = [2 if each in EXTENDED else 1 for each in text]
    return Segments("GSM-7", sum(widths), _segments(widths, alone=160, joined=153))


def forcing(text: str) -> list[str]:
    """The characters that GSM-7 lacks, each once, in the order of the text."""
    return list(dict.fromkeys(each for each in text if each not in GSM_7 | EXTENDED))


def plain(text: str) -> str:
    """In GSM-7 if only marks and spaces stand in the way, else as it is."""
    composed = unicodedata.normalize("NFC", text)  # é as one character, which GSM-7 has
    simple = composed.translate(PLAIN)
    return composed if forcing(simple) else simple


def _segments(widths: Iterable[int], *, alone: int, joined: int) -> int:
    """What takes the room of two is never parted between segments."""
    widths = list(widths)
    if sum(widths) <= alone:
        return 1
    segments, room = 1, joined
    for width in widths:
        if width > room:
            segments, room = segments + 1, joined
        room -= width
    return segments
