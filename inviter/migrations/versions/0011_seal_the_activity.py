"""Let lines of activity only be added, and seal them, so that any change to them is found.

What happened is looked up by time. The trigger keeps our own mistakes out; who may change the
tables themselves is found out by the seals. A table that a later migration copies, as SQLite needs
it, loses its triggers: make them anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

SAID = "(SELECT current_setting('inviter.clinic'))"
HELD = f"{SAID} = 'all' OR clinic_id = (SELECT nullif({SAID}, 'all')::bigint)"
REFUSAL = "lines of activity are only ever added"


def upgrade() -> None:
    op.create_index("ix_activity_at", "activity", ["clinic_id", "at", "id"])
    op.create_table(
        "seal",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("ids", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.String(length=43), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_seal_clinic_id_clinic"),
        sa.PrimaryKeyConstraint("clinic_id", "number", name="pk_seal"),
    )
    op.create_table(
        "seal_head",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.String(length=43), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", name="pk_seal_head"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for name in ("seal", "seal_head"):
            op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
            op.execute(f"CREATE POLICY clinic ON {name} USING ({HELD})")
        op.execute(
            "CREATE FUNCTION refuse_change_of_activity() RETURNS trigger LANGUAGE plpgsql AS $$"
            f" BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$"
        )
        op.execute(
            "CREATE TRIGGER activity_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON activity"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_activity()"
        )
        return
    for change in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER activity_refuses_{change} BEFORE {change.upper()} ON activity"
            f" BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
