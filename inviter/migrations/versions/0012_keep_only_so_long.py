"""Keep contacts and codes only so long.

How long contacts are kept is the clinic's to say. The index holds accepted invitations whose code
is still held: none of them is in it while it is made, so inviting costs no more than before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute(  # with its rule at once: SQLite adds none later without writing the table anew
        "ALTER TABLE clinic ADD COLUMN keep_contacts_days BIGINT DEFAULT 30 NOT NULL"
        " CONSTRAINT ck_clinic_keep_contacts_days CHECK (keep_contacts_days BETWEEN 3 AND 90)"
    )
    rows = sa.text("accepted_at IS NOT NULL AND code_mac IS NOT NULL")
    op.create_index(
        "ix_invitation_resting",
        "invitation",
        ["clinic_id", "accepted_at"],
        sqlite_where=rows,
        postgresql_where=rows,
    )
