"""Hold uploaded files: each row as it was typed, and what becomes of it.

Rows are worked on by fate, in the order of the file: one index serves the check page and the
worker, who makes the invitations batch by batch.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "import_file",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_by_id", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("content_mac", sa.String(length=64), nullable=False),
        sa.Column("ignored", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("confirmed_by_id", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirm_key", sa.String(length=22), nullable=True),
        sa.Column("ids_to", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinic.id"], name="fk_import_file_clinic_id_clinic"
        ),
        sa.ForeignKeyConstraint(
            ["uploaded_by_id"], ["users.id"], name="fk_import_file_uploaded_by_id_users"
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by_id"], ["users.id"], name="fk_import_file_confirmed_by_id_users"
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "provider_id"],
            ["membership.clinic_id", "membership.user_id"],
            name="fk_import_file_clinic_id_membership",
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_import_file"),
    )
    op.create_index("ix_import_content", "import_file", ["clinic_id", "content_mac"])
    op.create_index("ix_import_state", "import_file", ["state"])
    op.create_table(
        "import_row",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("extra", sa.Boolean(), nullable=False),
        sa.Column("one_name", sa.Boolean(), nullable=False),
        sa.Column("is_different", sa.Boolean(), nullable=False),
        sa.Column("fate", sa.String(length=20), nullable=False),
        sa.Column("name_key", sa.String(length=401), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=True),
        sa.Column("changes", sa.JSON(), nullable=True),
        sa.Column("duplicate_of", sa.BigInteger(), nullable=True),
        sa.Column("by_name_only", sa.Boolean(), nullable=False),
        sa.Column("invitation_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "import_id"],
            ["import_file.clinic_id", "import_file.id"],
            name="fk_import_row_clinic_id_import_file",
        ),
        sa.PrimaryKeyConstraint("clinic_id", "import_id", "number", name="pk_import_row"),
    )
    op.create_index(
        "ix_import_row_fate", "import_row", ["clinic_id", "import_id", "fate", "number"]
    )
