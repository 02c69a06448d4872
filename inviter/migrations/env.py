"""Runs the numbered migrations over the application's own engine."""

from alembic import context
from flask import current_app

import inviter.models  # noqa: F401  (declares the tables)

db = current_app.extensions["migrate"].db
with db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        **current_app.extensions["migrate"].configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()
