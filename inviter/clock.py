"""The one place that reads the clock; everything else is handed `now`."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
