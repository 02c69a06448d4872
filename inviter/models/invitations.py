"""Invitations, who has joined by them, and the record of what was done."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inviter.db import Base, UtcDateTime, new_id, one_of, partial_index, sortable
from inviter.models.people import Clinic, User
from inviter.status import Sending


class How(StrEnum):
    """How a patient joined."""

    LINK = "link"
    CODE = "code"


MOST_CODE_TRIES = 10
"""So often a wrong code may come with a patient's name, until staff send the invitation again."""

LIVE = "removed_at IS NULL AND erased_at IS NULL"
OPEN = "removed_at IS NULL AND accepted_at IS NULL"
EXPIRING = f"{OPEN} AND clinic_id > 0"  # always so: who does not say it is kept off the index
TROUBLED = f"{OPEN} AND sending IN ('failed', 'in doubt')"
WITHOUT_MESSAGE = f"{OPEN} AND sending = 'none' AND code_given_at IS NULL"
BLOCKED = f"{OPEN} AND code_tries >= {MOST_CODE_TRIES}"
RESTING = "accepted_at IS NOT NULL AND code_mac IS NOT NULL"
DISOWNED = f"{OPEN} AND disowned_at IS NOT NULL"
"""Which rows an index holds; a query says the same words, or the index is not used."""


class Invitation(Base):
    __tablename__ = "invitation"

    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)

    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(sortable(401))
    email: Mapped[str | None] = mapped_column(sortable(254))
    phone: Mapped[str | None] = mapped_column(sortable(16))
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
    """When email and number were erased: who it was is not known again by them."""

    code_sealed: Mapped[str | None] = mapped_column(String(80))
    code_mac: Mapped[str | None] = mapped_column(String(22))
    code_given_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    code_tries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How often a wrong code came with this name since it was last sent."""
    wrong_names: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How often this code came with another name."""
    link_id: Mapped[str] = mapped_column(String(22), unique=True)
    link_version: Mapped[int] = mapped_column(default=1)

    generation: Mapped[int] = mapped_column(default=1)
    sending: Mapped[Sending] = mapped_column(one_of(Sending), default=Sending.NONE)
    doubt_since: Mapped[datetime | None] = mapped_column(UtcDateTime)

    disowned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When whoever holds the link said that it is not for them. Nothing more is sent then."""
    has_other_contact: Mapped[bool | None]
    """Whether who joined has an account with none of these contacts."""

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
        partial_index(
            "uq_invitation_email",
            "clinic_id",
            "email",
            "name_key",
            unique=True,
            where=f"{LIVE} AND email IS NOT NULL",
        ),
        partial_index(
            "uq_invitation_phone",
            "clinic_id",
            "phone",
            "name_key",
            unique=True,
            where=f"{LIVE} AND phone IS NOT NULL",
        ),
        partial_index(
            "uq_invitation_twin",
            "clinic_id",
            "name_key",
            "twin",
            unique=True,
            where=f"{LIVE} AND email IS NULL AND phone IS NULL",
        ),
        partial_index("ix_invitation_name", "clinic_id", "name_key", where=LIVE),
        Index("uq_invitation_code", "clinic_id", "code_mac", unique=True),
        # The list is searched and sorted in this index alone; only a page's rows are read. SQLite
        # wants the columns of the condition in it too.
        partial_index(
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
        partial_index(
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
        partial_index(
            "ix_invitation_trouble",
            "clinic_id",
            "sending",
            "doubt_since",
            "accepted_at",
            "removed_at",
            where=TROUBLED,
        ),
        partial_index(
            "ix_invitation_code",
            "clinic_id",
            "expires_at",
            "sending",
            "code_given_at",
            "accepted_at",
            "removed_at",
            where=WITHOUT_MESSAGE,
        ),
        partial_index(
            "ix_invitation_blocked",
            "clinic_id",
            "expires_at",
            "code_tries",
            "accepted_at",
            "removed_at",
            where=BLOCKED,
        ),
        partial_index(
            "ix_invitation_disowned",
            "clinic_id",
            "disowned_at",
            "accepted_at",
            "removed_at",
            where=DISOWNED,
        ),
        partial_index(
            "ix_invitation_removed", "clinic_id", "removed_at", where="removed_at IS NOT NULL"
        ),
        partial_index("ix_invitation_resting", "clinic_id", "accepted_at", where=RESTING),
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
        partial_index(
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
    """Who did what, when: ids and names of fields, never values.

    Lines are only ever added: a trigger refuses all else, and the seals show it.
    """

    __tablename__ = "activity"

    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(String(40))
    invitation_id: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    __table_args__ = (
        Index("ix_activity_invitation", "clinic_id", "invitation_id"),
        Index("ix_activity_at", "clinic_id", "at", "id"),
    )
