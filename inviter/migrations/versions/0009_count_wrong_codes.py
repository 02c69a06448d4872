"""Count wrong codes with an invitation's name, and wrong names with its code."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for name in ("code_tries", "wrong_names"):
        zero = sa.text("0")
        op.add_column(
            "invitation", sa.Column(name, sa.BigInteger(), nullable=False, server_default=zero)
        )
    blocked = sa.text("removed_at IS NULL AND accepted_at IS NULL AND code_tries >= 10")
    op.create_index(
        "ix_invitation_blocked",
        "invitation",
        ["clinic_id", "expires_at", "code_tries", "accepted_at", "removed_at"],
        sqlite_where=blocked,
        postgresql_where=blocked,
    )
