"""Budgets: what may be tried only so often, by whom or on what. One statement counts and tells.

Keys are HMACs (`key`), but for ids of clinics. A try counts once the caller has committed.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, delete, select, update

from inviter.db import change, db, insert
from inviter.keys import Keys
from inviter.models import Budget

LONGEST = timedelta(days=8)
"""No budget is for more, nor is any asked for later."""

Counted = tuple[str, str]
"""A purpose and a key."""

TABLE: Any = Budget.__table__


def key(purpose: str, counted: object, *, keys: Keys) -> str:
    """Tells who or what is counted again, and keeps neither."""
    return keys.mac(f"budget of {purpose}", str(counted))


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


def take(purpose: str, key: str, *, many: int, most: int, within: timedelta, now: datetime) -> bool:
    """Count so many at once if all of them are within the budget, and else none."""
    if many > most:
        return False
    is_over = Budget.began_at <= now - within
    spent = case((is_over, many), else_=Budget.spent + many)
    taking = (
        insert(Budget)
        .values(purpose=purpose, key=key, began_at=now, spent=many)
        .on_conflict_do_update(
            index_elements=["purpose", "key"],
            set_={"began_at": case((is_over, now), else_=Budget.began_at), "spent": spent},
            where=spent <= most,
        )
    )
    return bool(change(taking))


def ends_at(purpose: str, key: str, *, within: timedelta, now: datetime) -> datetime:
    """When it begins anew: now, where nothing is counted."""
    query = select(Budget.began_at).where(Budget.purpose == purpose, Budget.key == key)
    began_at: datetime | None = db.session.scalar(query)
    return max(began_at + within, now) if began_at else now


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


def give_back(purpose: str, key: str, *, many: int = 1) -> None:
    """So many tries were none of those that are counted."""
    here = (Budget.purpose == purpose, Budget.key == key, Budget.spent > 0)
    spent = case((Budget.spent > many, Budget.spent - many), else_=0)
    db.session.execute(update(Budget).where(*here).values(spent=spent))


def spend_all(
    wanted: Mapping[Counted, int], *, began_at: Mapping[Counted, datetime]
) -> dict[Counted, int]:
    """Count all of these so many times, in one statement; how often each was counted then. Their
    keys name their window: none is begun anew.

    In one order for everyone: who waits for another never does so in a circle.
    """
    if not wanted:
        return {}
    adding = insert(TABLE).returning(TABLE.c.purpose, TABLE.c.key, TABLE.c.spent)
    counted = adding.on_conflict_do_update(
        index_elements=["purpose", "key"],
        set_={"spent": TABLE.c.spent + adding.excluded.spent},
    )
    rows = [
        {"purpose": each[0], "key": each[1], "began_at": began_at[each], "spent": wanted[each]}
        for each in sorted(wanted)
    ]
    found = db.session.connection().execute(counted, rows)
    return {(purpose, key): spent for purpose, key, spent in found}


def give_back_all(unused: Mapping[Counted, int]) -> None:
    """So many tries of each were none of those that are counted."""
    if not unused:
        return
    here = (TABLE.c.purpose == bindparam("its_purpose"), TABLE.c.key == bindparam("its_key"))
    giving = update(TABLE).where(*here).values(spent=TABLE.c.spent - bindparam("many"))
    rows = [
        {"its_purpose": each[0], "its_key": each[1], "many": unused[each]}
        for each in sorted(unused)
    ]
    db.session.connection().execute(giving, rows)


def clear(purpose: str, key: str) -> None:
    """Who showed that it is they begins anew."""
    db.session.execute(delete(Budget).where(Budget.purpose == purpose, Budget.key == key))


def erase_old(*, now: datetime) -> None:
    """Whose time is over counts for nothing."""
    db.session.execute(delete(Budget).where(Budget.began_at <= now - LONGEST))
