"""In a real browser: leaving, staying, and coming back to what was typed."""

import re

import pytest
from playwright.sync_api import Browser, Error, expect
from sqlalchemy import delete, select

from inviter.db import db
from inviter.keys import Keys
from inviter.models import Clinic, SignIn, User
from tests.browser import Person, Site, look, violations
from tests.conftest import SECRET
from tests.factories import PASSWORD, invite, recipient


@pytest.fixture
def patient(site: Site) -> str:
    """Someone who is invited to Northside."""
    with site.app.app_context():
        clinic = db.session.scalars(select(Clinic).where(Clinic.slug == "northside")).one()
        osei = db.session.scalars(select(User).where(User.email == "osei@example.org")).one()
        invite(clinic, recipient("Ada Fixture"), provider=osei, by=osei, keys=Keys(SECRET))
    return "Ada Fixture"


def test_no_way_back_shows_a_patient(browser: Browser, site: Site, patient: str) -> None:
    ana = Person(browser, site)
    ana.sign_in("ana@example.org", PASSWORD)
    page = ana.page
    page.goto("/c/northside/invite")
    expect(page.locator("#content")).to_contain_text(patient)
    page.goto("/account")
    page.goto("/c/northside/invite")
    kept = ana.context.storage_state()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#content")).to_contain_text("You are signed out.")
    for move in (page.go_back, page.go_back, page.go_forward, page.reload):
        move()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(page.locator("body")).not_to_contain_text(patient)
    assert ana.storage() == "[{},{}]"
    thief = browser.new_context(storage_state=kept, base_url=site.url)
    other = thief.new_page()
    other.goto("/c/northside/invite")
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    assert patient not in other.content()
    ana.context.set_offline(True)
    with pytest.raises(Error, match="ERR_INTERNET_DISCONNECTED"):
        page.goto("/c/northside/invite")
    thief.close()
    ana.context.close()


def test_a_warning_comes_before_one_is_signed_out_and_what_was_typed_is_back(
    browser: Browser, site: Site
) -> None:
    ana = Person(browser, site)
    clock = ana.context.clock
    clock.install()
    ana.sign_in("ana@example.org", PASSWORD)
    page, other = ana.page, ana.context.new_page()
    other.goto("/account")
    page.goto("/c/northside/invite")
    dialogs = [each.get_by_role("dialog") for each in (page, other)]
    clock.fast_forward("28:20")
    for each in dialogs:
        expect(each).to_have_count(0)
    clock.fast_forward("00:30")
    for each in dialogs:
        expect(each).to_contain_text("you will be signed out in 2 minutes")
    expect(page.locator("#idle-left")).to_have_text(re.compile("1:[2345]"))
    expect(page.get_by_role("button", name="Stay signed in")).to_be_focused()
    assert violations(page) == []
    look(ana, "idle")
    page.keyboard.press("Escape")
    for each in dialogs:
        expect(each).to_have_count(0)
    page.get_by_label("First Name").first.fill("Ada")
    with page.expect_response("**/invite/draft") as kept:
        clock.run_for(1500)
    assert kept.value.status == 204
    clock.fast_forward("28:50")
    expect(dialogs[1]).to_be_visible()
    with site.app.app_context():
        db.session.execute(delete(SignIn))
        db.session.commit()
    clock.fast_forward("02:30")
    for each in (page, other):
        expect(each.get_by_role("button", name="Sign in")).to_be_visible()
        expect(each.locator("body")).not_to_contain_text("Ada")
    ana.sign_in("ana@example.org", PASSWORD)
    page.goto("/c/northside/invite")
    expect(page.locator("#send")).to_contain_text("We kept 1 unsent row from ")
    expect(page.get_by_label("First Name").first).to_have_value("Ada")
    other.goto("/account")
    page.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    assert ana.storage() == "[{},{}]"
    assert ana.complaints == []
    ana.context.close()
