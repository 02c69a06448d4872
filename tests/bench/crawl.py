"""Every link in every message is opened a thousand times, as mail scanners do: nothing changes.

    python -m tests.bench.crawl [--times 1000 --only sqlite]

Messages of every kind and channel are rendered, of invitations in every state; each link in them is
fetched by GET and by HEAD, so many times, by a new browser each time. Then every form on the pages
that they lead to is posted empty: once with nothing at all, once with its hidden fields, its CSRF
token among them, and all that one types left blank. After each no row of any table is another, but
for `budget`, where it is counted how often something was tried. The two forms that are a button
alone are pressed at last, and do what they say, once: BUTTONS. Ends in PASS or FAIL.
"""

import argparse
import re
import sys
import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bs4 import BeautifulSoup, Tag
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from inviter import clock, outbox
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Clinic, Invitation, Kind, User
from inviter.roster import Recipient
from tests import factories
from tests.bench import databases
from tests.bench.listing import failures, verdict
from tests.conftest import SECRET
from tests.factories import claim

COUNTED = ("budget",)
"""Tables that may change."""
BUTTONS = ("/not-for-me", "/new-link")
"""Where the forms lead that nothing is typed into."""
MOMENT = timedelta(minutes=1)
STATES: dict[str, dict[str, Any]] = {
    "open": {},
    "expired": {"expires_at": -MOMENT},
    "accepted": {"accepted_at": -MOMENT},
    "removed": {"removed_at": -MOMENT},
    "disowned": {"disowned_at": -MOMENT},
    "replaced": {"link_version": 2},
}

Rows = dict[str, list[Any]]


class Form(NamedTuple):
    action: str
    hidden: dict[str, str]
    blank: dict[str, str]


def prepare(app: Flask) -> list[str]:
    """Invitations in every state and messages of every kind; the links in these, as paths."""
    now = clock.now()
    with app.app_context():
        clinic = db.session.scalars(select(Clinic).where(Clinic.slug == "northside")).one()
        ana = db.session.scalars(select(User).where(User.email == "ana@example.org")).one()
        made = [_invite(clinic, ana, state, now) for state in STATES]
        for kind in set(Kind) - {Kind.INVITATION, Kind.JOINED}:
            outbox.put_account_mail(ana, kind, now=now)
        for each in made:
            outbox.put_joined(each, now=now)
        db.session.flush()
        messages = _rendered(app, now)
        db.session.rollback()
        for each, facts in zip(made, STATES.values(), strict=True):
            mine = db.session.get_one(Invitation, (each.clinic_id, each.id))
            for name, fact in facts.items():
                setattr(mine, name, now + fact if isinstance(fact, timedelta) else fact)
        db.session.commit()
    base = app.extensions["settings"].base_url
    found = re.findall(rf"{re.escape(base)}(/[^\s\"<>]+)", " ".join(messages))
    return sorted({each.rstrip(".,") for each in found})


def rows(app: Flask) -> Rows:
    """All there are, but for what may change."""
    with app.app_context():
        tables = [each for each in db.metadata.sorted_tables if each.name not in COUNTED]
        query = {each.name: each.select().order_by(*each.primary_key.columns) for each in tables}
        return {name: list(db.session.execute(each)) for name, each in query.items()}


def changed(before: Rows, after: Rows) -> list[str]:
    """Names of tables."""
    return [name for name in before if before[name] != after[name]]


def open_all(app: Flask, links: list[str], times: int) -> set[int]:
    """Each so many times, by both methods, following where it leads; what was answered."""
    return {
        app.test_client().open(link, method=method, follow_redirects=True).status_code
        for link in links
        for _ in range(times)
        for method in ("GET", "HEAD")
    }


def post_all(app: Flask, links: list[str], *, hidden: bool) -> list[str]:
    """Every form that these lead to, empty; where they lead. Not the buttons with their fields."""
    posted = []
    for link in links:
        for place in range(len(forms(app, link)[1])):
            client, found = forms(app, link)
            form = found[place]
            if not (hidden and form.action.endswith(BUTTONS)):
                client.post(form.action, data=form.hidden | form.blank if hidden else {})
                posted.append(form.action)
    return posted


def press_all(app: Flask, links: list[str]) -> list[str]:
    """The buttons; where they lead."""
    pressed = []
    for link in links:
        client, found = forms(app, link)
        for form in found:
            if form.action.endswith(BUTTONS):
                client.post(form.action, data=form.hidden, follow_redirects=True)
                pressed.append(form.action)
    return pressed


def forms(app: Flask, link: str) -> tuple[FlaskClient, list[Form]]:
    """Those on the page that it leads to, and the browser that has it open."""
    client = app.test_client()
    page = client.get(link, follow_redirects=True)
    found = BeautifulSoup(page.get_data(as_text=True), "html.parser").select("form[method=post]")
    return client, [_form(each) for each in found]


def _form(form: Tag) -> Form:
    fields = form.select("input[name]")
    hidden = {str(each["name"]): str(each["value"]) for each in fields if _is_hidden(each)}
    blank = {str(each["name"]): "" for each in fields if not _is_hidden(each)}
    return Form(str(form["action"]), hidden, blank)


def _is_hidden(field: Tag) -> bool:
    return field.get("type") == "hidden"


def _invite(clinic: Clinic, ana: User, state: str, now: datetime) -> Invitation:
    who = factories.recipient(f"Crawled {state.title()}")
    number = factories.recipient(phone="306 555 0142").phone
    reached = Recipient(*who[:3], f"{state}@example.org", number)
    return factories.invite(clinic, reached, provider=ana, by=ana, keys=Keys(SECRET), now=now)


def _rendered(app: Flask, now: datetime) -> list[str]:
    """All that is queued, as it would leave."""
    messages = app.extensions["messages"]
    made = [messages.render(each.delivery) for each in claim(100, now=now)]
    assert {each.channel for each in made} == {"email", "sms"}
    return [f"{each.text} {each.html}" for each in made]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=1000)
    options.add_argument("--only", choices=databases.ENGINES)
    chosen = options.parse_args()
    for engine in [chosen.only] if chosen.only else databases.ENGINES:
        with databases.folder(None) as folder, databases.server(engine, folder) as place:
            app = databases.opened(databases.fresh(place, "crawl", folder))
            links = prepare(app)
            before, began = rows(app), time.monotonic()
            open_all(app, links, chosen.times)
            bad, took = changed(before, rows(app)), time.monotonic() - began
            text = f"{len(links)} links x {chosen.times:,}, GET and HEAD ({took:.0f} s)"
            verdict(not bad, f"{engine}: {text}: no row changed {bad or ''}")
            for hidden in (False, True):
                posted = post_all(app, links, hidden=hidden)
                bad = changed(before, rows(app))
                text = "with hidden fields alone" if hidden else "with nothing"
                text = f"{len(posted)} forms posted {text}: no row changed"
                verdict(not bad, f"{engine}: {text} {bad or ''}")
            pressed = press_all(app, links)
            done = changed(before, rows(app))
            print(f"{engine}: {len(pressed)} buttons pressed: changed {', '.join(done)}")
            databases.close(app)
    print(f"{len(failures)} failed" if failures else "All passed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
