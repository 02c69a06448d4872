import csv
import io
import subprocess
import sys
import tempfile
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inviter import spreadsheets
from inviter.spreadsheets import Refused, Row
from tests import workbook_maker

ROOT = Path(__file__).parent.parent
HEADINGS = "First Name,Last Name,Email,Phone Number\r\n"
ROSTER = [
    ["First Name", "Last Name", "Email", "Phone Number"],
    ["François", "Lefèvre", "francois@example.org", "0061491570156"],
    ["Zoë", "O’Neil; Smith", "zoe@example.org", "3065550142"],
    ["", "", "", ""],
    ["Ada", "Fixture, MD", "", "1234567890123456789"],
]
ROSTER_ROWS = [
    Row(2, "François", "Lefèvre", "francois@example.org", "0061491570156"),
    Row(3, "Zoë", "O’Neil; Smith", "zoe@example.org", "3065550142"),
    Row(5, "Ada", "Fixture, MD", "", "1234567890123456789"),
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]


def read(data: bytes | str, **limits: int) -> spreadsheets.Sheet:
    return spreadsheets.read(io.BytesIO(data.encode() if isinstance(data, str) else data), **limits)


def rows(data: bytes | str, **limits: int) -> list[Row]:
    return list(read(data, **limits).rows)


def refusal(data: bytes | str, **limits: int) -> Refused:
    with pytest.raises(Refused) as caught:
        rows(data, **limits)
    return caught.value


def written(separator: str, line_end: str = "\r\n") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator=line_end).writerows(ROSTER)
    return file.getvalue()


# What programs write


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_the_same_roster_in_any_encoding_and_with_any_separator_is_the_same(
    encoding: str, separator: str
) -> None:
    assert rows(written(separator).encode(encoding)) == ROSTER_ROWS


def test_the_same_roster_as_a_workbook_is_the_same() -> None:
    assert rows(workbook_maker.workbook(ROSTER)) == ROSTER_ROWS


def test_utf_16_with_its_mark_is_read_in_either_byte_order() -> None:
    text = "\ufeff" + written("\t")
    assert rows(text.encode("utf-16-le")) == rows(text.encode("utf-16-be")) == ROSTER_ROWS


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_lines_may_end_in_any_way(line_end: str) -> None:
    assert rows(written(",", line_end)) == ROSTER_ROWS
    assert rows(written(",", line_end).rstrip()) == ROSTER_ROWS


def test_the_first_accent_may_come_at_the_end_of_a_long_file() -> None:
    text = HEADINGS + "Ada,Fixture,,\n" * 20_000 + "Zoë,Fixture,,\n"
    assert rows(text)[-1].first_name == rows(text.encode("cp1252"))[-1].first_name == "Zoë"


def test_a_character_may_lie_across_two_pieces_of_the_file() -> None:
    for shift in range(4):
        text = " " * shift + HEADINGS + "é,😀,,\r\n" * 20_000
        for encoding in ("utf-8", "utf-16"):
            found = rows(text.encode(encoding))
            assert len(found) == 20_000
            assert {row[1:3] for row in found} == {("é", "😀")}


