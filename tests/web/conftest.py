"""Pages are tested on SQLite; what they call is tested on both databases."""

from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import copy_of
from tests.factories import Cast
from tests.visitors import Visitor


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    return copy_of(sqlite_template, tmp_path)


@pytest.fixture(params=["plain", "htmx"])
def visitor(request: pytest.FixtureRequest, app: Flask, cast: Cast) -> Visitor:
    """Both moods: a whole page each time, and htmx's fragments."""
    return Visitor(app.test_client(), htmx=request.param == "htmx")
