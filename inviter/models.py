"""The tables. Facts only: status is derived (`status.py`), rules live in the use cases.

What must never happen is a constraint or a unique index here. Everything a clinic owns carries
`clinic_id`, leading its key, so that no row is reachable but through its clinic.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inviter.db import Base, UtcDateTime, new_id, one_of
from inviter.status import DeliveryState, Sending

NO_CLINIC = 0
"""The clinic of account mail, which belongs to a person and to no clinic."""


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class Kind(StrEnum):
    """What a message is for; templates/messages/ has its texts."""

    INVITATION = "invitation"
    PASSWORD_RESET = "password reset"
    PASSWORD_CHANGED = "password changed"


class Answer(StrEnum):
    """How a call to a provider of messages ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class How(StrEnum):
    """How a patient joined."""

    LINK = "link"
    CODE = "code"


LIVE = "removed_at IS NULL AND erased_at IS NULL"
OPEN = "removed_at IS NULL AND accepted_at IS NULL"
EXPIRING = f"{OPEN} AND clinic_id > 0"  # always so: who does not say it is kept off the index
TROUBLED = f"{OPEN} AND sending IN ('failed', 'in doubt')"
WITHOUT_MESSAGE = f"{OPEN} AND sending = 'none' AND code_given_at IS NULL"
"""Which rows an index holds; a query says the same words, or the index is not used."""


def _sortable(length: int) -> String:
    """Text that both databases put in the same order: that of its characters' numbers."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _index(name: str, *columns: Any, where: str, unique: bool = False) -> Index:
    """Over some of the rows, on both databases."""
    rows = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=rows, postgresql_where=rows)


class Clinic(Base):
    __tablename__ = "clinic"

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str | None] = mapped_column(String(40))
    email: Mapped[str | None] = mapped_column(String(254))
    time_zone: Mapped[str] = mapped_column(String(60))
    expiry_days: Mapped[int] = mapped_column(default=30)
    idle_minutes: Mapped[int] = mapped_column(default=30)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("expiry_days BETWEEN 1 AND 90", name="expiry_days"),
        CheckConstraint("idle_minutes BETWEEN 15 AND 480", name="idle_minutes"),
    )


class User(Base):
    """Someone who can sign in: staff by email, patients by email or mobile number."""

    __tablename__ = "users"  # `user` is a reserved word in PostgreSQL

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), default="")
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    phone: Mapped[str | None] = mapped_column(String(16), unique=True)
    password: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    columns: Mapped[str | None] = mapped_column(String(100))
    """Of Invited Patients, as this person wants them: words of `conditions.Column`, by commas."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    memberships: Mapped[list["Membership"]] = relationship(
        primaryjoin="and_(User.id == Membership.user_id, Membership.removed_at.is_(None))",
        lazy="raise",
        viewonly=True,
    )

    __table_args__ = (
        CheckConstraint("email IS NOT NULL OR phone IS NOT NULL", name="address"),
        CheckConstraint("email = lower(email)", name="email_lower"),
    )

    @property
    def address(self) -> str:
        return self.email or self.phone or ""


class SignIn(Base):
    """One browser that is signed in. Its cookie carries the secret, we keep a hash of it."""

    __tablename__ = "sign_in"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Membership(Base):
    """A person on a clinic's care team: provider, Clinic Admin, or both."""

    __tablename__ = "membership"

    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    is_admin: Mapped[bool]
    is_provider: Mapped[bool]
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    clinic: Mapped[Clinic] = relationship(lazy="raise")

    __table_args__ = (CheckConstraint("is_admin OR is_provider", name="role"),)


