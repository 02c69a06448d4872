"""Calls on kept connections, over HTTP and HTTPS: one call is one request, whatever happens."""

import json
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from inviter.senders.calls import BROKEN_OFF, Host, NotConnected
from tests.fakes import tls
from tests.fakes.provider import (
    ACCEPT,
    ACCEPT_THEN_HALF,
    ACCEPT_THEN_HANG,
    ACCEPT_THEN_RESET,
    HANG_UP,
    UNREAD,
    Reply,
)
from tests.fakes.sendgrid import StandIn
from tests.waiting import until

SOON = 0.3  # seconds
LONG = 20  # seconds, for what answers unless something is broken


@pytest.fixture(params=["http", "https"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tls=tls.server(tmp_path) if request.param == "https" else None) as stand_in:
        yield stand_in


def host(provider: StandIn, *, timeout: float = LONG, idle: float = LONG) -> Host:
    return Host(provider.url, timeout=timeout, idle=idle, tls=tls.trusting())


def post(to: Host, number: int = 1) -> int:
    body = json.dumps({"number": number}).encode()
    return to.post("/v3/mail/send", body, {"Content-Type": "application/json"}).status


def numbers(provider: StandIn) -> list[int]:
    return [each.message["number"] for each in provider.accepted]


def test_one_connection_carries_call_after_call(provider: StandIn) -> None:
    to = host(provider)
    assert [post(to, number) for number in range(5)] == [202] * 5
    assert numbers(provider) == [0, 1, 2, 3, 4]
    assert provider.connections == 1


def test_an_answer_other_than_yes_keeps_the_connection_too(provider: StandIn) -> None:
    provider.plan(Reply(400), Reply(429), Reply(503))
    to = host(provider)
    assert [post(to) for _ in range(4)] == [400, 429, 503, 202]
    assert provider.connections == 1


def test_calls_at_once_have_a_connection_each_and_keep_it(provider: StandIn) -> None:
    provider.plan(then=Reply(delay=0.05))
    to = host(provider)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda number: post(to, number), range(40))) == {202}
    assert sorted(numbers(provider)) == list(range(40))
    assert provider.connections <= 8


def test_a_connection_that_the_server_left_while_idle_is_not_used(provider: StandIn) -> None:
    provider.plan(then=HANG_UP)
    to = host(provider)
    for number in range(3):
        assert post(to, number) == 202
        until(lambda: not provider.open)
    assert numbers(provider) == [0, 1, 2]
    assert provider.connections == 3


def test_a_server_that_restarts_costs_no_call(provider: StandIn) -> None:
    """Not one of many kept connections ends in a doubt."""
    provider.plan(then=Reply(delay=0.05))
    to = host(provider)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: post(to, number), range(8)))
        provider.hang_up()
        until(lambda: not provider.open)
        assert set(pool.map(lambda number: post(to, number), range(8, 24))) == {202}
    assert sorted(numbers(provider)) == list(range(24))


def test_a_connection_that_waited_too_long_is_not_used(provider: StandIn) -> None:
    to = host(provider, idle=0.05)
    post(to)
    time.sleep(0.1)
    assert post(to) == 202
    assert provider.connections == 2


def test_a_connection_that_is_said_to_end_is_not_kept(provider: StandIn) -> None:
    provider.plan(Reply(headers={"Connection": "close"}))
    to = host(provider)
    assert [post(to), post(to)] == [202, 202]
    assert provider.connections == 2


@pytest.mark.parametrize(
    "broken", [UNREAD, ACCEPT_THEN_RESET, ACCEPT_THEN_HALF, ACCEPT_THEN_HANG], ids=lambda it: it.end
)
def test_a_call_that_breaks_on_a_kept_connection_is_not_made_again(
    provider: StandIn, broken: Reply
) -> None:
    provider.plan(ACCEPT, broken)
    to = host(provider, timeout=SOON if broken is ACCEPT_THEN_HANG else LONG)
    assert post(to, 1) == 202
    with pytest.raises(BROKEN_OFF) as broke:
        post(to, 2)
    assert not isinstance(broke.value, NotConnected), "it may have arrived"
    assert provider.calls == 2
    assert post(to, 3) == 202
    assert provider.connections == 2, "what broke is not kept"


@contextmanager
def never_connected() -> Iterator[None]:
    with pytest.raises(NotConnected):
        yield


def test_a_certificate_that_nobody_vouches_for_is_no_connection(tmp_path: Path) -> None:
    with StandIn(tls=tls.server(tmp_path)) as stranger, never_connected():
        post(Host(stranger.url, timeout=LONG, tls=ssl.create_default_context()))
    assert stranger.calls == 0


@pytest.mark.parametrize("name", ["nowhere.invalid", "a..b", "x" * 64 + ".example"])
def test_a_name_that_leads_nowhere_is_no_connection(name: str) -> None:
    with never_connected():
        post(Host(f"https://{name}", timeout=LONG))
