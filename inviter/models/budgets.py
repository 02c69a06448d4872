"""What may be tried only so often."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from inviter.db import Base, UtcDateTime


class Budget(Base):
    """How often something was tried since its window began. The key is an HMAC: of an address, a
    name, whatever is counted."""

    __tablename__ = "budget"

    purpose: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(43), primary_key=True)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    spent: Mapped[int]
