"""Every page in a real browser: accessible, within its policy, right at every width."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from inviter import clock, demo
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Invitation
from inviter.web import auth
from tests.browser import Person, Site, look, violations
from tests.conftest import SECRET, copy_of, settings_for
from tests.factories import PASSWORD, hashed_password
from tests.test_story import fill_row, invite_three


@pytest.fixture
def site(sqlite_template: Path, tmp_path: Path) -> Iterator[Site]:
    """With all that the demo holds."""
    with Site(settings_for(copy_of(sqlite_template, tmp_path))) as running:
        with running.app.app_context():
            demo.fill(
                password=hashed_password(),
                new_uniquifier=auth.new_uniquifier,
                keys=Keys(SECRET),
                now=clock.now(),
            )
            db.session.commit()
        yield running


@pytest.fixture(params=["light", "dark"])
def ana(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Person]:
    person = Person(browser, site)
    person.page.emulate_media(color_scheme=request.param)
    person.scheme = request.param
    person.sign_in("ana@example.org", PASSWORD)
    yield person
    assert person.complaints == []
    person.context.close()


@pytest.fixture
def clerk(browser: Browser, site: Site) -> Iterator[Person]:
    """Ana at work, for what is tested in one colour scheme."""
    person = Person(browser, site)
    person.sign_in("ana@example.org", PASSWORD)
    person.page.goto("/c/northside/invite")
    yield person
    person.context.close()


def check(person: Person, name: str) -> None:
    """Nothing that axe finds, at the widest and the narrowest; nothing that scrolls sideways."""
    assert violations(person.page) == [], name
    assert person.complaints == [], name
    look(person, f"{name}-{person.scheme}")
    person.page.set_viewport_size({"width": 360, "height": 800})
    assert violations(person.page) == [], f"{name}, narrow"
    assert person.complaints == [], f"{name}, narrow"
    person.page.set_viewport_size({"width": 1440, "height": 900})


def link_of(site: Site, name: str) -> str:
    with site.app.app_context():
        first, last = name.split(" ", 1)
        found = db.session.scalars(
            db.select(Invitation).filter_by(first_name=first, last_name=last)
        ).first()
        assert found is not None
        return f"/j/{Keys(SECRET).link_token(found.link_id, found.link_version)}"


def test_staff_pages(ana: Person) -> None:
    page = ana.page
    page.goto("/c/northside/invite")
    check(ana, "invite")
    page.goto("/c/northside/patients")
    check(ana, "patients")
    page.goto("/c/northside/imports")
    check(ana, "imports")
    page.goto("/c/northside/activity")
    check(ana, "activity")
    page.goto("/c/northside/settings")
    check(ana, "settings")
    page.goto("/account")
    check(ana, "account")
    page.goto("/account/password")
    check(ana, "change-password")
    page.goto("/c/nowhere/invite")
    check(ana, "not-found")


def test_inviting_and_its_states(ana: Person) -> None:
    page = ana.page
    page.goto("/c/northside/invite")
    page.locator("#invite-button").click()
    expect(page.locator("#errors")).to_be_focused()
    check(ana, "invite-errors")
    page.get_by_role("button", name="+ Invite Another Patient").click()
    expect(page.locator("#rows-1-first_name")).to_be_focused()
    fill_row(page, 0, first_name="Emil", last_name="Testcase")
    fill_row(page, 1, first_name="Chidi", last_name="Placeholder-Montgomery")
    page.get_by_label("Providers").select_option(label="Dr. Amira Osei")
    page.get_by_role("button", name="Remove row 2").click()
    expect(page.get_by_text("Row 2 removed.")).to_be_visible()
    check(ana, "invite-removed-row")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#rows-1-last_name")).to_have_value("Placeholder-Montgomery")
    page.get_by_role("button", name="+ Invite Another Patient").click()
    fill_row(page, 2, first_name="New", last_name="Person", email="ada.fixture@example.org")
    page.locator("#invite-button").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".fault")).to_have_count(0)  # what is mended leaves no trace
    expect(page).to_have_title("Invite Patients – Northside Family Clinic – Inviter")
    page.locator("#invite-button").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check(ana, "confirm")
    page.get_by_role("button", name="Confirm and Invite").click()
    expect(page.get_by_role("heading", name="Invitations Sent")).to_be_visible()
    check(ana, "sent")
    expect(page.locator("#sent .detail")).to_have_text("Sent")  # the page looks by itself
    page.goto("/mailbox")
    expect(page.get_by_role("main").get_by_role("link")).to_have_count(1)
    check(ana, "mailbox")
    page.get_by_role("main").get_by_role("link").click()
    check(ana, "message")


def test_a_new_row_takes_the_focus_as_it_appears(clerk: Person) -> None:
    """Not a moment later, from whoever types on."""
    page = clerk.page
    page.evaluate(
        """() => {
            const note = () => { window.firstFocus ||= document.activeElement.id; };
            new MutationObserver(note).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    page.get_by_role("button", name="+ Invite Another Patient").click()
    expect(page.locator("#rows-1-first_name")).to_be_focused()
    assert page.evaluate("window.firstFocus") == "rows-1-first_name"


def test_a_message_seen_before_and_after_it_is_sent(ana: Person) -> None:
    page, dialog = ana.page, ana.page.get_by_role("dialog")
    page.goto("/c/northside/invite")
    page.get_by_label("Providers").select_option(label="Dr. Amira Osei")
    fill_row(
        page, 0, first_name="Nia", last_name="New", email="n@example.org", mobile="306 555 0199"
    )
    page.get_by_role("button", name="+ Invite Another Patient").click()
    fill_row(page, 1, first_name="Ola", last_name="New", email="o@example.org")
    page.locator("#invite-button").click()
    check(ana, "confirm-two")
    dialog.get_by_role("button", name="Preview message to Nia New").press("Enter")
    expect(page.locator("#preview-title")).to_be_focused()
    letter = page.frame_locator("#preview iframe").locator("body")
    expect(letter).to_contain_text("Dear Nia,")
    expect(letter).to_contain_text("*** ***")
    assert letter.evaluate("body => getComputedStyle(body).backgroundColor") == "rgb(245, 244, 239)"
    expect(dialog).to_contain_text("segments, in the GSM-7 alphabet.")
    dialog.get_by_text("Text version").press("Enter")
    check(ana, "preview-before")
    dialog.get_by_role("button", name="Next: Ola New").press("Enter")
    expect(page.locator("#preview-title")).to_have_text("Message to Ola New")
    expect(page.locator("#preview-title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#invite-button")).to_be_focused()
    expect(page.locator("#rows-1-first_name")).to_have_value("Ola")
    page.locator("#invite-button").click()
    dialog.get_by_role("button", name="Preview message").click()
    dialog.get_by_role("button", name="Back to the check").press("Enter")
    expect(page.locator("#confirm-title")).to_be_focused()
    dialog.get_by_role("button", name="Confirm and Invite").click()
    expect(page.get_by_role("heading", name="Invitations Sent")).to_be_visible()
    page.get_by_role("link", name="OK").click()
    page.get_by_role("link", name="Nia New").click()
    page.get_by_role("link", name="Preview message").press("Enter")
    expect(page.locator("#preview-title")).to_be_focused()
    expect(letter).to_contain_text(re.compile(r"/j/[\w-]{43}"))
    letter.get_by_role("link").first.click()  # opens nothing
    expect(letter).to_contain_text("Dear Nia,")
    assert len(ana.context.pages) == 1
    ana.complaints.clear()  # the browser says that the frame may open none
    check(ana, "preview-after")
    dialog.get_by_role("link", name="Close").press("Enter")
    expect(page.locator("#preview-message")).to_be_focused()


def test_a_message_is_seen_without_javascript(browser: Browser, site: Site) -> None:
    person = Person(browser, site, javascript=False)
    person.sign_in("osei@example.org", PASSWORD)
    page = person.page
    page.goto("/c/northside/invite")
    fill_row(page, 0, first_name="Nia", last_name="New", email="n@example.org")
    page.locator("#invite-button").click()
    page.get_by_role("button", name="Preview message").click()
    expect(page).to_have_title("Message to Nia New – Northside Family Clinic – Inviter")
    letter = page.frame_locator("#preview iframe").locator("body")
    expect(letter).to_contain_text("Dear Nia,")
    look(person, "preview-plain")
    page.get_by_role("button", name="Back to the check").click()
    page.get_by_role("button", name="Confirm and Invite").click()
    page.get_by_role("link", name="OK").click()
    page.get_by_role("link", name="Nia New").click()
    page.get_by_role("link", name="Preview message").click()
    expect(letter).to_contain_text("Dear Nia,")
    page.get_by_role("link", name="Close").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nia New")
    person.context.close()


def test_pages_of_patients_and_of_who_is_not_signed_in(
    ana: Person, browser: Browser, site: Site
) -> None:
    patient = Person(browser, site)
    patient.scheme = ana.scheme
    patient.page.emulate_media(color_scheme=ana.scheme)
    for name, path in {
        "sign-in": "/sign-in",
        "forgot-password": "/forgot-password",
        "find-clinic": "/join?clinic=clinic",
        "code": "/join/northside",
        "accept": link_of(site, "Ada Fixture"),
        "expired": link_of(site, "Emil Testcase"),
        "used": link_of(site, "Chidi Placeholder-Montgomery"),
        "no-link": "/j/x",
    }.items():
        patient.page.goto(path)
        check(patient, name)
    patient.page.goto(link_of(site, "Ada Fixture"))
    patient.page.get_by_role("button", name="Accept Invitation").click()
    check(patient, "accept-errors")
    ana.page.goto(link_of(site, "Ada Fixture"))
    check(ana, "staff-at-a-link")
    patient.page.goto(link_of(site, "Ada Fixture"))
    patient.page.get_by_role("button", name="This is not for me").click()
    check(patient, "not-for-me")
    ana.page.goto("/c/northside/invite?q=ada+fixture")
    check(ana, "not-for-this-person")
    patient.context.close()


TARGETS = """size => [...document.querySelectorAll('a, button, input, select, summary')]
  .filter(e => {
    const r = e.getBoundingClientRect(), s = getComputedStyle(e)
    const inText = s.display === 'inline' && e.closest('p, li, td, dd')
    return r.width > 1 && r.height > 1 && s.visibility === 'visible' && e.type !== 'hidden'
      && !e.closest('.vh') && !inText
  })
  .filter(e => {
    const box = e.matches('[type=checkbox]') ? e.parentElement : e
    return Math.round(box.getBoundingClientRect().height) < size
  })
  .map(e => `${e.tagName} ${e.id} ${e.textContent.trim().slice(0, 30)}`)"""


def test_every_control_is_large_enough_to_touch(browser: Browser, site: Site) -> None:
    context = browser.new_context(
        base_url=site.url, has_touch=True, is_mobile=True, viewport={"width": 768, "height": 1024}
    )
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Email or mobile number").fill("ana@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/c/**")
    ours = (f"/c/northside/{name}" for name in ("invite", "patients", "imports"))
    for path in (*ours, "/account"):
        for width in (360, 768, 1024):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(path)
            assert page.evaluate(TARGETS, 44) == [], f"{path} at {width}"
    context.close()


def test_the_way_by_keyboard_from_signing_in_to_invitations_sent(
    browser: Browser, site: Site
) -> None:
    person = Person(browser, site)
    person.sign_in("osei@example.org", PASSWORD)
    page = person.page
    page.goto("/c/northside/invite")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.locator("#rows-0-first_name").focus()
    for text in ("Kim", "Keyboard", "kim@example.org"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#invite-button")).to_be_focused()
    expect(page.locator("#rows-0-email")).to_have_value("kim@example.org")
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Confirm and Invite")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Invitations Sent")).to_be_focused()
    assert page.evaluate("document.activeElement !== document.body")
    person.context.close()


def test_a_double_click_on_confirm_gives_one_set(clerk: Person) -> None:
    page = clerk.page
    page.goto("/c/lakeview/invite")
    page.get_by_label("Providers").select_option(index=0)
    fill_row(page, 0, first_name="Dee", last_name="Double")
    page.locator("#invite-button").click()
    page.get_by_role("button", name="Confirm and Invite").dblclick()
    expect(page.get_by_role("heading", name="Invitations Sent")).to_be_visible()
    page.go_back()
    expect(page.locator("#rows-0-first_name")).to_have_value("")
    rows = page.locator("table.invited tbody tr", has_text="Dee Double")
    expect(rows).to_have_count(1)


def test_the_browser_keeps_no_patient(clerk: Person) -> None:
    page = clerk.page
    invite_three(page)
    page.get_by_role("button", name="Confirm and Invite").click()
    expect(page.get_by_role("heading", name="Invitations Sent")).to_be_visible()
    page.get_by_role("link", name="OK").click()
    expect(page.locator("#invited")).to_be_visible()
    kept = clerk.storage() + str(clerk.context.cookies())
    assert not any(word in kept for word in ("Ada", "Fixture", "ada@"))


def test_changing_the_clinic_changes_page_links_and_address(clerk: Person) -> None:
    page = clerk.page
    page.get_by_label("Select Clinic").select_option(label="Lakeview Walk-in Clinic")
    page.wait_for_url("**/c/lakeview/invite")
    expect(page).to_have_title("Invite Patients – Lakeview Walk-in Clinic – Inviter")
    patients = page.get_by_role("link", name="Patients", exact=True)
    expect(patients).to_have_attribute("href", "/c/lakeview/patients")
    page.go_back()
    expect(page).to_have_title("Invite Patients – Northside Family Clinic – Inviter")


def test_a_failed_change_of_clinic_shows_the_clinic_that_it_is_and_can_be_tried_again(
    clerk: Person,
) -> None:
    page = clerk.page
    page.route("**/switch*", lambda route: route.fulfill(status=500, body=""))
    choice = page.get_by_label("Select Clinic")
    choice.select_option(label="Lakeview Walk-in Clinic")
    expect(page.get_by_text("Nothing was sent.")).to_be_visible()
    expect(choice.locator("option:checked")).to_have_text("Northside Family Clinic")
    page.unroute("**/switch*")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url("**/c/lakeview/invite")


def test_a_lost_answer_is_said_and_the_list_is_looked_up(clerk: Person) -> None:
    page = clerk.page
    page.get_by_label("Providers").select_option(label="Dr. Amira Osei")
    fill_row(page, 0, first_name="Lost", last_name="Answer")
    page.locator("#invite-button").click()

    def lose(route: Route) -> None:
        route.fetch(max_redirects=0)
        route.abort()

    page.route("**/c/northside/invite", lambda route: lose(route), times=1)
    page.get_by_role("button", name="Confirm and Invite").click()
    unsure = page.get_by_text("We could not confirm that this was sent.")
    expect(unsure).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("table.invited tbody tr", has_text="Lost Answer")).to_be_visible()
    expect(unsure).to_be_visible()


def offline_says_so(page: Page) -> None:
    expect(page.get_by_text("You are offline. What you typed is still here.")).to_be_visible()


def test_offline_says_so_and_keeps_what_was_typed(clerk: Person) -> None:
    page = clerk.page
    fill_row(page, 0, first_name="Ada")
    clerk.context.set_offline(True)
    offline_says_so(page)
    page.get_by_role("button", name="+ Invite Another Patient").click()
    expect(page.get_by_text("Could not add a row while offline")).to_be_visible()
    expect(page.locator("#rows-0-first_name")).to_have_value("Ada")
    clerk.context.set_offline(False)
    expect(page.get_by_text("You are offline")).to_be_hidden()


def test_an_expired_session_goes_to_sign_in_and_comes_back(clerk: Person) -> None:
    page = clerk.page
    page.goto("/c/northside/patients")
    page.goto("/c/northside/invite")
    clerk.context.clear_cookies()
    page.get_by_role("button", name="+ Invite Another Patient").click()
    page.wait_for_url(re.compile(r"/sign-in\?next="))
    page.get_by_label("Email or mobile number").fill("ana@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/c/northside/invite")
