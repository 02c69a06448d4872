"""What an address says about the lists: read from anything, printed as the filter form would.

Nonsense is read as the default. Views redirect to fixed pages with what `arguments` prints, never
to an address that came in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from flask import url_for
from werkzeug.datastructures import MultiDict

from inviter import search
from inviter.conditions import SORTABLE, Attention, Column, Filter
from inviter.listing import LAST, MOST_PAGES
from inviter.status import Status

Word = TypeVar("Word", bound=StrEnum)

PAGES = {"invite": "invite.page", "patients": "listing.patients"}
"""Where Invited Patients stands."""

EVERYONE = Filter()
LAST_WORD = "last"
MOST_ID = 2**63 - 1
STATUSES = (Status.PENDING, Status.ACCEPTED, Status.EXPIRED, Status.ERROR_SENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The whole state of a page with lists: `on` which page, whom, in what order, which columns.

    `who` and `joined` are the search and the page of those who have joined.
    """

    on: str = "invite"
    wanted: Filter = EVERYONE
    number: int = 1
    columns: tuple[Column, ...] | None = None
    who: str = ""
    joined: int = 1

    def arguments(self) -> dict[str, str]:
        """What differs from an address that says nothing."""
        wanted, usual = self.wanted, print_sort(EVERYONE)
        said = {
            "q": wanted.text,
            "status": wanted.status,
            "needs": wanted.attention,
            "provider": wanted.provider_id,
            "sort": print_sort(wanted) if print_sort(wanted) != usual else "",
            "page": _print_number(self.number),
            "cols": ",".join(self.columns or ()),
            "who": self.who,
            "joined": _print_number(self.joined),
        }
        return {name: str(value) for name, value in said.items() if value not in (None, "")}

    def url(self, slug: str, **more: Any) -> str:
        arguments: dict[str, Any] = {**self.arguments(), **more}
        return url_for(PAGES[self.on], slug=slug, **arguments)

    def at_page(self, number: int) -> "Address":
        return replace(self, number=number)

    def looking_for(self, **changes: Any) -> "Address":
        """Another search begins at the first page."""
        return replace(self, wanted=replace(self.wanted, **changes), number=1)

    def everyone(self) -> "Address":
        """Without what narrows the list; the order stays."""
        order = Filter(sort=self.wanted.sort, is_descending=self.wanted.is_descending)
        return replace(self, wanted=order, number=1)


def read(values: MultiDict[str, str], *, on: str | None = None) -> Address:
    """`on` is for a page itself; a form or link that leads back to one carries it."""
    page = on or values.get("on", "")
    sort = values.get("sort", "")
    column = _one_of(Column, sort.removeprefix("-"))
    wanted = Filter(
        text=search.plain(values.get("q", "")),
        status=_status(values.get("status", "")),
        attention=_one_of(Attention, values.get("needs", "")),
        provider_id=identity(values.get("provider", "")),
    )
    if column in SORTABLE:
        wanted = replace(wanted, sort=column, is_descending=sort.startswith("-"))
    return Address(
        on=page if page in PAGES else "invite",
        wanted=wanted,
        number=number(values.get("page", "")),
        columns=read_columns(values.get("cols", "")),
        who=search.plain(values.get("who", "")),
        joined=number(values.get("joined", "")),
    )


def number(typed: str) -> int:
    """Of a page."""
    if typed == LAST_WORD:
        return LAST
    small = typed.isascii() and typed.isdigit() and len(typed) < 4
    return int(typed) if small and 1 <= int(typed) <= MOST_PAGES else 1


def identity(typed: str) -> int | None:
    """A number that an id can be."""
    if not (typed.isascii() and typed.isdigit() and len(typed) < 20):
        return None
    return int(typed) if int(typed) <= MOST_ID else None


def instant(typed: str) -> datetime | None:
    """A moment as `isoformat` prints it."""
    try:
        at = datetime.fromisoformat(typed)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo and 1900 < at.year < 9999 else None


def read_columns(typed: str) -> tuple[Column, ...] | None:
    """Patient Name is always there and first; None where nothing is chosen."""
    known = [_one_of(Column, each) for each in typed[:200].split(",")]
    chosen = [each for each in dict.fromkeys(known) if each]
    return whole(chosen) if chosen else None


def whole(columns: Sequence[Column]) -> tuple[Column, ...]:
    return (Column.NAME, *(each for each in columns if each != Column.NAME))


def print_sort(wanted: Filter) -> str:
    return f"{'-' if wanted.is_descending else ''}{wanted.sort}"


def _print_number(number: int) -> str:
    return {LAST: LAST_WORD, 1: ""}.get(number, str(number))


def _one_of(kind: type[Word], typed: str) -> Word | None:
    return kind(typed) if typed in kind._value2member_map_ else None


def _status(typed: str) -> Status | None:
    found = _one_of(Status, typed)
    return found if found in STATUSES else None
