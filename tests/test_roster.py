"""A fate for each row of a file, from what the file alone tells."""

import time
import tracemalloc
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inviter import contacts, duplicates, roster
from inviter.bulk import Reader
from inviter.contacts import Phone, Problem
from inviter.roster import Checked, Fate, Recipient
from tests import typed
from tests.typed import Refused

REGIONS = ("CA", "US")
CELLS = ("first_name", "last_name", "email", "phone")


class Row(NamedTuple):
    number: int = 2
    first_name: str = "Ada"
    last_name: str = "Fixture"
    email: str = "ada@example.org"
    phone: str = "306 555 0142"
    extra: bool = False
    beyond: Sequence[str] | None = None


def alone(row: Row, **ticks: bool) -> Checked:
    return roster.check_row(row, Reader(REGIONS), **ticks)


def check(*rows: Row) -> list[Checked]:
    """Numbered from 2, as below the headings."""
    numbered = [row._replace(number=number) for number, row in enumerate(rows, 2)]
    return list(roster.check(numbered, REGIONS))


def contact(email: str = "", phone: str = "", **others: Any) -> Row:
    return Row(email=email, phone=phone, **others)


# One row


def test_a_row_as_it_should_be_is_ready() -> None:
    row = Row()
    phone = Phone("+13065550142", "306 555 0142", can_text=True)
    who = Recipient("Ada", "Fixture", "ada fixture", "ada@example.org", phone)
    assert alone(row) == Checked(row, Fate.READY, who)


def test_email_and_phone_may_be_blank() -> None:
    checked = alone(contact())
    assert checked.fate == Fate.READY
    assert checked.recipient == Recipient("Ada", "Fixture", "ada fixture", None, None)


def test_what_was_typed_is_kept_beside_what_it_was_read_as() -> None:
    row = Row(first_name=" Ada ", email="ADA@Example.org")
    checked = alone(row)
    assert checked.row is row
    assert checked.recipient is not None
    assert checked.recipient.first_name == "Ada"
    assert checked.recipient.email == "ada@example.org"


def test_all_that_is_wrong_with_a_row_is_said_at_once() -> None:
    checked = alone(Row(first_name="", last_name="Fixture2", email="ada", phone="911"))
    assert checked.fate == Fate.NEEDS_FIXING
    assert checked.recipient is None
    assert {cell: str(problem) for cell, problem in checked.problems.items()} == {
        "first_name": "Enter a first name",
        "last_name": "Enter the name without digits",
        "email": "Enter an email address with an @, such as name@example.com, or leave it blank",
        "phone": "911 is too short. Enter all of it with the area code, e.g. 306 555 0142",
    }


def test_a_problem_is_said_at_its_own_cell_only() -> None:
    assert list(alone(Row(phone="306 976 1234")).problems) == ["phone"]


def test_a_problem_that_is_kept_holds_nothing_of_how_it_came_about() -> None:
    assert alone(Row(phone="911")).problems["phone"].__traceback__ is None


def test_a_row_with_more_cells_than_headings_needs_fixing() -> None:
    checked = alone(Row(extra=True, beyond=["306 555 0143", "b\u202e\nc"], email="ada"))
    assert checked.fate == Fate.NEEDS_FIXING
    assert str(checked.problems["row"]) == (
        "This row has more cells than there are headings. Left over: 306 555 0143, b c."
        " Check that each is in its place"
    )
    assert list(checked.problems) == ["email", "row"]
    assert alone(Row(extra=True)).recipient is None


def test_one_name_only_leaves_the_last_name_blank() -> None:
    row = Row(last_name=" ")
    assert alone(row).problems["last_name"].code == "last-name-missing"
    checked = alone(row, one_name=True)
    assert checked.fate == Fate.READY
    assert checked.recipient is not None
    assert (checked.recipient.last_name, checked.recipient.name_key) == ("", "ada")
    assert list(alone(row._replace(first_name=""), one_name=True).problems) == ["first_name"]


def test_a_last_name_that_was_typed_counts_although_one_name_is_ticked() -> None:
    checked = alone(Row(), one_name=True)
    assert checked.recipient is not None
    assert checked.recipient.last_name == "Fixture"
    assert "last_name" in alone(Row(last_name="F1"), one_name=True).problems


def test_a_different_person_is_told_to_whoever_invites() -> None:
    checked = alone(Row(), is_different=True)
    assert checked.recipient is not None
    assert checked.recipient.is_different


# What reads otherwise than in the file


