"""Reading many at once says what reading one says."""

import itertools
import string
import time
import tracemalloc
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inviter import bulk, contacts, crowd
from inviter.bulk import Reader
from inviter.spreadsheets import Row
from tests import typed
from tests.typed import verdict

HOME = ("CA", "US")
MANY = 4000

anything = st.text(st.one_of(st.characters(), st.sampled_from(typed.HOSTILE)), max_size=60)
nearly_a_number = st.from_regex(r"'?\+?[0-9 ().,-]{7,16}[ .]?0?", fullmatch=True)


def assert_same(
    ours: Callable[[str], object], theirs: Callable[[str], object], text: str, *more: object
) -> None:
    assert verdict(ours, text) == verdict(theirs, text), (text, *more)


def assert_same_phone(reader: Reader, regions: tuple[str, ...], text: str) -> None:
    assert_same(reader.phone, lambda text: contacts.phone(text, regions), text, regions)


def test_names_as_people_type_them_are_read_as_contacts_reads_them() -> None:
    reader, random = Reader(HOME), Random(1)
    for _ in range(MANY):
        text = typed.name(random)
        assert_same(reader.first_name, contacts.first_name, text)
        assert_same(reader.last_name, contacts.last_name, text)


def test_emails_as_people_type_them_are_read_as_contacts_reads_them() -> None:
    reader, random = Reader(HOME), Random(2)
    for _ in range(MANY):
        assert_same(reader.email, contacts.email, typed.email(random))


@pytest.mark.parametrize("regions", typed.REGIONS, ids="/".join)
def test_numbers_as_people_type_them_are_read_as_contacts_reads_them(
    regions: tuple[str, ...],
) -> None:
    reader, random = Reader(regions), Random(3)
    for _ in range(MANY // 4):
        assert_same_phone(reader, regions, typed.phone(random))


@given(anything)
def test_whatever_is_typed_is_read_as_contacts_reads_it(text: str) -> None:
    reader = Reader(HOME)
    assert_same(reader.first_name, contacts.first_name, text)
    assert_same(reader.last_name, contacts.last_name, text)
    assert_same(reader.email, contacts.email, text)
    assert_same_phone(reader, HOME, text)


def test_what_links_begin_with_is_read_as_contacts_reads_it() -> None:
    for text in ("www", "Www. Evil", "HTTP", "Ana https", "Ana-www", "Wwwera", "Ahttpsa", "hTTp."):
        assert_same(Reader(HOME).first_name, contacts.first_name, text)


@given(nearly_a_number, st.sampled_from(typed.REGIONS))
def test_what_is_nearly_a_number_is_read_as_contacts_reads_it(
    text: str, regions: tuple[str, ...]
) -> None:
    assert_same_phone(Reader(regions), regions, text)


@given(st.emails())
def test_every_address_that_standards_allow_is_read_as_contacts_reads_it(address: str) -> None:
    assert_same(Reader(HOME).email, contacts.email, address)


def test_every_letter_is_read_and_folded_as_contacts_does() -> None:
    reader = Reader(HOME)
    for code in (*range(0x3000), *range(0xFB00, 0xFB10)):
        text = f"A{chr(code)}b"
        assert_same(reader.last_name, contacts.last_name, text)
        if name := bulk.plain_name(text):
            assert bulk.fold(name) == contacts.fold(name)


@pytest.mark.parametrize("regions", [HOME, ("US",), ("CA",), ("JM", "PR", "CA"), ("DO", "US")])
@pytest.mark.parametrize("rest", ["5550142", "5551212", "2090142", "9760142", "1550142"])
def test_every_area_code_is_read_as_contacts_reads_it(regions: tuple[str, ...], rest: str) -> None:
    reader = Reader(regions)
    for area in range(200, 1000):
        assert_same_phone(reader, regions, f"{area}{rest}")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "3065550142.0",
            "3065550142.5",
            "3065550142.00",
            "306555014.0",
            "1306555.0000",
            "306555.0142",
        ),
        *("3065550.000", "306 555 0142.0", "306.555.0000", "1.306.555.0000", "'3065550142.0"),
        *("+3065550142", "+13065550142", "++13065550142", "''3065550142", "' 3065550142"),
        *("(306 555 0142", "306) 555 0142", "306  555 0142", "306 555 0142 4", "1306 555 0142"),
        *("306 976 1234", "976 306 1234", "900 555 0142", "305 209 1234", "600 555 0142"),
        *(
            "３０６５５５０１４２",
            "٣٠٦٥٥٥٠١٤٢",
            "306\u00a0555 0142",
            "306 555 0142\n",
            "3065550142\u200b",
        ),
    ],
)
def test_what_only_looks_like_a_plain_number_is_read_as_contacts_reads_it(text: str) -> None:
    assert_same_phone(Reader(HOME), HOME, text)


