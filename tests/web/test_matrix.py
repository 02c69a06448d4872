"""The matrix: every route and method, everyone who may come, and ids of every origin.

What another clinic owns looks like what does not exist: in status, bytes and headers; and asking
for it changes nothing. A route without a row here fails.
"""

import hashlib
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import make_url, select, true, update
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

import app as composition
from inviter import clock, demo, models, team
from inviter.activity import Action
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Clinic, Confirmation, Import, Invitation, Membership, Patient, User
from inviter.web import auth, letters, policy
from tests import factories
from tests.conftest import SECRET, copy_of, execute, settings_for
from tests.visitors import Visitor

EVERYONE, SIGNED_IN, STAFF, ADMINS, ADMINS_LOOK, MACHINES = (
    "everyone",
    "signed in",
    "staff",
    "admins",
    "admins, also to look at it",
    "machines",
)

ROUTES = {
    "/": EVERYONE,
    "/account": SIGNED_IN,
    "/account/password": SIGNED_IN,
    "/account/recovery-codes": SIGNED_IN,
    "/account/recovery-codes/kept": SIGNED_IN,
    "/account/sign-ins/<name>/end": SIGNED_IN,
    "/account/sign-out-everywhere": SIGNED_IN,
    "/c/<slug>/activity": ADMINS_LOOK,
    "/c/<slug>/activity/export": ADMINS_LOOK,
    "/c/<slug>/columns": STAFF,
    "/c/<slug>/columns/apply": STAFF,
    "/c/<slug>/imports": STAFF,
    "/c/<slug>/imports/<id:import_id>": STAFF,
    "/c/<slug>/imports/<id:import_id>/cancel": STAFF,
    "/c/<slug>/imports/<id:import_id>/confirm": STAFF,
    "/c/<slug>/imports/<id:import_id>/discard": STAFF,
    "/c/<slug>/imports/<id:import_id>/keep": STAFF,
    "/c/<slug>/imports/<id:import_id>/leave-out": STAFF,
    "/c/<slug>/imports/<id:import_id>/put-back": STAFF,
    "/c/<slug>/imports/<id:import_id>/rows-to-fix": STAFF,
    "/c/<slug>/imports/<id:import_id>/save": STAFF,
    "/c/<slug>/invitations/<id:invitation_id>": STAFF,
    "/c/<slug>/invitations/<id:invitation_id>/contact": STAFF,
    "/c/<slug>/invitations/<id:invitation_id>/erase": ADMINS,
    "/c/<slug>/invitations/<id:invitation_id>/give-code": STAFF,
    "/c/<slug>/invitations/<id:invitation_id>/preview": STAFF,
    "/c/<slug>/invitations/<id:invitation_id>/preview/letter": STAFF,
    "/c/<slug>/invitations/<id:invitation_id>/provider": ADMINS,
    "/c/<slug>/invitations/<id:invitation_id>/remove": STAFF,
    "/c/<slug>/invitations/<id:invitation_id>/resend": STAFF,
    "/c/<slug>/invitations/<id:invitation_id>/restore": STAFF,
    "/c/<slug>/invitations/<id:invitation_id>/show-code": STAFF,
    "/c/<slug>/invitations/export": STAFF,
    "/c/<slug>/invitations/selected": STAFF,
    "/c/<slug>/invitations/selected/resend": STAFF,
    "/c/<slug>/invitations/selected/restore": STAFF,
    "/c/<slug>/invitations/sent/<key>": STAFF,
    "/c/<slug>/invite": STAFF,
    "/c/<slug>/invite/confirm": STAFF,
    "/c/<slug>/invite/draft": STAFF,
    "/c/<slug>/invite/letter/<sealed>": STAFF,
    "/c/<slug>/invite/preview": STAFF,
    "/c/<slug>/invite/rows": STAFF,
    "/c/<slug>/patients": STAFF,
    "/c/<slug>/patients/<id:patient_id>/remove": STAFF,
    "/c/<slug>/settings": ADMINS_LOOK,
    "/c/<slug>/template.csv": STAFF,
    "/csp-report": MACHINES,
    "/forgot-password": EVERYONE,
    "/healthz": EVERYONE,
    "/j/<token>": EVERYONE,
    "/join": EVERYONE,
    "/join/<slug>": EVERYONE,
    "/join/<slug>/accept": EVERYONE,
    "/join/<slug>/joined": EVERYONE,
    "/join/<slug>/new-link": EVERYONE,
    "/join/<slug>/not-for-me": EVERYONE,
    "/mailbox": SIGNED_IN,
    "/mailbox/<id:message_id>": SIGNED_IN,
    "/mailbox/<id:message_id>/letter": SIGNED_IN,
    "/readyz": EVERYONE,
    "/reset-password/<token>": EVERYONE,
    "/second-factor": EVERYONE,
    "/second-factor/set-up": EVERYONE,
    "/sign-in": EVERYONE,
    "/sign-out": SIGNED_IN,
    "/static/<version>/<name>": EVERYONE,
    "/stay-signed-in": SIGNED_IN,
    "/switch": SIGNED_IN,
    "/webhooks/sendgrid": MACHINES,
    "/webhooks/twilio/inbound": MACHINES,
    "/webhooks/twilio/status": MACHINES,
}
"""Who may. What a route takes of a clinic stands in its address; no other id is one of a clinic's
than these: the mailbox is the demo's, and tokens open themselves."""

