"""A file of patients: uploaded, checked, fixed, confirmed and watched, in both moods."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from inviter import clock, imports, joining
from inviter.activity import Action
from inviter.config import Config
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Activity, How, Import, ImportRow, Invitation, Membership
from tests.conftest import settings_for
from tests.counting import counted
from tests.factories import Cast, account, invite, invite_batch, recipient
from tests.visitors import Visitor

HEAD = "First Name,Last Name,Email,Phone Number\r\n"
READY = ("Ada,Fixture,ada@example.org,306 555 0142", "Ben,Sample,,306 555 0143")
NO_LAST_NAME = "Cy,,cy@example.org,"
BAD_EMAIL = "Di,Test,di@,306 555 0144"
TO_FIX = "#rows-form"
Upload = Callable[..., Visitor]


@pytest.fixture
def settings(database_url: str) -> Config:
    """Small limits, to be exceeded."""
    return replace(settings_for(database_url), upload_max_mb=1, upload_max_rows=1100)


def send(visitor: Visitor, content: str | bytes, name: str = "may.csv", **more: str) -> Visitor:
    """Press Import CSV on the card of the page that is open: never by htmx."""
    data = {"csrf_token": visitor.csrf_token, **more}
    body = content if isinstance(content, bytes) else content.encode()
    return visitor.post("/c/northside/imports", {**data, "file": (io.BytesIO(body), name)})


def file_of(*rows: str) -> str:
    return HEAD + "".join(f"{row}\r\n" for row in rows)


@pytest.fixture
def upload(ana: Visitor, cast: Cast) -> Upload:
    """Ana uploads these rows for Dr. Osei."""

    def upload_rows(*rows: str, name: str = "may.csv") -> Visitor:
        ana.open("/c/northside/invite")
        return send(ana, file_of(*rows), name, provider=str(cast.osei.id))

    return upload_rows


@pytest.fixture
def worker(app: Flask, keys: Keys) -> Callable[..., None]:
    """Makes the invitations of confirmed files, so many at a time."""

    def work(batches: int = 100, size: int = 1000) -> None:
        with app.app_context():
            for _ in range(batches):
                invite_batch(keys, clock.now(), size=size)
                db.session.commit()

    return work


Worker = Callable[..., None]


def confirm(visitor: Visitor) -> Visitor:
    visitor.follow("#invite-rows")
    return visitor.submit("Confirm and Invite", form="#confirm-form")


def chips(visitor: Visitor) -> list[str]:
    return visitor.words("#check .attention a")


def count(app: Flask, table: type = Invitation) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(table)) or 0


def row(number: int, **cells: str) -> dict[str, str]:
    return {f"row-{number}-{name}": value for name, value in cells.items()}


def test_the_third_way_leads_to_the_card(ana: Visitor) -> None:
    ana.open("/c/northside/invite")
    way = ana.page.select("main .ways a")[2]
    assert way.get_text() == "Upload a .CSV File (multiple patient invitations)"
    assert way["href"] == "#upload"
    assert "Upload File to Invite Multiple Patients" in ana.words("#upload h2")
    assert "Smaller than 1 MB, up to 1,100 patients." in ana.text
    assert not [each for each in ana.page.select("#upload *") if "hx-post" in each.attrs]


def test_an_admin_chooses_the_provider_of_a_file_and_who_has_no_choice_sees_none(
    ana: Visitor, app: Flask
) -> None:
    ana.open("/c/northside/invite")
    assert ana.words("#upload-provider option")[0] == "Choose a provider"
    assert not ana.page.select("#upload-provider [selected][value]:not([value=''])")
    for address, slug in (("osei@example.org", "northside"), ("sam@example.org", "southside")):
        other = Visitor(app.test_client()).sign_in(address).open(f"/c/{slug}/invite")
        assert not other.page.select("#upload-provider")


def test_the_template_with_rows_added_can_be_uploaded(ana: Visitor, cast: Cast) -> None:
    ana.open("/c/northside/invite")
    link = ana.page.find("a", string="Click here to download CSV Template")
    template = ana.client.get(str(link["href"])).get_data()  # type: ignore[index]
    assert template == b"\xef\xbb\xbfFirst Name,Last Name,Email,Phone Number\r\n"
    rows = "".join(f"{each}\r\n" for each in READY).encode()
    send(ana, template + rows, provider=str(cast.osei.id))
    assert chips(ana) == ["Ready (2)"]


def test_a_provider_uploads_in_their_own_name(visitor: Visitor, app: Flask, cast: Cast) -> None:
    visitor.sign_in("osei@example.org").open("/c/northside/invite")
    send(visitor, file_of(*READY), provider=str(cast.tallgrass.id))
    assert "Provider: Dr. Amira Osei." in visitor.text


@pytest.mark.parametrize("provider", ["", "x", "lind"])
def test_an_unknown_or_foreign_provider_is_asked_for_again(
    ana: Visitor, app: Flask, cast: Cast, provider: str
) -> None:
    ana.open("/c/northside/invite")
    send(ana, file_of(*READY), provider=str(cast.lind.id) if provider == "lind" else provider)
    assert ana.status == 422
    assert ana.errors == {"upload-provider": "Choose a provider"}
    assert ana.page.select("#errors a")[0]["href"] == "#upload-provider"
    assert count(app, Import) == 0


def test_a_file_that_was_not_chosen_is_asked_for(ana: Visitor, cast: Cast) -> None:
    ana.open("/c/northside/invite")
    ana.submit("Import CSV", form="#upload-form", provider=str(cast.osei.id))
    assert ana.status == 422
    assert ana.errors == {"upload-file": "Select a CSV file"}
    assert ana.page.select_one("title").get_text().startswith("Error: ")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"Ana,Moreau\r\n", "Row 1 should be First Name, Last Name, Email, Phone Number."),
        (HEAD.encode(), "There are no patients below row 1."),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "This is a picture."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_what_to_do(
    ana: Visitor, app: Flask, cast: Cast, content: bytes, said: str
) -> None:
    ana.open("/c/northside/invite")
    send(ana, content, provider=str(cast.osei.id))
    assert ana.status == 422
    assert said in ana.errors["upload-file"]
    assert ana.page.select("#errors a")[0]["href"] == "#upload-file"
    assert count(app, Import) == 0


@pytest.mark.parametrize("end", ["x" * 5000, "\r\n".join(f"Pat,T,p{n}@b.ca," for n in range(200))])
def test_of_a_file_refused_in_the_middle_nothing_is_kept(
    upload: Upload, app: Flask, end: str
) -> None:
    many = [f"Pat,Test,p{n}@example.org," for n in range(1050)]
    visitor = upload(*many, end)
    assert visitor.status == 422
    assert "upload-file" in visitor.errors
    assert (count(app, Import), count(app, ImportRow)) == (0, 0)


def test_a_file_that_is_too_large_is_refused_on_a_page_that_works(ana: Visitor, cast: Cast) -> None:
    ana.open("/c/northside/invite")
    kind = "multipart/form-data; boundary=b"
    answer = ana.client.post("/c/northside/imports", data=b"x" * 1_200_000, content_type=kind)
    assert answer.status_code == 413
    page = answer.get_data(as_text=True)
    assert page.count("The selected file must be smaller than 1 MB") == 2
    assert 'id="upload-file"' in page
    send(ana, file_of(*READY), provider=str(cast.osei.id))
    assert ana.status == 200
    assert ana.words("h1") == ["may.csv"]


def test_only_a_file_may_be_that_large(ana: Visitor) -> None:
    ana.open("/c/northside/invite")
    data = {"csrf_token": ana.csrf_token, "paste": "x" * 1_050_000}
    assert ana.client.post("/c/northside/invite/rows", data=data).status_code == 413


def test_the_name_of_a_file_is_shown_without_its_folders(upload: Upload) -> None:
    assert upload(*READY, name="lists/may\u202e 2.csv").words("h1") == ["may 2.csv"]


def test_rows_to_fix_come_first_with_inputs_for_what_is_wrong_alone(upload: Upload) -> None:
    visitor = upload(*READY, NO_LAST_NAME, BAD_EMAIL, "Ada,Fixture,ada@example.org,")
    assert visitor.path.startswith("/c/northside/imports/")
    assert chips(visitor) == ["Needs fixing (2)", "Ready (2)", "Duplicate in file (1)"]
    assert visitor.words("#check .attention [aria-current]") == ["Needs fixing (2)"]
    assert visitor.words("#check legend") == ["Row 4", "Row 5"]
    assert visitor.errors["row-4-last_name"] == "Enter a last name"
    assert "Check this email address: di@." in visitor.errors["row-5-email"]
    assert visitor.value("row-5-email") == "di@"
    assert visitor.value("row-5-first_name") is None
    assert "306 555 0144" in visitor.words("#row-5")[0]
    assert "Invite 2 patients" in visitor.words("#invite-rows")
    assert "2 rows need fixing first, or stay behind." in visitor.text


def test_a_line_break_in_a_cell_is_shown_and_stays_wrong_until_it_is_typed_anew(
    upload: Upload,
) -> None:
    visitor = upload('"Ada\n",Fixture,"ada@example.org\nben@example.org","306 555 0142"', READY[1])
    assert visitor.words("#check legend") == ["Row 2"]
    assert visitor.errors["row-2-email"] == "Type this again on one line"
    assert visitor.value("row-2-email") == "ada@example.org ↵ ben@example.org"
    visitor.submit("Save row 2", form=TO_FIX)
    assert visitor.errors["row-2-email"] == "Type this again on one line"
    visitor.submit("Save row 2", form=TO_FIX, **row(2, email="ada@example.org"))
    assert chips(visitor) == ["Ready (2)"]


def test_what_is_ready_is_shown_where_nothing_needs_fixing(upload: Upload) -> None:
    visitor = upload(*READY, "Dan,O`Brien,dan@gmial.com,+44 20 7946 0958", "No,Contact,,")
    assert chips(visitor) == ["Ready (4)", "Changed (1)"]
    rows = visitor.words(".rows tbody tr")
    assert rows[0].startswith("2 Ada Fixture ada@ example. org 306 555 0142")
    assert "Dan O’Brien The file has O`Brien" in rows[2]
    assert "Did you mean dan@gmail.com? No text can be sent to this number." in rows[2]
    assert "No email or mobile number: share the Invite Code" in rows[3]
    assert "Rows that are not invited stay here until" in visitor.text


def test_a_saved_row_is_checked_again_and_the_next_one_takes_the_focus(upload: Upload) -> None:
    visitor = upload(*READY, NO_LAST_NAME, BAD_EMAIL)
    visitor.submit("Save row 4", form=TO_FIX, **row(4, last_name="Short"))
    assert visitor.status == 200
    assert chips(visitor) == ["Needs fixing (1)", "Ready (3)"]
    assert "Row 4: Ready." in visitor.text
    assert visitor.page.select("#content [autofocus]")[0]["id"] == "row-5-email"


def test_a_row_that_is_still_wrong_says_why_and_keeps_what_was_typed(upload: Upload) -> None:
    visitor = upload(BAD_EMAIL)
    visitor.submit("Save row 2", form=TO_FIX, **row(2, email="di@b"))
    assert "Row 2: Needs fixing." in visitor.text
    assert visitor.value("row-2-email") == "di@b"
    assert "di@b" in visitor.errors["row-2-email"]


@pytest.mark.parametrize("button", ["Save row 2", "Leave out row 2", "save-all"])
def test_what_was_typed_into_other_rows_is_not_lost(upload: Upload, button: str) -> None:
    visitor = upload(NO_LAST_NAME, BAD_EMAIL)
    typed = row(2, last_name="Short") | row(3, email="di@x")
    visitor.submit(button, form=TO_FIX, **typed)
    assert visitor.value("row-3-email") == "di@x"


def test_saving_all_checks_all(upload: Upload) -> None:
    visitor = upload(NO_LAST_NAME, BAD_EMAIL)
    typed = row(2, last_name="Short") | row(3, email="di@example.org")
    visitor.submit("Save all and check again", form=TO_FIX, **typed)
    assert "Saved. No row needs fixing." in visitor.text
    assert chips(visitor) == ["Ready (2)"]


def test_enter_in_a_cell_saves_all(upload: Upload) -> None:
    visitor = upload(NO_LAST_NAME).submit(form=TO_FIX, **row(2, last_name="Short"))
    assert "Saved. No row needs fixing." in visitor.text


def test_who_has_one_name_only_is_ticked_at_the_last_name(upload: Upload) -> None:
    visitor = upload(NO_LAST_NAME, BAD_EMAIL)
    assert visitor.page.select("#row-2-one_name")
    assert not visitor.page.select("#row-3-one_name")
    visitor.submit("Save row 2", form=TO_FIX, **row(2, one_name="y"))
    assert "Row 2: Ready." in visitor.text


def test_a_row_with_too_many_cells_is_typed_whole(upload: Upload) -> None:
    visitor = upload("Ada,Fixture,ada@example.org,306 555 0142,more")
    assert "This row has more cells than there are headings." in visitor.text
    assert visitor.value("row-2-first_name") == "Ada"
    visitor.submit("Save row 2", form=TO_FIX)
    assert "Row 2: Ready." in visitor.text


def test_saving_all_leaves_a_row_with_too_many_cells_that_nobody_touched(upload: Upload) -> None:
    visitor = upload("Ada,Fixture,ada@example.org,306 555 0142,more", BAD_EMAIL)
    visitor.submit("Save all and check again", form=TO_FIX, **row(3, email="di@example.org"))
    assert chips(visitor) == ["Needs fixing (1)", "Ready (1)"]
    visitor.submit("Save all and check again", form=TO_FIX, **row(2, last_name="Sample"))
    assert chips(visitor) == ["Ready (2)"]


def test_a_row_is_left_out_and_put_back(upload: Upload) -> None:
    visitor = upload(*READY, BAD_EMAIL)
    visitor.submit("Leave out row 4", form=TO_FIX)
    assert "Row 4 is left out." in visitor.text
    assert chips(visitor) == ["Ready (2)", "Skipped (1)"]
    visitor.submit("Put back", form=".banner form")
    assert "Row 4: Needs fixing." in visitor.text
    visitor.submit("Leave out row 4", form=TO_FIX)
    visitor.follow("#show-skipped").submit("Put back Di Test", form=TO_FIX)
    assert chips(visitor) == ["Needs fixing (1)", "Ready (2)"]


def test_a_different_person_of_the_same_name_is_ticked(upload: Upload) -> None:
    visitor = upload(READY[0], "Ada,Fixture,,")
    visitor.follow("#show-duplicate")
    assert "The same as row 2" in visitor.text
    visitor.submit("Save and check again", form=TO_FIX, **row(3, is_different="y"))
    assert chips(visitor) == ["Ready (2)"]


def test_families_are_pointed_out_on_the_page_and_in_the_check(
    upload: Upload, app: Flask, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        people = {"provider": cast.osei, "by": cast.ana, "keys": keys}
        mei = recipient("Mei Nguyễn", email="home@example.org")
        invite(cast.northside, mei, **people)  # type: ignore[arg-type]
        other = recipient("Olga Other", phone="306 555 0142")
        invite(cast.lakeview, other, **{**people, "provider": cast.tallgrass})  # type: ignore[arg-type]
    family = ("Bao,Nguyễn,home@example.org,306 555 0149", "Linh,Nguyễn,,(306) 555-0149")
    visitor = upload(*family, *READY, "Cy,,home@example.org,")
    said = "Same email or mobile number as"
    visitor.follow("#show-ready")
    rows = visitor.words(".rows tbody tr .name")
    assert rows[0] == f"Bao Nguyễn {said} Linh Nguyễn, Mei Nguyễn."
    assert rows[1] == f"Linh Nguyễn {said} Bao Nguyễn."
    assert visitor.text.count(said) == 2
    shown = visitor.follow("#invite-rows").words("#confirm .people li")
    assert f"{said} Linh Nguyễn, Mei Nguyễn." in shown[0]
    assert f"{said} Bao Nguyễn." in shown[1]
    assert said not in shown[2]


def test_a_contact_of_very_many_does_not_fill_the_page(upload: Upload) -> None:
    names = [f"Pat{chr(97 + n)}" for n in range(12)]
    visitor = upload(*(f"{name},Test,none@example.org," for name in names))
    first = "Same email or mobile number as Patb Test, Patc Test, Patd Test, Pate Test, Patf Test"
    assert f"{first} and others." in visitor.words(".rows tbody tr")[0]


@pytest.mark.parametrize("page", ["", "/confirm"])
def test_a_page_of_rows_costs_the_same_queries_whatever_it_shows(
    upload: Upload, app: Flask, page: str
) -> None:
    one = upload("Ada,Fixture,,").path
    names = [f"Pat{chr(97 + n % 26)},Test{chr(97 + n // 26)}" for n in range(60)]
    family = upload(*(f"{name},home@example.org," for name in names)).path
    visitor = upload(*(f"Pat,Test,p{n}@example.org,306 555 01{n}" for n in range(10, 60)))
    costs = []
    for path in (one, family, visitor.path):
        with app.app_context():
            with counted() as statements:
                visitor.open(path + page)
            costs.append(len(statements))
    assert len(set(costs)) == 1, costs
    assert costs[0] <= 12


def test_who_is_invited_already_or_joined_is_said_with_a_link(
    upload: Upload, app: Flask, cast: Cast, keys: Keys
) -> None:
    with app.app_context():
        people = {"provider": cast.osei, "by": cast.ana, "keys": keys}
        made = invite(cast.northside, recipient(email="ada@example.org"), **people)  # type: ignore[arg-type]
        ben = recipient("Ben Sample", phone="306 555 0143")
        joined = invite(cast.northside, ben, **people)  # type: ignore[arg-type]
        joining.accept(joined, account=account("b@example.org"), how=How.LINK, now=clock.now())
        db.session.commit()
    visitor = upload(*READY)
    assert chips(visitor) == ["Already invited (1)", "Already a patient (1)"]
    assert re.search(r"Already invited .* by Ana Moreau, Pending, expires", visitor.text)
    link = visitor.page.select_one(".rows .name a")
    assert link and link["href"] == f"/c/northside/invitations/{made.id}"
    assert not visitor.page.select("#invite-rows")
    assert "Joined" in visitor.follow("#show-patient").text


def test_columns_that_were_not_read_are_named(ana: Visitor, cast: Cast) -> None:
    ana.open("/c/northside/invite")
    text = "First Name,Last Name,Health Card\r\nAda,Fixture,123\r\n"
    send(ana, text, provider=str(cast.osei.id))
    assert "Columns that were not read: Health Card." in ana.text


def test_an_earlier_upload_of_the_same_content_is_pointed_out(upload: Upload) -> None:
    first = upload(*READY).path
    visitor = upload(*READY, name="june.csv")
    assert "This file was uploaded before" in visitor.text
    assert visitor.page.select_one(f".banner a[href='{first}']")
    assert "This file was uploaded before" not in upload(READY[0]).text


def test_rows_are_shown_fifty_at_a_time(upload: Upload) -> None:
    visitor = upload(*(f"Pat,Test,p{n}@example.org," for n in range(120)))
    assert len(visitor.words(".rows tbody tr")) == 50
    visitor.follow(".pages a[aria-label='Page 3']")
    assert visitor.words(".rows tbody tr")[0].startswith("102 Pat Test")
    assert len(visitor.words(".rows tbody tr")) == 20


def test_rows_to_fix_are_taken_away_with_their_problems(upload: Upload, app: Flask) -> None:
    visitor = upload(*READY, NO_LAST_NAME, '=cmd(),Test,"di@",306 555 0144')
    visitor.submit("Download rows to fix", form="#check form:not(#rows-form)")
    text = visitor.response.get_data().decode()
    lines = text.split("\r\n")
    assert lines[0] == "\ufeffFirst Name,Last Name,Email,Phone Number,Problem"
    assert lines[1] == "Cy,,cy@example.org,,Enter a last name"
    assert lines[2].startswith("'=cmd(),Test,di@,306 555 0144,\"Take out “=”.")
    with app.app_context():
        exported = db.session.scalars(select(Activity).filter_by(action=Action.EXPORTED)).one()
        assert exported.details["rows"] == 2


def test_what_stands_beyond_the_headings_is_shown_and_taken_away(
    upload: Upload, cast: Cast
) -> None:
    for_jr = "Dee,Smith, Jr,dee@sasktel.net,306 555 0143,+1"
    visitor = upload(*READY, for_jr)
    assert "Left over: 306 555 0143, +1. Check that each is in its place" in visitor.text
    visitor.submit("Download rows to fix", form="#check form:not(#rows-form)")
    text = visitor.response.get_data().decode()
    _, cells = text.splitlines()
    assert cells.startswith("Dee,Smith,Jr,dee@sasktel.net,")
    assert cells.endswith(",306 555 0143,'+1")
    visitor.open("/c/northside/invite")
    again = send(visitor, text, provider=str(cast.osei.id))
    assert "Left over: 306 555 0143, '+1." in again.text


def test_rows_to_fix_read_the_same_once_they_are_uploaded_again(upload: Upload, cast: Cast) -> None:
    visitor = upload("Dee,,+plus@sasktel.net,+1 306 555 0142", "-Ana,=Test,'-a@b.ca,")
    visitor.submit("Download rows to fix", form="#check form:not(#rows-form)")
    text = visitor.response.get_data().decode()
    _, first, second = text.splitlines()
    assert first.startswith("Dee,,'+plus@sasktel.net,'+1 306 555 0142,")
    assert second.startswith("'-Ana,'=Test,'-a@b.ca,")
    visitor.open("/c/northside/invite")
    again = send(visitor, text.replace("Dee,,", "Dee,Test,"), provider=str(cast.osei.id))
    assert chips(again) == ["Needs fixing (1)", "Ready (1)"]
    assert again.errors["row-3-first_name"] == "Begin the name with a letter"
    assert "Take out “=”" in again.errors["row-3-last_name"]
    ready = again.open(again.path + "?show=ready").words(".rows tbody tr")
    assert ready[0].startswith("2 Dee Test +plus@ sasktel. net +1 306 555 0142")


def test_the_check_names_provider_clinic_number_and_the_first_fifty(
    upload: Upload, app: Flask
) -> None:
    visitor = upload(*(f"Pat,Test,p{n}@example.org," for n in range(60)), BAD_EMAIL)
    path = visitor.path
    visitor.follow("#invite-rows")
    assert "Healthcare provider Dr. Amira Osei Clinic Northside Family Clinic" in visitor.text
    assert "Will be invited (60)" in visitor.text
    assert len(visitor.words("#confirm .people li")) == 50
    rest = visitor.page.find("a", string="and 10 more patients")
    assert rest and rest["href"] == f"{path}?show=ready&page=2"
    assert count(app) == 0


def test_confirming_invites_those_that_are_ready_and_says_so_when_it_is_done(
    upload: Upload, app: Flask, worker: Worker
) -> None:
    visitor = confirm(upload(*READY, BAD_EMAIL))
    assert "0 of 2 invited" in visitor.text
    assert "You can leave this page; the invitations go on being made." in visitor.text
    assert count(app) == 0
    worker()
    visitor.open(visitor.path)
    assert "CSV import successful – 2 patients invited" in visitor.text
    assert "Invitations Sent" in visitor.words("h2")
    assert "Not invited: Needs fixing (1)" in visitor.text
    assert "Fix 1 row" in visitor.text
    assert count(app) == 2
    ok = visitor.page.find("a", string="OK")
    assert "Ada Fixture" in visitor.open(str(ok["href"])).text  # type: ignore[index]


def test_how_long_rows_that_were_left_stay_is_said_until_none_is(
    upload: Upload, worker: Worker
) -> None:
    said = "Rows that are not invited stay here until"
    visitor = confirm(upload(*READY, BAD_EMAIL))
    path = visitor.path
    worker()
    headers = {"HX-Request": "true", "HX-Target": "progress"}
    assert said in visitor.client.get(path, headers=headers).get_data(as_text=True)
    assert visitor.open(path).text.count(said) == 1
    visitor.submit("Save row 4", form=TO_FIX, **row(4, email="di@example.org"))
    assert visitor.open(path).text.count(said) == 1
    confirm(visitor)
    worker()
    assert said not in visitor.open(path).text


def test_rows_that_were_left_can_be_fixed_and_invited_later(
    upload: Upload, app: Flask, worker: Worker
) -> None:
    visitor = confirm(upload(*READY, BAD_EMAIL))
    worker()
    visitor.open(visitor.path)
    visitor.submit("Save row 4", form=TO_FIX, **row(4, email="di@example.org"))
    confirm(visitor)
    assert "2 of 3 invited" in visitor.text
    worker()
    assert "3 patients invited" in visitor.open(visitor.path).text


def test_numbers_read_alike_wherever_they_stand(upload: Upload, worker: Worker) -> None:
    visitor = upload(*(f"Pat,Test,p{n}@example.org," for n in range(1050)))
    path = visitor.path
    assert chips(visitor) == ["Ready (1,050)"]
    assert visitor.words("#invite-rows") == ["Invite 1,050 patients"]
    assert "and 1,000 more patients" in visitor.follow("#invite-rows").text
    visitor.submit("Confirm and Invite", form="#confirm-form")
    worker(1, size=1)
    visitor.submit("Cancel the rest", form="#progress form")
    assert "Cancelled: 1 patient was invited, 1,049 were stopped." in visitor.text
    assert "1 of 1,050 invited" in visitor.open(path).text


def test_large_numbers_of_rows_to_fix_and_of_invited_read_alike(
    upload: Upload, worker: Worker
) -> None:
    visitor = upload(READY[0], *[BAD_EMAIL] * 1050)
    assert "1,050 rows need fixing first, or stay behind." in visitor.text
    visitor.submit("Save all and check again", form=TO_FIX)
    assert "Saved. 1,050 rows need fixing." in visitor.text
    confirm(visitor)
    worker()
    assert "Fix 1,050 rows" in visitor.open(visitor.path).text
    confirm(upload(*(f"Pat,Test,p{n}@example.org," for n in range(1050))))
    worker()
    assert "CSV import successful – 1,050 patients invited" in visitor.open(visitor.path).text


def test_progress_is_looked_at_again_until_it_is_done(upload: Upload, worker: Worker) -> None:
    visitor = confirm(upload(*READY))
    progress = visitor.page.select_one("#progress")
    assert progress and progress["hx-trigger"] == "load delay:2s, wake"
    assert "look=1" in str(progress["hx-get"])
    worker(1, size=1)
    look = {"HX-Request": "true", "HX-Target": "progress"}
    answer = visitor.client.get(str(progress["hx-get"]), headers=look).get_data(as_text=True)
    assert "1 of 2 invited" in answer
    assert 'value="1"' in answer
    for _ in range(30):
        url = re.search(r'hx-get="([^"]*)"', answer)
        assert url is not None
        answer = visitor.client.get(url[1], headers=look).get_data(as_text=True)
    worker()
    answer = visitor.client.get(url[1], headers=look).get_data(as_text=True)
    assert "2 patients invited" in answer
    assert "hx-trigger" not in answer


def test_progress_is_heard_at_each_quarter(upload: Upload, worker: Worker) -> None:
    visitor = confirm(upload(*(f"Pat,Test,p{n}@example.org," for n in range(8))))
    look = {"HX-Request": "true", "HX-Target": "progress"}
    answer, heard = str(visitor.page.select_one("#progress")), []
    for _ in range(9):
        worker(1, size=1)
        url = re.search(r'hx-get="([^"]*)"', answer)
        assert url is not None
        path = url[1].replace("&amp;", "&")
        answer = visitor.client.get(path, headers=look).get_data(as_text=True)
        said = re.search(r'id="live"[^>]*>([^<]*)<', answer)
        assert said is not None
        heard.append(said[1])
    assert heard == [
        *("", "2 of 8 invited", "", "4 of 8 invited", "", "6 of 8 invited", ""),
        *("8 of 8 invited", ""),
    ]


def test_cancelling_stops_the_rest_and_says_how_many(upload: Upload, worker: Worker) -> None:
    visitor = confirm(upload(*READY, "Di,Test,,"))
    worker(1, size=1)
    visitor.submit("Cancel the rest", form="#progress form")
    assert "Cancelled: 1 patient was invited, 2 were stopped." in visitor.text
    assert "1 of 3 invited" in visitor.text
    assert "CSV import successful" not in visitor.text
    assert "Not invited: Ready (2)" in visitor.text
    worker()
    visitor.open(visitor.path)
    assert "1 of 3 invited" in visitor.text
    confirm(visitor)
    worker()
    assert "3 patients invited" in visitor.open(visitor.path).text


def test_cancelling_when_all_are_invited_stops_nothing(upload: Upload, worker: Worker) -> None:
    visitor = confirm(upload(*READY))
    worker()
    visitor.submit("Cancel the rest", form="#progress form")
    assert "Nothing was left to cancel." in visitor.text
    assert "CSV import successful – 2 patients invited" in visitor.text


def test_cancelling_before_anyone_was_invited(upload: Upload) -> None:
    visitor = confirm(upload(*READY)).submit("Cancel the rest", form="#progress form")
    assert "Nobody was invited." in visitor.text
    assert "CSV import successful" not in visitor.text


def test_a_file_that_should_not_be_invited_is_cancelled_and_erased(
    upload: Upload, app: Flask
) -> None:
    visitor = upload(*READY, BAD_EMAIL)
    path = visitor.path
    visitor.submit("Erase these rows", form="#discard form")
    assert visitor.path == "/c/northside/imports"
    assert "Import cancelled: nobody was invited, and its rows are erased." in visitor.text
    assert "Cancelled: its rows are erased" in visitor.text
    assert "Never confirmed" not in visitor.text
    assert (count(app, ImportRow), count(app)) == (0, 0)
    visitor.open(path)
    assert "The rows of this file are erased. How they stood:" in visitor.text
    assert "Needs fixing (1)" in visitor.text
    assert not visitor.page.select("#discard, #invite-rows")
    with app.app_context():
        done = db.session.scalars(select(Activity).order_by(Activity.id.desc())).first()
        assert done and done.action == Action.IMPORT_CANCELLED


def test_what_is_confirmed_is_not_erased(upload: Upload, app: Flask, worker: Worker) -> None:
    visitor = upload(*READY, BAD_EMAIL)
    path = visitor.path
    colleague = Visitor(app.test_client()).sign_in("osei@example.org")
    confirm(colleague.open(path))
    visitor.submit("Erase these rows", form="#discard form")
    assert visitor.status == 409
    assert count(app, ImportRow) == 3
    worker()
    visitor.open(path)
    assert "2 patients invited" in visitor.text
    assert not visitor.page.select("#discard")
    visitor.post(f"{path}/discard", {"csrf_token": visitor.csrf_token})
    assert (visitor.status, count(app, ImportRow)) == (409, 3)


def test_a_cancelled_file_cannot_be_confirmed(upload: Upload, app: Flask) -> None:
    visitor = upload(*READY)
    path = visitor.path
    visitor.follow("#invite-rows")
    colleague = Visitor(app.test_client()).sign_in("osei@example.org").open(path)
    colleague.submit("Erase these rows", form="#discard form")
    visitor.submit("Confirm and Invite", form="#confirm-form")
    assert visitor.status == 409


def test_confirming_twice_is_the_same_as_once(upload: Upload, app: Flask, worker: Worker) -> None:
    visitor = upload(*READY).follow("#invite-rows")
    form = visitor.page.select_one("#confirm-form")
    assert form is not None
    data = {str(each["name"]): str(each["value"]) for each in form.select("input")}
    for _ in range(2):
        visitor.post(str(form["action"]), data)
        assert visitor.status == 200
        assert "0 of 2 invited" in visitor.text
    worker()
    visitor.post(str(form["action"]), data)
    assert (visitor.status, count(app)) == (200, 2)


def test_a_colleague_who_confirmed_first_is_told_of(upload: Upload, app: Flask) -> None:
    visitor = upload(*READY).follow("#invite-rows")
    colleague = Visitor(app.test_client()).sign_in("osei@example.org")
    path = visitor.page.select_one("#confirm-form")["action"].removesuffix("/confirm")  # type: ignore[index, union-attr]
    confirm(colleague.open(str(path)))
    visitor.submit("Confirm and Invite", form="#confirm-form")
    assert visitor.status == 409
    assert "Someone has confirmed this file meanwhile" in visitor.text
    assert "0 of 2 invited" in visitor.text


def test_the_check_names_nobody_where_nobody_is_left_to_invite(
    upload: Upload, worker: Worker
) -> None:
    """A second tab, or Back, after all were invited: those to fix are not among them."""
    visitor = upload(*READY, BAD_EMAIL)
    path = visitor.path
    confirm(visitor)
    worker()
    visitor.open(f"{path}/confirm")
    assert "Di Test" not in visitor.text
    assert not visitor.page.select("#confirm-button")


def test_rows_changed_since_the_check_are_checked_once_more(upload: Upload, app: Flask) -> None:
    visitor = upload(*READY)
    path = visitor.path
    visitor.follow("#invite-rows")
    colleague = Visitor(app.test_client()).sign_in("osei@example.org").open(path)
    colleague.submit("Leave out Ada Fixture", form=TO_FIX)
    visitor.submit("Confirm and Invite", form="#confirm-form")
    assert visitor.status == 409
    assert "Someone has changed rows since: check once more." in visitor.text
    assert "Will be invited (1)" in visitor.text


def leave(app: Flask, cast: Cast) -> None:
    """Dr. Osei leaves the clinic."""
    with app.app_context():
        member = db.session.get_one(Membership, (cast.northside.id, cast.osei.id))
        member.removed_at = clock.now()
        db.session.commit()


LEFT = "Dr. Amira Osei is no longer a provider at this clinic. Upload the file again for another."


def test_nobody_is_invited_for_a_provider_who_left_meanwhile(
    upload: Upload, app: Flask, cast: Cast, worker: Worker
) -> None:
    visitor = upload(*READY)
    path = visitor.path
    visitor.follow("#invite-rows")
    leave(app, cast)
    visitor.submit("Confirm and Invite", form="#confirm-form")
    assert visitor.status == 409
    assert LEFT in visitor.text
    worker()
    assert count(app) == 0
    visitor.open(path).follow("#invite-rows")
    assert (visitor.status, LEFT in visitor.text) == (200, True)
    assert not visitor.page.select("#confirm-button")


def test_what_was_confirmed_before_the_provider_left_goes_on(
    upload: Upload, app: Flask, cast: Cast, worker: Worker
) -> None:
    visitor = upload(*READY).follow("#invite-rows")
    form = visitor.page.select_one("#confirm-form")
    assert form is not None
    data = {str(each["name"]): str(each["value"]) for each in form.select("input")}
    visitor.post(str(form["action"]), data)
    leave(app, cast)
    visitor.post(str(form["action"]), data)
    assert (visitor.status, LEFT in visitor.text) == (200, False)
    worker()
    assert count(app) == 2


@pytest.mark.parametrize("key", ["", "x" * 500])
def test_a_key_that_we_did_not_give_out_is_checked_once_more(upload: Upload, key: str) -> None:
    visitor = upload(*READY).follow("#invite-rows")
    visitor.submit("Confirm and Invite", form="#confirm-form", key=key)
    assert visitor.status == 409
    assert "Check once more before you confirm." in visitor.text


def test_fixing_what_is_confirmed_is_refused_and_keeps_what_was_typed(
    upload: Upload, app: Flask, worker: Worker
) -> None:
    visitor = upload(*READY, BAD_EMAIL)
    confirm(Visitor(app.test_client()).sign_in("osei@example.org").open(visitor.path))
    visitor.submit("Save row 4", form=TO_FIX, **row(4, email="di@example.org"))
    assert visitor.status == 409
    assert "Someone has confirmed this file meanwhile: nothing was changed." in visitor.text
    assert visitor.value("row-4-email") == "di@example.org"
    visitor.submit("Save row 4", form=TO_FIX)
    assert (visitor.status, visitor.value("row-4-email")) == (409, "di@example.org")
    worker()
    visitor.submit("Save row 4", form=TO_FIX)
    assert "Row 4: Ready." in visitor.text


@pytest.mark.parametrize("number", ["", "x", "0", "99", "9" * 30, "²"])
def test_a_row_that_is_not_there_changes_nothing(upload: Upload, number: str) -> None:
    visitor = upload(*READY)
    visitor.submit("Leave out Ada Fixture", form=TO_FIX, number=number)
    assert visitor.status == 409
    assert chips(visitor) == ["Ready (2)"]


@pytest.mark.parametrize("query", ["?show=x", "?show=fix&page=9", "?page=last", "?saved=9&left=x"])
def test_nonsense_in_the_address_is_read_as_the_default(upload: Upload, query: str) -> None:
    visitor = upload(*READY)
    assert len(visitor.open(visitor.path + query).words(".rows tbody tr")) == 2


def test_another_clinics_file_is_as_one_that_is_not_there(
    upload: Upload, app: Flask, cast: Cast
) -> None:
    path = upload(*READY).path
    sam = Visitor(app.test_client()).sign_in("sam@example.org")
    answers = [
        sam.client.get(path.replace("northside", "southside")),
        sam.client.get("/c/southside/imports/1"),
    ]
    assert [each.status_code for each in answers] == [404, 404]


def test_imports_lists_files_the_newest_first(upload: Upload, worker: Worker) -> None:
    confirm(upload(*READY))
    worker()
    upload(READY[0], BAD_EMAIL, name="june.csv")
    visitor = upload("Eve,New,,", name="july.csv").open("/c/northside/imports")
    rows = visitor.words("table.files tbody tr")
    assert rows[0].startswith("july.csv")
    assert "Ready (1) To be confirmed by" in rows[0]
    assert "Needs fixing (1), Already invited (1) To be fixed by" in rows[1]
    assert "Dr. Amira Osei Invited (2) Finished" in rows[2]
    assert visitor.words("#navigation [aria-current]") == ["Imports"]


def test_who_was_changed_counts_once_in_the_list_as_ready(upload: Upload) -> None:
    visitor = upload(*READY, "Dan,O`Brien,dan@example.org,", BAD_EMAIL)
    path = visitor.path
    assert chips(visitor) == ["Needs fixing (1)", "Ready (3)", "Changed (1)"]
    listed = visitor.open("/c/northside/imports").words("table.files tbody tr")[0]
    assert "Needs fixing (1), Ready (3) To be confirmed by" in listed
    assert "Changed" not in listed
    visitor.open(path).submit("Erase these rows", form="#discard form")
    assert visitor.open(path).words(".reasons li") == ["Needs fixing (1)", "Ready (3)"]


def test_a_clinic_without_files_is_led_to_the_card(ana: Visitor) -> None:
    ana.open("/c/northside/imports")
    assert "No file has been uploaded yet." in ana.text
    assert ana.page.select_one("#files a[href='/c/northside/invite#upload']")


def test_after_seven_days_the_counts_are_left(upload: Upload, app: Flask) -> None:
    path = upload(*READY, BAD_EMAIL).path
    with app.app_context():
        db.session.execute(update(Import).values(uploaded_at=clock.now() - timedelta(days=7)))
        db.session.commit()
    visitor = upload("Eve,New,,").open(path)
    assert not visitor.page.select("#invite-rows, #save-all, main [formaction]")
    with app.app_context():
        for _part in imports.erase_old(now=clock.now()):
            db.session.commit()
    visitor.open(path)
    assert "The rows of this file are erased." in visitor.text
    assert "Needs fixing (1)" in visitor.text
    assert "di@" not in visitor.text
    assert "Never confirmed: its rows are erased" in visitor.open("/c/northside/imports").text


def test_what_is_too_old_is_neither_fixed_nor_confirmed(upload: Upload, app: Flask) -> None:
    visitor = upload(*READY, BAD_EMAIL)
    path = visitor.path
    with app.app_context():
        db.session.execute(update(Import).values(uploaded_at=clock.now() - timedelta(days=7)))
        db.session.commit()
    visitor.submit("Save row 4", form=TO_FIX, **row(4, email="di@example.org"))
    assert visitor.status == 409
    assert "The rows of this file can no longer be changed." in visitor.text
    assert visitor.open(f"{path}/confirm").status == 409


def test_lines_pasted_from_a_spreadsheet_become_rows(ana: Visitor) -> None:
    ana.open("/c/northside/invite")
    text = "First Name\tLast Name\tEmail\nAda\tFixture\tada@example.org\r\n\t\t\nBen\tSample\n\n"
    ana.submit("Paste into rows", form="#invite-form", into="rows-0-first_name", paste=text)
    assert ana.value("rows-0-email") == "ada@example.org"
    assert ana.value("rows-1-last_name") == "Sample"
    assert ana.value("rows-2-first_name") is None
    assert ana.page.select("[autofocus]")[0]["id"] == "rows-0-first_name"


def pasted(ana: Visitor, text: str) -> list[list[str]]:
    """First and last name, email and number of each row that comes of it."""
    ana.open("/c/northside/invite")
    ana.submit("Paste into rows", form="#invite-form", into="rows-0-first_name", paste=text)
    names = ("first_name", "last_name", "email", "mobile")
    count = len(ana.page.select("[name$=-first_name]"))
    return [[ana.value(f"rows-{n}-{name}") or "" for name in names] for n in range(count)]


@pytest.mark.parametrize(
    "text",
    [
        "Given Name\tSurname\nAda\tFixture\n\nBen\tSample",
        "\nPRÉNOM;Nom de famille;Courriel\nAda;Fixture;\n;;\nBen;Sample;",
        "MRN,Last name,First name\n1,Fixture,Ada\n2,Sample,Ben",
        "Ada;Fixture\n \nBen;Sample",
        'Ada, "Fixture"\nBen, Sample',
        '"First\nName"\t"Last\nName"\n"Ada\n"\tFixture\nBen\tSample',
    ],
)
def test_pasted_lines_are_parted_and_headed_as_a_file_is(ana: Visitor, text: str) -> None:
    found = [row[:2] for row in pasted(ana, text)]
    assert found == [["Ada", "Fixture"], ["Ben", "Sample"]]


def test_pasted_lines_without_headings_are_patients(ana: Visitor) -> None:
    text = "\tFixture\ta@b.ca\nMobile\tSample\n"
    assert [row[:3] for row in pasted(ana, text)] == [
        ["", "Fixture", "a@b.ca"],
        ["Mobile", "Sample", ""],
    ]
    assert [row[0] for row in pasted(ana, "First name\nAda\nBen")] == ["Ada", "Ben"]


def test_pasted_lines_keep_the_rows_around_them(ana: Visitor) -> None:
    ana.open("/c/northside/invite")
    ana.submit("+ Invite Another Patient", form="#invite-form", **{"rows-0-first_name": "Eve"})
    ana.submit(
        "Paste into rows",
        form="#invite-form",
        into="rows-1-first_name",
        paste='Ada,"Fixture",a@b.ca,306 555 0142',
    )
    assert [ana.value(f"rows-{n}-first_name") for n in range(3)] == ["Eve", "Ada", None]
    assert ana.value("rows-1-mobile") == "306 555 0142"


def test_more_lines_than_can_be_invited_here_are_sent_to_the_upload(ana: Visitor) -> None:
    ana.open("/c/northside/invite")
    text = "\n".join(f"Pat{n}\tTest" for n in range(51))
    ana.submit("Paste into rows", form="#invite-form", into="rows-0-first_name", paste=text)
    assert ana.status == 422
    assert "You can invite 50 patients at once here. For more, upload a file." in ana.text


@pytest.fixture
def colleague(app: Flask, cast: Cast) -> Visitor:
    return Visitor(app.test_client()).sign_in("osei@example.org")


class TestTwoAtOneFile:
    """What one has done is not undone by the other's page, which was drawn before."""

    BAD = ("Ada,One,bad1,", "Ben,Two,bad2,", "Cy,Three,bad3,")

    def test_what_a_colleague_mended_stays(self, upload: Upload, colleague: Visitor) -> None:
        visitor = upload(*self.BAD)
        colleague.open(visitor.path)
        colleague.submit("Save row 3", form=TO_FIX, **row(3, email="ben@example.org"))
        visitor.submit("Save row 2", form=TO_FIX, **row(2, email="ada@example.org"))
        assert "Row 2: Ready." in visitor.text
        assert chips(visitor) == ["Needs fixing (1)", "Ready (2)"]

    def test_what_a_colleague_left_out_stays_out(self, upload: Upload, colleague: Visitor) -> None:
        visitor = upload(*self.BAD)
        colleague.open(visitor.path).submit("Leave out row 3", form=TO_FIX)
        visitor.submit("Save all and check again", form=TO_FIX)
        assert chips(visitor) == ["Needs fixing (2)", "Skipped (1)"]

    def test_what_both_typed_is_shown_to_who_came_later(
        self, upload: Upload, colleague: Visitor
    ) -> None:
        visitor = upload(*self.BAD)
        path = visitor.path
        colleague.open(path)
        colleague.submit("Save row 3", form=TO_FIX, **row(3, email="ben@"))
        visitor.submit("Save row 3", form=TO_FIX, **row(3, email="benny@example.org"))
        assert visitor.status == 409
        said = "Someone has changed row 3 meanwhile: what you typed there is not saved."
        assert said in visitor.text
        assert "Someone has changed this meanwhile, to “ben@”." in visitor.text
        assert visitor.page.select_one("#row-3-email")["value"] == "benny@example.org"  # type: ignore[index]
        visitor.submit("Save row 3", form=TO_FIX)  # knowing what stands there
        assert "Row 3: Ready." in visitor.text

    def test_a_row_that_was_left_out_meanwhile_is_not_mended(
        self, upload: Upload, colleague: Visitor
    ) -> None:
        visitor = upload(*self.BAD)
        colleague.open(visitor.path).submit("Leave out row 3", form=TO_FIX)
        visitor.submit("Save row 3", form=TO_FIX, **row(3, email="ben@example.org"))
        assert visitor.status == 409
        assert chips(visitor) == ["Needs fixing (2)", "Skipped (1)"]

    @pytest.mark.parametrize("change", ["mended", "left out", "put back"])
    def test_nobody_is_invited_who_was_not_shown(
        self, upload: Upload, colleague: Visitor, change: str
    ) -> None:
        visitor = upload(*READY, BAD_EMAIL)
        path = visitor.path
        visitor.submit("Leave out row 4", form=TO_FIX)
        visitor.open(path).follow("#invite-rows")
        if change == "mended":
            colleague.open(f"{path}?show=ready&change=2")
            colleague.submit("Save row 2", form=TO_FIX, **row(2, email="other@example.org"))
        elif change == "left out":
            colleague.open(f"{path}?show=ready").submit("Leave out Ada Fixture", form=TO_FIX)
        else:
            colleague.open(f"{path}?show=skipped").submit("Put back Di Test", form=TO_FIX)
        visitor.submit("Confirm and Invite", form="#confirm-form")
        assert visitor.status == 409
        assert "Someone has changed rows since: check once more." in visitor.text
        visitor.submit("Confirm and Invite", form="#confirm-form")
        assert f"0 of {1 if change == 'left out' else 2} invited" in visitor.text

    def test_who_is_invited_meanwhile_is_not_left_out(
        self, upload: Upload, colleague: Visitor, worker: Worker
    ) -> None:
        visitor = upload(*READY)
        confirm(colleague.open(visitor.path))
        worker()
        visitor.submit("Leave out Ada Fixture", form=TO_FIX)
        assert visitor.status == 409
        assert "is left out" not in visitor.text
        assert "Someone has confirmed this file meanwhile: nothing was changed." in visitor.text

    def test_who_confirms_after_all_are_invited_hears_of_it(
        self, upload: Upload, colleague: Visitor, worker: Worker
    ) -> None:
        visitor = upload(*READY)
        path = visitor.path
        visitor.follow("#invite-rows")
        confirm(colleague.open(path))
        worker()
        visitor.submit("Confirm and Invite", form="#confirm-form")
        assert visitor.status == 409
        assert "Someone has confirmed this file meanwhile: nothing was changed." in visitor.text


