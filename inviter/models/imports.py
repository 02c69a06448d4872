"""Uploaded files: what was typed in each row, and what becomes of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inviter.db import Base, UtcDateTime, new_id, one_of
from inviter.models.people import Clinic, User
from inviter.roster import Fate


class ImportState(StrEnum):
    READING = "reading"
    """Its rows are being written down; one that stays so was cut off and counts for nothing."""
    OPEN = "open"
    """Rows may be mended, left out and confirmed."""
    INVITING = "inviting"
    """Confirmed: the worker makes the invitations, batch by batch."""
    CANCELLED = "cancelled"


class Import(Base):
    """One uploaded file. Its bytes are not kept."""

    __tablename__ = "import_file"

    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    provider_id: Mapped[int]
    uploaded_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    uploaded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    file_name: Mapped[str] = mapped_column(String(200))
    content_mac: Mapped[str] = mapped_column(String(64))
    """Tells the same content again, without keeping it."""
    ignored: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Headings of columns that were not read."""

    state: Mapped[ImportState] = mapped_column(one_of(ImportState), default=ImportState.READING)
    confirmed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revision: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How often its rows were changed: who confirms says which they have seen."""
    confirm_key: Mapped[str | None] = mapped_column(String(22))
    """Of the last press of "Confirm and Invite": pressed again it gives the same answer."""
    ids_to: Mapped[int] = mapped_column(default=0)
    """The invitation of a row has this id less the row's number: made twice, the second is refused
    by the key."""
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its rows were erased; the counts of `outcome` stay."""
    outcome: Mapped[dict[str, int] | None] = mapped_column(JSON)
    """How many rows had each fate, when they were erased."""

    clinic: Mapped[Clinic] = relationship(lazy="raise", viewonly=True)
    uploaded_by: Mapped[User] = relationship(
        foreign_keys=[uploaded_by_id], lazy="raise", viewonly=True
    )
    provider: Mapped[User] = relationship(
        primaryjoin="foreign(Import.provider_id) == User.id", lazy="raise", viewonly=True
    )

    __table_args__ = (
        ForeignKeyConstraint(
            ["clinic_id", "provider_id"], ["membership.clinic_id", "membership.user_id"]
        ),
        Index("ix_import_content", "clinic_id", "content_mac"),
        Index("ix_import_state", "state"),
    )


class ImportRow(Base):
    """One row of a file, by its number in the spreadsheet. Cells are as typed; who it is follows
    from them (`roster.check_row`)."""

    __tablename__ = "import_row"

    clinic_id: Mapped[int] = mapped_column(primary_key=True)
    import_id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)

    first_name: Mapped[str] = mapped_column(Text)
    last_name: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    phone: Mapped[str] = mapped_column(Text)
    extra: Mapped[bool] = mapped_column(default=False)
    """It had more cells than there are headings."""
    beyond: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """What stood in those."""
    one_name: Mapped[bool] = mapped_column(default=False)
    is_different: Mapped[bool] = mapped_column(default=False)

    fate: Mapped[Fate] = mapped_column(one_of(Fate))
    name_key: Mapped[str] = mapped_column(String(401))
    """Finds the same person in other rows; "" where the row needs fixing."""
    problems: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """By cell: the template of what is wrong and its values."""
    changes: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """By cell: why it reads otherwise than what was typed."""
    duplicate_of: Mapped[int | None]
    by_name_only: Mapped[bool] = mapped_column(default=False)
    """Only the name says that it is someone known: staff may say that it is a different person."""
    invitation_id: Mapped[int | None]
    """By which they are invited now, were before, or joined."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["clinic_id", "import_id"], ["import_file.clinic_id", "import_file.id"]
        ),
        Index("ix_import_row_fate", "clinic_id", "import_id", "fate", "number"),
    )
