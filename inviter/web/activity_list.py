"""What happened at a clinic as a page shows it: filters, sentences, the way to older ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from urllib.parse import urlencode

from flask import g, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict

from inviter import happenings, search, team
from inviter.happenings import Happening, Kind, Page, Spot, TooMany, Wanted
from inviter.web import addresses, formats, happened

Choices = Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class Shown:
    """One line. What it is about stands between the halves of its sentence, as a link."""

    at: datetime
    when: str
    before: str
    about: str
    after: str
    url: str


class ActivityList:
    """The database is asked once something of it is shown."""

    def __init__(self, values: MultiDict[str, str]) -> None:
        self.wanted = read(values)
        self._before, self._after = (_spot(values.get(each, "")) for each in ("before", "after"))

    @cached_property
    def people(self) -> dict[int, str]:
        return team.people(g.clinic)

    @property
    def whom(self) -> Choices:
        chosen = self.wanted.by_id
        found = [(str(id), name, id == chosen) for id, name in self.people.items()]
        return [("", _("Everyone"), chosen is None), *found]

    @property
    def kinds(self) -> Choices:
        chosen = self.wanted.kind
        found = [(each.value, happened.kind(each), each == chosen) for each in Kind]
        return [("", _("Everything"), chosen is None), *found]

    @property
    def is_filtered(self) -> bool:
        return self.wanted != Wanted()

    @cached_property
    def page(self) -> Page | None:
        """None where too many patients have such a name."""
        try:
            where = happenings.conditions(g.clinic, self.wanted)
        except TooMany:
            return None
        return happenings.page(where, before=self._before, after=self._after)

    @property
    def rows(self) -> Sequence[Shown]:
        return [_shown(each, self.people) for each in self.page.rows] if self.page else []

    @property
    def empty(self) -> str:
        if self.page is None:
            most = happenings.MOST_NAMED
            return _("More than %(most)s patients match: type more of the name.", most=most)
        return _("Nothing matches.") if self.is_filtered else _("Nothing has happened yet.")

    @property
    def news(self) -> str:
        """What is to be heard where it was drawn anew."""
        if not self.rows:
            return self.empty
        return ngettext("%(num)d line", "%(num)d lines", len(self.rows))

    @cached_property
    def arguments(self) -> dict[str, str]:
        return arguments(self.wanted)

    @property
    def url(self) -> str:
        spots = {"before": self._before, "after": self._after}
        return self._url(**{name: spot for name, spot in spots.items() if spot})

    @property
    def here(self) -> str:
        return url_for("activity.page", slug=g.clinic.slug)

    @property
    def export_url(self) -> str:
        return url_for("activity.export", slug=g.clinic.slug)

    @property
    def hidden(self) -> Sequence[tuple[str, str]]:
        return list(self.arguments.items())

    @property
    def newer_url(self) -> str | None:
        return self._url(after=self.page.newer) if self.page and self.page.newer else None

    @property
    def older_url(self) -> str | None:
        return self._url(before=self.page.older) if self.page and self.page.older else None

    def _url(self, **spots: Spot) -> str:
        told = {name: f"{spot.at.isoformat()}_{spot.id}" for name, spot in spots.items()}
        said = {**self.arguments, **told}
        return f"{self.here}?{urlencode(said)}" if said else self.here


def read(values: MultiDict[str, str]) -> Wanted:
    """Nonsense is read as nothing."""
    what = values.get("what", "")
    return Wanted(
        by_id=addresses.identity(values.get("who", "")),
        kind=Kind(what) if what in Kind._value2member_map_ else None,
        patient=search.plain(values.get("patient", "")),
        since=_day(values.get("from", "")),
        until=_day(values.get("to", "")),
    )


def arguments(wanted: Wanted) -> dict[str, str]:
    said = {
        "who": wanted.by_id,
        "what": wanted.kind,
        "patient": wanted.patient,
        "from": wanted.since,
        "to": wanted.until,
    }
    return {name: str(value) for name, value in said.items() if value not in (None, "")}


def _shown(row: Happening, people: dict[int, str]) -> Shown:
    text, about, url = happened.sentence(row, people), "", ""
    if row.invitation_id is not None:
        about = happened.patient(row)
        url = url_for("invitations.page", slug=g.clinic.slug, invitation_id=row.invitation_id)
    elif row.file:
        about = row.file
        url = url_for("imports.page", slug=g.clinic.slug, import_id=row.details["import_id"])
    before, found, after = text.rpartition(about) if about else (text, "", "")
    return Shown(row.at, formats.moment(row.at, g.clinic), before, found, after, url)


def _day(typed: str) -> date | None:
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        return None
    return day if 1900 < day.year < 9999 else None


def _spot(typed: str) -> Spot | None:
    at, _line, id = typed.partition("_")
    when, number = addresses.instant(at), addresses.identity(id)
    return Spot(when, number) if when and number is not None else None
