"""One list in every way that LibreOffice saves it (`tests/files`) is one roster."""

from pathlib import Path

import pytest

from inviter import roster, spreadsheets
from inviter.roster import Checked, Fate
from inviter.spreadsheets import Row

FILES = Path(__file__).parent / "files"
CODECS = {"utf-8": "utf-8", "windows-1252": "cp1252", "utf-16": "utf-16"}
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
SAVED = [f"{encoding}-{separator}.csv" for encoding in CODECS for separator in SEPARATORS]

ROWS = [
    Row(2, "François", "Lefèvre", "francois@example.org", "3065550142"),  # a number
    Row(3, "Núñez", "Muñoz-Ibáñez", "", "0061491570156"),  # a text
    Row(4, "Anne-Sœur", "O’Brien", "anne@example.org", "+1 306 555 0143"),
    Row(6, "Zoë", "D'Août", "ZOE@Example.org", "13065550144"),  # formatted 0
    Row(7, "Þóra", "Ångström Größe", "", "+61491570156"),  # formatted "+"0
    Row(8, "François", "Lefèvre", "francois@example.org", ""),
    Row(9, "Élise", "", "elise@", "911"),
    Row(10, "Ada", "Fixture", "", "(306) 555-0145"),  # a text
    Row(11, "Ÿves", "de la Cruz", "", "(306) 555-0146"),  # formatted (000) 000-0000
    Row(12, "Chloé", "Fixture-Bœuf", "", "0441632960961"),  # formatted 0000000000000
]
FATES = {
    3: Fate.NEEDS_FIXING,
    8: Fate.DUPLICATE_IN_FILE,
    9: Fate.NEEDS_FIXING,
    12: Fate.NEEDS_FIXING,
}
NUMBERS = {
    2: "+13065550142",
    4: "+13065550143",
    6: "+13065550144",
    7: "+61491570156",
    10: "+13065550145",
    11: "+13065550146",
}


def check(name: str) -> list[Checked]:
    with (FILES / name).open("rb") as file:
        return list(roster.check(spreadsheets.read(file).rows, ("CA", "US")))


def told(found: list[Checked]) -> list[tuple[object, ...]]:
    """Problems are compared by what they say: no two are equal."""
    return [
        (*each._replace(problems={}), {cell: str(one) for cell, one in each.problems.items()})
        for each in found
    ]


@pytest.mark.parametrize("name", [*SAVED, "patients.xlsx"])
def test_the_rows_are_those_that_a_person_sees(name: str) -> None:
    assert [each.row for each in check(name)] == ROWS


@pytest.mark.parametrize("name", SAVED)
def test_every_way_to_save_it_gives_the_roster_of_the_workbook(name: str) -> None:
    assert told(check(name)) == told(check("patients.xlsx"))


def test_the_roster_is_what_it_should_be() -> None:
    found = check("patients.xlsx")
    assert {each.row.number: each.fate for each in found if each.fate != Fate.READY} == FATES
    assert {
        each.row.number: each.recipient.number
        for each in found
        if each.recipient and each.recipient.phone
    } == NUMBERS
    assert [each.duplicate_of for each in found if each.duplicate_of] == [2]
    assert {each.row.number: list(each.problems) for each in found if each.problems} == {
        3: ["phone"],
        9: ["last_name", "email", "phone"],
        12: ["phone"],
    }


@pytest.mark.parametrize("name", [*SAVED, "patients.xlsx"])
def test_columns_for_something_else_are_said_to_be_ignored(name: str) -> None:
    with (FILES / name).open("rb") as file:
        sheet = spreadsheets.read(file)
    assert sheet.headings == ("Given Name", "Surname", "E-mail", "Mobile Phone")
    assert sheet.ignored == ("Date of Birth", "Health Card", "Notes")


@pytest.mark.parametrize("encoding", CODECS)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_each_file_is_what_its_name_says(encoding: str, separator: str) -> None:
    data = (FILES / f"{encoding}-{separator}.csv").read_bytes()
    line = data.decode(CODECS[encoding]).splitlines()[1]
    assert line.split(SEPARATORS[separator])[:2] == ["François", "Lefèvre"]
    assert data.startswith(b"\xff\xfe") == (encoding == "utf-16")
