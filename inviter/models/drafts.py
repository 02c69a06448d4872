"""What was typed and not sent yet."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from inviter.db import Base, UtcDateTime


class Draft(Base):
    """The rows one person typed last on Invite Patients of a clinic, sealed: they name patients."""

    __tablename__ = "draft"

    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(40))
    """Of the form they were typed in, which its Confirm carries too."""
    sealed: Mapped[str] = mapped_column(Text)
    kept_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_draft_kept_at", "kept_at"),)
