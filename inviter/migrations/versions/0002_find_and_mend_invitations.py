"""Find and mend invitations: what search, sorting and the row's actions need.

One index answers the whole list; on PostgreSQL its texts are compared as SQLite does, so that both
sort alike. Who has a name or a contact already is looked up in an index, not in the whole clinic:
for that the unique ones begin with the contact.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

LISTED = sa.text("removed_at IS NULL")
LIVE = sa.text("removed_at IS NULL AND erased_at IS NULL")
REMOVED = sa.text("removed_at IS NOT NULL")
EXPIRING = sa.text("removed_at IS NULL AND accepted_at IS NULL AND clinic_id > 0")
TROUBLED = sa.text(
    "removed_at IS NULL AND accepted_at IS NULL AND sending IN ('failed', 'in doubt')"
)
WITHOUT_MESSAGE = sa.text(
    "removed_at IS NULL AND accepted_at IS NULL AND sending = 'none' AND code_given_at IS NULL"
)
NEWEST_INVITED = ["clinic_id", sa.text("invited_at DESC"), sa.text("id DESC")]
NEWEST_JOINED = ["clinic_id", sa.text("joined_at DESC"), sa.text("id DESC")]
TEXTS = (("name_key", 401), ("email", 254), ("phone", 16))


def upgrade() -> None:
    op.add_column("invitation", sa.Column("resent_at", sa.DateTime(timezone=True)))
    op.add_column("invitation", sa.Column("code_given_at", sa.DateTime(timezone=True)))
    op.add_column("users", sa.Column("columns", sa.String(length=100)))
    op.drop_index("ix_invitation_list", "invitation")
    op.drop_index("ix_patient_list", "patient")
    if op.get_bind().dialect.name == "postgresql":
        for name, length in TEXTS:
            op.alter_column("invitation", name, type_=sa.String(length, collation="C"))
        # An index is read alone only where the table is vacuumed; by default after a fifth changed.
        op.execute(
            "ALTER TABLE invitation SET (autovacuum_vacuum_scale_factor = 0.01,"
            " autovacuum_vacuum_insert_scale_factor = 0.01)"
        )
    _index(
        "ix_invitation_list",
        "invitation",
        [
            *NEWEST_INVITED,
            *("provider_id", "sending", "doubt_since", "accepted_at", "expires_at"),
            *("name_key", "email", "phone", "removed_at"),
        ],
        LISTED,
    )
    _index(
        "ix_invitation_expiry",
        "invitation",
        [
            *("clinic_id", "expires_at", "invited_at", "id", "provider_id", "sending"),
            *("doubt_since", "name_key", "email", "phone", "accepted_at", "removed_at"),
        ],
        EXPIRING,
    )
    _index(
        "ix_invitation_trouble",
        "invitation",
        ["clinic_id", "sending", "doubt_since", "accepted_at", "removed_at"],
        TROUBLED,
    )
    _index(
        "ix_invitation_code",
        "invitation",
        ["clinic_id", "expires_at", "sending", "code_given_at", "accepted_at", "removed_at"],
        WITHOUT_MESSAGE,
    )
    _index("ix_invitation_removed", "invitation", ["clinic_id", "removed_at"], REMOVED)
    _index("ix_invitation_name", "invitation", ["clinic_id", "name_key"], LIVE)
    for contact in ("email", "phone"):
        name, rows = f"uq_invitation_{contact}", sa.text(f"{LIVE.text} AND {contact} IS NOT NULL")
        op.drop_index(name, "invitation")
        _index(name, "invitation", ["clinic_id", contact, "name_key"], rows, unique=True)
    _index(
        "ix_patient_list",
        "patient",
        [*NEWEST_JOINED, "provider_id", "name_key", "email", "phone", "removed_at"],
        LISTED,
    )


def _index(
    name: str, table: str, columns: list[Any], rows: sa.TextClause, *, unique: bool = False
) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=rows, postgresql_where=rows)
