"""Clinics, and the people who can sign in."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inviter.db import Base, UtcDateTime, new_id

NO_CLINIC = 0
"""The clinic of account mail, which belongs to a person and to no clinic."""


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
    keep_contacts_days: Mapped[int] = mapped_column(default=30)
    """So long after it was removed or expired an invitation keeps email and number."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("expiry_days BETWEEN 1 AND 90", name="expiry_days"),
        CheckConstraint("idle_minutes BETWEEN 15 AND 480", name="idle_minutes"),
        CheckConstraint("keep_contacts_days BETWEEN 3 AND 90", name="keep_contacts_days"),
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
    second_factor: Mapped[str | None] = mapped_column(String(120))
    """The secret shared with an authenticator app, sealed so that it opens for this person only."""
    last_counter: Mapped[int] = mapped_column(default=0)
    """The period of the last code from the app: neither it nor an earlier one counts again."""
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
    with_second_factor: Mapped[bool] = mapped_column(default=False)
    browser: Mapped[str] = mapped_column(String(60), default="")
    """Its kind in words, such as `Firefox, Windows`."""


class RecoveryCode(Base):
    """Stands once for a code from the authenticator app; we keep an HMAC of it."""

    __tablename__ = "recovery_code"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    mac: Mapped[str] = mapped_column(String(43), primary_key=True)


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
