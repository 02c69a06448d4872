"""A file of twenty patients in a real browser: without JavaScript, by touch, by paste."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from inviter import clock, imports, team
from inviter.db import db
from inviter.keys import Keys
from tests.browser import Person, Site, look, violations
from tests.conftest import SECRET
from tests.factories import PASSWORD, invite, recipient
from tests.test_pages import TARGETS

KNOWN = ("Ada Fixture", "Ben Sample")
ROWS = [
    *("Ada,Fixture,ada@example.org,", "Ben,Sample,ben@example.org,"),
    *(f"Pat,Test{chr(97 + n)},pat{n}@example.org,306 555 01{n:02}" for n in range(15)),
    *("Cy,,cy@example.org,", "Di,Late,di@,", "Eve,Number,,1.55E+10"),
]
READY = "Ada,Fixture,ada@example.org,306 555 0143"
FILE = {
    "name": "may.csv",
    "mimeType": "text/csv",
    "buffer": "\r\n".join(["First Name,Last Name,Email,Phone Number", *ROWS, ""]).encode(),
}


@pytest.fixture(params=["javascript", "plain", "touch"])
def ana(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Person]:
    """Ana, at whose clinic two of the file are invited already."""
    with site.app.app_context():
        clinic = team.clinic_at("northside")
        osei, by = (team.user_with(f"{name}@example.org") for name in ("osei", "ana"))
        assert clinic and osei and by
        for name in KNOWN:
            email = f"{name.partition(' ')[0].lower()}@example.org"
            who = recipient(name, email=email)
            invite(clinic, who, provider=osei, by=by, keys=Keys(SECRET))
        db.session.remove()
    if request.param == "touch":
        person = Person(browser, site, width=820, touch=True)
    else:
        person = Person(browser, site, javascript=request.param == "javascript")
    person.sign_in("ana@example.org", PASSWORD)
    yield person
    assert person.complaints == []
    person.context.close()


def upload(page: Page, file: Mapping[str, object] = FILE) -> None:
    page.goto("/c/northside/invite")
    page.get_by_role("link", name="Upload a .CSV File (multiple patient invitations)").click()
    card = page.locator("#upload")
    card.get_by_label("Provider").select_option(label="Dr. Amira Osei")
    card.get_by_label("CSV file").set_input_files(file)  # type: ignore[arg-type]
    card.get_by_role("button", name="Import CSV").click()
    page.wait_for_url("**/imports/*")


def check(person: Person, name: str) -> None:
    if person.javascript:
        assert violations(person.page) == [], name
    if person.touch:
        assert person.page.evaluate(TARGETS, 44) == [], name


def test_twenty_patients_from_a_file(ana: Person, tmp_path: Path) -> None:
    page = ana.page
    upload(page)
    check(ana, "rows to fix")
    look(ana, "upload-fix")
    chips = page.locator("#check .attention")
    expect(chips).to_contain_text("Needs fixing (3)")
    expect(chips).to_contain_text("Ready (15)")
    expect(chips).to_contain_text("Already invited (2)")

    page.get_by_role("link", name="Already invited (2)").click()
    expect(page.locator("table.rows")).to_contain_text("by Ana Moreau, Pending, expires")
    check(ana, "already invited")
    look(ana, "upload-known")
    page.get_by_role("link", name="Needs fixing (3)").click()

    page.get_by_role("group", name="Row 19").get_by_label("Last Name").fill("Short")
    page.get_by_role("button", name="Save row 19").click()
    expect(page.get_by_text("Row 19: Ready.").first).to_be_visible()
    expect(page.locator("#row-20-email")).to_be_focused()
    page.get_by_role("button", name="Leave out row 20").click()
    expect(page.get_by_text("Row 20 is left out.").first).to_be_visible()
    expect(page.locator("#put-back")).to_be_focused()
    check(ana, "left out")

    with page.expect_download() as taken:
        page.get_by_role("button", name="Download rows to fix").click()
    path = tmp_path / "rows.csv"
    taken.value.save_as(path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "First Name,Last Name,Email,Phone Number,Problem"
    assert [each.partition(",")[0] for each in lines[1:]] == ["Eve"]

    page.get_by_role("link", name="Invite 16 patients").click()
    expect(page.get_by_role("heading", name="Check before you invite")).to_be_focused()
    expect(page.locator("#confirm")).to_contain_text("Will be invited (16)")
    check(ana, "confirm")
    look(ana, "upload-confirm")
    page.get_by_role("button", name="Confirm and Invite").click()
    if not ana.javascript:
        page.wait_for_url("**/imports/*")
        for _ in range(20):
            if not page.get_by_role("link", name="Check progress").count():
                break
            page.get_by_role("link", name="Check progress").click()
            page.wait_for_timeout(300)
    expect(page.get_by_role("heading", name="Invitations Sent")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("CSV import successful – 16 patients invited")).to_be_visible()
    for words in ("Needs fixing (1)", "Already invited (2)", "Skipped (1)"):
        expect(page.locator("#progress").get_by_role("link", name=words)).to_be_visible()
    check(ana, "sent")
    look(ana, "upload-sent")

    page.get_by_role("link", name="OK", exact=True).click()
    expect(page.locator("table.invited")).to_contain_text("Cy Short")
    expect(page.locator("table.invited tbody tr", has_text="Ada Fixture")).to_have_count(1)
    expect(page.locator("#count")).to_have_text("18 invited patients")
    page.goto("/c/northside/imports")
    expect(page.locator("table.files")).to_contain_text("Invited (16)")
    check(ana, "imports")
    look(ana, "upload-imports")


@pytest.fixture
def clerk(browser: Browser, site: Site) -> Iterator[Person]:
    person = Person(browser, site)
    person.sign_in("ana@example.org", PASSWORD)
    yield person
    person.context.close()


def test_what_is_typed_into_a_row_outlives_the_page(clerk: Person) -> None:
    page = clerk.page
    upload(page)
    page.locator("#row-19-last_name").fill("Short")
    with page.expect_response("**/keep"):
        page.locator("#row-20-email").fill("di@late.example.org")
    page.locator("#show-ready").click()
    expect(page.locator("#check-title")).to_have_text("Ready")
    page.go_back()
    expect(page.locator("#row-19-last_name")).to_have_value("Short")
    page.get_by_role("button", name="Save all and check again").click()
    expect(page.locator("#show-ready")).to_have_text("Ready (19)")
    assert clerk.complaints == []


def test_a_tick_that_was_set_twice_is_saved(clerk: Person) -> None:
    page = clerk.page
    upload(page)
    for _ in range(3):
        with page.expect_response("**/keep"):
            page.locator("#row-19-one_name").click()
    page.get_by_role("button", name="Save row 19").click()
    expect(page.get_by_text("Row 19: Ready.").first).to_be_visible()
    assert clerk.complaints == []


def test_ones_own_typing_is_saved_however_slow_the_network_is(clerk: Person) -> None:
    page = clerk.page
    upload(page)

    def late(route: Route) -> None:
        answer = route.fetch()
        time.sleep(0.7)
        route.fulfill(response=answer)

    page.route("**/keep", late)
    cell = page.locator("#row-20-email")
    cell.fill("di@late.example.or")
    cell.dispatch_event("change")
    cell.press_sequentially("g")
    cell.press("Enter")
    expect(page.locator("#show-ready")).to_have_text("Ready (18)")
    assert clerk.complaints == []


def test_a_row_that_is_ready_is_changed(clerk: Person) -> None:
    page = clerk.page
    upload(page)
    page.locator("#show-ready").click()
    page.get_by_role("link", name="Change Pat Testb").click()
    expect(page.locator("#row-5-first_name")).to_be_focused()
    check(clerk, "change")
    look(clerk, "upload-change")
    page.locator("#row-5-first_name").fill("Patrick")
    page.get_by_role("button", name="Save row 5").click()
    expect(page.locator("table.rows")).to_contain_text("Patrick Testb")
    assert clerk.complaints == []


def test_the_page_behind_a_check_that_was_refused_is_drawn_anew(
    clerk: Person, browser: Browser, site: Site
) -> None:
    page = clerk.page
    upload(page)
    path = page.url
    page.locator("#invite-rows").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    colleague = Person(browser, site)
    colleague.sign_in("osei@example.org", PASSWORD)
    colleague.page.goto(path + "?show=ready")
    colleague.page.get_by_role("button", name="Leave out Pat Testa").click()
    expect(colleague.page.locator("#put-back")).to_be_focused()
    page.get_by_role("button", name="Confirm and Invite").click()
    expect(page.get_by_text("Someone has changed rows since: check once more.")).to_be_visible()
    page.get_by_role("link", name="Go back and change").click()
    expect(page.locator("#check .attention")).to_contain_text("Skipped (1)")
    assert page.url == path
    colleague.context.close()


@pytest.mark.parametrize("width", [360, 1024, 1440])
def test_a_short_name_of_a_file_stands_on_one_line(
    browser: Browser, site: Site, width: int
) -> None:
    person = Person(browser, site, width=width)
    person.sign_in("ana@example.org", PASSWORD)
    upload(person.page)
    person.page.get_by_text("Cancel import").click()
    person.page.get_by_role("button", name="Erase these rows").click()
    person.page.wait_for_url("**/imports")
    name = person.page.get_by_role("link", name="may.csv")
    box = name.bounding_box()
    assert box and box["height"] < 35
    person.context.close()


BROKEN = """() => [...document.querySelectorAll('thead th')].flatMap((cell) => {
    const text = cell.firstChild
    if (text?.nodeType !== Node.TEXT_NODE) return []
    return [...text.data.matchAll(/\\w+/g)].filter((word) => {
        const range = document.createRange()
        range.setStart(text, word.index)
        range.setEnd(text, word.index + word[0].length)
        return new Set([...range.getClientRects()].map((box) => box.top)).size > 1
    }).map((word) => word[0])
})"""
"""Words of headings that go on in the next line."""


@pytest.mark.parametrize("width", [900, 1024, 1100, 1440])
def test_the_words_of_headings_are_whole_beside_the_longest_names(
    browser: Browser, site: Site, width: int
) -> None:
    person = Person(browser, site, width=width)
    person.sign_in("ana@example.org", PASSWORD)
    page = person.page
    known = "kate.featherstonehaugh@northern-saskatchewan.example.org,306 555 0142"
    upload(page, file_of(f"Kate,Featherstonehaugh,{known}", READY))
    assert page.evaluate(BROKEN) == []
    every = (f"{'Wolfeschlegelstein' * 4},{'Schaferswessen' * 4},{known}", READY, *ROWS[-3:])
    upload(page, {**file_of(*every, *every), "name": f"{'patients_of_the_clinic' * 4}.csv"})
    page.get_by_role("link", name="Ready").click()
    expect(page.locator("table.rows")).to_be_visible()
    assert page.evaluate(BROKEN) == []
    assert person.width_needed() <= width
    page.goto("/c/northside/imports")
    assert page.evaluate(BROKEN) == []
    assert person.width_needed() <= width
    person.context.close()


def file_of(*rows: str) -> Mapping[str, object]:
    text = "\r\n".join(["First Name,Last Name,Email,Phone Number", *rows, ""])
    return {**FILE, "buffer": text.encode()}


def test_a_page_of_rows_stays_where_one_was_on_reload_and_back(
    browser: Browser, site: Site
) -> None:
    person = Person(browser, site)
    person.sign_in("ana@example.org", PASSWORD)
    page = person.page
    upload(page, file_of(*(f"Pat,Test,p{n}@example.org," for n in range(120))))
    row, pages = page.locator("tbody tr").first, page.get_by_label("Pages of rows")
    pages.get_by_role("link", name="Page 2").click()
    expect(row).to_have_id("row-52")
    page.reload()
    expect(row).to_have_id("row-52")
    pages.get_by_role("link", name="Next").click()
    expect(row).to_have_id("row-102")
    page.get_by_role("link", name="Imports").click()
    expect(page.get_by_role("heading", name="Imports")).to_be_visible()
    for number in (102, 52, 2):
        page.go_back()
        expect(row).to_have_id(f"row-{number}")
    assert person.complaints == []
    person.context.close()


def test_a_page_of_the_list_of_imports_stays_where_one_was(browser: Browser, site: Site) -> None:
    with site.app.app_context():
        clinic, osei = team.clinic_at("northside"), team.user_with("osei@example.org")
        assert clinic and osei
        for number in range(60):
            made = {"provider": osei, "by": osei, "content_mac": "x", "ignored": ()}
            found = imports.begin(clinic, file_name=f"{number}.csv", now=clock.now(), **made)  # type: ignore[arg-type]
            imports.open_up(found, by=osei, now=clock.now())
        db.session.commit()
        db.session.remove()
    person = Person(browser, site)
    person.sign_in("ana@example.org", PASSWORD)
    page = person.page
    page.goto("/c/northside/imports")
    page.get_by_role("link", name="Page 2").click()
    expect(page.get_by_role("link", name="9.csv", exact=True)).to_be_visible()
    page.reload()
    page.get_by_role("link", name="9.csv", exact=True).click()
    expect(page.get_by_role("heading", name="9.csv")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("link", name="9.csv", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("link", name="59.csv")).to_be_visible()
    assert person.complaints == []
    person.context.close()


def test_what_stands_out_can_be_read_in_forced_colours(browser: Browser, site: Site) -> None:
    person = Person(browser, site)
    person.page.emulate_media(color_scheme="dark", forced_colors="active")
    person.sign_in("ana@example.org", PASSWORD)
    page = person.page
    upload(page)
    assert violations(page) == [], "rows to fix"
    page.locator("#invite-rows").click()
    page.get_by_role("button", name="Confirm and Invite").click()
    expect(page.get_by_role("link", name="OK", exact=True)).to_be_visible(timeout=20_000)
    page.mouse.move(0, 0)
    assert violations(page) == [], "sent"
    person.context.close()


@pytest.mark.parametrize("width", [360, 1440])
def test_a_row_is_left_out_by_a_button_as_large_as_the_one_that_saves_it(
    browser: Browser, site: Site, width: int
) -> None:
    person = Person(browser, site, width=width)
    person.sign_in("ana@example.org", PASSWORD)
    upload(person.page)
    save, leave = (person.page.locator(f"#{name}-19").bounding_box() for name in ("save", "leave"))
    assert save and leave
    assert leave["height"] == save["height"] == 44
    assert leave["y"] == save["y"]
    person.context.close()


def test_lines_of_a_spreadsheet_are_pasted_into_rows(browser: Browser, site: Site) -> None:
    person = Person(browser, site)
    person.sign_in("ana@example.org", PASSWORD)
    page = person.page
    page.goto("/c/northside/invite")
    for answer in ("No", "Paste into rows"):
        page.locator("#rows-0-first_name").focus()
        page.evaluate(
            """() => {
                const data = new DataTransfer()
                const lines = ['Prénom\\tNom', 'Ada\\tFixture', '', '\\t', 'Ben\\tSample', '']
                data.setData('text', lines.join('\\r\\n'))
                const event = { clipboardData: data, bubbles: true, cancelable: true }
                document.activeElement.dispatchEvent(new ClipboardEvent('paste', event))
            }"""
        )
        expect(page.get_by_text("Paste 3 lines into rows?")).to_be_visible()
        expect(page.get_by_role("button", name="Paste into rows")).to_be_focused()
        assert violations(page) == []
        page.get_by_role("button", name=answer, exact=True).click()
        expect(page.locator("#paste")).to_be_hidden()
        expect(page.locator("#rows-0-first_name")).to_be_focused()
    expect(page.locator("#rows-1-last_name")).to_have_value("Sample")
    expect(page.locator("#rows-2-first_name")).to_have_count(0)
    assert person.complaints == []
    person.context.close()
