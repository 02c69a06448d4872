"""A short run of `tests.bench.accepts`: of 16 who accept an invitation at once, one joins."""

from datetime import datetime

from flask import Flask

from tests.bench import accepts
from tests.factories import Cast

INVITATIONS = 20


def test_of_sixteen_at_once_one_joins_by_each_invitation(
    app: Flask, cast: Cast, now: datetime
) -> None:
    with app.app_context():
        keys, accounts = accepts.prepare(INVITATIONS, accepts.PEOPLE, now=now)
    answers = accepts.race(app, keys, accounts, now)
    with app.app_context():
        assert accepts.wrong(answers, accepts.stands(keys), accepts.PEOPLE) == {}