def test_a_duplicate_takes_the_place_of_who_is_left_out(upload: Upload) -> None:
    visitor = upload(READY[0], READY[0])
    visitor.submit("Leave out Ada Fixture", form=TO_FIX)
    assert "Row 2 is left out. Row 3, the same patient, takes its place." in visitor.text


def test_a_row_that_is_ready_can_be_changed(upload: Upload) -> None:
    visitor = upload("Ada,Fixture,ada@gmial.com,")
    assert "Did you mean ada@gmail.com?" in visitor.text
    visitor.follow("#change-2")
    visitor.submit("Save row 2", form=TO_FIX, **row(2, email="ada@gmail.com", first_name="Adah"))
    assert "Row 2: Ready." in visitor.text
    assert "Adah Fixture" in visitor.text
    assert "Did you mean" not in visitor.text
    assert not visitor.page.select("#save-2")


def test_a_likely_slip_is_told_where_it_can_be_mended(upload: Upload) -> None:
    visitor = upload("Ada,Fixture,ada@gmial.com,1.55E+10")
    assert "Did you mean ada@gmail.com?" in visitor.text
    visitor.submit("Save row 2", form=TO_FIX, **row(2, email="ada@gmail.com", phone="306 555 0142"))
    assert "Row 2: Ready." in visitor.text


