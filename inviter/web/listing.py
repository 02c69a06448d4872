"""Invited Patients and Patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, request, url_for
from flask_babel import gettext as _

from inviter import listing
from inviter.listing import InvitedRow, Page, PatientRow
from inviter.status import Status
from inviter.web import formats, guards
from inviter.web.fragments import respond

NEAR = 3
"""So many pages before and after this one get a link, beside the first and the last."""

bp = Blueprint("listing", __name__, url_prefix="/c/<slug>")


@dataclass(frozen=True, slots=True)
class Invited:
    """One line of Invited Patients, in words where words are shown."""

    id: int
    name: str
    provider: str
    invited_at: datetime
    accepted_at: datetime | None
    phone: str | None
    email: str | None
    code: str | None
    status: Status
    status_words: str
    detail: Sequence[str]


@dataclass(frozen=True, slots=True)
class Joined:
    """One line of those who have joined."""

    name: str
    provider: str
    joined_at: datetime
    phone: str
    email: str | None
    how: str


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a list with the links to the other pages."""

    rows: Sequence[Invited] | Sequence[Joined]
    count: str
    place: str
    pages: Sequence[tuple[str, str | None]]
    previous: str | None
    next: str | None

    @property
    def is_empty(self) -> bool:
        return not self.rows


@bp.get("/patients")
def patients(slug: str) -> Response:
    found = listing.patients(g.clinic, number("joined"))
    rows = [_joined(each) for each in found.rows]
    return respond(
        "patients/patients.html",
        "content",
        patients=_list_page(
            found, rows, formats.count_patients(found), "listing.patients", "joined"
        ),
        listing=invited_list("listing.patients"),
    )


def invited_list(endpoint: str) -> ListPage:
    """The list as it stands under Invite Patients and under Patients."""
    settings = guards.settings()
    page = listing.invited(
        g.clinic,
        number("page"),
        keys=guards.keys(),
        doubt_after=settings.doubt_after,
        now=g.now,
    )
    rows = [_invited(each) for each in page.rows]
    return _list_page(page, rows, formats.count_invited(page), endpoint, "page")


def number(name: str, *, default: int = 1) -> int:
    """A small number as the address gives it; nonsense is the default."""
    typed = request.args.get(name, "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else default


def _invited(row: InvitedRow) -> Invited:
    return Invited(
        id=row.id,
        name=row.name,
        provider=row.provider,
        invited_at=row.invited_at,
        accepted_at=row.accepted_at,
        phone=row.phone,
        email=row.email,
        code=row.code,
        status=row.status,
        status_words=formats.status(row.status),
        detail=formats.details(row.sent, row.status, has_contact=bool(row.email or row.phone)),
    )


def _joined(row: PatientRow) -> Joined:
    return Joined(
        name=row.name,
        provider=row.provider,
        joined_at=row.joined_at,
        phone=formats.phone(row.phone),
        email=row.email,
        how=formats.how_joined(row.how),
    )


def _place(page: Page[Any]) -> str:
    """For the title, where there are several pages and it is known how many."""
    if page.last == 1 or page.is_capped:
        return ""
    return _(" (page %(number)s of %(last)s)", number=page.number, last=page.last)


def _list_page(
    page: Page[Any], rows: Sequence[Any], count: str, endpoint: str, name: str
) -> ListPage:
    def url(target: int) -> str | None:
        if not 1 <= target <= page.last:
            return None
        values: dict[str, Any] = {"slug": g.clinic.slug, name: target}
        return url_for(endpoint, **values)

    near = range(page.number - NEAR, page.number + NEAR + 1)
    every = sorted({1, page.last, *near} & set(range(1, page.last + 1)))
    return ListPage(
        rows=rows,
        count=count,
        place=_place(page),
        pages=[(str(each), None if each == page.number else url(each)) for each in every],
        previous=url(page.number - 1),
        next=url(page.number + 1),
    )