IN_FORMS = {
    "/c/<slug>/activity": ("who", "user"),
    "/c/<slug>/imports": ("provider", "user"),
    "/c/<slug>/invitations/<id:invitation_id>/provider": ("provider", "user"),
    "/c/<slug>/invitations/selected": ("id", "invitation_id"),
    "/c/<slug>/invitations/selected/resend": ("id", "invitation_id"),
    "/c/<slug>/invite": ("provider", "user"),
    "/c/<slug>/invite/confirm": ("provider", "user"),
    "/c/<slug>/invite/preview": ("provider", "user"),
    "/c/<slug>/patients": ("provider", "user"),
    "/c/<slug>/columns": ("provider", "user"),
}
"""Ids that a form or the arguments hold: by which name, and of what. But for a file of what
happened: who takes one is written down in it."""

LOOKS = {
    "activity": models.Activity.action != Action.VIEWED,
    "budget": models.Budget.purpose != "viewed",
}
"""Who looks at what is their own is written down, and changes nothing else."""

ABSENT = {
    "slug": "nowhere",
    "user": "4611686018427387904",
    "invitation_id": "4611686018427387905",
    "import_id": "4611686018427387906",
    "patient_id": "4611686018427387907",
    "key": "absentabsentabsentabse",
    "sealed": "absentabsentabsentabsentabsentabsentabsentabsent",
}
MALFORMED = ("x", "-1", str(2**63), "1.5", "1%00", "%F0%9F%92%A9")

PLAIN = {"token": "x", "version": "x", "name": "x", "message_id": "1"}

HOME = {
    "anonymous": "northside",
    "osei": "northside",  # a provider
    "ana": "northside",  # an admin
    "both-northside": "northside",
    "lind": "southside",  # a provider
    "sam": "southside",  # an admin
    "both-southside": "southside",
    "removed": "northside",
    "disabled": "northside",
    "patient": "northside",
}
STRANGERS = ("anonymous", "removed", "disabled", "patient")
SOME = ("anonymous", "osei", "both-southside")
"""Enough of them for what does not depend on who it is."""
OTHER = {"northside": "southside", "southside": "northside"}


@dataclass
class World:
    """Three clinics in full work, and everyone with an open browser."""

    app: Flask
    client: FlaskClient
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    """By clinic, what it owns."""
    cookies: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        who: str,
        method: str,
        path: str,
        *,
        form: dict[str, str] | None = None,
        **headers: str,
    ) -> TestResponse:
        """With the cookies as they were after signing in, whatever was answered since."""
        sent = {"Cookie": self.cookies[who], **headers}
        if method != "POST":
            return self.client.open(
                path, method=method, headers=sent, query_string=form, buffered=True
            )
        data = {"csrf_token": self.tokens[who], **(form or {})}
        return self.client.open(path, method=method, headers=sent, data=data, buffered=True)

    def content(self) -> str:
        """Of every table, but for who looked."""
        digest = hashlib.sha256()
        with self.app.app_context():
            for table in db.metadata.sorted_tables:
                query = select(table).where(LOOKS.get(table.name, true()))
                rows = db.session.execute(query.order_by(*table.primary_key)).all()
                digest.update(repr(rows).encode())
            db.session.rollback()
        return digest.hexdigest()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        yield from made(copy_of(template, tmp_path_factory.mktemp("matrix")))
        return
    server = request.getfixturevalue("postgresql")
    execute(server, "CREATE DATABASE matrix TEMPLATE template_inviter")
    yield from made(make_url(server).set(database="matrix").render_as_string(hide_password=False))
    execute(server, "DROP DATABASE matrix WITH (FORCE)")


