"""Budgets: what may be tried only so often, by whom or on what. One statement counts and tells.

Keys are HMACs, made by the caller. A try counts once the caller has committed.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import case, delete, select, update

from inviter.db import db, insert
from inviter.models import Budget

LONGEST = timedelta(days=8)
"""No budget is for more, nor is any asked for later."""


def spend(purpose: str, key: str, *, most: int, within: timedelta, now: datetime) -> bool:
    """Count one more try; whether it is within the budget. Of many at once no more than `most`."""
    statement = insert(Budget).values(purpose=purpose, key=key, began_at=now, spent=1)
    is_over = Budget.began_at <= now - within
    counted = statement.on_conflict_do_update(
        index_elements=["purpose", "key"],
        set_={
            "began_at": case((is_over, now), else_=Budget.began_at),
            "spent": case((is_over, 1), else_=Budget.spent + 1),
        },
    ).returning(Budget.spent)
    spent: int = db.session.execute(counted).scalar_one()
    return spent <= most


def left(purpose: str, key: str, *, most: int, within: timedelta, now: datetime) -> int:
    """How many more tries there are; counts none."""
    query = select(Budget.spent).where(
        Budget.purpose == purpose, Budget.key == key, Budget.began_at > now - within
    )
    return max(most - (db.session.scalar(query) or 0), 0)


def spent(purpose: str, keys: Collection[str]) -> list[int]:
    """How much of each of these there was, whenever; of what was not begun none is told."""
    query = select(Budget.spent).where(Budget.purpose == purpose, Budget.key.in_(keys))
    return list(db.session.scalars(query))


def give_back(purpose: str, key: str) -> None:
    """One try was none of those that are counted."""
    here = (Budget.purpose == purpose, Budget.key == key, Budget.spent > 0)
    db.session.execute(update(Budget).where(*here).values(spent=Budget.spent - 1))


def clear(purpose: str, key: str) -> None:
    """Who showed that it is they begins anew."""
    db.session.execute(delete(Budget).where(Budget.purpose == purpose, Budget.key == key))


def erase_old(*, now: datetime) -> None:
    """Whose time is over counts for nothing."""
    db.session.execute(delete(Budget).where(Budget.began_at <= now - LONGEST))
