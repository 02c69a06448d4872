"""A short run of `tests.bench.crawl`: who opens what a message holds changes nothing by that."""

from flask import Flask

from tests.bench import crawl
from tests.factories import Cast

TIMES = 2


def test_opening_links_and_posting_empty_forms_changes_no_row(app: Flask, cast: Cast) -> None:
    links = crawl.prepare(app)
    assert len([each for each in links if each.startswith("/j/")]) == len(crawl.STATES)
    assert {each.partition("?")[0].split("/")[1] for each in links} == {
        *("j", "join", "forgot-password", "reset-password")
    }
    before = crawl.rows(app)
    assert crawl.open_all(app, links, TIMES) == {200, 410}
    assert crawl.changed(before, crawl.rows(app)) == []
    for hidden in (False, True):
        posted = {each.rpartition("/")[2] for each in crawl.post_all(app, links, hidden=hidden)}
        assert posted >= {"accept", "northside", "forgot-password"}
        assert crawl.changed(before, crawl.rows(app)) == []
    assert sorted(crawl.press_all(app, links)) == [
        *("/join/northside/new-link", "/join/northside/not-for-me", "/join/northside/not-for-me")
    ]
    assert set(crawl.changed(before, crawl.rows(app))) == {"invitation", "activity", "delivery"}
