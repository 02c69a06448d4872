"""What is looked for: names folded, addresses as written, numbers by their digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inviter import search
from inviter.search import Search, Word


def words(text: str) -> tuple[Word, ...]:
    return search.read(text).words


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("FATIMA", "fatima"),
        ("François", "francois"),
        ("Nguyễn", "nguyen"),
        ("O’Neil", "oneil"),
        ("o'neil", "oneil"),
        ("anne-marie", "annemarie"),
        ("Dr.", "dr"),
        ("Łukasz", "lukasz"),
    ],
)
def test_a_word_of_a_name_is_folded_as_names_are(typed: str, name: str) -> None:
    assert words(typed)[0].name == name


@pytest.mark.parametrize("typed", ["a%", "_", "%", "ada@example.org", "a1", "x;--", "306"])
def test_what_no_name_holds_is_not_looked_for_in_names(typed: str) -> None:
    assert words(typed)[0].name == ""
    assert words(typed)[0].email == typed


@pytest.mark.parametrize(
    ("typed", "digits"),
    [("(306)", "306"), ("555-0142", "5550142"), ("+1306", "1306"), ("３０６", "306"), ("a1", "")],
)
def test_a_number_is_looked_for_by_its_digits(typed: str, digits: str) -> None:
    assert words(typed)[0].digits == digits


@pytest.mark.parametrize("typed", ["048291", "048 291", "048-291", " 048291 "])
def test_exactly_six_digits_are_a_code_too(typed: str) -> None:
    assert search.read(typed).code == "048291"


@pytest.mark.parametrize("typed", ["48291", "0482911", "048291 ada", ""])
def test_anything_else_is_no_code(typed: str) -> None:
    assert search.read(typed).code is None


def test_blanks_look_for_nothing() -> None:
    assert search.read(" \t\0\u200b ") == Search()


def test_too_much_is_cut() -> None:
    assert len(search.plain("x" * 10_000)) == search.LONGEST
    assert len(words("a " * 5_000)) == search.MOST_WORDS


@given(st.text(max_size=200))
def test_whatever_is_typed_is_read(text: str) -> None:
    typed = search.plain(text)
    assert "\0" not in typed
    assert search.plain(typed) == typed
    assert search.read(typed) == search.read(text)
