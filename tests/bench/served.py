"""Inviter under gunicorn, over the database of a benchmark."""

import os

from flask import Flask

import app as composition
from tests.conftest import settings_for


def create_app() -> Flask:
    return composition.create_app(settings_for(os.environ["BENCH_URL"]))
