"""Invited Patients and Patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, g, request, url_for

from inviter import listing
from inviter.listing import InvitedRow, Page, PatientRow
from inviter.web import formats, guards
from inviter.web.fragments import respond

NEAR = 3
"""So many pages before and after this one get a link, beside the first and the last."""

bp = Blueprint("listing", __name__, url_prefix="/c/<slug>")


@dataclass(frozen=True, slots=True)
class Row:
    """An invited patient as the list shows it."""

    facts: InvitedRow
    status_words: str
    detail: Sequence[str]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.facts, name)


@dataclass(frozen=True, slots=True)
class Joined:
    """A patient as the list of those who have joined shows them."""

    facts: PatientRow
    how: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.facts, name)


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of a list with the links to the other pages."""

    rows: Sequence[Any]
    count: str
    pages: Sequence[tuple[str, str | None]]
    previous: str | None
    next: str | None

    @property
    def is_empty(self) -> bool:
        return not self.rows


@bp.get("/patients")
def patients(slug: str) -> Response:
    found = listing.patients(g.clinic, number("joined"))
    rows = [Joined(each, formats.how_joined(each.how)) for each in found.rows]
    return respond(
        "patients/patients.html",
        "content",
        patients=_shown(found, rows, formats.count_patients(found), "listing.patients", "joined"),
        listing=invited_list("listing.patients"),
    )


def invited_list(endpoint: str) -> Shown:
    """The list as it stands under Invite Patients and under Patients."""
    settings = guards.settings()
    page = listing.invited(
        g.clinic,
        number("page"),
        keys=guards.keys(),
        doubt_after=settings.doubt_after,
        now=g.now,
    )
    rows = [Row(each, formats.status(each.status), formats.details(each)) for each in page.rows]
    return _shown(page, rows, formats.count_invited(page), endpoint, "page")


def number(name: str) -> int:
    """A page's number as the address gives it; nonsense is the first page."""
    typed = request.args.get(name, "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else 1


def _shown(page: Page[Any], rows: Sequence[Any], count: str, endpoint: str, name: str) -> Shown:
    def url(target: int) -> str | None:
        if not 1 <= target <= page.last:
            return None
        values: dict[str, Any] = {"slug": g.clinic.slug, name: target}
        return url_for(endpoint, **values)

    near = range(page.number - NEAR, page.number + NEAR + 1)
    every = sorted({1, page.last, *near} & set(range(1, page.last + 1)))
    return Shown(
        rows=rows,
        count=count,
        pages=[(str(each), None if each == page.number else url(each)) for each in every],
        previous=url(page.number - 1),
        next=url(page.number + 1),
    )
