"""Hear what became of messages: what providers report later, and who wants no more.

A provider repeats its events for a day: its id of each is the key, so that none counts twice. On
PostgreSQL addresses are compared as those of invitations are, or the key would not serve them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


ADDRESS = sa.String(length=254).with_variant(sa.String(254, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "provider_event",
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=True),
        sa.Column("report", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "attempt_id"],
            ["attempt.clinic_id", "attempt.id"],
            name="fk_provider_event_clinic_id_attempt_id_attempt",
        ),
        sa.PrimaryKeyConstraint("provider", "id", name="pk_provider_event"),
    )
    op.create_index("ix_provider_event_attempt", "provider_event", ["clinic_id", "attempt_id"])
    op.create_table(
        "opt_out",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("address", ADDRESS, nullable=False),
        sa.Column("report", sa.String(length=20), nullable=False),
        sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel", "address", name="pk_opt_out"),
    )