def made(database_url: str) -> Iterator[World]:
    app = composition.create_app(settings_for(database_url))
    app.testing = True
    world = World(app, app.test_client(use_cookies=False))
    with app.app_context():
        fill()
    for who in HOME:
        visitor = Visitor(app.test_client()).open("/sign-in")
        if who != "anonymous":
            visitor.sign_in(f"{who}@example.org").open("/account")
        cookie = visitor.client.get_cookie("session")
        assert cookie is not None
        world.cookies[who], world.tokens[who] = f"session={cookie.value}", visitor.csrf_token
    with app.app_context():
        world.ids = {slug: owned(app, slug) for slug in OTHER}
        leave()
    yield world
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def fill() -> None:
    password, now = factories.hashed_password(), clock.now()
    keys = Keys(SECRET)
    demo.fill(password=password, new_uniquifier=auth.new_uniquifier, keys=keys, now=now)
    clinics = {each.slug: each for each in db.session.scalars(select(Clinic))}
    for slug in OTHER:
        clinic, both = clinics[slug], factories.account(f"both-{slug}@example.org", name="Dr. Both")
        team.add(clinic, both, admin=True, provider=True, now=now)
        made = Import(
            clinic_id=clinic.id,
            provider_id=both.id,
            uploaded_by_id=both.id,
            uploaded_at=now,
            file_name="patients.csv",
            content_mac="x",
            state="open",
        )
        db.session.add(made)
        who = factories.recipient("Uma Newcomer", email="uma@example.org")
        factories.invite(clinic, who, provider=both, by=both, keys=keys)
    for name in ("removed", "disabled"):
        user = factories.account(f"{name}@example.org", name="Dr. Gone")
        team.add(clinics["northside"], user, admin=True, provider=True, now=now)
    factories.account("patient@example.org")
    db.session.commit()


def leave() -> None:
    """One is taken off the team and one account is closed, both while signed in."""
    gone = {each.email: each for each in db.session.scalars(select(User))}
    of = Membership.user_id == gone["removed@example.org"].id
    db.session.execute(update(Membership).where(of).values(removed_at=clock.now()))
    gone["disabled@example.org"].is_active = False
    db.session.commit()


def owned(app: Flask, slug: str) -> dict[str, str]:
    clinic = team.clinic_at(slug)
    assert clinic is not None

    def newest(column: Any, table: Any) -> str:
        found = db.session.scalars(
            select(column).where(table.clinic_id == clinic.id).order_by(column.desc())
        )
        return str(found.first())

    with app.test_request_context():
        g.clinic = clinic
        sealed = Keys(SECRET).seal(f"preview {clinic.id}", '["Uma", "Dr. Both"]')
    return {
        "slug": slug,
        "user": newest(Membership.user_id, Membership),
        "invitation_id": newest(Invitation.id, Invitation),
        "import_id": newest(Import.id, Import),
        "patient_id": newest(Patient.id, Patient),
        "key": newest(Confirmation.key, Confirmation),
        "sealed": sealed,
    }


def rules(app: Flask) -> list[Rule]:
    return list(app.url_map.iter_rules())


