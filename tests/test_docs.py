"""What the documents name is there."""

import re

import pytest

from inviter.config import ROOT

SECURITY = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", SECURITY)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_requirement_is_shown_by_a_test_that_exists(file: str, name: str) -> None:
    source = (ROOT / "tests" / file).read_text()
    assert re.search(rf"^(?:    )?(?:def|class) {name}\b", source, re.MULTILINE)
