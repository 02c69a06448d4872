"""Hold rows to their clinic, whatever a statement says, for who works at one (PostgreSQL)."""

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = (
    *("activity", "attempt", "confirmation", "delivery", "draft", "import_file", "import_row"),
    *("invitation", "membership", "patient", "provider_event"),
)
SAID = "(SELECT current_setting('inviter.clinic'))"
HELD = f"{SAID} = 'all' OR clinic_id = (SELECT nullif({SAID}, 'all')::bigint)"
"""Looked up once a statement. Where nothing is said it is an error, and not an empty clinic."""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for name in TABLES:
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY clinic ON {name} USING ({HELD})")
