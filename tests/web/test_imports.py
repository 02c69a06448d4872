"""A file of patients: uploaded, checked, mended, confirmed, watched, in both moods."""

import io
from collections.abc import Callable

import pytest
from flask import Flask

from inviter import clock, inviting_many
from inviter.db import db
from inviter.keys import Keys
from tests.factories import Cast, invite, recipient
from tests.visitors import Visitor

HEAD = "First Name,Last Name,Email,Phone Number\r\n"
Upload = Callable[..., Visitor]


def send(
    visitor: Visitor, text: str | bytes, provider: object = None, name: str = "may.csv"
) -> Visitor:
    """The card of the page that is open, with a file."""
    data = {"csrf_token": visitor.csrf_token}
    if provider:
        data["provider"] = str(provider)
    content = text if isinstance(text, bytes) else text.encode()
    return visitor.post("/c/northside/imports", {**data, "file": (io.BytesIO(content), name)})


@pytest.fixture
def upload(ana: Visitor, cast: Cast) -> Upload:
    """Ana uploads rows for Dr. Osei."""

    def upload_rows(*rows: str, head: str = HEAD) -> Visitor:
        ana.open("/c/northside/invite")
        return send(ana, head + "".join(f"{row}\r\n" for row in rows), cast.osei.id)

    return upload_rows


def work(app: Flask, keys: Keys, batches: int = 100) -> None:
    """What the worker does with confirmed files."""
    with app.app_context():
        for _ in range(batches):
            done = inviting_many.invite_batch(
                keys=keys, regions=("CA", "US"), sms=True, now=clock.now()
            )
            db.session.commit()
            if not done:
                break


GOOD = ("Ada,Fixture,ada@example.org,306 555 0142", "Ben,Sample,,306 555 0143")
BAD = ("Cy,,cy@example.org,", "Di,Test,di@,306 555 0144")


def test_smoke(upload: Upload, app: Flask, keys: Keys, cast: Cast) -> None:
    v = upload(*GOOD, *BAD, "Ada,Fixture,,")
    print(v.status, v.path, v.text)
    v.submit("Save row", form="#rows-form", **{"row-4-last_name": "Short"})
    print(v.status, v.path, v.text)
    v.submit("Leave out", form="#rows-form")
    print(v.status, v.path, v.text)
    v.follow("#invite-rows")
    print(v.status, v.path, v.text)
    v.submit("Confirm and Invite", form="#confirm-form")
    print(v.status, v.path, v.text)
    work(app, keys)
    v.open(v.path)
    print(v.status, v.path, v.text)
    v.open("/c/northside/imports")
    print(v.status, v.path, v.text)
    assert 0
