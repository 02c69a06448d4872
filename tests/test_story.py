"""The whole story in a real browser, with JavaScript and without: invited, joined, Accepted."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Person, Site
from tests.factories import PASSWORD

PHRASE = "a quiet river under stones"


@pytest.fixture(params=[True, False], ids=["javascript", "plain"])
def ana(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Person]:
    person = Person(browser, site, javascript=request.param)
    person.sign_in("ana@example.org", PASSWORD)
    yield person
    person.context.close()


def fill_row(page: Page, number: int, **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"#rows-{number}-{name}").fill(value)


def invite_three(page: Page) -> None:
    page.get_by_label("Providers").select_option(label="Dr. Amira Osei")
    fill_row(page, 0, first_name="Ada", last_name="Fixture", email="ada@example.org")
    page.get_by_role("button", name="+ Invite Another Patient").click()
    fill_row(page, 1, first_name="Ben", last_name="Sample", mobile="306 555 0142")
    page.get_by_role("button", name="+ Invite Another Patient").click()
    fill_row(page, 2, first_name="Cy", last_name="Nobody")
    page.locator("#invite-button").click()


def test_the_whole_story(ana: Person, browser: Browser, site: Site) -> None:
    page = ana.page
    page.goto("/c/northside/invite")
    expect(page).to_have_title("Invite Patients – Northside Family Clinic – Inviter")
    invite_three(page)

    expect(page.get_by_role("heading", name="Check before you invite")).to_be_visible()
    check = page.locator("#confirm")
    expect(check).to_contain_text("Dr. Amira Osei")
    expect(check).to_contain_text("Northside Family Clinic")
    expect(check).to_contain_text("No email or mobile number: share the Invite Code")
    page.get_by_role("button", name="Confirm and Invite").click()

    expect(page.get_by_role("heading", level=1, name="Invitations Sent")).to_be_visible()
    assert "/invitations/sent/" in page.url
    expect(page.locator(".banner.success")).to_contain_text("3 invites sent successfully.")
    page.reload()
    expect(page.locator("table.sent tbody tr")).to_have_count(3)
    page.get_by_role("link", name="OK").click()
    expect(page.locator("table.invited tbody tr")).to_have_count(3)

    page.goto("/mailbox")
    for _ in range(40):  # the worker looks twice a second
        if page.get_by_role("main").get_by_role("link").count() == 2:
            break
        page.wait_for_timeout(250)
        page.reload()
    page.get_by_role("link", name="Northside Family Clinic invites you").click()
    letter = page.frame_locator("iframe").locator("body")
    expect(letter).to_contain_text("Dr. Amira Osei at Northside Family Clinic invites you")
    link = str(page.frame_locator("iframe").get_by_role("link").first.get_attribute("href"))
    assert re.fullmatch(rf"{re.escape(site.url)}/j/[\w-]{{43}}", link)

    if ana.javascript:  # the link really opens, in a page of its own
        with ana.context.expect_page() as opened:
            page.frame_locator("iframe").get_by_role("link").first.click()
        expect(opened.value.get_by_role("heading", level=1)).to_have_text(
            "You are signed in as staff"
        )
        opened.value.close()

    patient = Person(browser, site, javascript=ana.javascript, width=360)
    join(patient.page, link)
    patient.context.close()

    page.goto("/c/northside/patients")
    ada = page.locator("table.invited tbody tr", has_text="Ada Fixture")
    expect(ada.locator(".badge")).to_have_text("Accepted")
    expect(page.locator("table.joined tbody tr")).to_contain_text(["Ada Fixture"])
    assert ana.complaints == patient.complaints == []


def join(page: Page, link: str) -> None:
    page.goto(link)
    assert page.url.endswith("/join/northside/accept")
    page.get_by_label("First Name").fill("Ada")
    page.get_by_label("Last Name").fill("Fixture")
    page.get_by_label("Email or mobile number").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill(PHRASE)
    page.get_by_label("I agree").check()
    page.get_by_role("button", name="Accept Invitation").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("You have joined Northside Family Clinic.")