class Invitation(Base):
    __tablename__ = "invitation"

    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)

    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(_sortable(401))
    email: Mapped[str | None] = mapped_column(_sortable(254))
    phone: Mapped[str | None] = mapped_column(_sortable(16))
    phone_typed: Mapped[str | None] = mapped_column(String(40))
    can_text: Mapped[bool] = mapped_column(default=False)
    twin: Mapped[int] = mapped_column(default=0)

    provider_id: Mapped[int]
    invited_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    invited_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    code_sealed: Mapped[str | None] = mapped_column(String(80))
    code_mac: Mapped[str | None] = mapped_column(String(22))
    code_given_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    link_id: Mapped[str] = mapped_column(String(22), unique=True)
    link_version: Mapped[int] = mapped_column(default=1)

    generation: Mapped[int] = mapped_column(default=1)
    sending: Mapped[Sending] = mapped_column(one_of(Sending), default=Sending.NONE)
    doubt_since: Mapped[datetime | None] = mapped_column(UtcDateTime)

    clinic: Mapped[Clinic] = relationship(lazy="raise", viewonly=True)
    invited_by: Mapped[User] = relationship(lazy="raise", viewonly=True)
    provider: Mapped[User] = relationship(
        primaryjoin="foreign(Invitation.provider_id) == User.id", lazy="raise", viewonly=True
    )

    __table_args__ = (
        ForeignKeyConstraint(
            ["clinic_id", "provider_id"], ["membership.clinic_id", "membership.user_id"]
        ),
        # The same patient is never invited twice, not even by two people at the same moment. The
        # contact comes first: who else has it is looked up in these too.
        _index(
            "uq_invitation_email",
            "clinic_id",
            "email",
            "name_key",
            unique=True,
            where=f"{LIVE} AND email IS NOT NULL",
        ),
        _index(
            "uq_invitation_phone",
            "clinic_id",
            "phone",
            "name_key",
            unique=True,
            where=f"{LIVE} AND phone IS NOT NULL",
        ),
        _index(
            "uq_invitation_twin",
            "clinic_id",
            "name_key",
            "twin",
            unique=True,
            where=f"{LIVE} AND email IS NULL AND phone IS NULL",
        ),
        _index("ix_invitation_name", "clinic_id", "name_key", where=LIVE),
        Index("uq_invitation_code", "clinic_id", "code_mac", unique=True),
        # The list is searched and sorted in this index alone; only a page's rows are read. SQLite
        # wants the columns of the condition in it too.
        _index(
            "ix_invitation_list",
            "clinic_id",
            text("invited_at DESC"),
            text("id DESC"),
            "provider_id",
            "sending",
            "doubt_since",
            "accepted_at",
            "expires_at",
            "name_key",
            "email",
            "phone",
            "removed_at",
            where="removed_at IS NULL",
        ),
        # Those that are pending or expired are searched in this one, the fewer by far in a large
        # clinic; what needs attention is counted in it and the next two.
        _index(
            "ix_invitation_expiry",
            "clinic_id",
            "expires_at",
            "invited_at",
            "id",
            "provider_id",
            "sending",
            "doubt_since",
            "name_key",
            "email",
            "phone",
            "accepted_at",
            "removed_at",
            where=EXPIRING,
        ),
        _index(
            "ix_invitation_trouble",
            "clinic_id",
            "sending",
            "doubt_since",
            "accepted_at",
            "removed_at",
            where=TROUBLED,
        ),
        _index(
            "ix_invitation_code",
            "clinic_id",
            "expires_at",
            "sending",
            "code_given_at",
            "accepted_at",
            "removed_at",
            where=WITHOUT_MESSAGE,
        ),
        _index("ix_invitation_removed", "clinic_id", "removed_at", where="removed_at IS NOT NULL"),
    )

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class Confirmation(Base):
    """One press of "Confirm and Invite": its key makes every repetition give the same answer."""

    __tablename__ = "confirmation"

    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(22), primary_key=True)
    content_mac: Mapped[str] = mapped_column(String(64))
    confirmed_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    confirmed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[list[list[Any]]] = mapped_column(JSON, default=list)
    """Pairs of a fate and the id of the invitation or patient, in the order they were typed."""