def test_the_name_of_the_file_is_not_asked(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(workbook_maker.workbook(ROSTER))
    with path.open("rb") as file:
        assert list(spreadsheets.read(file).rows) == ROSTER_ROWS


def test_a_file_is_read_from_its_beginning_and_left_open() -> None:
    with tempfile.SpooledTemporaryFile(max_size=10) as file:
        for data in (written(",").encode(), workbook_maker.workbook(ROSTER)):
            file.seek(0)
            file.truncate()
            file.write(data)
            assert list(spreadsheets.read(file).rows) == ROSTER_ROWS
            assert not file.closed


def test_a_separator_inside_quotation_marks_parts_no_cells() -> None:
    text = '"First Name";"Last Name, all of them";"Email";Phone\nAda;Fixture;a@example.org;1'
    assert "Last Name" in str(refusal(text))
    text = '"First Name","Last Name"\n"Ada", "Fixture, MD"\n"Ann ""Annie""",O"Neil'
    assert rows(text) == [
        Row(2, "Ada", "Fixture, MD", "", ""),
        Row(3, 'Ann "Annie"', 'O"Neil', "", ""),
    ]


# Headings


@pytest.mark.parametrize(
    "headings",
    [
        "First Name,Last Name,Email,Phone Number",
        "FIRST NAME, last name ,EMAIL,phone number",
        "first_name,last-name,e-mail,phone_number",
        "  First   Name,LastName*,E-mail:,Phone #",
        "Given name,Surname,Email address,Mobile number",
        "Forename,Family name,E-Mail Address,Cell phone",
        "Prénom,Nom,Courriel,Téléphone",
        "prenom,Nom de famille,Adresse courriel,Numéro de téléphone",
        "PRÉNOM,NOM,Adresse électronique,Cellulaire",
    ],
)
def test_headings_are_known_in_any_dress(headings: str) -> None:
    assert rows(headings + "\nAda,Fixture,a@example.org,1") == [
        Row(2, "Ada", "Fixture", "a@example.org", "1")
    ]


def test_columns_may_stand_in_any_order() -> None:
    assert rows("Phone,Last Name,Email,First Name\n1,Fixture,a@example.org,Ada") == [
        Row(2, "Ada", "Fixture", "a@example.org", "1")
    ]


def test_email_and_phone_columns_may_be_missing() -> None:
    assert rows("Last Name,First Name\nFixture,Ada") == [Row(2, "Ada", "Fixture", "", "")]


def test_other_columns_are_ignored_and_named() -> None:
    sheet = read("MRN,Prénom,Nom,Phone,Phone 2,,Notes\n7,Ada,Fixture,1,2,3,call first")
    assert sheet.headings == ("Prénom", "Nom", "Phone")
    assert sheet.ignored == ("MRN", "Phone 2", "Notes")
    assert list(sheet.rows) == [Row(2, "Ada", "Fixture", "", "1")]


def test_a_second_column_of_a_kind_is_refused_by_name() -> None:
    problem = refusal("First Name,Last Name,Phone,Mobile\nAda,Fixture,1,2")
    assert problem.code == "heading-twice"
    assert str(problem) == "Row 1 has two columns for Phone Number: Phone, Mobile. Take one out"


def test_row_1_that_is_not_understood_says_what_was_expected_and_found() -> None:
    problem = refusal("Given,Foo,Email\nAda,Fixture,a@example.org")
    assert problem.code == "row-1"
    assert str(problem) == (
        "Row 1 should be First Name, Last Name, Email, Phone Number."
        " Your file has: Given, Foo, Email"
    )


def test_what_was_found_is_shown_short_and_without_anything_unseen() -> None:
    names = ["a\u202eb\u200b", "x" * 300, *"cdefghijkl"]
    problem = refusal(",".join(names) + "\n1")
    assert str(problem).endswith(f"Your file has: a b, {'x' * 23}…, c, d, e, f, …")


def test_a_list_without_headings_is_refused() -> None:
    assert refusal("Ada,Fixture,a@example.org,1\nSam,Fixture,,").code == "row-1"


def test_a_blank_row_1_is_refused() -> None:
    for text in ("\n" + HEADINGS + "Ada,Fixture,,", ",,,\n" + HEADINGS, " \n", "\ufeff"):
        assert str(refusal(text)) == (
            "Row 1 is blank. It should be First Name, Last Name, Email, Phone Number"
        )


def test_hundreds_of_columns_are_read_or_refused() -> None:
    names = ["First Name", "Last Name", *(f"Extra {n}" for n in range(398))]
    sheet = read(",".join(names)[:4000] + "\nAda,Fixture," + "x," * 300)
    assert next(sheet.rows)[:3] == (2, "Ada", "Fixture")
    assert len(sheet.ignored) > 300
    wide = [names, ["Ada", "Fixture"]]
    assert refusal("\n".join(",".join(row * 3) for row in wide)).code == "long-row"
    cells = "".join(f'<c t="str"><v>{name}</v></c>' for name in names)
    data = f'<row>{cells}</row><row><c t="str"><v>Ada</v></c><c t="str"><v>B</v></c></row>'
    found = read(workbook_maker.packed(workbook_maker.parts(workbook_maker.sheet(data))))
    assert list(found.rows) == [Row(2, "Ada", "B", "", "")]
    assert len(found.ignored) == 398


# Rows


def test_blank_rows_vanish_and_shift_no_number() -> None:
    text = HEADINGS + '\nAda,Fixture,,\n,,,\n  , ,\t,\n"","","",""\nSam,Fixture,,\n,,,\n\n'
    assert [row.number for row in rows(text)] == [3, 7]


def test_a_row_with_too_few_cells_has_blanks() -> None:
    assert rows(HEADINGS + "Ada\nSam,Fixture,,1") == [
        Row(2, "Ada", "", "", ""),
        Row(3, "Sam", "Fixture", "", "1"),
    ]


def test_a_row_with_too_many_cells_is_marked_unless_those_are_blank() -> None:
    found = rows(HEADINGS + "Ada,Fixture, MD,a@example.org,1\nSam,Fixture,,1,, ,\n,,,,x")
    assert [row.extra for row in found] == [True, False, True]
    assert [row.beyond for row in found] == [["1"], None, ["x"]]
    assert found[0][1:5] == ("Ada", "Fixture", "MD", "a@example.org")


def test_of_cells_beyond_the_headings_only_so_much_is_kept() -> None:
    ends = (f" a , {'b' * 600},c", ", ,".join("x" * 600), "a" * 499 + ",bc,d", "a" * 500 + ",b")
    kept = [["a", "b" * 498 + "…"], ["x"] * 500, ["a" * 499, "…"], ["a" * 500]]
    for end, beyond in zip(ends, kept, strict=True):
        assert [row.beyond for row in rows(f"First Name,Last Name\nAda,Fixture,{end}")] == [beyond]


def test_a_note_beside_the_rows_of_a_workbook_marks_nothing() -> None:
    data = workbook_maker.workbook([*ROSTER[:1], ["Ada", "Fixture", "", "", "call first"]])
    assert rows(data) == [Row(2, "Ada", "Fixture", "", "")]


def test_a_row_without_a_first_name_is_not_blank() -> None:
    assert rows(HEADINGS + ",,,1\n,Fixture,,") == [
        Row(2, "", "", "", "1"),
        Row(3, "", "Fixture", "", ""),
    ]


def test_rows_are_counted_without_the_blank_ones() -> None:
    text = HEADINGS + "Ada,Fixture,,\n,,,\n\nSam,Fixture,,\n"
    assert len(rows(text, most_rows=2)) == 2
    problem = refusal(text + "Eve,Fixture,,", most_rows=2)
    assert str(problem) == "This file has more than 2 rows. Split it into smaller files"


def test_a_hundred_thousand_rows_pass_and_one_more_does_not() -> None:
    text = HEADINGS + "Ada,Fixture,,\n" * 100_000
    assert sum(1 for _ in read(text).rows) == 100_000
    assert "100,000" in str(refusal(text + "Ada,Fixture,,"))


# Refusals


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (HEADINGS.encode(), "no-rows"),
        (HEADINGS.encode() + b",,,\r\n\r\n", "no-rows"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "picture"),
        (b"GIF89a\1\0\1\0", "picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "picture"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "pdf"),
        (b"\xef\xbb\xbf\n<html><table><tr><td>First Name", "web-page"),
        (b"{\\rtf1\\ansi First Name}", "other"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "other"),
        (bytes(range(256)) * 20, "other"),
        (workbook_maker.packed({"letter.txt": "Dear Ana"}), "other"),
        (workbook_maker.packed({}), "other"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "other"),
    ],
)
def test_what_holds_no_list_is_refused_by_what_it_is(data: bytes, code: str) -> None:
    assert refusal(data).code == code


