"""Who is the same patient is looked up in indexes; the rule itself is tested where it is used."""

import pytest

from inviter import duplicates, known
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Import
from tests.counting import counted
from tests.factories import Cast, invite, recipient

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


def test_who_has_no_contact_is_looked_for_among_the_few_without(cast: Cast) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("an empty table's plan says nothing on PostgreSQL")
    with counted() as statements:
        known.by_name_of_rows(Import(clinic_id=cast.northside.id, id=1), {2: ADA})
    among_invited = next(each for each in statements if "FROM import_row, invitation" in each)
    assert "uq_invitation_twin (clinic_id=? AND name_key=?" in plan(among_invited)


def test_who_shares_a_contact_is_found_among_the_invited_and_each_other_in_one_query(
    cast: Cast, keys: Keys
) -> None:
    people = {"provider": cast.osei, "by": cast.ana, "keys": keys}
    invite(cast.northside, ADA, **people)  # type: ignore[arg-type]
    ben = recipient("Ben Fixture", phone="306 555 0142")
    cy = recipient("Cy Fixture", email="ada@example.org", phone="306 555 0142")
    with counted() as statements:
        found = duplicates.same_contact(cast.northside.id, [ben, cy, recipient("Di Test"), ADA])
    both = ("Ada Fixture", "Cy Fixture")
    assert found == [both, ("Ada Fixture", "Ben Fixture"), (), ("Ben Fixture", "Cy Fixture")]
    assert len(statements) == 1
    assert duplicates.same_contact(cast.lakeview.id, [ben]) == [()]


def plan(statement: str) -> str:
    """What SQLite would do."""
    values = (1,) * statement.count("?")
    explain = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    return "\n".join(row.detail for row in explain)
