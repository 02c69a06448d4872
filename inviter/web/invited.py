"""Invited Patients as a page shows it, under Invite Patients and under Patients."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple
from urllib.parse import urlencode

from flask import g, request, url_for
from flask_babel import gettext as _

from inviter import invitations, listing
from inviter.conditions import SORTABLE, Attention, Column, Filter, Place
from inviter.listing import COUNT_LIMIT, InvitedRow, Page
from inviter.status import Moment
from inviter.web import addresses, columns, formats, guards, invited_rows, outcomes
from inviter.web.addresses import Address
from inviter.web.invited_rows import Invited, Words
from inviter.web.pages import Pages, in_title, pages_of

THIS_PAGE, ALL = "page", "all"
"""What `tick` in an address has ticked."""


class Head(NamedTuple):
    """A column's head; `sort_url` sorts by it, the other way where it is sorted by already."""

    column: Column
    label: str
    sort_url: str | None
    sorted: str


class Chip(NamedTuple):
    """A number of patients who need something, and the list of them.

    It stands while the list beside it is sorted: with JavaScript the sort is taken from there.
    """

    label: str
    url: str
    unsorted_url: str
    is_current: bool


class InvitedList:
    """Invited Patients on a page. The database is asked once something of it is shown."""

    def __init__(self, address: Address, row_id: int | None = None) -> None:
        """`row_id`: to which something was just done, or refused; else what the address says."""
        self._address = address
        self._row_id = row_id or addresses.identity(request.args.get("row", ""))
        self._asks = "ask" in request.args
        self._tick = request.args.get("tick", "")
        self._sms = guards.settings().sms != "off"

    @cached_property
    def place(self) -> Place:
        return place()

    @cached_property
    def _wanted(self) -> Filter:
        return known(self.place, self._address.wanted)

    @property
    def asked(self) -> Mapping[str, str]:
        """The address as it came: for forms beside the list, which do not ask the database."""
        return self._address.arguments()

    @cached_property
    def address(self) -> Address:
        """As it is shown: a page that is not there is the first."""
        return replace(self._address, wanted=self._wanted, number=self.page.number)

    @cached_property
    def page(self) -> Page[InvitedRow]:
        return listing.page(self.place, self._wanted, self._address.number)

    @property
    def rows(self) -> Sequence[Invited]:
        return [self._shown(each) for each in self.page.rows]

    @cached_property
    def row(self) -> Invited | None:
        """The one that something was just done to."""
        found = listing.rows(self.place, [self._row_id]) if self._row_id is not None else []
        return self._shown(found[0]) if found else None

    @property
    def row_name(self) -> str | None:
        return f"invitation-{self.row.id}" if self._row_id is not None and self.row else None

    @property
    def is_empty(self) -> bool:
        return not self.page.rows

    @cached_property
    def is_filtered(self) -> bool:
        return self.address.everyone().wanted != self._wanted

    @property
    def count(self) -> str:
        return formats.count_invited(self.page)

    @property
    def news(self) -> str:
        """What is to be heard where nothing else was said."""
        if self._row_id is not None and self.row:
            return self.row.asks
        if self.ticks_page:
            return self.ticked
        if self.is_empty:
            return _("No invited patients match")
        return f"{self.count}{self.in_title}"

    @property
    def ticked(self) -> str:
        if self.ticks_all:
            return _("All %(number)s that match are selected.", number=self.ticks_all)
        shown = len(self.page.rows)
        return _(
            "All %(number)s on this page were selected. Untick whom you mean to leave out.",
            number=shown,
        )

    @property
    def is_row_elsewhere(self) -> bool:
        """Whether what was just done has to be told beside the rows."""
        row = self.row
        shown = {str(each.id) for each in self.page.rows}
        return row is not None and row.id not in shown and (row.can_undo or bool(row.asks))

    @property
    def in_title(self) -> str:
        return in_title(self.page)

    @property
    def no_match(self) -> str:
        """What was looked for, in words."""
        wanted = self._wanted
        said = [f"“{wanted.text}”"] if wanted.text else []
        if wanted.status:
            said.append(formats.status(wanted.status))
        if wanted.attention:
            said.append(outcomes.attention(wanted.attention))
        said += [each.name for each in self.place.providers if each.id == wanted.provider_id]
        return ", ".join(said)

    @cached_property
    def heads(self) -> Sequence[Head]:
        return [self._head(each) for each in columns.shown(self.address)]

    @cached_property
    def is_default(self) -> bool:
        """Whether the columns are those for which pairs of lines have their own widths."""
        return [each.column for each in self.heads] == list(Column)

    @property
    def pairs(self) -> int:
        return -(-len(self.heads) // 2)

    @cached_property
    def words(self) -> Words:
        return invited_rows.words(formats.language())

    def badges(self, draw: Callable[[str, str], str]) -> Mapping[str, str]:
        """Each drawn once, for all rows."""
        return {status: draw(status, words) for status, words in self.words.statuses.items()}

    @property
    def pages(self) -> Pages:
        return pages_of(self.page, lambda number: self._url(self.address.at_page(number)))

    @cached_property
    def chips(self) -> Sequence[Chip]:
        counts = listing.attention(self.place)
        chosen = self._wanted.attention
        return [
            self._chip(kind, count) for kind, count in counts.items() if count or kind == chosen
        ]

    @property
    def text(self) -> str:
        return self._wanted.text

    @property
    def statuses(self) -> Sequence[tuple[str, str, bool]]:
        chosen = self._wanted.status
        found = [(each.value, formats.status(each), each == chosen) for each in addresses.STATUSES]
        return [("", _("All"), chosen is None), *found]

    @property
    def providers(self) -> Sequence[tuple[str, str, bool]]:
        """Nothing to choose from where there is one."""
        chosen, known = self._wanted.provider_id, self.place.providers
        found = [(str(each.id), each.name, each.id == chosen) for each in known]
        return [("", _("All"), chosen is None), *found] if len(known) > 1 else []

    @property
    def sorts(self) -> Sequence[tuple[str, str, bool]]:
        chosen = addresses.print_sort(self._wanted)
        return [(key, words, key == chosen) for key, words in columns.sorts()]

    @cached_property
    def base(self) -> str:
        """Where the pages of single invitations begin."""
        return url_for("invitations.page", slug=g.clinic.slug, invitation_id=0)[:-1]

    @cached_property
    def here(self) -> str:
        return url_for(addresses.PAGES[self.address.on], slug=g.clinic.slug)

    @cached_property
    def url(self) -> str:
        return self._url(self.address)

    @property
    def remembered(self) -> str | None:
        """What the browser takes down as where it is: ticks are no place."""
        return None if self._tick else self.url

    @cached_property
    def query(self) -> str:
        """For links that lead back here."""
        return self.url.partition("?")[2]

    @property
    def everyone_url(self) -> str:
        return self._url(self.address.everyone())

    @property
    def columns_url(self) -> str:
        return f"{self.columns_base}?{urlencode(self.hidden)}"

    @property
    def columns_base(self) -> str:
        """With JavaScript the form beside it says the rest, as it stands."""
        return url_for("columns.chooser", slug=g.clinic.slug)

    @cached_property
    def hidden(self) -> Sequence[tuple[str, str]]:
        """For forms that lead back here."""
        return [("on", self.address.on), *self.address.arguments().items()]

    @property
    def hidden_in_search(self) -> Sequence[tuple[str, str]]:
        """What a search does not change and no field of it shows."""
        kept = ("needs", "cols", "who", "joined")
        return [each for each in self.address.arguments().items() if each[0] in kept]

    @cached_property
    def ticks_page(self) -> bool:
        return self._tick in (THIS_PAGE, ALL)

    @cached_property
    def ticks_all(self) -> int:
        """How many are meant by "all that match"; 0 where only those ticked are."""
        can = self._tick == ALL and not self.page.is_capped
        return self.page.total if can else 0

    @property
    def tick_url(self) -> str:
        return self._url(self.address, tick=None if self.ticks_page else THIS_PAGE)

    @property
    def tick_all_url(self) -> str:
        return self._url(self.address, tick=ALL)

    @cached_property
    def removed_together(self) -> str:
        """The instant at which several were removed, while that can be undone."""
        at = addresses.instant(request.args.get("removed", ""))
        if at is None or not invitations.removed_at_once(g.clinic, at):
            return ""
        return at.isoformat() if self.place.at.now - at <= invitations.UNDO_FOR else ""

    def _url(self, address: Address, **more: str | None) -> str:
        """As `Address.url`, which would look up the route for every link."""
        said = {**address.arguments(), **{name: value for name, value in more.items() if value}}
        return f"{self.here}?{urlencode(said, safe=',')}" if said else self.here

    def _head(self, column: Column) -> Head:
        wanted = self._wanted
        is_sorted = wanted.sort == column
        falls = not wanted.is_descending if is_sorted else column in columns.NEWEST_FIRST
        sort_url = self._url(self.address.looking_for(sort=column, is_descending=falls))
        return Head(
            column=column,
            label=columns.label(column),
            sort_url=sort_url if column in SORTABLE else None,
            sorted=("descending" if wanted.is_descending else "ascending") if is_sorted else "",
        )

    def _chip(self, kind: Attention, count: int) -> Chip:
        is_current = self._wanted.attention == kind
        everyone = self.address.everyone()
        found = everyone if is_current else everyone.looking_for(attention=kind)
        unsorted = found.looking_for(sort=Column.INVITED, is_descending=True)
        number = f"{COUNT_LIMIT:,}+" if count > COUNT_LIMIT else f"{count:,}"
        words = outcomes.attention(kind, number)
        return Chip(words, self._url(found), self._url(unsorted), is_current)

    def _shown(self, row: InvitedRow) -> Invited:
        asks = self._asks and row.id == self._row_id
        return invited_rows.shown(row, g.clinic, now=self.place.at.now, sms=self._sms, asks=asks)


def place() -> Place:
    """From where this request looks at the list."""
    at = Moment(g.now, guards.settings().doubt_after)
    return Place(g.clinic, guards.providers(), guards.keys(), at)


def known(here: Place, wanted: Filter) -> Filter:
    """A provider who is not known here is no filter."""
    ids = {each.id for each in here.providers}
    return wanted if wanted.provider_id in ids else replace(wanted, provider_id=None)
