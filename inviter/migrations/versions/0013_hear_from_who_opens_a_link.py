"""Keep what is heard from who opens a link: that it is not for them, or how they can be reached.

Whether other contact details were used is known once someone has joined: until then it is empty,
and inviting many writes nothing more for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("invitation", sa.Column("disowned_at", sa.DateTime(timezone=True)))
    op.add_column("invitation", sa.Column("has_other_contact", sa.Boolean()))
    disowned = sa.text("removed_at IS NULL AND accepted_at IS NULL AND disowned_at IS NOT NULL")
    op.create_index(
        "ix_invitation_disowned",
        "invitation",
        ["clinic_id", "disowned_at", "accepted_at", "removed_at"],
        sqlite_where=disowned,
        postgresql_where=disowned,
    )
