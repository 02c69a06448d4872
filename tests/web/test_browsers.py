"""The kind of a browser in words, and nothing more of what it says of itself."""

import pytest

from inviter.web import browsers

MOZILLA = "Mozilla/5.0 "
SAID = [
    (
        "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0"
        " Safari/537.36 Edg/124.0.0.0",
        "Edge, Windows",
    ),
    (
        "(Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0"
        " Mobile Safari/537.36",
        "Chrome, Android",
    ),
    (
        "(iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        " Version/17.4 Mobile/15E148 Safari/604.1",
        "Safari, iPhone",
    ),
    ("(X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox, Linux"),
    ("x" * 5000, ""),
]


@pytest.mark.parametrize(("said", "words"), SAID)
def test_a_browser_is_named_by_its_kind(said: str, words: str) -> None:
    assert browsers.words_for(MOZILLA + said) == words
