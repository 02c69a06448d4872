"""Workbooks as programs write them, and as nobody does who means well."""

import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inviter.spreadsheets import Refused, Row
from tests.test_spreadsheets import megabytes, refusal, rows
from tests.workbook_maker import (
    contents,
    packed,
    parts,
    relations,
    sheet,
    workbook,
)

HEADINGS = (
    '<row r="1"><c r="A1" t="str"><v>First Name</v></c><c r="B1" t="str"><v>Last Name</v></c>'
    '<c r="C1" t="str"><v>Email</v></c><c r="D1" t="str"><v>Phone</v></c></row>'
)
ADA = '<row r="2"><c r="A2" t="str"><v>Ada</v></c><c r="B2" t="str"><v>Fixture</v></c></row>'
LIST = sheet(HEADINGS + ADA)


def phones(*cells: str, styles: str = "", date1904: str = "0") -> list[str]:
    """What is read of cells in the fourth column."""
    found = parts(
        sheet(HEADINGS + "".join(f'<row><c r="A2" t="str"><v>Ada</v></c>{c}</row>' for c in cells)),
        styles=styles,
    )
    found["xl/workbook.xml"] = contents("visible", date1904=date1904)
    return [row.phone for row in rows(packed(found))]


def several(*states: str, kinds: tuple[str, ...] = ()) -> bytes:
    """A workbook whose first patient is named for the sheet."""
    kinds = kinds or ("worksheet",) * len(states)
    found = parts(LIST)
    found["xl/workbook.xml"] = contents(*states)
    targets = [(kind, f"worksheets/s{n}.xml") for n, kind in enumerate(kinds, 1)]
    found["xl/_rels/workbook.xml.rels"] = relations(*targets)
    for number in range(1, len(states) + 1):
        found[f"xl/worksheets/s{number}.xml"] = LIST.replace("Ada", f"Ada{number}")
    return packed(found)


# As programs write them


def test_numbers_come_as_a_person_sees_them() -> None:
    values = {
        "3065550142": "3065550142",
        "3065550142.0": "3065550142",
        "3.065550142E9": "3065550142",
        "3065550142.0000001": "3065550142",
        "123456789012345": "123456789012345",
        "1.2345678901234567E19": "1.23456789012346E+19",
        "12345678901234567890": "1.23456789012346E+19",
        "0.1": "0.1",
        "0.30000000000000004": "0.3",
        "-5": "-5",
        "0": "0",
        "seven": "seven",
    }
    cells = (f'<c r="D2"><v>{value}</v></c>' for value in values)
    assert phones(*cells) == list(values.values())


def test_dates_come_as_dates_and_not_as_days() -> None:
    styles = (
        '<numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/>'
        '<numFmt numFmtId="165" formatCode="&quot;days&quot; 0.0 [Red]"/>'
        '<numFmt numFmtId="166" formatCode="0000000000"/></numFmts>'
        '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
        "<cellXfs><xf/>"
        + "".join(f'<xf numFmtId="{n}"/>' for n in (14, 22, 164, 165, 166))
        + "</cellXfs>"
    )
    cells = [f'<c r="D2" s="{style}"><v>45356.5</v></c>' for style in (0, 1, 2, 3, 4)]
    cells += ['<c r="D2" s="1"><v>45356</v></c>', '<c r="D2" s="5"><v>61491570</v></c>']
    cells += ['<c r="D2" s="1"><v>1E300</v></c>', '<c r="D2" s="1"><v>-1E6</v></c>']
    noon = "2024-03-05 12:00"
    assert phones(*cells, styles=styles) == [
        *("45356.5", noon, noon, noon, "45356.5"),
        *("2024-03-05", "0061491570", "1E300", "-1E6"),
    ]
    assert phones('<c r="D2" s="1"><v>0</v></c>', styles=styles, date1904="1") == ["1904-01-01"]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("0", "3065550142"),
        ("#", "3065550142"),
        ("&quot;+1 &quot;0", "+1 3065550142"),
        ("\\(000&quot;) &quot;000\\-0000", "(306) 555-0142"),
        ("[&lt;=9999999]###\\-####;\\(###\\)\\ ###\\-####", "(306) 555-0142"),
        ("000000000000", "003065550142"),
        ("##00 0000", "306555 0142"),
        ("0;\\-0", "3065550142"),
        ("00;00", "3065550142"),
        ("&quot;none&quot;;0", "3065550142"),
        ("#,##0.00", "3065550142"),
        ("# ?/?", "3065550142"),
        ("0E+00", "3065550142"),
        ("0" * 25, "3065550142"),
        ("(" * 260 + "0", "3065550142"),
    ],
)
def test_what_a_format_puts_around_digits_is_seen_and_no_digit_is_lost(
    code: str, shown: str
) -> None:
    styles = (
        f'<numFmts><numFmt numFmtId="164" formatCode="{code}"/></numFmts>'
        '<cellXfs><xf numFmtId="164"/></cellXfs>'
    )
    assert phones('<c r="D2" s="0"><v>3065550142</v></c>', styles=styles) == [shown]
    assert phones('<c r="D2" s="0"><v>0.5</v></c>', styles=styles) == ["0.5"]


