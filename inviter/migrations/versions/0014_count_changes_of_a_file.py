"""Count how often the rows of an uploaded file were changed: who confirms says which they saw."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column(
        "import_file",
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
