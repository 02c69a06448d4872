"""The uploaded files of a clinic as a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from flask import g, url_for
from flask_babel import gettext as _

from inviter import imports
from inviter.imports import PER_PAGE, TO_INVITE
from inviter.listing import MOST_PAGES, Page
from inviter.models import Import, ImportState
from inviter.roster import Fate
from inviter.web import formats
from inviter.web.import_shows import FATES, WORDS, Show
from inviter.web.pages import Pages, pages_of

Counts = dict[Fate, int]


@dataclass(frozen=True, slots=True)
class File:
    name: str
    url: str
    provider: str
    by: str
    at: datetime
    counts: Sequence[str]
    state: str


class ImportsList:
    """The newest first. The database is asked once something of it is shown."""

    def __init__(self, number: int) -> None:
        self._number = max(1, number)

    @cached_property
    def page(self) -> Page[Import]:
        """How many there are is known up to the next page."""
        number = self._number
        found = imports.page(g.clinic, number)
        if not found and number > 1:
            number, found = 1, imports.page(g.clinic, 1)
        total = (number - 1) * PER_PAGE + len(found)
        return Page(found[:PER_PAGE], number, total, MOST_PAGES * PER_PAGE + 1, PER_PAGE)

    @property
    def pages(self) -> Pages:
        def url(number: int) -> str:
            return url_for("imports.index", slug=g.clinic.slug, page=number)

        return pages_of(self.page, url)

    @property
    def rows(self) -> Sequence[File]:
        counts = imports.counts(self.page.rows)
        return [_file(each, counts[each.id]) for each in self.page.rows]


def _file(made: Import, counts: Counts) -> File:
    """Those that were changed are among those that are ready, and only on its page apart."""
    return File(
        name=made.file_name,
        url=url_for("imports.page", slug=g.clinic.slug, import_id=made.id),
        provider=made.provider.name,
        by=made.uploaded_by.name,
        at=made.uploaded_at,
        counts=[
            f"{formats.word(WORDS[fates[0]])} ({many:,})"
            for show, fates in FATES.items()
            if show != Show.CHANGED and (many := sum(counts.get(fate, 0) for fate in fates))
        ],
        state=_state(made, counts),
    )


def _state(made: Import, counts: Counts) -> str:
    ready = sum(counts.get(fate, 0) for fate in TO_INVITE)
    if made.state == ImportState.INVITING:
        done = counts.get(Fate.INVITED, 0)
        return _("Inviting: %(done)s of %(all)s", done=f"{done:,}", all=f"{done + ready:,}")
    if made.erased_at and made.confirmed_at:
        return _("Finished: its rows are erased")
    if made.erased_at and made.erased_at < imports.until(made):
        return _("Cancelled: its rows are erased")
    if made.erased_at:
        return _("Never confirmed: its rows are erased")
    if not imports.can_be_finished(made, g.now):
        return _("Finished") if made.confirmed_at else _("Never confirmed")
    until = formats.day(imports.until(made), g.clinic)
    if ready:
        return _("To be confirmed by %(day)s", day=until)
    if counts.get(Fate.NEEDS_FIXING):
        return _("To be fixed by %(day)s", day=until)
    return _("Finished")
