"""What shows that no line of activity was changed, taken away or put in later."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from inviter.db import Base, UtcDateTime


class Seal(Base):
    """Over some lines of a clinic, by their ids, and over the seal before it: a chain."""

    __tablename__ = "seal"

    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """From 1, without a gap; that no two make the same one is this key's work."""
    ids: Mapped[bytes] = mapped_column(LargeBinary)
    """Eight bytes each, rising."""
    mac: Mapped[str] = mapped_column(String(43))
    sealed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SealHead(Base):
    """How long a clinic's chain is: one cut short at its end would still hold together.

    That of no clinic says how many chains there are.
    """

    __tablename__ = "seal_head"

    clinic_id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    last_id: Mapped[int] = mapped_column(default=0)
    """The highest that is sealed. One that commits late may be lower and not sealed yet."""
    mac: Mapped[str] = mapped_column(String(43))
