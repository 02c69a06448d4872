"""What someone types into Search -> the words to look for. Pure.

A name is looked for folded, as name keys are; an email address as it is written; a phone number by
its digits. What a name or number cannot hold is not looked for in one: no character is a wildcard.
"""

import unicodedata
from dataclasses import dataclass

from inviter import codes, contacts

LONGEST = 100
MOST_WORDS = 8
NAME_MARKS = set("-.'’")
PHONE_MARKS = set("+()-./")
ENDS = ",;&"
DASHES = "-‐‑‒–—−"
"""Between words, as in "Fixture, Ada" or "306 – 555": nobody means them."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word, as it would stand in a name, an email address or a number; "" where it cannot."""

    name: str
    email: str
    digits: str


@dataclass(frozen=True, slots=True)
class Search:
    """All words have to be found; a whole Invite Code is looked up besides."""

    words: tuple[Word, ...] = ()
    code: str | None = None


def read(text: str) -> Search:
    """Anything is read as something; what is too long is cut."""
    typed = plain(text)
    found = (each.strip(ENDS) for each in typed.split())
    words = [each for each in found if each.strip(DASHES)]
    return Search(tuple(_word(each) for each in words[:MOST_WORDS]), codes.normalise(typed))


def plain(text: str) -> str:
    """One line of visible characters, as it stands in the field and in the address."""
    seen = (" " if c.isspace() else c for c in text[: LONGEST * 4])
    line = "".join(c for c in seen if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Cn"))
    return " ".join(line.split())[:LONGEST].strip()


def _word(typed: str) -> Word:
    typed = unicodedata.normalize("NFC", typed).translate(contacts.LOOK_ALIKES)
    return Word(
        name=contacts.fold(typed) if all(_is_of_a_name(c) for c in typed) else "",
        email=typed.lower() if typed.isascii() else "",
        digits=_digits(typed),
    )


def _is_of_a_name(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM" or character in NAME_MARKS


def _digits(typed: str) -> str:
    if not all(c.isdecimal() or c in PHONE_MARKS for c in typed):
        return ""
    return "".join(str(unicodedata.decimal(c)) for c in typed if c.isdecimal())
