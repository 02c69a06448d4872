"""How numbers of a workbook are shown: dates as dates, others without a tail of zeros. Pure."""

import re
from datetime import datetime, timedelta

from inviter.spreadsheets.xml_parts import Part

DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
UNSHOWN = re.compile(r'"[^"]*"|\\.|\[[^]]*\]|[_*].')
DATE = "date"
DIGITS = 15  # as many as Excel keeps


class Formats(Part):
    """The styles of a workbook, and what a number looks like in one of them."""

    def __init__(self, from_1904: bool = False) -> None:
        super().__init__()
        self.codes: dict[int, str] = {}
        self.styles: list[int] = []
        self.known: dict[str, str] = {}
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
            self.known[style] = self._pattern(int(style or 0))
        pattern = self.known[style]
        if pattern == DATE:
            return self._date(value)
        shown = value if value.isdecimal() and len(value) <= DIGITS else _plain(value)
        return shown.zfill(len(pattern))

    def _pattern(self, style: int) -> str:
        """DATE, or the zeros that a number is filled up with."""
        number = self.styles[style] if self.styles else 0
        code = UNSHOWN.sub("", self.codes.get(number, ""))
        if number in DATES or re.search("[dmyhs]", code, re.IGNORECASE):
            return DATE
        return "" if code.strip("0") else code[:DIGITS]

    def _date(self, value: str) -> str:
        """The order of day and month is not asked: this one is understood everywhere."""
        try:
            moment = self.day_0 + timedelta(seconds=round(float(value) * 86_400))
        except (ValueError, OverflowError):
            return value
        return moment.strftime("%Y-%m-%d" if float(value) % 1 == 0 else "%Y-%m-%d %H:%M")


def _plain(value: str) -> str:
    try:
        return f"{float(value):.{DIGITS}G}"
    except ValueError:
        return value