@pytest.mark.parametrize(
    ("row", "cell", "text"),
    [
        (
            Row(first_name=" O´Neil"),
            "first_name",
            "The file has O´Neil, with a mark that only looks like ’ or -",
        ),
        (
            Row(last_name="Anne–Marie"),
            "last_name",
            "The file has Anne–Marie, with a mark that only looks like ’ or -",
        ),
        (
            Row(email="ada@MÜNCHEN.de"),
            "email",
            "The file has ada@MÜNCHEN.de. This is how its domain is written for sending",
        ),
        (
            Row(phone="\u202a3065550142.0\u202c"),
            "phone",
            "The file has 3065550142.0. Its end is not part of the number",
        ),
    ],
)
def test_a_cell_that_reads_otherwise_is_told_with_what_the_file_has(
    row: Row, cell: str, text: str
) -> None:
    checked = alone(row)
    assert checked.fate == Fate.CHANGED
    assert checked.recipient is not None
    assert {cell: str(change) for cell, change in checked.changes.items()} == {cell: text}


@pytest.mark.parametrize(
    "row",
    [
        Row(first_name="  Ada\u00a0 Maria "),
        Row(first_name="\ufeffAda\u200b"),
        Row(first_name="Jose\u0301", last_name="O'Brien"),
        Row(email=" ADA@EXAMPLE.org\r\n"),
        Row(email="a@xn--mnchen-3ya.de"),
        Row(email="a@XN--MNCHEN-3YA.de"),
        Row(phone="+1 (306) 555-0142"),
        Row(phone="'+13065550142 "),
        Row(phone="３０６５５５０１４２"),
        Row(phone="\u202a306 555 0142\u202c"),
    ],
)
def test_spaces_capitals_and_what_is_not_seen_are_no_change(row: Row) -> None:
    checked = alone(row)
    assert checked.fate == Fate.READY
    assert checked.changes == {}


# The same person twice in a file


@pytest.mark.parametrize(
    ("first", "second", "by_name_only"),
    [
        (Row(), Row(), False),
        (contact("a@b.ca"), contact("A@B.ca "), False),
        (contact("a@b.ca", "306 555 0142"), contact("c@d.ca", "+13065550142"), False),
        (contact("a@b.ca", "306 555 0142"), contact("a@b.ca", "306 555 0143"), False),
        (Row(first_name="José"), Row(first_name="JOSE"), False),
        (contact(), contact(), True),
        (contact(), contact("a@b.ca"), True),
        (contact("a@b.ca", "306 555 0142"), contact(), True),
    ],
)
def test_the_same_person_twice_is_told_with_the_row_of_the_first(
    first: Row, second: Row, by_name_only: bool
) -> None:
    one, other = check(first, second)
    assert (one.fate, one.duplicate_of) == (Fate.READY, None)
    assert (other.fate, other.duplicate_of) == (Fate.DUPLICATE_IN_FILE, 2)
    assert other.by_name_only == by_name_only
    assert other.recipient is not None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Row(), Row(first_name="Grace")),
        (contact("a@b.ca"), contact("c@d.ca")),
        (contact("a@b.ca"), contact(phone="306 555 0142")),
        (contact(), contact(first_name="Grace")),
        (Row(first_name="Ann", last_name="Abel"), Row(first_name="Anna", last_name="Bel")),
        (Row(first_name="Ada", last_name="Fixture"), Row(first_name="Fixture", last_name="Ada")),
    ],
)
def test_people_who_share_only_a_name_or_only_a_contact_are_two(first: Row, second: Row) -> None:
    assert [each.fate for each in check(first, second)] == [Fate.READY, Fate.READY]


def test_the_row_told_is_the_first_of_all_that_are_the_same() -> None:
    rows = contact("a@b.ca"), contact(phone="306 555 0142"), contact("a@b.ca", "306 555 0142")
    assert [each.duplicate_of for each in check(*rows, contact())] == [None, None, 2, 2]


def test_a_row_that_needs_fixing_is_nobodys_duplicate() -> None:
    checked = check(Row(email="ada"), Row(), Row(email="ada"), Row())
    assert [each.duplicate_of for each in checked] == [None, None, None, 3]


def test_a_changed_row_that_comes_again_is_a_duplicate_and_keeps_its_changes() -> None:
    _first, second = check(Row(phone="3065550142"), Row(phone="3065550142.0"))
    assert second.fate == Fate.DUPLICATE_IN_FILE
    assert list(second.changes) == ["phone"]