def test_a_different_person_is_said_and_taken_back(upload: Upload) -> None:
    visitor = upload("Gus,Li,gus@example.org,", "Gus,Li,,")
    path = visitor.path
    visitor.open(path + "?show=duplicate")
    visitor.submit("Save and check again", form=TO_FIX, **row(3, is_different="y"))
    visitor.open(path + "?show=ready")
    assert "Said to be a different person" in visitor.text
    visitor.follow("#change-3")
    assert visitor.page.select_one("#row-3-is_different[checked]")
    visitor.submit("Save row 3", form=TO_FIX, **{"row-3-is_different": None})
    assert "Row 3: Duplicate in file." in visitor.text


def test_who_is_not_invited_any_more_can_be(
    upload: Upload, cast: Cast, keys: Keys, app: Flask
) -> None:
    with app.app_context():
        who = recipient("Ada Fixture", email="ada@example.org")
        invite(cast.northside, who, provider=cast.osei, by=cast.ana, keys=keys)
        db.session.commit()
    visitor = upload(READY[0])
    assert chips(visitor) == ["Already invited (1)"]
    assert "Check again" not in visitor.text
    with app.app_context():
        db.session.execute(update(Invitation).values(removed_at=clock.now()))
        db.session.commit()
    visitor.open(visitor.path).submit("Check Ada Fixture again", form=TO_FIX)
    assert "Row 2: Ready." in visitor.text


