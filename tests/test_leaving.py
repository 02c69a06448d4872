"""In a real browser: after signing out no way back shows a patient."""

import pytest
from playwright.sync_api import Browser, Error, expect
from sqlalchemy import select

from inviter.db import db
from inviter.keys import Keys
from inviter.models import Clinic, User
from tests.browser import Person, Site
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
