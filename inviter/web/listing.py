"""Patients: who has joined, and Invited Patients below."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flask import Blueprint, Response, g, request

from inviter import patients
from inviter.listing import Page
from inviter.patients import PatientRow
from inviter.web import addresses, formats
from inviter.web.addresses import Address
from inviter.web.fragments import respond
from inviter.web.invited import InvitedList
from inviter.web.pages import Pages, pages_of

bp = Blueprint("listing", __name__, url_prefix="/c/<slug>")


@dataclass(frozen=True, slots=True)
class Joined:
    """One line of those who have joined."""

    id: int
    invitation_id: int
    name: str
    provider: str
    joined_at: datetime
    phone: str
    email: str | None
    how: str


@dataclass(frozen=True, slots=True)
class JoinedList:
    """A page of those who have joined."""

    rows: Sequence[Joined]
    count: str
    pages: Pages
    text: str
    everyone_url: str
    hidden: Sequence[tuple[str, str]]

    @property
    def is_empty(self) -> bool:
        return not self.rows


@bp.get("/patients", endpoint="patients")
def patients_page(slug: str) -> Response:
    return show(addresses.read(request.args, on="patients"))


def show(
    address: Address, status: int = 200, row_id: int | None = None, block: str = "content"
) -> Response:
    """Patients, at this address."""
    invited = InvitedList(address, row_id)
    found = patients.page(g.clinic, invited.place.providers, address.who, address.joined)
    return respond(
        "listing/patients.html",
        block,
        "list",
        "results",
        "joined",
        status=status,
        row=invited.row_name,
        url=invited.remembered if request.method == "GET" else None,
        listing=invited,
        patients=_joined_list(found, address),
    )


def _joined_list(page: Page[PatientRow], address: Address) -> JoinedList:
    slug = g.clinic.slug
    kept = replace(address, who="", joined=1)
    return JoinedList(
        rows=[_joined(each) for each in page.rows],
        count=formats.count_patients(page),
        pages=pages_of(page, lambda number: replace(address, joined=number).url(slug)),
        text=address.who,
        everyone_url=kept.url(slug),
        hidden=list(kept.arguments().items()),
    )


def _joined(row: PatientRow) -> Joined:
    return Joined(
        id=row.id,
        invitation_id=row.invitation_id,
        name=row.name,
        provider=row.provider,
        joined_at=row.joined_at,
        phone=formats.phone(row.phone),
        email=row.email,
        how=formats.how_joined(row.how),
    )
