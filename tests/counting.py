"""How many statements something costs."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from inviter.db import db


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that run inside, but for those that begin a transaction."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
