"""Lay the first tables.

Times are aware UTC and words are plain strings, so that both databases hold the same values.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "clinic",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("expiry_days", sa.BigInteger(), nullable=False),
        sa.Column("idle_minutes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("expiry_days BETWEEN 1 AND 90", name="ck_clinic_expiry_days"),
        sa.CheckConstraint("idle_minutes BETWEEN 15 AND 480", name="ck_clinic_idle_minutes"),
        sa.PrimaryKeyConstraint("id", name="pk_clinic"),
        sa.UniqueConstraint("slug", name="uq_clinic_slug"),
    )
    op.create_table(
        "mailbox_message",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("sent_to", sa.String(length=254), nullable=False),
        sa.Column("sender", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mailbox_message"),
        sa.UniqueConstraint("attempt_id", name="uq_mailbox_message_attempt_id"),
    )
    op.create_index("ix_mailbox_message_sent_at", "mailbox_message", ["sent_at"])

    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=16), nullable=True),
        sa.Column("password", sa.String(length=255), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("fs_uniquifier", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("email = lower(email)", name="ck_users_email_lower"),
        sa.CheckConstraint("email IS NOT NULL OR phone IS NOT NULL", name="ck_users_address"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.UniqueConstraint("fs_uniquifier", name="uq_users_fs_uniquifier"),
        sa.UniqueConstraint("phone", name="uq_users_phone"),
    )
    op.create_table(
        "activity",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("invitation_id", sa.BigInteger(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name="fk_activity_by_id_users"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_activity_clinic_id_clinic"),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_activity"),
    )
    op.create_index("ix_activity_invitation", "activity", ["clinic_id", "invitation_id"])

    op.create_table(
        "confirmation",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=22), nullable=False),
        sa.Column("content_mac", sa.String(length=64), nullable=False),
        sa.Column("confirmed_by_id", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinic.id"], name="fk_confirmation_clinic_id_clinic"
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by_id"], ["users.id"], name="fk_confirmation_confirmed_by_id_users"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "key", name="pk_confirmation"),
    )
    op.create_table(
        "membership",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("is_provider", sa.Boolean(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("is_admin OR is_provider", name="ck_membership_role"),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinic.id"], name="fk_membership_clinic_id_clinic"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_membership_user_id_users"),
        sa.PrimaryKeyConstraint("clinic_id", "user_id", name="pk_membership"),
    )
    op.create_index("ix_membership_user_id", "membership", ["user_id"])

    op.create_table(
        "sign_in",
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sign_in_user_id_users"),
        sa.PrimaryKeyConstraint("secret_hash", name="pk_sign_in"),
    )
    op.create_index("ix_sign_in_user_id", "sign_in", ["user_id"])

    op.create_table(
        "invitation",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("name_key", sa.String(length=401), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=16), nullable=True),
        sa.Column("phone_typed", sa.String(length=40), nullable=True),
        sa.Column("can_text", sa.Boolean(), nullable=False),
        sa.Column("twin", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("invited_by_id", sa.BigInteger(), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code_sealed", sa.String(length=80), nullable=True),
        sa.Column("code_mac", sa.String(length=22), nullable=True),
        sa.Column("link_id", sa.String(length=22), nullable=False),
        sa.Column("link_version", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("sending", sa.String(20), nullable=False),
        sa.Column("doubt_since", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "provider_id"],
            ["membership.clinic_id", "membership.user_id"],
            name="fk_invitation_clinic_id_provider_id_membership",
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinic.id"], name="fk_invitation_clinic_id_clinic"
        ),
        sa.ForeignKeyConstraint(
            ["invited_by_id"], ["users.id"], name="fk_invitation_invited_by_id_users"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_invitation"),
        sa.UniqueConstraint("link_id", name="uq_invitation_link_id"),
    )
    op.create_index(
        "ix_invitation_list",
        "invitation",
        ["clinic_id", sa.text("invited_at DESC"), sa.text("id DESC")],
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index("uq_invitation_code", "invitation", ["clinic_id", "code_mac"], unique=True)
    op.create_index(
        "uq_invitation_email",
        "invitation",
        ["clinic_id", "name_key", "email"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL AND erased_at IS NULL AND email IS NOT NULL"),
        postgresql_where=sa.text("removed_at IS NULL AND erased_at IS NULL AND email IS NOT NULL"),
    )
    op.create_index(
        "uq_invitation_phone",
        "invitation",
        ["clinic_id", "name_key", "phone"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL AND erased_at IS NULL AND phone IS NOT NULL"),
        postgresql_where=sa.text("removed_at IS NULL AND erased_at IS NULL AND phone IS NOT NULL"),
    )
    op.create_index(
        "uq_invitation_twin",
        "invitation",
        ["clinic_id", "name_key", "twin"],
        unique=True,
        sqlite_where=sa.text(
            "removed_at IS NULL AND erased_at IS NULL AND email IS NULL AND phone IS NULL"
        ),
        postgresql_where=sa.text(
            "removed_at IS NULL AND erased_at IS NULL AND email IS NULL AND phone IS NULL"
        ),
    )

    op.create_table(
        "delivery",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("invitation_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("doubt_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("claim", sa.String(length=32), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(invitation_id IS NOT NULL AND user_id IS NULL AND clinic_id <> 0)"
            " OR (invitation_id IS NULL AND user_id IS NOT NULL AND clinic_id = 0)",
            name="ck_delivery_recipient",
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "invitation_id"],
            ["invitation.clinic_id", "invitation.id"],
            name="fk_delivery_clinic_id_invitation_id_invitation",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_delivery_user_id_users"),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_delivery"),
    )
    op.create_index(
        "ix_delivery_lease",
        "delivery",
        ["leased_until"],
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_delivery_turn",
        "delivery",
        ["turn"],
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "uq_delivery_send",
        "delivery",
        ["clinic_id", "invitation_id", "kind", "channel", "generation"],
        unique=True,
    )

    op.create_table(
        "patient",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("invitation_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("name_key", sa.String(length=401), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=16), nullable=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("how", sa.String(20), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "invitation_id"],
            ["invitation.clinic_id", "invitation.id"],
            name="fk_patient_clinic_id_invitation_id_invitation",
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "provider_id"],
            ["membership.clinic_id", "membership.user_id"],
            name="fk_patient_clinic_id_provider_id_membership",
        ),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_patient_clinic_id_clinic"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_patient_user_id_users"),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_patient"),
    )
    op.create_index("ix_patient_name", "patient", ["clinic_id", "name_key"])
    op.create_index("ix_patient_user_id", "patient", ["user_id"])
    op.create_index(
        "ix_patient_list", "patient", ["clinic_id", sa.text("joined_at DESC"), sa.text("id DESC")]
    )
    op.create_index("uq_patient_invitation", "patient", ["clinic_id", "invitation_id"], unique=True)

    op.create_table(
        "attempt",
        sa.Column("clinic_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.String(20), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("provider_reference", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "delivery_id"],
            ["delivery.clinic_id", "delivery.id"],
            name="fk_attempt_clinic_id_delivery_id_delivery",
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_attempt"),
        sa.UniqueConstraint("id", name="uq_attempt_id"),
    )
    op.create_index("ix_attempt_delivery", "attempt", ["clinic_id", "delivery_id"])
