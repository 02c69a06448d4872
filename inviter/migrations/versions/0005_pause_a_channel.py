"""Pause a channel whose sender is in trouble as a whole, or all of them after a restore.

A delivery is claimed by its channel from now on, so that what waits for one is not read past by
the claims of the other.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "pause",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel", name="pk_pause"),
    )
    op.drop_index("ix_delivery_turn", "delivery")
    queued = sa.text("state = 'queued'")
    op.create_index(
        "ix_delivery_turn",
        "delivery",
        ["channel", "turn"],
        sqlite_where=queued,
        postgresql_where=queued,
    )
