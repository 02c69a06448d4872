"""How numbers of a workbook are shown: dates as dates, phone numbers with what a format puts around
their digits, others without a tail of zeros. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from inviter.spreadsheets.xml_parts import Part

DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
UNSHOWN = re.compile(r'"[^"]*"|\\.|\[[^]]*\]|[_*].')
DATE = "date"
DIGITS = 15  # as many as Excel keeps
LONGEST_CODE = 255  # as Excel allows; each is looked through once for each style
LONGEST_MASK = 24

COLOUR = re.compile(r"\[[^]]*\]|[_*].")
CONDITION = re.compile(r"\[[<>=]")
PLACE = re.compile(r'(0)|(#)|"([^"]*)"|\\(.)|([-+() ])')
ZERO, DIGIT = "\0", "\1"  # a place for a digit, and one that stays blank without


class Formats(Part):
    """The styles of a workbook, and what a number looks like in one of them."""

    def __init__(self, from_1904: bool = False) -> None:
        super().__init__()
        self.codes: dict[int, str] = {}
        self.styles: list[int] = []
        self.known: dict[str, str | Sequence[str]] = {}
        self.day_0 = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - a date on a sheet has no zone

    def open_numFmt(self, attributes: dict[str, str]) -> None:
        self.codes.setdefault(int(attributes["numFmtId"]), attributes["formatCode"])

    def open_cellXfs(self, _attributes: dict[str, str]) -> None:
        self.styles.clear()  # those before are of named styles

    def open_xf(self, attributes: dict[str, str]) -> None:
        self.styles.append(int(attributes.get("numFmtId", 0)))

    def show(self, value: str, style: str) -> str:
        """A number as it is written in the file -> as a person sees it."""
        if style not in self.known:
            self.known[style] = self._look(int(style or 0))
        look = self.known[style]
        if look == DATE:
            return self._date(value)
        shown = value if value.isdecimal() and len(value) <= DIGITS else _plain(value)
        return _filled(shown, look) if look and shown.isdecimal() else shown

    def _look(self, style: int) -> str | Sequence[str]:
        """DATE, or the masks that digits are put into."""
        number = self.styles[style] if self.styles else 0
        code = self.codes.get(number, "")[:LONGEST_CODE]
        if number in DATES or re.search("[dmyhs]", UNSHOWN.sub("", code), re.IGNORECASE):
            return DATE
        sections = COLOUR.sub("", code).split(";")
        if not CONDITION.search(code):
            del sections[1:]  # those are for numbers below 0, for 0, for text
        masks = [_mask(section) for section in sections]
        return [mask for mask in masks if _count_places(mask) and len(mask) <= LONGEST_MASK]

    def _date(self, value: str) -> str:
        """The order of day and month is not asked: this one is understood everywhere."""
        try:
            moment = self.day_0 + timedelta(seconds=round(float(value) * 86_400))
        except (ValueError, OverflowError):
            return value
        return moment.strftime("%Y-%m-%d" if float(value) % 1 == 0 else "%Y-%m-%d %H:%M")


def _mask(section: str) -> str:
    """A part of a format as places and what stands between them; "" where it is more than that."""
    if PLACE.sub("", section):
        return ""
    mask = "".join(
        (zero and ZERO) or (digit and DIGIT) or "".join(between)
        for zero, digit, *between in PLACE.findall(section)
    )
    return "" if mask in (ZERO, DIGIT) else mask


def _filled(digits: str, masks: Sequence[str]) -> str:
    """In the first mask that has a place for each digit, else in the first."""
    mask = next((each for each in masks if len(digits) <= _count_places(each)), masks[0])
    places, shown = _count_places(mask), ""
    for each in reversed(mask):
        if each not in (ZERO, DIGIT):
            shown = each + shown
            continue
        places -= 1
        digit = digits[-1:] if places else digits  # the first place takes all that are left
        digits = digits[:-1] if places else ""
        shown = (digit or ("0" if each == ZERO else "")) + shown
    return shown


def _count_places(mask: str) -> int:
    return mask.count(ZERO) + mask.count(DIGIT)


def _plain(value: str) -> str:
    try:
        return f"{float(value):.{DIGITS}G}"
    except ValueError:
        return value
