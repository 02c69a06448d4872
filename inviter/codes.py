"""The 6-digit Invite Code: drawn, read as typed, and written for people. Pure."""

import secrets
import unicodedata

LENGTH = 6
LONGEST_TYPED = 40


def random_code() -> str:
    """Draw a code; text, because leading zeros count."""
    return f"{secrets.randbelow(10**LENGTH):0{LENGTH}d}"


def normalise(text: str) -> str | None:
    """Read what a person typed or pasted; None where it cannot be a code.

    Spaces, dashes and unseen characters are dropped and digits of any script are read. Letters
    are never guessed at: an O is not a zero.
    """
    typed = text.strip()
    if len(typed) > LONGEST_TYPED:
        return None
    digits = [character for character in typed if not _separates(character)]
    if len(digits) != LENGTH or not all(digit.isdecimal() for digit in digits):
        return None
    return "".join(str(unicodedata.decimal(digit)) for digit in digits)


def spaced(code: str) -> str:
    """As it is read aloud and printed: 482 913."""
    return f"{code[:3]} {code[3:]}"


def _separates(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Pd", "Cf")