def test_what_is_typed_is_kept_before_it_is_saved(upload: Upload, colleague: Visitor) -> None:
    visitor = upload(BAD_EMAIL, NO_LAST_NAME)
    path, token = visitor.path, visitor.csrf_token
    typed = {"csrf_token": token, "row": "2", "row-2-email-shown": "di@", "row-2-email": "di@ex"}
    visitor.post(f"{path}/keep", typed)
    assert visitor.status == 204
    visitor.open(path)
    assert visitor.page.select_one("#row-2-email")["value"] == "di@ex"  # type: ignore[index]
    assert chips(visitor) == ["Needs fixing (2)"]
    visitor.post(f"{path}/keep", {**typed, "row-2-email": "di@other"})
    assert visitor.status == 409  # by now something else stands there
    colleague.open(path)
    assert colleague.page.select_one("#row-2-email")["value"] == "di@ex"  # type: ignore[index]


def test_what_was_typed_elsewhere_is_saved_when_a_row_is_put_back(upload: Upload) -> None:
    visitor = upload(BAD_EMAIL, "Eve,Test,eve@,")
    visitor.submit("Leave out row 2", form=TO_FIX)
    form = visitor.page.select_one("#rows-form")
    assert form is not None
    data = {str(each["name"]): str(each.get("value", "")) for each in form.select("input[name]")}
    data |= {"number": "2", **row(3, email="eve@example.org")}
    visitor.post(f"{visitor.path}/put-back", data)
    assert chips(visitor) == ["Needs fixing (1)", "Ready (1)"]


