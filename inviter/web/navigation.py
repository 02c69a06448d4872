"""What stands around every page: who is signed in, where one can go, what is to be said."""

from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, g, get_flashed_messages, request, url_for

from inviter.models import Clinic, Membership, User
from inviter.web import auth, formats
from inviter.web.formats import word as _

BANNERS = ("success", "notice", "error")
LIST = "list"
"""What a flash says: at the top of the page, at the list, or ("live") only to who listens."""


@dataclass(frozen=True, slots=True)
class Place:
    label: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A clinic that the person may change to."""

    name: str
    slug: str
    current: bool


@dataclass(frozen=True, slots=True)
class Me:
    name: str
    address: str
    role: str
    account_url: str
    sign_out_url: str
    stay_url: str
    idle_seconds: int
    """After the last request so long, the server knows nobody any more."""


@dataclass(frozen=True, slots=True)
class Banner:
    kind: str
    text: str


def init(app: Flask) -> None:
    app.context_processor(_around)
    for name, template in (
        ("ui", "ui.html"),
        ("lists", "listing/list.html"),
        ("files", "imports/rows.html"),
    ):
        app.jinja_env.globals[name] = app.jinja_env.get_template(template).module


def _around() -> dict[str, Any]:
    """Found once a request, however many blocks are drawn from it."""
    if "around" not in g:
        g.around = _find()
    return g.around


def _find() -> dict[str, Any]:
    user, clinic, member = g.get("user"), g.get("clinic"), g.get("membership")
    # The same is said once, though an answer was lost and the form sent again.
    said: list[tuple[str, str]] = get_flashed_messages(with_categories=True)  # type: ignore[assignment]
    return {
        "language": formats.language(),
        "me": _me(user, member) if user else None,
        "clinic": clinic,
        "clinics": _choices(clinic),
        "navigation": _places(clinic) if clinic else [],
        "banners": [Banner(kind, text) for kind, text in dict.fromkeys(said) if kind in BANNERS],
        "said": [text for kind, text in dict.fromkeys(said) if kind == LIST],
        "live": " ".join(text for kind, text in said if kind == "live"),
    }


def _me(user: User, member: Membership | None) -> Me:
    return Me(
        name=user.name,
        address=user.email or formats.phone(user.phone),
        role=_role(member) if member else "",
        account_url=url_for("auth.account"),
        sign_out_url=url_for("auth.sign_out"),
        stay_url=url_for("auth.stay"),
        idle_seconds=auth.idle_seconds(),
    )


def _role(member: Membership) -> str:
    roles = [(member.is_admin, _("Clinic Admin")), (member.is_provider, _("Provider"))]
    return ", ".join(words for holds, words in roles if holds)


def _places(clinic: Clinic) -> list[Place]:
    here = (request.endpoint or "").partition(".")[0]
    invite, patients, files = (
        url_for(page, slug=clinic.slug)
        for page in ("invite.page", "listing.patients", "imports.index")
    )
    places = [
        Place(_("Invite Patients"), invite, here in ("invite", "upload")),
        Place(_("Patients"), patients, here in ("listing", "patients")),
        Place(_("Imports"), files, here == "imports"),
    ]
    member: Membership | None = g.memberships.get(clinic)
    if member and member.is_admin:
        for label, its in ((_("Activity"), "activity"), (_("Settings"), "settings")):
            url = url_for(f"{its}.page", slug=clinic.slug)
            places.append(Place(label, url, here == its))
    if "mailbox" in current_app.blueprints:
        mailbox = url_for("mailbox.mailbox")
        places.append(Place(_("Mailbox (demo)"), mailbox, here == "mailbox"))
    return places


def _choices(clinic: Clinic | None) -> list[Choice]:
    """Nothing to choose for who works at one clinic."""
    found = g.get("memberships", {})
    if clinic is None or len(found) < 2:
        return []
    return [Choice(each.name, each.slug, each is clinic) for each in found]
