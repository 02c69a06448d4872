"""Messages: one delivery on one channel, the attempts to send it, and the demo's mailbox."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inviter.db import Base, UtcDateTime, new_id, one_of, partial_index
from inviter.models.invitations import Invitation
from inviter.models.people import NO_CLINIC, User
from inviter.status import DeliveryState


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class Kind(StrEnum):
    """What a message is for; templates/messages/ has its texts."""

    INVITATION = "invitation"
    JOINED = "joined"
    """To whom the invitation was sent: so they hear of it if it was someone else who joined."""
    PASSWORD_RESET = "password reset"
    PASSWORD_CHANGED = "password changed"
    SECOND_FACTOR_SET = "second factor set"
    SECOND_FACTOR_RESET = "second factor reset"


class Answer(StrEnum):
    """How a call to a provider of messages ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


QUEUED = "state = 'queued'"
"""Which rows the index of turns holds; a claim says the same words, or it is not used."""


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
        # A channel that is paused keeps its place without being read past by the other's claims.
        partial_index("ix_delivery_turn", "channel", "turn", where=QUEUED),
        partial_index("ix_delivery_lease", "leased_until", where="state = 'sending'"),
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


class Pause(Base):
    """A channel by which nothing leaves for now. There is no row while all is well."""

    __tablename__ = "pause"

    channel: Mapped[Channel] = mapped_column(one_of(Channel), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(String(40))
    probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When one delivery is tried next; None where only a person releases what is held."""


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
