"""Ask staff for a second factor, and tell a person's sign-ins apart.

A recovery code is a row, so that using it up is one DELETE and no two uses both count.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("users", sa.Column("second_factor", sa.String(length=120)))
    op.add_column(
        "users", sa.Column("last_counter", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column(
        "sign_in",
        sa.Column("with_second_factor", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "sign_in", sa.Column("browser", sa.String(length=60), nullable=False, server_default="")
    )
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.String(length=43), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_recovery_code_user_id_users"),
        sa.PrimaryKeyConstraint("user_id", "mac", name="pk_recovery_code"),
    )