def test_texts_come_from_wherever_they_are_kept() -> None:
    shared = (
        "<si><t>plain</t></si><si><r><t>bold </t></r><r><t>and not</t></r>"
        "<rPh><t>aid</t></rPh></si><si/><si><t>line_x000D_\nend_X000a_ _x0041_</t></si>"
    )
    cells = [f'<c r="D2" t="s"><v>{index}</v></c>' for index in range(4)]
    cells += ['<c r="D2" t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r></is></c>']
    cells += ['<c r="D2" t="str"><f>A2&amp;"x"</f><v>made</v></c>']
    cells += ['<c r="D2" t="b"><v>1</v></c>', '<c r="D2" t="e"><v>#N/A</v></c>']
    data = "".join(f'<row><c r="A2" t="str"><v>Ada</v></c>{cell}</row>' for cell in cells)
    found = rows(packed(parts(sheet(HEADINGS + data), shared)))
    assert [row.phone for row in found] == [
        *("plain", "bold and not", "", "line \nend  _x0041_"),
        *("inline", "made", "TRUE", "#N/A"),
    ]


def test_long_texts_come_cut_wherever_they_are_kept() -> None:
    """Longer than any name: what is left of it is refused as too long."""
    long = "0" * 5_000
    cells = ['<c r="D2" t="s"><v>0</v></c>', f'<c r="D2" t="str"><v>{long}</v></c>']
    cells += [f'<c r="D2" t="inlineStr"><is><t>{long}</t></is></c>']
    data = "".join(f'<row><c r="A2" t="str"><v>Ada</v></c>{cell}</row>' for cell in cells)
    found = rows(packed(parts(sheet(HEADINGS + data), f"<si><t>{long}</t></si>")))
    assert [len(row.phone) for row in found] == [1_000] * 3


def test_rows_and_cells_may_leave_out_their_places() -> None:
    data = (
        "<row><c t='str'><v>First Name</v></c><c t='str'><v>Last Name</v></c></row>"
        "<row/><row r='7'/><row><c/><c t='str'><v>Fixture</v></c></row>"
    )
    assert rows(packed(parts(sheet(data)))) == [Row(8, "", "Fixture", "", "")]


def test_elements_may_have_prefixes_and_parts_other_names() -> None:
    prefixed = LIST.replace("<", "<x:").replace("<x:/", "</x:").replace("xmlns=", "xmlns:x=")
    found = {
        "_rels/.rels": relations(("officeDocument", "/book/Main.xml")),
        "book/main.xml": contents("visible").replace("r:id", "q:id").replace(":r=", ":q="),
        "book/_rels/main.xml.rels": relations(("worksheet", "../the/list.xml")),
        "the\\list.xml": prefixed,
    }
    assert rows(packed(found)) == [Row(2, "Ada", "Fixture", "", "")]


def test_the_first_sheet_that_can_be_seen_is_read() -> None:
    assert rows(several("hidden", "veryHidden", "visible", "visible"))[0].first_name == "Ada3"
    chart_first = several("visible", "visible", kinds=("chartsheet", "worksheet"))
    assert rows(chart_first)[0].first_name == "Ada2"


