import pytest
from hypothesis import given
from hypothesis import strategies as st

from inviter import codes

six_digits = st.text("0123456789", min_size=6, max_size=6)


def test_a_code_is_six_ascii_digits():
    drawn = [codes.random_code() for _ in range(2000)]
    assert all(len(code) == 6 and code.isascii() and code.isdecimal() for code in drawn)


def test_leading_zeros_are_kept():
    assert any(codes.random_code().startswith("0") for _ in range(2000))  # misses 1 in 10^91


def test_codes_are_not_drawn_twice_in_a_row():
    assert len({codes.random_code() for _ in range(100)}) > 90


@pytest.mark.parametrize(
    "typed",
    [
        "482913",
        "482 913",
        " 482913\r\n",
        "482-913",
        "482–913",
        "4 8 2 9 1 3",
        "482\u00a0913",
        "482\u200b913",
        "\ufeff482913",
        "４８２９１３",
        "٤٨٢٩١٣",
        "۴۸۲۹۱۳",
        "४८२ ९१३",
    ],
)
def test_what_people_type_is_read_as_the_code(typed):
    assert codes.normalise(typed) == "482913"


def test_typed_leading_zeros_are_kept():
    assert codes.normalise("000 042") == "000042"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "48291",
        "4829131",
        "48291O",
        "48291²",
        "482.913",
        "+482913",
        "482913\x00",
        "½82913",
        "abcdef",
        "482913" * 2,
        "1" * 10_000,
        "482913" + "-" * 10_000,
    ],
)
def test_what_cannot_be_a_code_is_none(typed):
    assert codes.normalise(typed) is None


def test_a_code_is_written_in_two_groups():
    assert codes.spaced("482913") == "482 913"
    assert codes.spaced("000042") == "000 042"


@given(six_digits)
def test_a_code_written_for_people_reads_back(code):
    assert codes.normalise(codes.spaced(code)) == code


@given(st.text())
def test_any_text_gives_a_code_or_none(text):
    code = codes.normalise(text)
    assert code is None or (len(code) == 6 and code.isascii() and code.isdecimal())
