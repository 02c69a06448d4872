"""The rules of the house, checked over all of it: layers, routes, forms, templates."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import nodes
from sqlalchemy import event, inspect
from werkzeug.routing import Rule

from inviter.config import ROOT
from inviter.db import db
from inviter.keys import Keys
from inviter.web import guards, reads
from tests.factories import Cast, invite, recipient
from tests.visitors import Visitor

PURE = (
    *("bulk", "cell_formats", "clock", "codes", "contacts", "crowd", "delimited", "keys"),
    *("reports", "roster", "search", "segments", "spreadsheets", "status", "unreadable"),
    *("workbooks", "xml_parts"),
)
STORAGE = ("db", "many_rows", "models", "scope")
USE_CASES = (
    *(
        "activity",
        "budgets",
        "claiming",
        "clinic_settings",
        "conditions",
        "daily_texts",
        "doubt",
        "drafts",
        "duplicates",
        "events",
        "guessing",
        "happenings",
        "invitations",
        "inviting",
        "joining",
        "listing",
        "opt_outs",
        "outbox",
        "replies",
    ),
    *("batches", "imports", "erasing", "holding", "inviting_many", "keeping", "known", "mending"),
    *("pacing", "patients", "pauses", "quotas", "readdressing", "refusals", "selection"),
    *("rotation", "seals", "second_factor", "settling", "standing", "team", "verifying"),
)
EDGES = (
    *(
        "cli",
        "config",
        "crew",
        "demo",
        "importer",
        "large_demo",
        "logs",
        "messages",
        "sealer",
        "senders",
        "upkeep",
        "web",
        "worker",
    ),
)
LAYERS = {
    name: level for level, names in enumerate((PURE, STORAGE, USE_CASES, EDGES)) for name in names
}

BETWEEN_EDGES = {
    "cli": {"config", "crew", "demo", "large_demo", "worker"},
    "crew": {"logs"},
    "importer": {"config", "crew"},
    "large_demo": {"demo"},
    "messages": {"config", "senders"},
    "sealer": {"crew"},
    "senders": {"config"},
    "upkeep": {"config"},
    "web": {"config", "logs", "messages"},
    "worker": {"crew", "logs", "messages", "senders"},
}
"""An edge reaches another only here: the web shows messages, and cannot send any."""

ONLY_IN = {
    "flask_migrate": {"app"},
    "flask_security": {"inviter.web.auth"},
    "flask_sqlalchemy": {"inviter.db"},
    "sendgrid": {"inviter.senders.sendgrid", "inviter.web.webhooks"},
    "smtplib": {"inviter.senders.smtp"},
    "twilio": {"inviter.senders.twilio", "inviter.web.webhooks"},
    "waitress": {"app"},
}
TIME = {"inviter.clock"}
ENVIRONMENT = {"inviter.config", "app"}

MODULES = [ROOT / "app.py", *sorted((ROOT / "inviter").rglob("*.py"))]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
PAGES = [each for each in TEMPLATES if each.parent.name != "messages"]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> Iterator[str]:
    """Full names of all that a module imports, `from x import y` as x.y."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    """inviter.web.forms -> web"""
    return name.split(".")[1] if name.startswith("inviter.") else ""


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_down_only(path: Path) -> None:
    here = room(module_name(path))
    if not here or here == "migrations":
        return
    for name in imports_of(path):
        there = room(name)
        if not there or there == here:
            continue
        if LAYERS[here] == LAYERS[there] == LAYERS["web"]:
            assert there in BETWEEN_EDGES.get(here, set()), f"{here} may not reach {there}"
        else:
            assert LAYERS[there] <= LAYERS[here], f"{here} may not reach up to {there}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_what_comes_from_outside_is_taken_in_its_one_place(path: Path) -> None:
    here = module_name(path)
    for name in imports_of(path):
        library = name.partition(".")[0]
        assert here in ONLY_IN.get(library, {here}), f"{library} is not for {here}"
        if library == "flask":
            assert here in ("app", "inviter.cli", "inviter.upkeep") or here.startswith(
                ("inviter.web", "inviter.migrations")
            ), f"{here} is not for the web"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_the_clock_and_the_environment_are_read_in_one_place(path: Path) -> None:
    text = path.read_text()
    if module_name(path) not in TIME:
        assert not re.search(r"datetime\.(now|utcnow|today)\(|time\.time\(", text)
    if module_name(path) not in ENVIRONMENT:
        assert "os.environ" not in text


def test_the_web_cannot_reach_a_sender_by_any_way() -> None:
    files = {module_name(path): path for path in MODULES}
    reached: set[str] = set()
    todo = [name for name in files if room(name) == "web"]
    while todo:
        name = todo.pop()
        if name in files and name not in reached:
            reached.add(name)
            for found in imports_of(files[name]):
                todo.append(found if found in files else found.rpartition(".")[0])
    assert {"inviter.outbox", "inviter.messages"} <= reached
    reached.discard("inviter.senders")  # says what a message is; those that send one lie within
    assert not [each for each in reached if room(each) in ("senders", "worker", "cli")]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def rules(app: Flask) -> list[Rule]:
    return list(app.url_map.iter_rules())


def address(rule: Rule, **values: object) -> str:
    """A path that the rule matches."""
    path = rule.rule
    for name in rule.arguments:
        path = re.sub(rf"<[^<>]*\b{name}>", str(values.get(name, 1)), path)
    return path


NORTHSIDE = {"slug": "northside", "token": "x", "key": "x", "version": "x", "name": "x"}


def test_every_route_is_public_by_name_or_asks_to_sign_in(app: Flask, cast: Cast) -> None:
    known = {rule.endpoint for rule in rules(app)}
    assert known >= guards.PUBLIC, "a public route is listed that does not exist"
    for rule in rules(app):
        if rule.endpoint in guards.PUBLIC:
            continue
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        visitor = Visitor(app.test_client()).open("/sign-in")
        data = {"csrf_token": visitor.csrf_token} if method == "POST" else None
        answer = visitor.client.open(address(rule, **NORTHSIDE), method=method, data=data)
        assert answer.status_code == 302, f"{method} {rule.rule} is open to everyone"
        assert answer.headers["Location"].startswith("/sign-in"), rule.rule


def test_every_private_route_of_a_clinic_is_a_404_to_another_clinics_staff(
    app: Flask, cast: Cast
) -> None:
    sam = Visitor(app.test_client()).sign_in("sam@example.org")
    for rule in rules(app):
        if "slug" not in rule.arguments or rule.endpoint in guards.PUBLIC:
            continue
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        token = sam.open("/account").csrf_token
        data = {"csrf_token": token} if method == "POST" else None
        answer = sam.client.open(address(rule, **NORTHSIDE), method=method, data=data)
        assert answer.status_code == 404, f"{method} {rule.rule}"


NO_TOKEN = frozenset(
    {"policy.report", "webhooks.sendgrid", "webhooks.twilio_inbound", "webhooks.twilio_status"}
)
"""Endpoints whose POSTs come from machines and carry a signature instead, or change nothing."""


def test_every_post_refuses_a_missing_csrf_token(app: Flask, cast: Cast) -> None:
    ana = Visitor(app.test_client()).sign_in("ana@example.org")
    for rule in rules(app):
        if "POST" in (rule.methods or ()) and rule.endpoint not in NO_TOKEN:
            for data in ({}, {"csrf_token": "x"}):
                answer = ana.client.post(address(rule, **NORTHSIDE), data=data)
                assert answer.status_code == 400, f"{rule.rule} takes a POST without a token"


def test_only_get_and_post_are_used(app: Flask) -> None:
    methods = set().union(*(rule.methods or set() for rule in rules(app)))
    assert methods == {"GET", "HEAD", "OPTIONS", "POST"}


LOOKED = ["INSERT", "INSERT", "COMMIT"]
"""The one exception: who looked at patients is written down, once the answer has left."""


def test_a_get_writes_nothing_and_ends_what_it_read_at_its_end(
    app: Flask, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        made = invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        said: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            said.append(statement.split()[0])

        event.listen(db.engine, "before_cursor_execute", note)
        event.listen(db.engine, "commit", commit := lambda _connection: said.append("COMMIT"))
    link = keys.link_token(made.link_id, 1)
    ana = Visitor(app.test_client()).sign_in("ana@example.org")
    for visitor in (Visitor(app.test_client()), ana):
        for rule in rules(app):
            if "GET" in (rule.methods or ()):
                said.clear()
                path = address(rule, **{**NORTHSIDE, "token": link})
                visitor.client.get(path, buffered=True)
                if rule.endpoint in reads.SHOWS and "INSERT" in said:
                    assert said[-len(LOOKED) :] == LOOKED, rule.rule
                    del said[-len(LOOKED) :]
                assert {"INSERT", "UPDATE", "DELETE"}.isdisjoint(said), rule.rule
                assert "COMMIT" not in said[:-1], rule.rule
    with app.app_context():
        event.remove(db.engine, "before_cursor_execute", note)
        event.remove(db.engine, "commit", commit)


def test_every_page_carries_the_headers_that_protect_it(app: Flask, cast: Cast) -> None:
    ana = Visitor(app.test_client()).sign_in("ana@example.org")
    for rule in rules(app):
        if "GET" in (rule.methods or ()) and rule.endpoint != "mailbox.letter":
            headers = ana.client.get(address(rule, **NORTHSIDE)).headers
            policy = headers["Content-Security-Policy"]
            assert "script-src 'self'" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"
            assert "no-store" in headers["Cache-Control"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_block_has_the_name_of_the_element_it_is(path: Path, app: Flask) -> None:
    tree = app.jinja_env.parse(path.read_text())
    for block in tree.find_all(nodes.Block):
        is_row = path.name == "row.html"  # each row has an id of its own
        if block.name in ("title", "skip") or path.name == "layout.html" or is_row:
            continue
        first = next(
            (each for each in block.find_all(nodes.TemplateData) if "<" in each.data), None
        )
        assert first is not None
        opening = re.search(r"<[a-z]+[^>]*", first.data)
        assert opening is not None
        assert f'id="{block.name}"' in opening[0], f"block {block.name}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_templates_carry_no_script_style_or_inherited_attribute(path: Path) -> None:
    text = path.read_text()
    for forbidden in (r"\sstyle=", r"<style", r"\son[a-z]+=", r"hx-on", r"hx-delete", r"hx-put"):
        assert not re.search(forbidden, text), f"{forbidden} in {path.name}"
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert "super()" not in text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_words_that_never_appear_on_screen(path: Path) -> None:
    said = re.findall(r"_\('((?:[^'\\]|\\.)*)'", path.read_text())
    for text in said:
        assert not re.search(r"\b(token|bounce|client|user|record)s?\b", text, re.IGNORECASE), text


def test_every_text_goes_through_gettext() -> None:
    for path in PAGES:
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", path.read_text(), flags=re.S)
        text = re.sub(r"<[^>]*>", " ", text)
        words = set(re.findall(r"[A-Za-z]{3,}", text)) - {"Inviter"}
        assert not words, f"{path.name} says {words}"


def test_the_tables_that_migrations_make_are_those_of_the_models(app: Flask) -> None:
    with app.app_context():
        made = inspect(db.engine)
        for table in db.metadata.sorted_tables:
            columns = {each["name"]: each["nullable"] for each in made.get_columns(table.name)}
            assert columns == {each.name: each.nullable for each in table.columns}
            indexes = {each["name"] for each in made.get_indexes(table.name)}
            assert {str(each.name) for each in table.indexes} <= indexes | {
                "ix_invitation_list",  # on expressions, which SQLite does not tell of
                "ix_patient_list",
            }


def test_the_locks_name_no_registry() -> None:
    for path in ROOT.glob("requirements*.txt"):
        assert not re.search(r"https?://|^--(?!hash)", path.read_text(), re.MULTILINE)