@pytest.mark.parametrize("at", [512, 65_508, 200_000])
def test_an_old_excel_file_and_one_with_a_password_are_told_apart(at: int) -> None:
    start = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(at, b"\0")
    old = start + "Root Entry\0Workbook".encode("utf-16-le")
    protected = start + "Root Entry\0EncryptedPackage".encode("utf-16-le")
    assert str(refusal(old)) == "This is an old Excel file. Open it in Excel and save it as CSV"
    assert str(refusal(protected)) == (
        "This file has a password. Open it in Excel and save it as CSV"
    )


OPEN = "Row 3 has a quotation mark that is not closed in that row. Take it out"


@pytest.mark.parametrize(
    "end",
    [
        *("", "\n", "\nSam,Fixture,,\n" * 9000, '\nSam,Fix"ture",,', '\nSam,"Fixture, MD",,'),
        *("\n" * 100_000, "\n" + "x" * 4000 + "\nSam,Fixture,,\n" * 9000),
    ],
)
def test_a_quotation_mark_left_open_is_refused_with_its_row(end: str) -> None:
    assert str(refusal(HEADINGS + 'Eve,Fixture,,\nAda,"Fixture,,' + end)) == OPEN


def test_a_cell_in_quotation_marks_may_have_several_lines_and_its_row_is_one() -> None:
    text = '"First\nName",Last Name,Notes\nAda,"Fixture\r\nMD","at 9,\n\n""home"""\n\n'
    assert rows(text + 'Sam,Sample,"\n"\nEve,Fixture,') == [
        Row(2, "Ada", "Fixture\nMD", "", ""),
        Row(4, "Sam", "Sample", "", ""),
        Row(5, "Eve", "Fixture", "", ""),
    ]


