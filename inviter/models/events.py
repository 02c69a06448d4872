"""What providers reported later, and who wants no more messages."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from inviter.db import Base, UtcDateTime, one_of, sortable
from inviter.models.messages import Channel
from inviter.reports import Report


class ProviderEvent(Base):
    """One thing a provider reported, once: its own id for it is the key.

    Ids and words of ours only. What someone texted us has no attempt, and belongs to no clinic.
    """

    __tablename__ = "provider_event"

    provider: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    clinic_id: Mapped[int]
    attempt_id: Mapped[str | None] = mapped_column(String(32))
    report: Mapped[Report] = mapped_column(one_of(Report))
    reason: Mapped[str | None] = mapped_column(String(40))
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        ForeignKeyConstraint(["clinic_id", "attempt_id"], ["attempt.clinic_id", "attempt.id"]),
        Index("ix_provider_event_attempt", "clinic_id", "attempt_id"),
    )


class OptOut(Base):
    """An address or number to which nothing is sent, whichever clinic asks.

    Providers hold it against the sender, which all clinics share. It stays when it is lifted, so
    that what comes late is not taken for new.
    """

    __tablename__ = "opt_out"

    channel: Mapped[Channel] = mapped_column(one_of(Channel), primary_key=True)
    address: Mapped[str] = mapped_column(sortable(254), primary_key=True)
    report: Mapped[Report] = mapped_column(one_of(Report))
    opted_out_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
