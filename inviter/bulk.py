"""Names, emails and numbers of a whole file: what `contacts` says of each, to the letter, but soon.

Pure. What is plain is decided here; whatever is not, and every refusal, is asked of `contacts`.
What a Reader remembers is bounded, and goes with it: after a file that is checked, and where files
are invited with the process.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Protocol

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from inviter import contacts
from inviter.contacts import Phone, Problem

NAMES = 8192
DOMAINS = 4096
TEN = 10
NOTHING = "(?!)"

# Latin letters that each are one character however they are written.
LETTER = "A-Za-zÀ-ÖØ-öø-žẠ-ỹ"
PLAIN_NAME = re.compile(
    rf"(?=.{{1,{contacts.NAME_LIMIT}}}\Z)[{LETTER}]"
    rf"(?:[{LETTER}'’-]| (?! )|\.(?![{LETTER}]{{2}}))*"
)
NO_LETTERS = str.maketrans("", "", " '’-.")

# Short enough that no limit of an address is near, and with no apostrophe to be taken off.
PLAIN_EMAIL = re.compile(
    r"(?=.{1,64}\Z)(?!'+[+@-])[A-Za-z0-9_+'-]+(?:\.[A-Za-z0-9_+'-]+)*@([A-Za-z0-9.-]+)"
)

# Ten digits with or without the 1. Between digits that Excel may have taken for a fraction stands
# no dot, but for the .0 that it adds.
PLAIN_PHONE = re.compile(
    r"'?(?:((?:\+?1)?([2-9][0-9]{9}))(?:\.0)?"
    r"|((?:\+?1[ .-])?(?:\(([2-9][0-9]{2})\) ?|([2-9][0-9]{2})[ .-])([0-9]{3})[ .-]?([0-9]{4})))"
)
SPECIAL = (
    *("premium_rate", "toll_free", "shared_cost", "voip"),
    *("personal_number", "pager", "uan", "voicemail"),
)


class Cells(Protocol):
    """Those of one row, as they were typed."""

    @property
    def first_name(self) -> str: ...
    @property
    def last_name(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def phone(self) -> str: ...


class Reader:
    """Reads like `contacts`: the same answers, and the same Problem raised."""

    def __init__(self, regions: Sequence[str]) -> None:
        self._regions = tuple(regions)
        self._gets_texts = _texted(self._regions).fullmatch
        self._names: dict[str, tuple[str, str]] = {}
        self._reaches: Callable[[str], bool] = lru_cache(DOMAINS)(_reaches)

    def row(self, cells: Cells) -> tuple[str, str, str, str | None, Phone | None] | None:
        """What a row is, where it is sure what `contacts` says, else None: its names, their key,
        its email and its phone."""
        first, last = cells.first_name, cells.last_name
        names = self._names
        first_known = names.get(first) or self._name(first)
        last_known = names.get(last) or self._name(last)
        if not (first_known and last_known):
            return None
        email, phone = cells.email or None, None
        if email and not (email := self.plain_email(email)):
            return None
        if cells.phone and not (phone := self.plain_phone(cells.phone)):
            return None
        key = f"{first_known[1]} {last_known[1]}"
        return first_known[0], last_known[0], key, email, phone

    def first_name(self, text: str) -> str:
        known = self._name(text)
        return known[0] if known else contacts.first_name(text)

    def last_name(self, text: str) -> str:
        known = self._name(text)
        return known[0] if known else contacts.last_name(text)

    def email(self, text: str) -> str | None:
        return (self.plain_email(text) or contacts.email(text)) if text else None

    def phone(self, text: str) -> Phone | None:
        return (self.plain_phone(text) or contacts.phone(text, self._regions)) if text else None

    def plain_email(self, text: str) -> str | None:
        """The address where it is sure what `contacts` says, else None."""
        plain = PLAIN_EMAIL.fullmatch(text.strip())
        return plain[0].lower() if plain and self._reaches(plain[1]) else None

    def plain_phone(self, text: str) -> Phone | None:
        """The number where it is sure that we may text it, else None."""
        plain = PLAIN_PHONE.fullmatch(text.strip())
        if not plain:
            return None
        whole, national, apart, bracketed, area, exchange, line = plain.groups()
        national = national or f"{bracketed or area}{exchange}{line}"
        return Phone(f"+1{national}", whole or apart, True) if self._gets_texts(national) else None

    def _name(self, text: str) -> tuple[str, str] | None:
        """A name and how it is folded, which has letters; None where that is for `contacts` to
        say. No long text is remembered."""
        known = self._names.get(text)
        if known or len(text) > contacts.NAME_LIMIT:
            return known
        if not (name := _name(text)) or not (folded := fold(name)):
            return None
        if len(self._names) >= NAMES:
            self._names.clear()
        self._names[text] = name, folded
        return self._names[text]


def plain_name(text: str) -> str | None:
    """The name where it is sure what `contacts` says, else None."""
    plain = PLAIN_NAME.fullmatch(text.strip())
    return plain[0] if plain and not _begins_links(text.lower()) else None


def fold(name: str) -> str:
    """As `contacts.fold`, of a name that it has read."""
    letters = name.translate(NO_LETTERS)
    return letters.lower() if letters.isascii() else contacts.fold(name)


def _begins_links(name: str) -> bool:
    """Whether it may be for what no name is."""
    return "http" in name or "www" in name


def _name(text: str) -> str | None:
    try:
        return plain_name(text) or contacts.first_name(text)
    except Problem:
        return None


def _reaches(domain: str) -> bool:
    """Whether an address there is kept as it is, but for its capital letters."""
    try:
        return contacts.email(f"a@{domain}") == f"a@{domain.lower()}"
    except Problem:
        return False


@cache
def _texted(regions: tuple[str, ...]) -> re.Pattern[str]:
    """Ten digits in +1 that we may text; none where a number without + is another country's.

    The library gives a number to the first region that claims it, in its own order. What any
    earlier one might claim is left out, and so is what costs money.
    """
    order = COUNTRY_CODE_TO_REGION_CODE[1]
    if regions[0] not in order:
        return re.compile(NOTHING)
    found, claimed = [], ["900", "976", "[0-9]{3}976", "[0-9]{3}5551212"]
    for about in filter(None, map(PhoneMetadata.metadata_for_region, order)):
        special = list(_patterns(about, *SPECIAL))
        if about.id in regions:
            found.append(_texted_there(about, [*claimed, *special]))
        whole = [*_patterns(about, "fixed_line", "mobile"), *special]
        claimed += [about.leading_digits] if about.leading_digits else whole
    return re.compile("|".join(found))


def _texted_there(about: PhoneMetadata, but: Sequence[str]) -> str:
    kind = "fixed_line" if about.same_mobile_and_fixed_line_pattern else "mobile"
    lines = "|".join(_patterns(about, kind)) or NOTHING
    whole = "|".join(_patterns(about, "general_desc")) or NOTHING
    start = f"(?={about.leading_digits})" if about.leading_digits else ""
    return rf"(?=(?:{lines})\Z){start}(?!{'|'.join(dict.fromkeys(but))})(?:{whole})"


def _patterns(about: PhoneMetadata, *kinds: str) -> Iterator[str]:
    for kind in kinds:
        known = getattr(about, kind)
        lengths = known.possible_length if known else ()
        if known and known.national_number_pattern and (not lengths or TEN in lengths):
            yield f"(?:{known.national_number_pattern})"