def of_clinics(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Every private route of a clinic, with each method that it takes."""
    for rule in rules(app):
        if rule.rule.startswith("/c/<slug>"):
            for method in sorted((rule.methods or set()) & {"GET", "POST"}):
                yield rule, method


def address(rule: Rule, ids: dict[str, str], **other: str) -> str:
    """A path that the rule matches."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return {**PLAIN, **ids, **other}[name]

    return re.sub(r"<(?:\w+:)?(\w+)>", value, rule.rule)


def own_id(rule: Rule) -> str:
    """The name of the id in its address, beside the clinic's."""
    return next((name for name in rule.arguments if name != "slug"), "")


def seen(world: World, who: str, answer: TestResponse, *echoes: str) -> tuple[Any, ...]:
    """All that someone gets, but for what is new each time, and what they sent themselves."""
    token = r'(<input[^>]*name="(?:csrf_token|key)"[^>]*value=|"X-CSRFToken": ?)"[^"]*"'

    def plain(text: str) -> str:
        for each in echoes:
            text = text.replace(each, "*")
        return text

    body = re.sub(token, r"\1", answer.get_data(as_text=True))
    headers = []
    for name, text in answer.headers.items():
        text = re.sub("Expires=[^;]*", "", text) if name == "Set-Cookie" else text
        if name == "Set-Cookie" and text.startswith("session="):
            kept, attributes = text.removeprefix("session=").split(";", 1)
            told = held(world.app, kept)
            if told == held(world.app, world.cookies[who].removeprefix("session=")):
                continue  # only the time when the person was seen
            text = f"{told} {attributes}"
        if name not in ("Date", "Content-Length"):
            headers.append((name, plain(text)))
    return answer.status_code, plain(body), sorted(headers)


def held(app: Flask, cookie: str) -> dict[str, Any]:
    with app.test_request_context():
        serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
        told = dict(serializer.loads(cookie)) if cookie else {}
    return {name: told[name] for name in told if name not in ("csrf_token", "seen_at")}


def test_every_route_has_a_row(world: World) -> None:
    there = {rule.rule for rule in rules(world.app)}
    assert there - set(ROUTES) == set(), "no row in the matrix"
    assert set(ROUTES) - there == set(), "a row for no route"
    names = {name for rule in rules(world.app) for name in rule.arguments}
    assert names <= {*ABSENT, *PLAIN}, "an id of an unknown kind"


@pytest.mark.parametrize("who", HOME)
def test_what_another_clinic_owns_looks_like_what_does_not_exist(world: World, who: str) -> None:
    home = world.ids[HOME[who]]
    theirs = world.ids[OTHER[HOME[who]]]
    before = world.content()
    for rule, method in of_clinics(world.app):
        alike = []
        if name := own_id(rule):
            alike.append((address(rule, home, **{name: theirs[name]}), theirs[name]))
            alike.append((address(rule, home, **{name: ABSENT[name]}), ABSENT[name]))
        nowhere = address(rule, theirs, slug=ABSENT["slug"])
        clinics = [(address(rule, theirs), theirs["slug"]), (nowhere, ABSENT["slug"])]
        if who in STRANGERS:  # for them this clinic is none either
            clinics.append((address(rule, theirs, slug=home["slug"]), home["slug"]))
        methods = [method]
        if who in SOME:
            methods += ["HEAD", "OPTIONS", "DELETE"] if method == "GET" else []
        for pair, asked in itertools.product((alike, clinics), methods):
            answers = [seen(world, who, world.ask(who, asked, path), echo) for path, echo in pair]
            for answer in answers[1:]:
                assert answers[0] == answer, f"{who}: {asked} {pair}"
            if answers and asked in ("GET", "POST"):
                may_not = answers[0][0]
                refused = (302, 404) if who in ("anonymous", "disabled") else (403, 404)
                assert may_not in refused, f"{who}: {asked} {pair[0][0]} is {may_not}"
    assert world.content() == before, "something was changed, or queued"


@pytest.mark.parametrize("who", ["anonymous", "osei"])
def test_what_is_no_id_is_nowhere(world: World, who: str) -> None:
    before = world.content()
    for rule, method in of_clinics(world.app):
        name = own_id(rule)
        for text in MALFORMED if name.endswith("_id") else ():
            paths = [
                address(rule, world.ids[slug], **{name: text})
                for slug in ("northside", "southside")
            ]
            answers = [seen(world, who, world.ask(who, method, path)) for path in paths]
            assert answers[0] == answers[1]
            assert answers[0][0] in (404, 405), paths
    assert world.content() == before


@pytest.mark.parametrize("who", ["osei", "ana", "both-southside"])
def test_ids_of_another_clinic_in_a_form_are_as_unknown_as_any(world: World, who: str) -> None:
    home = world.ids[HOME[who]]
    theirs = world.ids[OTHER[HOME[who]]]
    before = world.content()
    for rule, method in of_clinics(world.app):
        if rule.rule in IN_FORMS:
            name, kind = IN_FORMS[rule.rule]
            answers = []
            for value in (theirs[kind], ABSENT[kind]):
                asked = world.ask(who, method, address(rule, home), form={name: value})
                answers.append(seen(world, who, asked, value))
            assert answers[0] == answers[1], f"{who}: {method} {rule.rule}"
    assert world.content() == before


def test_switching_to_another_clinic_is_as_to_none(world: World) -> None:
    for who, home in HOME.items():
        slugs = (OTHER[home], ABSENT["slug"])
        answers = [
            seen(world, who, world.ask(who, "GET", "/switch", form={"to": slug}), slug)
            for slug in slugs
        ]
        assert answers[0] == answers[1], who


def test_what_was_shown_at_one_clinic_lets_nobody_in_at_another(world: World) -> None:
    """The cookie of joining, at another clinic's pages."""
    with world.app.app_context():
        invitation = db.session.scalars(
            select(Invitation).where(Invitation.id == int(world.ids["northside"]["invitation_id"]))
        ).one()
        token = Keys(SECRET).link_token(invitation.link_id, invitation.link_version)
        link_id = invitation.link_id
    client = world.app.test_client()
    client.get(f"/j/{token}")
    cookie = client.get_cookie("joining", path="/join")
    assert cookie is not None
    before = world.content()
    for method, page in itertools.product(("GET", "POST"), ("accept", "joined")):
        if (method, page) == ("POST", "joined"):
            continue
        path, form = f"/join/southside/{page}", {"invitation": link_id}
        bare = seen(world, "anonymous", world.ask("anonymous", method, path, form=form))
        both = f"{world.cookies['anonymous']}; joining={cookie.value}"
        shown = world.ask("anonymous", method, path, form=form, Cookie=both)
        assert seen(world, "anonymous", shown) == bare
    assert world.content() == before


HEADERS: dict[str, Callable[[str], bool]] = {
    "Content-Security-Policy": lambda text: text == policy.CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin".__eq__,
    "Cross-Origin-Resource-Policy": "same-origin".__eq__,
    "Permissions-Policy": lambda text: "camera=()" in text,
    "Referrer-Policy": "same-origin".__eq__,
    "Reporting-Endpoints": lambda text: "/csp-report" in text,
    "X-Content-Type-Options": "nosniff".__eq__,
    "X-Frame-Options": lambda text: text in ("DENY", "SAMEORIGIN"),
}


def unprotected(answer: TestResponse) -> list[str]:
    said = answer.headers
    wrong = [name for name, is_right in HEADERS.items() if not is_right(said.get(name, ""))]
    if said["Content-Security-Policy"].startswith(letters.POLICY):
        wrong.remove("Content-Security-Policy")
        assert answer.request.path.endswith("/letter") or "/letter/" in answer.request.path
    is_asset = answer.mimetype in ("text/css", "text/javascript")
    return wrong if is_asset or "no-store" in said["Cache-Control"] else [*wrong, "Cache-Control"]


@pytest.mark.parametrize("who", ["anonymous", "ana"])
def test_every_answer_carries_the_headers_that_protect_it(world: World, who: str) -> None:
    pages = [address(rule, world.ids["northside"]) for rule in rules(world.app)]
    asset = re.search(r"/static/\w+/app\.css", world.ask(who, "GET", "/join").text)
    assert asset is not None
    for path in (*pages, asset[0], "/nowhere", "/%00", "/c/nowhere/invite", "/static/../app.py"):
        for method in ("GET", "HEAD", "OPTIONS", "DELETE"):
            answer = world.ask(who, method, path)
            assert unprotected(answer) == [], f"{method} {path}: {answer.status_code}"
    big = world.ask(who, "POST", "/forgot-password", form={"address": "x" * 1_100_000})
    no_token = world.client.post("/sign-in")
    assert (big.status_code, no_token.status_code) == (413, 400)
    assert unprotected(big) == unprotected(no_token) == []


def test_those_who_may_are_let_in_and_nobody_else(world: World) -> None:
    """The last: what is posted here does what it says."""
    for rule, method in sorted(of_clinics(world.app), key=lambda pair: pair[1]):
        for who, home in HOME.items():
            form = {"removed": clock.now().isoformat()} if method == "POST" else None
            answer = world.ask(who, method, address(rule, world.ids[home]), form=form)
            wanted = "in"
            if who in ("anonymous", "disabled"):
                wanted = "sign in"
            elif who in STRANGERS:
                wanted = "nothing here"
            elif who in ("osei", "lind") and ROUTES[rule.rule] in (
                (ADMINS, ADMINS_LOOK) if method == "POST" else (ADMINS_LOOK,)
            ):
                wanted = "may not"
            assert outcome(answer) == wanted, f"{who}: {method} {rule.rule} {answer.status_code}"


def outcome(answer: TestResponse) -> str:
    if answer.headers.get("Location", "").startswith("/sign-in"):
        return "sign in"
    return {404: "nothing here", 403: "may not"}.get(answer.status_code, "in")
