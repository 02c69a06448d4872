"""Pages are tested on SQLite; what they call is tested on both databases."""

import pytest
from flask import Flask

from tests.factories import Cast
from tests.visitors import Visitor


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(params=["plain", "htmx"])
def visitor(request: pytest.FixtureRequest, app: Flask, cast: Cast) -> Visitor:
    """Both moods: a whole page each time, and htmx's fragments."""
    return Visitor(app.test_client(), htmx=request.param == "htmx")
