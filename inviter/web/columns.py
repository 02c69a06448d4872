"""Which columns of Invited Patients are shown, in what order: for one address, or for a person."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from flask import Blueprint, Response, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from inviter import team
from inviter.conditions import SORTABLE, Column, Filter
from inviter.contacts import N_
from inviter.db import db
from inviter.web import addresses, formats
from inviter.web.addresses import Address
from inviter.web.fragments import respond

NEWEST_FIRST = (Column.INVITED, Column.ACCEPTED)
"""Sorted downwards at the first press."""

bp = Blueprint("columns", __name__, url_prefix="/c/<slug>/columns")


@dataclass(frozen=True, slots=True)
class Choice:
    """A column in the chooser. Patient Name stays where it is."""

    column: Column
    label: str
    is_shown: bool

    @property
    def is_fixed(self) -> bool:
        return self.column == Column.NAME


LABELS = {
    Column.NAME: N_("Patient Name"),
    Column.PROVIDER: N_("Provider Name"),
    Column.INVITED: N_("Date Invited"),
    Column.ACCEPTED: N_("Date Accepted"),
    Column.PHONE: N_("Phone Number"),
    Column.EMAIL: N_("Email address"),
    Column.CODE: N_("Invite Code"),
    Column.STATUS: N_("Status"),
}


def label(column: Column) -> str:
    return formats.word(LABELS[column])


def shown(address: Address) -> Sequence[Column]:
    """What the address says, or else the person's choice."""
    chosen = address.columns or addresses.read_columns(g.user.columns or "")
    return chosen or tuple(Column)


def sorts() -> Sequence[tuple[str, str]]:
    """For pages too narrow for heads of columns."""
    return _sorts(formats.language())


@cache
def _sorts(_language: str) -> Sequence[tuple[str, str]]:
    return [each for column in SORTABLE for each in _both_ways(column)]


@bp.get("")
def chooser(slug: str) -> Response:
    address = addresses.read(request.args)
    return _chooser(address, _choices(shown(address)))


@bp.post("")
def arrange(slug: str) -> Response:
    """Move a column up or down: only redraws."""
    choices = _posted(request.form)
    place = _place(choices, request.form.get("up") or request.form.get("down") or "")
    to = place - 1 if "up" in request.form else place + 1
    if place and 1 <= to < len(choices):  # the first is Patient Name
        choices[place], choices[to] = choices[to], choices[place]
        name, many = choices[to].label, len(choices)
        said = _("%(name)s is now %(place)s of %(many)s", name=name, place=to + 1, many=many)
        flash(said, "live")
    return _chooser(addresses.read(request.form), choices)


@bp.post("/apply")
def apply(slug: str) -> BaseResponse:
    choices = [] if "default" in request.form else _posted(request.form)
    team.keep_columns(g.user, [each.column for each in choices if each.is_shown])
    flash(_("Columns changed"), "live")
    db.session.commit()
    address = replace(addresses.read(request.form), columns=None)
    return redirect(address.url(slug), 303)


@bp.get("/apply")
def again(slug: str) -> BaseResponse:
    """Where a browser comes back to after signing in."""
    return redirect(url_for("columns.chooser", slug=slug), 303)


def _chooser(address: Address, choices: Sequence[Choice]) -> Response:
    kept = replace(address, columns=None)
    return respond(
        "listing/columns.html",
        "columns",
        choices=choices,
        has_moved=request.method == "POST",  # the button that moved it keeps the focus
        hidden=[("on", kept.on), *kept.arguments().items()],
        back_url=address.url(g.clinic.slug),
    )


def _choices(chosen: Sequence[Column]) -> list[Choice]:
    """Those shown in their order, then the others."""
    every = [*chosen, *(each for each in Column if each not in chosen)]
    return [Choice(each, label(each), each in chosen) for each in every]


def _posted(form: MultiDict[str, str]) -> list[Choice]:
    """As the chooser stood, hidden columns at their places."""
    order = addresses.read_columns(",".join(form.getlist("order"))) or tuple(Column)
    ticked = addresses.whole(addresses.read_columns(",".join(form.getlist("show"))) or ())
    every = [*order, *(each for each in Column if each not in order)]
    return [Choice(each, label(each), each in ticked) for each in every]


def _place(choices: Sequence[Choice], column: str) -> int:
    """0, which is Patient Name's, where there is none."""
    return next((place for place, each in enumerate(choices) if each.column == column), 0)


DATES = (N_("newest first"), N_("oldest first"))
TEXTS = (N_("A to Z"), N_("Z to A"))
NUMBERS = (N_("lowest first"), N_("highest first"))
URGENT = (N_("most urgent first"), N_("most urgent last"))
WAYS = {
    Column.INVITED: DATES,
    Column.ACCEPTED: DATES,
    Column.PHONE: NUMBERS,
    Column.STATUS: URGENT,
}


def _both_ways(column: Column) -> list[tuple[str, str]]:
    falls = column in NEWEST_FIRST
    both = (Filter(sort=column, is_descending=each) for each in (falls, not falls))
    words = (f"{label(column)}, {formats.word(each)}" for each in WAYS.get(column, TEXTS))
    return list(zip(map(addresses.print_sort, both), words, strict=True))