def test_a_workbook_of_hidden_sheets_is_refused() -> None:
    assert str(refusal(several("hidden", "veryHidden"))) == (
        "All sheets of this file are hidden. Show the one with the list, and save it as CSV"
    )


def test_a_workbook_without_rows_is_refused() -> None:
    assert refusal(packed(parts(sheet("")))).code == "row-1-blank"
    assert refusal(packed(parts(sheet(ADA)))).code == "row-1-blank"
    assert refusal(packed(parts(sheet(HEADINGS)))).code == "no-rows"


def test_a_letter_and_a_binary_workbook_are_no_lists() -> None:
    letter = parts(LIST)
    letter["xl/workbook.xml"] = "<document/>"
    assert refusal(packed(letter)).code == "other"


# As nobody does who means well


def broken(name: str, text: str) -> bytes:
    return packed(parts(LIST, "<si/>", "<cellXfs/>") | {name: text})


@pytest.mark.parametrize(
    "data",
    [
        workbook([["First Name"]])[:-30],
        b"PK\x03\x04" + b"\0" * 100,
        broken("xl/worksheets/sheet1.xml", LIST[:-20]),
        broken("xl/worksheets/sheet1.xml", ""),
        broken("xl/worksheets/sheet1.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]>" + LIST),
        broken("xl/worksheets/sheet1.xml", sheet('<row r="9999999"/>')),
        broken("xl/worksheets/sheet1.xml", sheet('<row r="x"/>')),
        broken("xl/worksheets/sheet1.xml", sheet('<row r="-1"/>')),
        broken("xl/worksheets/sheet1.xml", sheet('<row><c r="!1"><v>1</v></c></row>')),
        broken("xl/worksheets/sheet1.xml", sheet('<row><c t="s"><v>9</v></c></row>')),
        packed(parts(sheet('<row><c s="9"><v>1</v></c></row>'), "", "<cellXfs><xf/></cellXfs>")),
        broken("xl/workbook.xml", contents("visible").replace("rId1", "rId9")),
        broken("xl/_rels/workbook.xml.rels", relations(("worksheet", "../../etc/passwd"))),
        packed(parts(LIST), zipfile.ZIP_LZMA),
        packed(parts(LIST), zipfile.ZIP_BZIP2),
    ],
)
def test_a_damaged_workbook_is_refused(data: bytes) -> None:
    assert str(refusal(data)) == "This file is damaged. Open it in Excel and save it as CSV"


def test_a_part_behind_a_password_is_refused() -> None:
    data = bytearray(packed(parts(LIST)))
    entry = data.index(b"PK\x01\x02")
    data[entry + 8] |= 1
    assert refusal(bytes(data)).code == "damaged"


def test_a_part_that_is_larger_than_it_says_is_refused() -> None:
    data = packed(parts(LIST.replace("</worksheet>", " " * 10_000_000 + "</worksheet>")))
    stated = (len(LIST) + 10_000_000).to_bytes(4, "little")
    assert data.count(stated) == 2
    assert refusal(data.replace(stated, (500).to_bytes(4, "little"))).code == "damaged"


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
@settings(max_examples=200)
def test_whatever_is_written_over_only_refused_goes_out(at: int, bytes_: bytes) -> None:
    data = packed(parts(LIST, "<si><t>x</t></si>", "<cellXfs><xf/></cellXfs>"), zipfile.ZIP_STORED)
    at %= len(data)
    with suppress(Refused):
        rows(data[:at] + bytes_ + data[at + len(bytes_) :])


@given(st.text("<>/xcvrst1&;! ='\"", max_size=60))
def test_whatever_a_sheet_says_only_refused_goes_out(text: str) -> None:
    found = parts(sheet(HEADINGS + text))
    with suppress(Refused):
        rows(packed(found))


MUCH = 60_000_000
PAIR = '<row><c t="s"><v>0</v></c><c t="s"><v>0</v></c></row>'
FAR = '<row{0}><c r="{1}" t="str"><v>x</v></c></row>'


def many(template: str, count: int) -> str:
    return "".join(template.format(number) for number in range(count))