def test_row_1_tells_the_separator_also_where_it_has_several_lines() -> None:
    assert rows('"First\nName";"Last\nName"\nAda;Fixture, MD') == [
        Row(2, "Ada", "Fixture, MD", "", "")
    ]


def test_a_cell_of_several_lines_may_lie_across_two_pieces_of_the_file() -> None:
    for shift in range(0, 30, 3):
        text = " " * shift + "First Name,Last Name,Notes\n" + 'Ada,Fixture,"call\n\nfirst"\n' * 9000
        assert [row.number for row in rows(text)] == list(range(2, 9002))


def test_a_cell_may_have_as_many_lines_as_one_of_excel() -> None:
    text = "First Name,Last Name,Notes\nAda,Fixture,,\nSam,Fixture,"
    notes = "call first\n" * 2900
    assert [row.number for row in rows(f'{text}"{notes}"\nEve,Fixture,,')] == [2, 3, 4]
    assert str(refusal(f'{text}"{notes * 2}"')) == OPEN


def test_rows_below_one_of_several_lines_are_refused_by_their_own_number() -> None:
    text = 'First Name,Last Name,Notes\nAda,Fixture,"call\nfirst"\n'
    for wrong, code in (("x" * 5000, "long-row"), ("\x01", "control"), ('"x', "quote")):
        for lines in (f"Sam,Fixture,{wrong}", f'Sam,Fixture,"call\n{wrong}'):
            problem = refusal(text + lines)
            assert (problem.code, problem.values) == (code, {"row": 3})


