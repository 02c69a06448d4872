"""Text messages: which alphabet they need, how many segments, and names left as they are."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inviter import segments
from inviter.segments import Segments

EMOJI = "\U0001f600"


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("", Segments("GSM-7", 0, 1)),
        ("a" * 160, Segments("GSM-7", 160, 1)),
        ("a" * 161, Segments("GSM-7", 161, 2)),
        ("a" * 306, Segments("GSM-7", 306, 2)),
        ("a" * 307, Segments("GSM-7", 307, 3)),
        ("a" * 158 + "€", Segments("GSM-7", 160, 1)),
        ("a" * 159 + "€", Segments("GSM-7", 161, 2)),
        ("€" * 80, Segments("GSM-7", 160, 1)),
        ("a" * 152 + "€" + "a" * 151, Segments("GSM-7", 305, 2)),
        ("a" * 152 + "€" + "a" * 152, Segments("GSM-7", 306, 3)),
        ("ê" * 70, Segments("UCS-2", 70, 1)),
        ("ê" * 71, Segments("UCS-2", 71, 2)),
        ("ê" * 134, Segments("UCS-2", 134, 2)),
        ("ê" * 135, Segments("UCS-2", 135, 3)),
        (EMOJI * 35, Segments("UCS-2", 70, 1)),
        (EMOJI * 36, Segments("UCS-2", 72, 2)),
        ("ê" * 66 + EMOJI + "ê" * 66, Segments("UCS-2", 134, 3)),
        ("é\n{}", Segments("GSM-7", 6, 1)),
    ],
)
def test_a_text_is_counted_as_networks_do(text: str, counted: Segments) -> None:
    assert segments.count(text) == counted


@pytest.mark.parametrize("text", ["Thérèse à Genève", "Ñandu Ångström Øst", "Straße", "ÆØÅ, Ç"])
def test_accents_that_gsm_7_has_stay(text: str) -> None:
    assert segments.plain(text) == text
    assert segments.count(segments.plain(text)).encoding == "GSM-7"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("O’Neil", "O'Neil"),
        ("“Hello” – and „so“…", '"Hello" - and "so"...'),
        ("« Bonjour »", '" Bonjour "'),
        ("306\u00a0555\u202f0142", "306 555 0142"),
        ("Saint‑Jean−Baptiste", "Saint-Jean-Baptiste"),
        ("soft\u00adhyphen\u200b", "softhyphen"),
        (unicodedata.normalize("NFD", "Thérèse"), "Thérèse"),
    ],
)
def test_marks_that_only_look_better_are_written_plainly(text: str, plain: str) -> None:
    assert segments.plain(text) == plain
    assert segments.count(plain).encoding == "GSM-7"


@pytest.mark.parametrize(
    ("text", "forces"),
    [
        ("Zoë O’Neil", ["ë", "’"]),
        ("François", ["ç"]),
        ("Håkan Łukasz Łoś", ["Ł", "ś"]),
        ("李 – 明", ["李", "–", "明"]),
        ("Σωκράτης", ["ω", "κ", "ρ", "ά", "τ", "η", "ς"]),
    ],
)
def test_a_name_that_gsm_7_lacks_keeps_the_text_as_it_is(text: str, forces: list[str]) -> None:
    assert segments.plain(text) == text
    assert segments.forcing(text) == forces
    assert segments.count(text).encoding == "UCS-2"


def letters(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFC", text) if each.isalnum())


@given(st.text())
def test_no_letter_or_digit_is_ever_another(text: str) -> None:
    assert letters(segments.plain(text)) == letters(text)


@given(st.text(st.sampled_from("aé€{ê“ " + EMOJI), max_size=700))
def test_writing_plainly_never_costs_more(text: str) -> None:
    assert segments.count(segments.plain(text)).segments <= segments.count(text).segments


def test_the_alphabet_has_its_127_characters_and_9_more() -> None:
    assert len(segments.GSM_7) == 127, "the 128th is the escape to the others"
    assert len(segments.EXTENDED) == 10, "the form feed among them"
