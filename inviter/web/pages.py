"""The links to the other pages of a list, and what its title says of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from inviter.listing import LAST, Page

NEAR = 3
"""So many pages before and after this one get a link, beside the first and the last."""

Link = tuple[str, str | None]
"""Its words and where it leads; None where one is."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The links to the other pages of a list."""

    numbers: Sequence[Link]
    previous: str | None
    next: str | None
    last: Link | None


def in_title(page: Page[Any]) -> str:
    """Where there are several pages and it is known how many."""
    if page.last == 1 or page.is_capped:
        return ""
    return _(" (page %(number)s of %(last)s)", number=page.number, last=page.last)


def pages_of(page: Page[Any], url: Callable[[int], str]) -> Pages:
    """`url` of a page's number. The last of too many to count has no number."""

    def there(number: int) -> str | None:
        return url(number) if 1 <= number <= page.last and page.number != LAST else None

    here = page.number if page.number != LAST else page.last + 1
    near = range(here - NEAR, here + NEAR + 1)
    every = sorted({1, page.last, *near} & set(range(1, page.last + 1)))
    last = (_("Last"), None if page.number == LAST else url(LAST))
    return Pages(
        numbers=[(str(each), None if each == page.number else url(each)) for each in every],
        previous=there(page.number - 1),
        next=there(page.number + 1),
        last=last if page.is_capped else None,
    )
