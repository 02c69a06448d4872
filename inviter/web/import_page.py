"""An uploaded file as its page shows it: how rows stand, some of them, what can be done."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import g, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict

from inviter import imports
from inviter.bulk import Reader
from inviter.listing import LAST, MOST_PAGES, Page
from inviter.models import Import, ImportRow, ImportState, Invitation
from inviter.roster import Fate
from inviter.web import addresses, formats, guards, import_rows, looks
from inviter.web.import_rows import RowShown
from inviter.web.import_shows import FATES, NOT_INVITED, WORDS, Show
from inviter.web.mending_forms import RowToFix
from inviter.web.pages import Pages, in_title, pages_of

PER_PAGE = imports.PER_PAGE
HEARD = "heard"
"""The argument that tells how many quarters of the progress were told of."""


@dataclass(frozen=True, slots=True)
class Chip:
    """How many rows stand so, and the list of them."""

    name: str
    label: str
    url: str
    is_current: bool


class ImportPage:
    """What the templates show. The database is asked once something of it is shown."""

    def __init__(
        self, made: Import, typed: MultiDict[str, str] | None = None, refused: int | None = None
    ) -> None:
        """`typed`: what could not be saved, and is shown again; of this row above all."""
        self._made = made
        self._typed = typed
        self._changing = refused or addresses.identity(request.values.get("change", ""))
        self._asked = request.values.get("show", "")
        self._number = addresses.number(request.values.get("page", ""))

    @property
    def id(self) -> int:
        return self._made.id

    @property
    def revision(self) -> int:
        return self._made.revision

    @property
    def file_name(self) -> str:
        return self._made.file_name

    @property
    def provider(self) -> str:
        return self._made.provider.name

    @property
    def about(self) -> str:
        return _(
            "Uploaded %(moment)s by %(name)s. Provider: %(provider)s.",
            moment=formats.moment(self._made.uploaded_at, g.clinic),
            name=self._made.uploaded_by.name,
            provider=self.provider,
        )

    @property
    def notes(self) -> Sequence[str]:
        """What is good to know of the whole file."""
        found = []
        if self._made.ignored:
            names = ", ".join(self._made.ignored)
            found.append(_("Columns that were not read: %(names)s.", names=names))
        if self.kept and not self.is_done:
            found.append(self.kept)
        return found

    @property
    def kept(self) -> str:
        """How long there is for those who are not invited; said with what became of the others,
        once the file is confirmed."""
        is_left = any(many for fate, many in self.counts.items() if fate != Fate.INVITED)
        if not (self.can_mend and is_left):
            return ""
        until = formats.day(imports.until(self._made), g.clinic)
        return _("Rows that are not invited stay here until %(day)s.", day=until)

    @cached_property
    def earlier(self) -> Import | None:
        """The last upload of the same content."""
        return imports.earlier(self._made)

    @property
    def earlier_words(self) -> str:
        return _(
            "This file was uploaded before, %(moment)s by %(name)s.",
            moment=formats.moment(self.earlier.uploaded_at, g.clinic),  # type: ignore[union-attr]
            name=self.earlier.uploaded_by.name,  # type: ignore[union-attr]
        )

    @cached_property
    def counts(self) -> dict[Fate, int]:
        return imports.counts([self._made])[self._made.id]

    @property
    def is_inviting(self) -> bool:
        return self._made.state == ImportState.INVITING

    @property
    def is_erased(self) -> bool:
        return self._made.erased_at is not None

    @property
    def can_mend(self) -> bool:
        return imports.can_be_finished(self._made, g.now)

    @property
    def can_discard(self) -> bool:
        """Until someone is invited by it."""
        return self.can_mend and self._made.confirmed_at is None

    @property
    def may_save(self) -> bool:
        """Also what was typed while someone confirmed the file: it can be saved afterwards."""
        return self.can_mend or (self.is_inviting and self._typed is not None)

    @property
    def is_done(self) -> bool:
        """Confirmed, and nothing is under way."""
        return self._made.confirmed_at is not None and not self.is_inviting

    @property
    def has_rows(self) -> bool:
        """Whether rows are listed: while they are invited, only where something was typed."""
        return not self.is_erased and (not self.is_inviting or self._typed is not None)

    @property
    def to_invite(self) -> int:
        return self._count(Show.READY)

    @property
    def to_fix(self) -> int:
        return self._count(Show.FIX)

    @property
    def invited(self) -> int:
        return self._count(Show.INVITED)

    @property
    def going_to_invite(self) -> int:
        return self.invited + self.to_invite

    @property
    def progress(self) -> str:
        many = {"done": f"{self.invited:,}", "all": f"{self.going_to_invite:,}"}
        return _("%(done)s of %(all)s invited", **many)

    @property
    def news(self) -> str:
        """What is to be heard of a look: each quarter once. Who hears of every look turns their
        screen reader off."""
        heard = addresses.identity(request.args.get(HEARD, "")) or 0
        return self.progress if self._quarters > heard else ""

    @property
    def success(self) -> str:
        return ngettext(
            "CSV import successful – %(number)s patient invited",
            "CSV import successful – %(number)s patients invited",
            self.invited,
            number=f"{self.invited:,}",
        )

    @property
    def not_invited(self) -> Sequence[Chip]:
        """Why others were not, and how many."""
        return [
            each for each in self.chips if any(f in NOT_INVITED for f in FATES[Show(each.name)])
        ]

    @property
    def polling(self) -> int:
        """Seconds until the next look; 0 stops."""
        return looks.pace() if self.is_inviting else 0

    @property
    def poll_url(self) -> str:
        return self.url(look=looks.number() + 1, **{HEARD: self._quarters})

    @cached_property
    def chips(self) -> Sequence[Chip]:
        return [
            Chip(
                name=show.value,
                label=f"{formats.word(WORDS[FATES[show][0]])} ({self._count(show):,})",
                url=self.url(show=show.value),
                is_current=show == self.show and self.has_rows,
            )
            for show in Show
            if self._count(show) and not (self.is_erased and show == Show.CHANGED)
        ]

    @cached_property
    def show(self) -> Show:
        """What is asked for, where there is any; rows to fix come first."""
        if self._asked in list(Show) and self._count(Show(self._asked)):
            return Show(self._asked)
        usual = (Show.FIX, Show.READY, Show.INVITED, *Show)
        return next((show for show in usual if self._count(show)), Show.READY)

    @property
    def heading(self) -> str:
        return formats.word(WORDS[FATES[self.show][0]])

    @property
    def is_fixing(self) -> bool:
        return self.show == Show.FIX and self.may_save

    @cached_property
    def page(self) -> Page[ImportRow]:
        total, limit = self._count(self.show), MOST_PAGES * PER_PAGE
        last = max(1, -(-total // PER_PAGE))
        number = self._number if self._number <= last else 1
        if number == LAST and total <= limit:
            number = last
        rows = imports.rows(self._made, FATES[self.show], number=number)
        return Page(rows, number, total, limit, PER_PAGE)

    @property
    def pages(self) -> Pages:
        return pages_of(self.page, lambda number: self.url(show=self.show.value, page=number))

    @property
    def in_title(self) -> str:
        return in_title(self.page) if self.has_rows else ""

    @cached_property
    def rows_to_fix(self) -> Sequence[RowToFix]:
        return [RowToFix(each, self._typed) for each in self.page.rows]

    @cached_property
    def changing(self) -> RowToFix | None:
        """A row that could be invited as it is, or is known, all of which is typed anew."""
        found = imports.row(self._made, self._changing) if self._changing else None
        if found is None or not self._may_change(found):
            return None
        return RowToFix(found, self._typed, is_whole=True)

    def _may_change(self, row: ImportRow) -> bool:
        return self.can_mend and row.fate not in (Fate.NEEDS_FIXING, *imports.DONE)

    @property
    def focus(self) -> str:
        """The first cell to be typed behind the row that was just saved."""
        if not self.is_fixing:
            return f"{self.changing.cells[0].id}" if self.changing else ""
        saved = addresses.identity(request.args.get("saved", ""))
        if saved is None:
            return ""
        after = [each for each in self.rows_to_fix if each.number >= saved]
        return next((each.first_wrong for each in [*after, *self.rows_to_fix]), "")

    @cached_property
    def left_out(self) -> int | None:
        """The row that was just left out, and can be put back."""
        number = addresses.identity(request.args.get("left", ""))
        found = imports.row(self._made, number) if number else None
        return found.number if found and found.fate == Fate.SKIPPED else None

    @cached_property
    def rows(self) -> Sequence[RowShown]:
        """But for the one that is typed anew above them."""
        changing = self.changing.number if self.changing else None
        return [
            import_rows.shown(
                each,
                reader=self._reader,
                known=self._known.get(each.invitation_id or 0),
                same_contact=self._same_contact.get(each.number, ()),
                may_change=self.can_mend,
            )
            for each in self.page.rows
            if each.number != changing
        ]

    @property
    def has_ticks(self) -> bool:
        return self.can_mend and any(each.tick for each in self.rows)

    @property
    def here(self) -> dict[str, str]:
        """For forms that lead back here: to what was asked for, though there may be none left."""
        show = self._asked if self._asked in list(Show) else self.show.value
        number = addresses.LAST_WORD if self.page.number == LAST else str(self.page.number)
        return {"show": show, "page": number}

    def url(self, **more: Any) -> str:
        return url_for("imports.page", slug=g.clinic.slug, import_id=self.id, **more)

    def to(self, action: str) -> str:
        return url_for(f"imports.{action}", slug=g.clinic.slug, import_id=self.id)

    @property
    def _quarters(self) -> int:
        return 4 * self.invited // max(1, self.going_to_invite)

    def _count(self, show: Show) -> int:
        return sum(self.counts.get(fate, 0) for fate in FATES[show])

    @cached_property
    def _reader(self) -> Reader:
        return Reader(guards.settings().sms_regions)

    @cached_property
    def _same_contact(self) -> dict[int, Sequence[str]]:
        is_ready = self.show in (Show.READY, Show.CHANGED)
        return import_rows.same_contact(self.page.rows, self._reader, g.clinic) if is_ready else {}

    @cached_property
    def _known(self) -> dict[int, Invitation]:
        return imports.known_invitations(self.page.rows)
