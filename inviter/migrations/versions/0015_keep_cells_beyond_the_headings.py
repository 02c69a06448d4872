"""Keep what stands in a row beyond the headings of its file.

A comma in a name pushes the last cell out: staff cannot put it back in its place where it is
nowhere to be seen. It is empty in nearly all rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("import_row", sa.Column("beyond", sa.JSON()))
