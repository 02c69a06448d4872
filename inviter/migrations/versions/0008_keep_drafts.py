"""Keep what was typed and not sent, so that signing out loses none of it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "draft",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_draft_clinic_id_clinic"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_draft_user_id_users"),
        sa.PrimaryKeyConstraint("clinic_id", "user_id", name="pk_draft"),
    )
    op.create_index("ix_draft_kept_at", "draft", ["kept_at"])