class Delivery(Base):
    """One message on one channel, for an invitation or for a person's account."""

    __tablename__ = "delivery"

    clinic_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[Kind] = mapped_column(one_of(Kind))
    channel: Mapped[Channel] = mapped_column(one_of(Channel))
    invitation_id: Mapped[int | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    generation: Mapped[int] = mapped_column(default=1)

    state: Mapped[DeliveryState] = mapped_column(
        one_of(DeliveryState), default=DeliveryState.QUEUED
    )
    reason: Mapped[str | None] = mapped_column(String(40))
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    doubt_since: Mapped[datetime | None] = mapped_column(UtcDateTime)

    turn: Mapped[int]
    """Its place in the queue, in ms: a clinic's many are spread so that others come between."""
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    claim: Mapped[str | None] = mapped_column(String(32))
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    invitation: Mapped[Invitation | None] = relationship(lazy="raise", viewonly=True)
    user: Mapped[User | None] = relationship(lazy="raise", viewonly=True)

    __table_args__ = (
        ForeignKeyConstraint(
            ["clinic_id", "invitation_id"], ["invitation.clinic_id", "invitation.id"]
        ),
        CheckConstraint(
            f"(invitation_id IS NOT NULL AND user_id IS NULL AND clinic_id <> {NO_CLINIC})"
            f" OR (invitation_id IS NULL AND user_id IS NOT NULL AND clinic_id = {NO_CLINIC})",
            name="recipient",
        ),
        Index(
            "uq_delivery_send",
            "clinic_id",
            "invitation_id",
            "kind",
            "channel",
            "generation",
            unique=True,
        ),
        _index("ix_delivery_turn", "turn", where="state = 'queued'"),
        _index("ix_delivery_lease", "leased_until", where="state = 'sending'"),
    )


class Attempt(Base):
    """One call to a provider of messages. Its id is opaque and travels with the message."""

    __tablename__ = "attempt"

    clinic_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True, unique=True)
    delivery_id: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answer: Mapped[Answer | None] = mapped_column(one_of(Answer))
    reason: Mapped[str | None] = mapped_column(String(40))
    provider_reference: Mapped[str | None] = mapped_column(String(100))

    __table_args__ = (
        ForeignKeyConstraint(["clinic_id", "delivery_id"], ["delivery.clinic_id", "delivery.id"]),
        Index("ix_attempt_delivery", "clinic_id", "delivery_id"),
    )


class Patient(Base):
    """Someone who has joined a clinic. One account may hold several, as parents do."""

    __tablename__ = "patient"

    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    invitation_id: Mapped[int]
    provider_id: Mapped[int]
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(401))
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(16))
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)
    how: Mapped[How] = mapped_column(one_of(How))
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    provider: Mapped[User] = relationship(
        primaryjoin="foreign(Patient.provider_id) == User.id", lazy="raise", viewonly=True
    )

    __table_args__ = (
        ForeignKeyConstraint(
            ["clinic_id", "invitation_id"], ["invitation.clinic_id", "invitation.id"]
        ),
        ForeignKeyConstraint(
            ["clinic_id", "provider_id"], ["membership.clinic_id", "membership.user_id"]
        ),
        Index("uq_patient_invitation", "clinic_id", "invitation_id", unique=True),
        Index("ix_patient_name", "clinic_id", "name_key"),
        _index(
            "ix_patient_list",
            "clinic_id",
            text("joined_at DESC"),
            text("id DESC"),
            "provider_id",
            "name_key",
            "email",
            "phone",
            "removed_at",
            where="removed_at IS NULL",
        ),
    )

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class Activity(Base):
    """Who did what, when: ids and names of fields, never values. Lines are only ever added."""

    __tablename__ = "activity"

    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(String(40))
    invitation_id: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    __table_args__ = (Index("ix_activity_invitation", "clinic_id", "invitation_id"),)


class MailboxMessage(Base):
    """What the `mailbox` sender keeps instead of sending, for the demo."""

    __tablename__ = "mailbox_message"

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    attempt_id: Mapped[str] = mapped_column(String(32), unique=True)
    channel: Mapped[Channel] = mapped_column(one_of(Channel))
    sent_to: Mapped[str] = mapped_column(String(254))
    sender: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
