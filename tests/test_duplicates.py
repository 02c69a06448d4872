"""Who is the same patient is looked up in indexes; the rule itself is tested where it is used."""

import pytest

from inviter import duplicates
from inviter.db import db
from tests.counting import counted
from tests.factories import Cast, recipient

pytestmark = pytest.mark.usefixtures("context")

ADA = recipient("Ada Fixture", email="ada@example.org", phone="306 555 0142")


@pytest.mark.parametrize("contact", [{}, {"email": None}, {"phone": None}])
def test_neither_names_nor_contacts_are_looked_for_in_the_whole_clinic(
    cast: Cast, contact: dict[str, None]
) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("an empty table's plan says nothing on PostgreSQL")
    kept = {"email": ADA.email, "phone": "306 555 0142"} | contact
    with counted() as statements:
        duplicates.check(cast.northside, [recipient("Ada Fixture", **kept)])
    by_name, _patients, sharing = [each for each in statements if "FROM" in each][-3:]
    assert "ix_invitation_name (clinic_id=? AND name_key=?)" in plan(by_name)
    found = plan(sharing)
    if "email" not in contact:
        assert "uq_invitation_email (clinic_id=? AND email=?)" in found
    if "phone" not in contact:
        assert "uq_invitation_phone (clinic_id=? AND phone=?)" in found
    assert "(clinic_id=?)" not in found
    assert "SCAN invitation" not in found


def plan(statement: str) -> str:
    """What SQLite would do."""
    values = (1,) * statement.count("?")
    explain = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    return "\n".join(row.detail for row in explain)