@pytest.mark.parametrize("by", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line", ["sep={}", "SEP={}", '"sep={}"'])
def test_a_line_that_says_the_separator_is_obeyed_and_no_row(by: str, line: str) -> None:
    headings = by.join(["First Name", "Last Name", "a,b;c d,e;f"])
    text = f"{line.format(by)}\r\n{headings}\r\n\r\nAda{by}Fixture{by}"
    for encoding in ("utf-8-sig", "utf-16"):
        assert rows(text.encode(encoding)) == [Row(3, "Ada", "Fixture", "", "")]
    assert refusal(text + "\x01").values == {"row": 3}


def test_a_line_that_says_the_separator_is_not_enough() -> None:
    assert refusal("sep=;").code == "row-1-blank"
    assert refusal("sep=;\r\n" + HEADINGS).code == "row-1"
    assert refusal(HEADINGS + "sep=;\n\x01").values == {"row": 3}


def test_a_long_line_is_refused_with_its_row() -> None:
    line = "Ada,Fixture,,".ljust(4096, "1") + "\n"
    assert len(rows(HEADINGS + line)) == 1
    for data in (HEADINGS + line + "1" + line, HEADINGS + line + "1" * 100_000):
        problem = refusal(data)
        assert (problem.code, problem.values) == ("long-row", {"row": 3})


@pytest.mark.parametrize("character", "\0\x01\x08\x0b\x0c\x1a\x1b\x1c\x1f\x7f")
def test_a_control_character_is_refused_with_its_row(character: str) -> None:
    many = HEADINGS + "Ada,Fixture,,\n" * 9000
    for encoding in ("utf-8", "utf-16"):
        problem = refusal((many + f"Sam,Fix{character}ture,,\n").encode(encoding))
        assert (problem.code, problem.values) == ("control", {"row": 9002})


def test_letters_that_cannot_be_read_are_refused() -> None:
    marked = ("\ufeff" + HEADINGS).encode() + "François,Fixture,,".encode("cp1252")
    assert str(refusal(marked)) == (
        "This file has letters that cannot be read. Save it as “CSV UTF-8”"
    )
    assert refusal(HEADINGS.encode() + b"Ada,Fix\x81ture,,").code == "letters"
    assert refusal((HEADINGS + "Ada,Fixture,,").encode("utf-16")[:-1]).code == "letters"


def test_no_refusal_says_a_word_that_never_appears_on_screen() -> None:
    for module in ("__init__", "delimited", "unreadable", "workbooks"):
        source = (ROOT / "inviter" / "spreadsheets" / f"{module}.py").read_text()
        texts = [line for line in source.splitlines() if "N_(" in line]
        assert texts
        for text in texts:
            for word in ("token", "bounce", "client", "user", "record"):
                assert word not in text.lower()


@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
def test_whatever_comes_only_refused_goes_out(data: bytes) -> None:
    for each in (data, HEADINGS.encode() + data, b"PK\x03\x04" + data):
        with suppress(Refused):
            rows(each)


# Memory

MEASURE = """
import sys
from inviter import spreadsheets

def high_water():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

with open("/proc/self/clear_refs", "w") as reset:
    reset.write("5")
before = high_water()
with open(sys.argv[1], "rb") as file:
    try:
        count = sum(1 for _ in spreadsheets.read(file).rows)
        print("rows", count, high_water() - before)
    except spreadsheets.Refused as problem:
        print(problem.code, 0, high_water() - before)
"""


def megabytes(path: Path) -> tuple[str, float]:
    """What came of it, and how much more memory the process held at most."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not tell how much memory a process held at most")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    came, _, held = done.stdout.split()
    return came, float(held)


def test_a_large_list_is_read_in_the_memory_of_a_piece(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    row = "Firstname,Lastname,firstname.lastname@example.org,3065550142\n"
    path.write_text(HEADINGS + row * 100_000)
    came, held = megabytes(path)
    assert came == "rows"
    assert held < 10


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"x", "long-row"),
        (b",", "long-row"),
        (b'"', "long-row"),
        (b"\xe9", "long-row"),
        (b"\xff", "long-row"),
        (b"\n", "too-many-rows"),
        (b",\n", "too-many-rows"),
        (b'x,"\n', "too-many-rows"),
        (b'x,"y\n', "quote"),
        (b"x\0", "long-row"),  # so it might be UTF-16
    ],
)
def test_a_huge_file_of_anything_takes_little_memory(
    tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(HEADINGS.encode() + content * (100_000_000 // len(content)))
    came, held = megabytes(path)
    assert came == code
    assert held < 30


def test_the_memory_does_not_grow_with_the_file() -> None:
    def peak(count: int) -> int:
        file = io.BytesIO((HEADINGS + "Ada,Fixture,,\n" * count).encode())
        tracemalloc.start()
        for _ in spreadsheets.read(file).rows:
            pass
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    assert peak(60_000) < peak(15_000) * 1.2
