"""Reports of what browsers were kept from; whose address and host a request has."""

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, request

import app as composition
from inviter.config import Config
from inviter.web import policy


@pytest.fixture(autouse=True)
def a_new_minute() -> None:
    policy._budget = policy._Budget()


def told(app: Flask, body: Any, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the log says of a report."""
    data = body if isinstance(body, bytes) else json.dumps(body)
    answer = app.test_client().post(policy.REPORT_PATH, data=data)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Set-Cookie" not in answer.headers
    return [line for line in capsys.readouterr().out.splitlines() if "kept from a page" in line]


OLD = {
    "csp-report": {
        "document-uri": "http://localhost/j/secret-token?name=Ada",
        "violated-directive": "script-src-elem 'self'",
        "blocked-uri": "http://evil.example/Ada",
    }
}
NEW = [
    {
        "type": "csp-violation",
        "body": {"documentURL": "http://localhost/sign-in", "effectiveDirective": "img-src"},
    }
]


def test_a_report_is_logged_by_rule_and_endpoint_without_a_word_of_its_own(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = told(app, OLD, capsys)
    assert "directive=script-src-elem" in line
    assert "page=joining.link" in line
    assert not any(word in line for word in ("secret-token", "Ada", "evil"))
    (line,) = told(app, NEW, capsys)
    assert "directive=img-src" in line
    assert "page=auth.sign_in" in line


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\xff\x00",
        b"[" * 10_000,
        b"x" * 200_000,
        [],
        {},
        7,
        {"csp-report": 1},
        {"csp-report": {"violated-directive": "a\nb"}},
        {"csp-report": {"violated-directive": {}}},
    ],
)
def test_junk_is_answered_alike_and_not_logged(
    app: Flask, capsys: pytest.CaptureFixture[str], junk: Any
) -> None:
    assert told(app, junk, capsys) == []


def test_after_a_few_a_minute_the_rest_is_passed_over(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [told(app, OLD, capsys) for _ in range(policy.MOST_A_MINUTE + 5)]
    assert [len(each) for each in lines[-6:]] == [1, 0, 0, 0, 0, 0]


FORWARDED = "6.6.6.6, 7.7.7.7, 8.8.8.8"
"""The last is what the nearest proxy saw; the others are what it was told."""


@pytest.mark.parametrize(
    ("hops", "address"), [(0, "127.0.0.1"), (1, "8.8.8.8"), (2, "7.7.7.7"), (4, "127.0.0.1")]
)
def test_an_address_is_taken_from_no_further_than_the_proxies_in_front(
    settings: Config, hops: int, address: str
) -> None:
    made = composition.create_app(replace(settings, proxy_hops=hops))
    seen: list[str | None] = []
    made.before_request(lambda: seen.append(request.remote_addr))
    made.test_client().get("/healthz", headers={"X-Forwarded-For": FORWARDED})
    assert seen == [address]


@pytest.mark.parametrize("path", ["/sign-in", "/nowhere", "/c/northside/invite", "/healthz"])
def test_a_foreign_host_is_refused_without_a_word_of_it(settings: Config, path: str) -> None:
    made = composition.create_app(
        replace(settings, trusted_hosts=("localhost",), proxy_hops=1, base_url="https://localhost")
    )
    client = made.test_client()
    assert client.get("/healthz").status_code == 200
    for name in ("Host", "X-Forwarded-Host"):
        answer = client.get(path, headers={name: "evil.example"})
        assert answer.status_code == 400
        assert "evil.example" not in f"{answer.text} {answer.headers}"
        assert answer.headers["Content-Security-Policy"] == policy.CONTENT_SECURITY_POLICY
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
