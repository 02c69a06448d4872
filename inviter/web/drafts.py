"""Rows typed on Invite Patients: kept on the server while one types, never in the browser.

Also those of a form that is sent when its sign-in was idle for too long.
"""

import re

from flask import Blueprint, Response, current_app, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from inviter import drafts
from inviter.db import db, end_reading, read_only
from inviter.keys import Keys
from inviter.models import Clinic, User
from inviter.web import formats

bp = Blueprint("drafts", __name__, url_prefix="/c/<slug>")

FORMS = frozenset({"drafts.keep", "invite.confirm", "invite.invite", "invite.rows"})
"""Where the typed rows are posted."""
FIELD = re.compile(r"key|provider|rows-[0-9]{1,3}-[a-z_]{1,20}")
TYPED = ("first_name", "last_name", "email", "mobile")


@bp.post("/invite/draft")
def keep(slug: str) -> BaseResponse:
    """What is typed so far; `clear` gives it up."""
    if "clear" in request.form:
        drafts.erase(g.clinic, by=g.user)
        db.session.commit()
        return redirect(url_for("invite.page", slug=slug), 303)
    _keep(g.clinic, g.user)
    db.session.commit()
    return Response(status=204)


def kept() -> MultiDict[str, str] | None:
    """As it would be posted, for the clinic in the address."""
    fields = drafts.kept(g.clinic, by=g.user, keys=_keys(), now=g.now)
    return MultiDict(fields) if fields else None


def words(fields: MultiDict[str, str]) -> str:
    """How much is back, and from when."""
    typed = (name for name, value in fields.items() if name.endswith(TYPED) and value.strip())
    many, at = len({name.rpartition("-")[0] for name in typed}), drafts.kept_at(g.clinic, by=g.user)
    when = formats.moment(at, g.clinic)
    return ngettext(
        "We kept %(num)d unsent row from %(when)s.",
        "We kept %(num)d unsent rows from %(when)s.",
        many,
        when=when,
    )


def sent(key: str | None) -> None:
    """What was confirmed is no draft any more."""
    drafts.erase(g.clinic, by=g.user, key=key or "")


def keep_for_idle(user: User | None) -> None:
    """Before they are sent to sign in, who has just sent one of `FORMS`."""
    slug = (request.view_args or {}).get("slug")
    clinics = [each.clinic for each in user.memberships if each.clinic.slug == slug] if user else []
    if not user or not clinics:
        return
    end_reading()
    read_only.set(False)
    _keep(clinics[0], user)
    flash(_("What you typed is kept: it is back when you have signed in."), "notice")
    db.session.commit()


def _keep(clinic: Clinic, user: User) -> None:
    """Where nothing is left in the rows, there is nothing to bring back."""
    posted = [each for each in request.form.items(multi=True) if FIELD.fullmatch(each[0])]
    if not any(name.endswith(TYPED) and value.strip() for name, value in posted):
        drafts.erase(clinic, by=user)
        return
    key = request.form.get("key", "")[:40]
    drafts.keep(clinic, posted, key=key, by=user, keys=_keys(), now=g.now)


def _keys() -> Keys:
    keys: Keys = current_app.extensions["keys"]
    return keys
