"""People drawn for measuring: such as staff could have typed, as many of each kind as is said."""

import math
from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from inviter import contacts, crowd
from inviter.crowd import FIRST_NAMES, LAST_NAMES, RARE_NAMES, Person
from inviter.status import DeliveryState

REGIONS = ("CA", "US")
MANY = 20_000


@pytest.fixture(scope="module")
def people() -> list[Person]:
    random = Random(1)
    return [crowd.person(random, place) for place in range(MANY)]


def share(count: int) -> float:
    return count / MANY


def test_every_name_is_one_that_staff_may_type_and_keeps_its_spelling() -> None:
    for name in (*FIRST_NAMES, *LAST_NAMES, *RARE_NAMES):
        assert contacts.first_name(name) == contacts.last_name(name) == name
    assert len({contacts.fold(name) for name in RARE_NAMES}) == len(RARE_NAMES)


def test_contacts_are_what_would_be_kept_had_they_been_typed(people: list[Person]) -> None:
    for each in people[:300]:
        assert each.name_key == contacts.name_key(each.first_name, each.last_name)
        assert each.email is None or contacts.email(each.email) == each.email
        phone = contacts.phone(each.phone_typed, REGIONS) if each.phone_typed else None
        assert (phone.e164 if phone else None) == each.phone
        assert phone is None or phone.can_text


def test_every_area_has_numbers_that_get_texts() -> None:
    for place in range(len(crowd.AREAS) * 3):
        phone = contacts.phone(crowd._phone(place)[1], REGIONS)
        assert phone is not None and phone.can_text


def test_most_have_an_email_many_a_number_and_few_neither(people: list[Person]) -> None:
    assert 0.78 < share(sum(each.email is not None for each in people)) < 0.82
    assert 0.68 < share(sum(each.phone is not None for each in people)) < 0.72
    assert 0.06 < share(sum(not (each.email or each.phone) for each in people)) < 0.08


def test_common_names_are_common_and_some_occur_once(people: list[Person]) -> None:
    firsts = Counter(each.first_name for each in people).most_common()
    lasts = Counter(each.last_name for each in people).most_common()
    assert 0.015 < share(firsts[0][1]) < 0.03
    assert 0.015 < share(lasts[0][1]) < 0.03
    assert lasts[-1][1] == 1
    marked = sum(
        not (each.first_name + each.last_name).replace(" ", "").isascii()
        or "-" in each.first_name + each.last_name
        for each in people
    )
    assert 0.03 < share(marked) < 0.08


def test_no_two_have_the_same_contacts(people: list[Person]) -> None:
    for contact in ("email", "phone"):
        given = [value for each in people if (value := getattr(each, contact))]
        assert len(set(given)) == len(given)
    assert math.gcd(crowd.PHONE_STEP, crowd.PHONES) == 1


def test_clinics_have_names_of_their_own() -> None:
    assert len({crowd.clinic_name(number) for number in range(1000)}) == 1000


def test_more_and_more_are_invited_over_two_years() -> None:
    random = Random(1)
    ago = [crowd.ago(random, place, MANY) for place in range(MANY)]
    assert ago == sorted(ago, reverse=True)
    assert timedelta(729) < ago[0] < crowd.SPAN
    assert 0.1 < share(sum(each < timedelta(30) for each in ago)) < 0.14


def test_of_100_messages_3_fail_and_few_are_in_doubt() -> None:
    random = Random(1)
    drawn = [crowd.states(random, 2) for _ in range(MANY)]
    assert 0.025 < share(drawn.count([DeliveryState.FAILED] * 2)) < 0.035
    assert 0.001 < share(drawn.count([DeliveryState.IN_DOUBT] * 2)) < 0.005
    assert drawn.count([DeliveryState.FAILED, DeliveryState.SENT]) > 0
    assert crowd.states(random, 0) == []