@pytest.mark.parametrize("length", [63, 64, 65, 100, 101, 253, 254, 255, 400, 401])
def test_limits_are_those_of_contacts(length: int) -> None:
    reader = Reader(HOME)
    for text in ("a" * length, " " * length + "a", "a" + " " * length + "a", "é" * length):
        assert_same(reader.first_name, contacts.first_name, text)
        assert bulk.plain_name(text) in (None, verdict(contacts.first_name, text))
    for text in (f"{'a' * length}@b.ca", f"a@{'b' * length}.ca", f"{'a' * (length - 5)}@b.ca"):
        assert_same(reader.email, contacts.email, text)


def test_an_answer_is_the_same_when_it_is_remembered() -> None:
    reader = Reader(HOME)
    for text in ("Ana", "ana@b.ca", "-", "", "Жанна", "Ana2", "a@b..ca", "A@B.ca"):
        for _ in range(2):
            assert_same(reader.first_name, contacts.first_name, text)
            assert_same(reader.last_name, contacts.last_name, text)
            assert_same(reader.email, contacts.email, text)


def test_a_row_is_decided_at_once_only_where_each_of_its_cells_is_sure() -> None:
    reader, random = Reader(HOME), Random(5)
    decided = 0
    for _ in range(MANY):
        cells = typed.name(random), typed.name(random), typed.email(random), typed.phone(random)
        some = [cell if random.random() < 0.8 else "" for cell in cells[2:]]
        row = Row(2, *cells[:2], *some)
        if read := reader.row(row):
            decided += 1
            names = contacts.first_name(row.first_name), contacts.last_name(row.last_name)
            assert read == (
                *names,
                contacts.name_key(*names),
                contacts.email(row.email),
                contacts.phone(row.phone, HOME),
            )
    assert decided > MANY // 100


def test_where_ten_digits_are_another_countrys_nothing_is_decided_here() -> None:
    assert Reader(("GB", "CA")).plain_phone("+1 306 555 0142") is None
    assert Reader(("FR",)).plain_phone("3065550142") is None


def test_nearly_all_that_real_people_have_is_decided_without_asking() -> None:
    reader, random = Reader(HOME), Random(4)
    people = [crowd.person(random, place) for place in range(2000)]
    for each in people:
        assert bulk.plain_name(each.first_name) == each.first_name
        assert bulk.plain_name(each.last_name) == each.last_name
        assert reader.plain_email(each.email or "") == each.email
        phone = reader.plain_phone(each.phone_typed or "")
        assert (phone.e164 if phone else None) == each.phone


def test_a_reader_remembers_few_names() -> None:
    reader = Reader(HOME)
    tracemalloc.start()
    for letters in itertools.islice(itertools.product(string.ascii_lowercase, repeat=4), 30_000):
        reader.first_name("".join(letters))
    assert kept_since() < 4_000_000


def test_a_reader_remembers_no_long_text() -> None:
    reader = Reader(HOME)
    tracemalloc.start()
    for length in range(1000, 3000):
        reader.first_name("Ada" + " " * length)
        verdict(reader.email, f"a@{'b' * length}.ca")
    assert kept_since() < 500_000


def kept_since() -> int:
    kept, _most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept


@pytest.mark.parametrize("bit", ["a", ".", "a.", "'", " ", "a@", "-", "1", "(306)", ". "])
def test_a_very_long_text_is_answered_at_once(bit: str) -> None:
    reader, began = Reader(HOME), time.perf_counter()
    for text in (bit * 10_000, f"a{bit * 10_000}@b.ca", bit * 30):
        verdict(reader.first_name, text)
        verdict(reader.email, text)
        verdict(reader.phone, text)
    assert time.perf_counter() - began < 0.5
