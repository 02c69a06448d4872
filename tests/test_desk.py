"""A receptionist's day at the list in a real browser: by keyboard, without JavaScript, by touch."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import select, update

from inviter import clock
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Clinic, Delivery, Invitation, User
from inviter.status import DeliveryState, Sending
from tests.browser import WIDTHS, Person, Site, violations
from tests.conftest import SECRET, copy_of, settings_for
from tests.factories import PASSWORD, invite, make_cast, recipient

MANY = 30
FOCUSED = "document.activeElement === document.body || !document.activeElement"


@pytest.fixture
def site(sqlite_template: Path, tmp_path: Path) -> Iterator[Site]:
    """Thirty invited an hour ago, one whom no message reached, and one without contact."""
    running = Site(settings_for(copy_of(sqlite_template, tmp_path)))
    with running.app.app_context():
        make_cast()
        fill()
    with running:
        yield running


def fill() -> None:
    clinic = db.session.scalar(select(Clinic).filter_by(slug="northside"))
    osei, ana = (
        db.session.scalar(select(User).filter_by(email=f"{name}@example.org"))
        for name in ("osei", "ana")
    )
    assert clinic and osei and ana
    began = clock.now() - timedelta(hours=1)
    for number in range(MANY):
        name = f"Pat{chr(97 + number // 26)}{chr(97 + number % 26)} Testcase"
        made = invite(
            clinic,
            recipient(name, email=f"p{number}@example.org" if number < MANY - 1 else None),
            provider=osei,
            by=ana,
            keys=Keys(SECRET),
            now=began + timedelta(seconds=number),
        )
        if number == 1:
            made.sending = Sending.FAILED
            failed = {"state": DeliveryState.FAILED, "reason": "no-such-address"}
            db.session.execute(update(Delivery).filter_by(invitation_id=made.id).values(failed))
            db.session.commit()


@pytest.fixture(params=[True, False], ids=["javascript", "plain"])
def ana(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Person]:
    person = Person(browser, site, javascript=request.param)
    person.sign_in("ana@example.org", PASSWORD)
    person.page.goto("/c/northside/invite")
    yield person
    assert person.complaints == []
    person.context.close()


def press(person: Person, what: Locator, key: str = "Enter") -> None:
    """By keyboard; afterwards the focus is somewhere, and nothing of a patient is kept."""
    what.focus()
    person.page.keyboard.press(key)
    person.page.wait_for_timeout(100)
    person.page.wait_for_load_state("networkidle")
    if person.javascript:
        for under_way in (".htmx-request", "html.busy"):  # a button that was pressed is disabled
            expect(person.page.locator(under_way)).to_have_count(0)
        person.page.wait_for_timeout(150)
        assert not person.page.evaluate(FOCUSED), f"focus lost after {what}"
        assert "Pat" not in person.storage()


def rows(page: Page) -> Locator:
    return page.locator("table.invited tbody tr")


def row(page: Page, name: str) -> Locator:
    return rows(page).filter(has_text=name)


def test_the_journey_by_keyboard(ana: Person, site: Site) -> None:
    page = ana.page
    search = page.locator("#q")
    search.focus()
    page.keyboard.type("patac testcase")
    press(ana, search)
    expect(rows(page)).to_have_count(1)
    assert "q=patac" in page.url
    press(ana, page.get_by_role("link", name="Clear filters"))
    expect(rows(page)).to_have_count(25)

    page.locator("#status-filter").select_option("error")
    press(ana, page.locator("#search"))
    expect(rows(page)).to_have_count(1)
    page.go_back()
    expect(rows(page)).to_have_count(25)

    press(ana, page.get_by_role("link", name="Columns", exact=True))
    expect(page.get_by_role("heading", name="Columns")).to_be_visible()
    press(ana, page.get_by_role("checkbox", name="Phone Number"), "Space")
    press(ana, page.get_by_role("button", name="Apply"))
    expect(page.get_by_role("columnheader", name="Phone Number")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Email address")).to_have_count(1)

    press(ana, row(page, "Patba").get_by_role("button", name="Resend Invite to Patba Testcase"))
    expect(page.get_by_text("Invite resent to Patba Testcase.").first).to_be_visible()
    if ana.javascript:
        assert "Patba" in str(page.evaluate("document.activeElement.ariaLabel"))
        expect(page.locator("#live")).to_have_text("Invite resent to Patba Testcase.")

    press(ana, row(page, "Patbb").get_by_role("button", name="Remove Invite of Patbb Testcase"))
    expect(page.get_by_text("Invite for Patbb Testcase removed.").first).to_be_visible()
    press(ana, page.get_by_role("button", name="Undo the removal of Patbb Testcase"))
    expect(row(page, "Patbb").get_by_role("button", name="Remove Invite")).to_have_count(1)

    page.get_by_role("link", name="Patbb Testcase", exact=True).press("Enter")  # a whole page
    expect(page.get_by_role("heading", level=1, name="Patbb Testcase")).to_be_visible()
    expect(page.get_by_role("list").filter(has_text="Removed by Ana Moreau")).to_be_visible()
    page.goto("/c/northside/invite?page=2")
    page.goto("/c/northside/invite")

    press(ana, page.get_by_role("link", name="Patient Name"))  # the 25 first, none resent so far
    expect(rows(page).first).to_contain_text("Pataa")
    if ana.javascript:
        press(ana, page.locator("#tick-page"), "Space")
    else:
        press(ana, page.get_by_role("link", name="All on this page"))
    expect(page.locator(".ticked")).to_contain_text("All 25 on this page were selected.")
    press(ana, page.locator("#resend-selected"))
    expect(page.get_by_role("heading", name="Resend the invites to 25 patients?")).to_be_visible()
    press(ana, page.locator("#resend-all"))
    expect(page.get_by_text("25 invites resent.").first).to_be_visible()
    with site.app.app_context():
        resent = select(db.func.count()).where(Invitation.generation == 2)
        assert db.session.scalar(resent) == 26


def test_the_search_answers_while_one_types(browser: Browser, site: Site) -> None:
    ana = Person(browser, site)
    ana.sign_in("ana@example.org", PASSWORD)
    page = ana.page
    page.goto("/c/northside/patients")
    page.locator("#q").focus()
    page.keyboard.type("patbc", delay=30)
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#q")).to_have_value("patbc")
    page.reload()
    expect(page.locator("#q")).to_have_value("patbc")
    expect(rows(page)).to_have_count(1)
    page.go_back()
    expect(page.locator("#q")).to_have_value("")
    expect(rows(page)).to_have_count(25)
    ana.context.close()


def test_two_people_at_one_row(browser: Browser, site: Site) -> None:
    ana, osei = Person(browser, site), Person(browser, site)
    for person, address in ((ana, "ana@example.org"), (osei, "osei@example.org")):
        person.sign_in(address, PASSWORD)
        person.page.goto("/c/northside/invite")
    button = {"role": "button", "name": "Resend Invite to Patba Testcase"}
    for person in (ana, osei):
        person.page.get_by_role(button["role"], name=button["name"]).click()  # type: ignore[arg-type]
        expect(row(person.page, "Patba").locator(".said")).to_be_visible()
    expect(row(osei.page, "Patba").locator(".said")).to_contain_text("by Ana Moreau")
    row(ana.page, "Patbb").get_by_role("button", name="Remove Invite").click()
    expect(row(ana.page, "Patbb")).to_contain_text("removed. Undo")
    row(osei.page, "Patbb").get_by_role("button", name="Resend Invite").click()
    expect(row(osei.page, "Patbb")).to_contain_text("Already removed by Ana Moreau")
    with site.app.app_context():
        resent = select(db.func.count()).where(Invitation.generation == 2)
        assert db.session.scalar(resent) == 1
    ana.context.close()
    osei.context.close()


@pytest.fixture
def tablet(browser: Browser, site: Site) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 768, "height": 1024},
        has_touch=True,
        is_mobile=True,
        base_url=site.url,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Email or mobile number").fill("ana@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).tap()
    page.wait_for_url("**/c/**")
    yield page
    context.close()


@pytest.mark.parametrize("width", [*WIDTHS, 1180])
def test_by_touch_everything_is_within_reach_and_large_enough(tablet: Page, width: int) -> None:
    tablet.set_viewport_size({"width": width, "height": 1024})
    tablet.goto("/c/northside/invite")
    for name in ("Resend Invite to Patba Testcase", "Remove Invite of Patba Testcase"):
        button = tablet.get_by_role("button", name=name)
        expect(button).to_be_visible()
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44, f"{name} at {width}"
    small = tablet.evaluate(TOO_SMALL)
    assert small == [], f"at {width}"
    assert tablet.evaluate("document.documentElement.scrollWidth") <= width
    tablet.get_by_role("button", name="Resend Invite to Patba Testcase").tap()
    expect(row(tablet, "Patba").locator(".said")).to_have_text("Invite resent to Patba Testcase.")


TOO_SMALL = """
["a", "button", "select", "input:not([type=hidden])"]
  .flatMap((kind) => [...document.querySelectorAll("#list " + kind)])
  .map((each) => [each, (each.closest("label") || each).getBoundingClientRect()])
  .filter(([each, box]) => box.width > 1 && box.height > 1 && each.tabIndex >= 0)
  .filter(([, box]) => box.height < 43.5)
  .map(([each, box]) => (each.id || each.textContent) + " " + Math.round(box.height))