def test_saying_that_a_person_is_different_overrides_the_name_and_not_the_contact() -> None:
    seen = roster.Seen()
    ada = Recipient("Ada", "Fixture", "ada fixture", "a@b.ca", None)
    bare = Recipient("Ada", "Fixture", "ada fixture", None, None, is_different=True)
    same = Recipient("Ada", "Fixture", "ada fixture", "a@b.ca", None, is_different=True)
    assert [seen.add(each, row) for row, each in enumerate((ada, bare, same), 2)] == [
        None,
        None,
        (2, False),
    ]


def test_duplicates_are_those_that_the_rule_finds_by_comparing_each_with_each() -> None:
    random = Random(5)
    people: list[Recipient] = []
    seen = roster.Seen()
    for number in range(1500):
        key = f"ada {random.randrange(60)}"
        email = random.choice([None, f"a{random.randrange(12)}@b.ca"])
        phone = random.choice([None, Phone(f"+1306555010{random.randrange(9)}", "x", True)])
        one = Recipient("Ada", "X", key, email, phone, is_different=random.random() < 0.2)
        earlier = seen.add(one, number)
        expected = duplicates._check_one(one, people, [], [], [], set())
        assert (earlier and earlier.number) == expected.repeats
        assert bool(earlier and earlier.by_name_only) == expected.by_name_only
        people.append(one)


# Whole files


def test_rows_are_checked_one_at_a_time_in_their_order() -> None:
    taken = []

    def rows() -> Iterator[Row]:
        for number in range(2, 5):
            taken.append(number)
            yield Row(number, email=f"a{number}@b.ca", phone="")

    checked = roster.check(rows(), REGIONS)
    assert taken == []
    assert next(checked).row.number == 2
    assert taken == [2]
    assert [each.row.number for each in checked] == [3, 4]


def test_a_file_is_checked_by_the_code_that_checks_one_row() -> None:
    random = Random(6)
    rows = [
        Row(number, typed.name(random), typed.name(random), typed.email(random), "")
        for number in range(500)
    ]
    for row, checked in zip(rows, roster.check(rows, REGIONS), strict=True):
        one = alone(row)
        assert said(checked) == said(one)
        assert checked.fate in (one.fate, Fate.DUPLICATE_IN_FILE)


def said(checked: Checked) -> tuple[object, ...]:
    problems = {cell: str(each) for cell, each in checked.problems.items()}
    return checked.row, checked.recipient, problems, checked.changes


def test_a_row_is_read_as_contacts_reads_its_cells() -> None:
    random, reader = Random(7), Reader(REGIONS)
    for _ in range(1500):
        row = Row(
            2, typed.name(random), typed.name(random), typed.email(random), typed.phone(random)
        )
        checked = roster.check_row(row, reader)
        answers = {
            "first_name": typed.verdict(contacts.first_name, row.first_name),
            "last_name": typed.verdict(contacts.last_name, row.last_name),
            "email": typed.verdict(contacts.email, row.email),
            "phone": typed.verdict(lambda text: contacts.phone(text, REGIONS), row.phone),
        }
        for cell, answer in answers.items():
            problem = checked.problems.get(cell)
            if isinstance(answer, Refused):
                assert problem is not None
                assert (problem.code, str(problem)) == (answer.code, answer.text)
            elif checked.recipient:
                assert getattr(checked.recipient, cell) == answer
            else:
                assert problem is None


@given(st.lists(st.tuples(st.text(), st.text(), st.text(), st.text(), st.booleans()), max_size=5))
def test_whatever_a_file_holds_each_row_gets_a_fate(cells: list[tuple[Any, ...]]) -> None:
    rows = [Row(number, *each) for number, each in enumerate(cells, 2)]
    for row, checked in zip(rows, roster.check(rows, REGIONS), strict=True):
        assert checked.row is row
        assert set(checked.problems) <= {*CELLS, "row"}
        assert all(isinstance(each, Problem) for each in checked.problems.values())
        assert bool(checked.problems) == (checked.fate == Fate.NEEDS_FIXING)
        assert (checked.recipient is None) == (checked.fate == Fate.NEEDS_FIXING)


def test_a_file_in_which_all_have_one_name_is_checked_as_soon() -> None:
    began = time.perf_counter()
    rows = (Row(number, email=f"a{number}@b.ca", phone="") for number in range(20_000))
    assert sum(each.fate == Fate.READY for each in roster.check(rows, REGIONS)) == 20_000
    assert time.perf_counter() - began < 2


def test_of_each_row_little_is_kept() -> None:
    many = 5000
    tracemalloc.start()
    for _each in roster.check(
        (Row(number, email=f"a{number}@b.ca", phone="306 555 0142") for number in range(many)),
        REGIONS,
    ):
        pass
    _kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < many * 400