HUGE = {
    "white space": (
        "too-large",
        lambda: parts(sheet(" " * 120_000_000)),
    ),
    "two cells far apart": (
        "rows",
        lambda: parts(sheet(HEADINGS + ADA + FAR.format(' r="1048576"', "XFD1048576"))),
    ),
    "wide rows": (
        "no-rows",
        lambda: parts(sheet(HEADINGS + FAR.format("", "SF1") * 90_000)),
    ),
    "wide headings": (
        "rows",
        lambda: parts(
            sheet(HEADINGS.replace("</row>", '<c r="SF1"><v>1</v></c></row>') + PAIR * 90_000),
            "<si><t>x</t></si>",
        ),
    ),
    "one endless row": (
        "no-rows",
        lambda: parts(sheet(HEADINGS[:-6] + many("<c><v>{}</v></c>", 1_400_000) + "</row>")),
    ),
    "a long text in every cell": (
        "rows",
        lambda: parts(sheet(HEADINGS + PAIR * 90_000), f"<si><t>{'x' * 30_000}</t></si>"),
    ),
    "one endless text": (
        "rows",
        lambda: parts(
            sheet(HEADINGS + f'<row><c t="str"><v>{"x" * MUCH}</v></c></row>'),
        ),
    ),
    "one endless shared text": (
        "rows",
        lambda: parts(LIST, f"<si><t>{'é' * (MUCH // 2)}</t></si>"),
    ),
    "endlessly many shared texts": (
        "too-large",
        lambda: parts(LIST, "<si/>" * (MUCH // 5)),
    ),
    "endlessly many long shared texts": (
        "too-large",
        lambda: parts(LIST, f"<si><t>{'x' * 1000}</t></si>" * (MUCH // 1016)),
    ),
    "elements in elements": (
        "too-large",
        lambda: parts("<a>" * (MUCH // 3)),
    ),
    "endlessly many elements": (
        "too-large",
        lambda: parts("<a>" + "<a/>" * (MUCH // 4)),
    ),
    "endlessly many names": (
        "too-large",
        lambda: parts("<a>" + many("<a{}/>", 3_000_000)),
    ),
    "endlessly many attributes": (
        "too-large",
        lambda: parts("<a " + many('b{}="" ', 3_000_000) + "/>"),
    ),
    "one endless attribute": (
        "too-large",
        lambda: parts(f'<a b="{"x" * MUCH}"/>'),
    ),
    "one endless remark": (
        "too-large",
        lambda: parts(f"<!--{'x' * MUCH}--><a/>"),
    ),
    "endlessly many relations": (
        "too-large",
        lambda: (
            parts(LIST) | {"xl/_rels/workbook.xml.rels": relations(*[("worksheet", "x")] * 300_000)}
        ),
    ),
    "endlessly many sheets": (
        "too-large",
        lambda: parts(LIST) | {"xl/workbook.xml": contents(*["hidden"] * 300_000)},
    ),
    "endlessly many formats": (
        "too-large",
        lambda: parts(LIST, styles="<cellXfs>" + "<xf/>" * (MUCH // 5)),
    ),
    "endlessly many parts": (
        "damaged",
        lambda: parts(LIST) | dict.fromkeys(map(str, range(50_000)), ""),
    ),
}


@pytest.mark.parametrize("kind", HUGE)
def test_a_hostile_workbook_takes_no_more_memory_than_is_allowed(kind: str, tmp_path: Path) -> None:
    expected, make = HUGE[kind]
    path = tmp_path / "list.xlsx"
    path.write_bytes(packed(make()))
    came, held = megabytes(path)
    assert came == expected
    assert held < 60


def test_the_largest_list_as_a_workbook_takes_no_more_memory_than_is_allowed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "list.xlsx"
    each = (
        (f"Firstname{n}", f"Lastname{n}", f"firstname.lastname{n}@example.org", 3065550142 + n)
        for n in range(100_000)
    )
    path.write_bytes(workbook([("First Name", "Last Name", "Email", "Phone"), *each]))
    came, held = megabytes(path)
    assert came == "rows"
    assert held < 60