"""


DIALOGS = {"#columns-button": "Columns", "[id^=fix]": "Email and mobile number"}


@pytest.fixture(params=["light", "dark", "forced"])
def seen(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Person]:
    person = Person(browser, site)
    scheme = "dark" if request.param == "dark" else "light"
    forced = "active" if request.param == "forced" else "none"
    person.page.emulate_media(color_scheme=scheme, forced_colors=forced)  # type: ignore[arg-type]
    person.sign_in("ana@example.org", PASSWORD)
    yield person
    assert person.complaints == []
    person.context.close()


def test_every_state_of_the_list_is_accessible(seen: Person, site: Site) -> None:
    page = seen.page
    page.goto("/c/lakeview/invite")
    expect(page.get_by_text("No one has been invited yet.")).to_be_visible()
    assert violations(page) == [], "empty"
    page.goto("/c/northside/invite?q=nobody")
    expect(page.get_by_text("No invited patients match “nobody”.")).to_be_visible()
    assert violations(page) == [], "no match"
    page.goto("/c/northside/invite?sort=name&page=2")
    assert violations(page) == [], "page 2"
    page.goto("/c/northside/invite?tick=page")
    assert violations(page) == [], "ticked"
    page.goto("/c/northside/invite")
    row(page, "Patbb").get_by_role("button", name="Remove Invite").click()
    expect(page.get_by_role("button", name="Undo the removal of Patbb Testcase")).to_be_focused()
    assert violations(page) == [], "removed row"
    row(page, "Patba").get_by_role("button", name="Resend Invite").click()
    expect(row(page, "Patba").locator(".said")).to_be_visible()
    row(page, "Patba").get_by_role("button", name="Resend Invite").click()
    expect(row(page, "Patba")).to_contain_text("Send it again?")
    assert violations(page) == [], "asked"
    page.locator("#remove-selected").click()
    expect(page.locator("#results .banner")).to_have_text("Select at least one patient.")
    assert violations(page) == [], "error"
    for opener, heading in DIALOGS.items():
        page.goto("/c/northside/invite?status=error")
        page.locator(opener).first.click()
        expect(page.get_by_role("heading", name=heading)).to_be_focused()
        assert violations(page) == [], heading
        page.keyboard.press("Escape")
        expect(page.locator(opener).first).to_be_focused()
    page.locator("th.name a").first.click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert violations(page) == [], "one invitation"
    page.goto("/c/northside/patients?who=x")
    assert violations(page) == [], "patients"
