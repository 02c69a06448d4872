"""What people and their files might hold: names, emails and numbers as they are, and mistyped."""

import unicodedata
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from inviter import contacts, crowd
from inviter.contacts import Problem

REGIONS = (
    *(("CA", "US"), ("US", "CA"), ("CA",), ("US",), ("GB",), ("GB", "CA"), ("FR", "US")),
    *(("JM", "US"), ("CA", "JM", "PR"), ("BS", "VI"), ("DO",)),
)
HOSTILE = (
    " \u00a0\u3000\t\n\r\x00\x1f\u2028\u200b\u200d\ufeff\u202e\u2066\u00ad\ufe0f\u3164"
    "'’‘`´\"“-–—‑_.,;:/\\|&@<>()[]{}=+%#*!?$~^0123456789Ee٣９ＡａªºǅßſĿŉıİŁæ"
    "Nguyễnéçñ\u0301\u0327李김राᓄЖ😀\ud800\ufffd\U0010ffff"
)
NAMES = (
    *("O'Brien", "O’Neil", "St. John", "J.R.", "J. R.", "J.-P.", "Jr.", "'t Hooft", "de la Cruz"),
    *(
        "Nguyễn",
        "Đặng Thị",
        "Łukasz",
        "García Márquez",
        "ᓄᓇᕗᑦ",
        "李",
        "राम",
        "Æsa",
        "İnan",
        "JONES",
    ),
    *(
        "www.x",
        "Awww. No",
        "evil.com",
        "St.John",
        "-Ana",
        ". Ana",
        "Mary  Jane",
        "Ana2",
        "Ann. Lee",
    ),
)
DOMAINS = (
    *(
        "example.org",
        "gmail.com",
        "sasktel.net",
        "gmial.com",
        "northside.clinic",
        "b.ca",
        "x.co.uk",
    ),
    *(
        "a",
        "localhost",
        "x.local",
        "invalid.example",
        "MÜNCHEN.de",
        "xn--mnchen-3ya.de",
        "xn--a.ca",
    ),
    *(
        "-a.ca",
        "a-.ca",
        "a..ca",
        "a.c",
        "a.ca.",
        "1.2.3.4",
        "a_b.ca",
        "[127.0.0.1]",
        "a--b.ca",
        "b.123",
    ),
)
AREAS = (
    *("876", "658", "268", "242", "340", "787", "809", "671", "900", "976", "800", "833", "500"),
    *("600", "622", "710", "555", "305", "983", "911", "200", "100", "011", "044", "079"),
)
EXCHANGES = ("555", "976", "209", "155", "055", "911", "310", "200", "800")
SHAPES = (
    *("{a}{e}{l}", "{a} {e} {l}", "{a}-{e}-{l}", "{a}.{e}.{l}", "({a}) {e}-{l}", "({a}){e}-{l}"),
    *(
        "+1{a}{e}{l}",
        "+1 ({a}) {e}-{l}",
        "1{a}{e}{l}",
        "1-{a}-{e}-{l}",
        "1.{a}.{e}.{l}",
        "1 {a}{e}{l}",
    ),
    *(
        "{a}{e}{l}.0",
        "{a}{e}{l},00",
        "'+1{a}{e}{l}",
        "1{a}{e}.{l}",
        "{a}{e}.{l}",
        "{a} {e}{l}",
        "{e}{l}",
    ),
    *(
        "{a} {e} {l} x4",
        "{a}.{e}.{l} ext. 4",
        "{a}/{e}/{l}",
        "{a} - {e} - {l}",
        "+{a}{e}{l}",
        "({a} {e} {l}",
    ),
    *(
        "011 44 7911 {l}56",
        "+44 7911 {l}56",
        "+52 55 {l} {l}",
        "0{a} {e} {l}",
        "1 1{a}{e}{l}",
        "{a}{e}E+{l}",
    ),
)


def name(random: Random) -> str:
    drawn = random.choice([*crowd.name(random), random.choice(NAMES)])
    return mistyped(random, random.choice([drawn, drawn.upper(), drawn.lower()]))


def email(random: Random) -> str:
    locals_ = "ana", "a.b", "o'brien", "ana+kids", "A_B-c", "a..b", ".a", "a.", "1", "x" * 64, "é"
    local = random.choice([random.choice(locals_), contacts.fold(crowd.name(random)[1])])
    address = f"{local}@{random.choice([random.choice(DOMAINS), random.choice(DOMAINS[:6])])}"
    shapes = "{}", "{}", "{}", "{}", "{}", "<{}>", "mailto:{}", "Ana <{}>", "{},", "'{}'", "{0};{0}"
    shapes += "'+{}", "'-{}", "'={}", "' +{}", "''+{}", "'{}"
    return mistyped(random, random.choice(shapes).format(address))


def phone(random: Random) -> str:
    areas = random.choice(crowd.AREAS), random.choice(AREAS), str(random.randrange(200, 1000))
    exchange = random.choice([random.choice(EXCHANGES), str(random.randrange(200, 1000))])
    line = random.choice([f"{random.randrange(10_000):04}", "0000"])
    shape = random.choice([random.choice(SHAPES), random.choice(SHAPES[:10])])
    return mistyped(random, shape.format(a=random.choice(areas), e=exchange, l=line))


def mistyped(random: Random, text: str) -> str:
    """As it is, half of the time."""
    for _ in range(random.choice([0, 0, 0, 1, 1, 2])):
        text = random.choice(SLIPS)(random, text)
    return text


def _place(random: Random, text: str) -> int:
    return random.randrange(len(text) + 1)


def _with_one_more(random: Random, text: str) -> str:
    place = _place(random, text)
    return text[:place] + random.choice(HOSTILE) + text[place:]


def _with_another(random: Random, text: str) -> str:
    place = _place(random, text)
    return text[:place] + random.choice(HOSTILE) + text[place + 1 :]


def _with_one_less(random: Random, text: str) -> str:
    place = _place(random, text)
    return text[:place] + text[place + 1 :]


def _with_one_twice(random: Random, text: str) -> str:
    place = _place(random, text)
    return text[:place] + text[place - 1 : place] + text[place:]


def _with_spaces(random: Random, text: str) -> str:
    return random.choice(["{} ", " {}", "\u00a0{}\r\n", "\t{}", "{}\u200b"]).format(text)


def _wide(_random: Random, text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _apart(_random: Random, text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _long(random: Random, text: str) -> str:
    return text * random.choice([2, 5, 12, 30])


SLIPS: Sequence[Callable[[Random, str], str]] = (
    *(_with_one_more, _with_another, _with_one_less, _with_one_twice, _with_spaces, _with_spaces),
    *(_wide, _apart, _long, _with_one_more, _with_another),
)


class Refused(NamedTuple):
    """Of a Problem all that anybody sees."""

    code: str
    template: str
    values: dict[str, object]
    text: str


def verdict(read: Callable[[str], object], text: str) -> object:
    """What comes of reading it, a Refused too; anything else that is raised is a mistake."""
    try:
        return read(text)
    except Problem as problem:
        return Refused(problem.code, problem.template, problem.values, str(problem))