def typing(visitor: Visitor, number: int, shown: str, email: str) -> int:
    """What is typed into a row's email is kept; the status of the answer. The page stays."""
    name = f"row-{number}-email"
    data = {"csrf_token": visitor.csrf_token, "row": str(number), f"{name}-shown": shown}
    return visitor.client.post(f"{visitor.path}/keep", data={**data, name: email}).status_code


class TestWhatNobodyMeant:
    """Nobody is invited by an address that whoever saved it has not seen; no typing is lost."""

    HINTED = "Cy,,cy@gmial.com,"

    def email(self, app: Flask, number: int) -> str | None:
        with app.app_context():
            query = select(ImportRow.email).where(ImportRow.number == number)
            return db.session.scalar(query)

    def test_what_a_colleague_half_typed_is_not_checked(
        self, upload: Upload, colleague: Visitor
    ) -> None:
        visitor = upload(READY[0], BAD_EMAIL)
        colleague.open(visitor.path)
        assert typing(visitor, 3, "di@", "di@example.co") == 204
        colleague.submit("Save all and check again", form=TO_FIX)
        assert chips(colleague) == ["Needs fixing (1)", "Ready (1)"]
        assert typing(visitor, 3, "di@example.co", "di@example.com") == 204

    def test_a_row_saved_by_itself_that_a_colleague_types_into_is_refused(
        self, upload: Upload, colleague: Visitor
    ) -> None:
        visitor = upload(READY[0], BAD_EMAIL)
        colleague.open(visitor.path)
        assert typing(visitor, 3, "di@", "di@example.co") == 204
        colleague.submit("Save row 3", form=TO_FIX)
        assert colleague.status == 409
        assert chips(colleague) == ["Needs fixing (1)", "Ready (1)"]

    def test_a_mended_slip_is_typed_on_after_a_refusal(
        self, upload: Upload, colleague: Visitor, worker: Worker, app: Flask
    ) -> None:
        visitor = upload(READY[0], self.HINTED)
        confirm(colleague.open(visitor.path))
        mended = row(3, last_name="Lee", email="cy@gmail.com")
        visitor.submit("Save row 3", form=TO_FIX, **mended)
        assert visitor.status == 409
        assert "What you typed can be saved once the patients are invited." in visitor.text
        worker()
        visitor.submit("Save row 3", form=TO_FIX)
        assert "Row 3: Ready." in visitor.text
        assert self.email(app, 3) == "cy@gmail.com"

    def test_a_refusal_shows_what_is_not_saved_as_not_saved(
        self, upload: Upload, colleague: Visitor, worker: Worker, app: Flask
    ) -> None:
        visitor = upload(*READY)
        path = visitor.path
        visitor.open(f"{path}?show=ready&change=3")
        confirm(colleague.open(path))
        worker(1, size=1)
        colleague.submit("Cancel the rest", form="#progress form")
        data = {"csrf_token": visitor.csrf_token, "row": "3", "number": "2", "change": "3"}
        data |= {"row-3-email-shown": "", "row-3-email": "new@example.org", "show": "ready"}
        visitor.post(f"{path}/leave-out", data)
        assert visitor.status == 409
        assert visitor.page.select_one("#row-3-email")["value"] == "new@example.org"  # type: ignore[index]
        visitor.submit("Save row 3", form=TO_FIX)
        assert self.email(app, 3) == "new@example.org"

    def test_a_check_from_before_it_was_cancelled_invites_nobody(
        self, upload: Upload, colleague: Visitor, worker: Worker, app: Flask
    ) -> None:
        visitor = upload(*READY, "Di,Test,,")
        path = visitor.path
        visitor.follow("#invite-rows")
        confirm(colleague.open(path))
        worker(1, size=1)
        colleague.submit("Cancel the rest", form="#progress form")
        visitor.submit("Confirm and Invite", form="#confirm-form")
        worker()
        assert (visitor.status, count(app)) == (409, 1)

    @pytest.mark.parametrize("email", ["a" * 300 + "@example.org", "di@ex\u2028ample.org", "di\0@"])
    def test_ones_own_typing_is_never_a_colleagues(self, upload: Upload, email: str) -> None:
        visitor = upload(READY[0], BAD_EMAIL)
        assert typing(visitor, 3, "di@", email) == 204
        assert typing(visitor, 3, email, "di@example.org") == 204
        mended = row(3, email="di@example.com") | {"row-3-email-shown": "di@example.org"}
        visitor.submit("Save row 3", form=TO_FIX, **mended)
        assert "Row 3: Ready." in visitor.text

    def test_a_row_that_a_colleague_made_ready_is_still_shown_with_what_was_typed(
        self, upload: Upload, colleague: Visitor, app: Flask
    ) -> None:
        visitor = upload(READY[0], self.HINTED)
        colleague.open(visitor.path)
        colleague.submit("Save row 3", form=TO_FIX, **row(3, last_name="Lee-"))
        mended = row(3, last_name="Lee", email="cy@gmail.com")
        visitor.submit("Save row 3", form=TO_FIX, **mended)
        assert visitor.status == 409
        assert "Someone has changed this meanwhile, to “Lee-”." in visitor.text
        visitor.submit("Save row 3", form=TO_FIX)
        assert "Row 3: Ready." in visitor.text
        assert self.email(app, 3) == "cy@gmail.com"

    def test_nothing_is_promised_of_a_row_that_is_being_invited(
        self, upload: Upload, colleague: Visitor
    ) -> None:
        visitor = upload(*READY)
        path = visitor.path
        visitor.open(f"{path}?show=ready&change=2")
        confirm(colleague.open(path))
        visitor.submit("Save row 2", form=TO_FIX, **row(2, email="other@example.org"))
        assert visitor.status == 409
        assert "can be saved once" not in visitor.text

    def test_a_long_row_whose_cells_were_typed_is_settled_by_save_all(self, upload: Upload) -> None:
        visitor = upload("Di,Test,di@,306 555 0144,more")
        path = visitor.path
        assert typing(visitor, 2, "di@", "di@example.org") == 204
        visitor.open(path)
        assert "Not checked yet: save the row" in visitor.text
        visitor.submit("Save all and check again", form=TO_FIX)
        assert "Saved. No row needs fixing." in visitor.text

    def test_who_saves_nothing_makes_nobody_check_once_more(
        self, upload: Upload, colleague: Visitor
    ) -> None:
        visitor = upload(*READY, BAD_EMAIL)
        path = visitor.path
        visitor.follow("#invite-rows")
        colleague.open(path).submit("Save all and check again", form=TO_FIX)
        visitor.submit("Confirm and Invite", form="#confirm-form")
        assert "0 of 2 invited" in visitor.text

    def test_the_check_names_everyone_whatever_its_address_says(self, upload: Upload) -> None:
        visitor = upload(*READY)
        visitor.open(f"{visitor.path}/confirm?change=2")
        assert "Ada Fixture" in visitor.text

    def test_while_a_row_is_changed_nobody_is_invited_by_how_it_was(self, upload: Upload) -> None:
        visitor = upload(*READY)
        visitor.open(f"{visitor.path}?show=ready&change=2")
        assert not visitor.page.select("#invite-rows, #change-3")
