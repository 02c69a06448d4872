"""Codes open only where they were sealed, links only as they were made; old secrets still open."""

import base64
import re

import pytest

from inviter.keys import LINK_TOKEN_LENGTH, Keys, Unreadable, link_id_in, new_link_id

OLD = Keys("the secret of last year, now replaced")
NEW = Keys("the secret of this year, 32 or longer")
BOTH = Keys("the secret of this year, 32 or longer", ("the secret of last year, now replaced",))
LINK = new_link_id()
JUNK = [
    "",
    "x",
    "=",
    "====",
    "é" * 43,
    "٣" * 43,
    "\0",
    "a b",
    "../../etc/passwd",
    "A" * 42,
    "A" * 43,
    "A" * 44,
    "A" * 1_000_000,
    LINK,
]


def data(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def sealed_by(keys: Keys) -> str:
    return keys.seal_code("482913", clinic_id=1, invitation_id=2)


def test_a_sealed_code_opens_where_it_belongs() -> None:
    assert NEW.open_code(sealed_by(NEW), clinic_id=1, invitation_id=2) == "482913"


@pytest.mark.parametrize(("clinic_id", "invitation_id"), [(1, 3), (3, 2), (2, 1), (12, 0)])
def test_a_sealed_code_does_not_open_on_another_invitation(
    clinic_id: int, invitation_id: int
) -> None:
    with pytest.raises(Unreadable):
        NEW.open_code(sealed_by(NEW), clinic_id=clinic_id, invitation_id=invitation_id)


def test_a_place_is_not_made_of_digits_that_could_be_divided_otherwise() -> None:
    sealed = NEW.seal_code("482913", clinic_id=1, invitation_id=11)
    with pytest.raises(Unreadable):
        NEW.open_code(sealed, clinic_id=11, invitation_id=1)


SEALED = [*JUNK, sealed_by(NEW)[:-1], "B" + sealed_by(NEW)]


@pytest.mark.parametrize("sealed", SEALED, ids=range(len(SEALED)))
def test_what_is_no_sealed_code_is_unreadable(sealed: str) -> None:
    with pytest.raises(Unreadable):
        NEW.open_code(sealed, clinic_id=1, invitation_id=2)


def test_what_is_sealed_opens_for_its_purpose_and_under_its_secrets() -> None:
    sealed = OLD.seal("preview 1", "Zoë")
    assert OLD.unseal("preview 1", sealed) == BOTH.unseal("preview 1", sealed) == "Zoë"
    assert re.fullmatch(r"[\w-]+", sealed)
    for keys, purpose in ((OLD, "preview 2"), (OLD, "code"), (NEW, "preview 1")):
        with pytest.raises(Unreadable):
            keys.unseal(purpose, sealed)


@pytest.mark.parametrize("sealed", JUNK, ids=range(len(JUNK)))
def test_what_was_not_sealed_is_unreadable(sealed: str) -> None:
    with pytest.raises(Unreadable):
        NEW.unseal("preview 1", sealed)


def test_every_link_is_as_long_as_is_said() -> None:
    assert len(NEW.link_token(LINK, 1)) == len(NEW.link_token(LINK, 10**9)) == LINK_TOKEN_LENGTH


def test_the_same_code_is_sealed_differently_each_time() -> None:
    assert sealed_by(NEW) != sealed_by(NEW)


def test_a_sealed_code_does_not_show_the_code_and_fits_its_column() -> None:
    sealed = NEW.seal_code("482913", clinic_id=2**63 - 1, invitation_id=2**63 - 1)
    assert len(sealed) <= 80
    assert b"482913" not in data(sealed)


def test_an_old_secret_still_opens_codes() -> None:
    assert BOTH.open_code(sealed_by(OLD), clinic_id=1, invitation_id=2) == "482913"


def test_the_new_secret_seals() -> None:
    assert NEW.open_code(sealed_by(BOTH), clinic_id=1, invitation_id=2) == "482913"
    with pytest.raises(Unreadable):
        OLD.open_code(sealed_by(BOTH), clinic_id=1, invitation_id=2)


def test_without_the_old_secret_its_codes_are_unreadable() -> None:
    with pytest.raises(Unreadable, match="invitation 2"):
        NEW.open_code(sealed_by(OLD), clinic_id=1, invitation_id=2)


def test_a_code_is_found_by_another_mark_in_each_clinic_and_under_each_secret() -> None:
    marks = {keys.code_mac("482913", clinic_id=clinic) for keys in (OLD, NEW) for clinic in (1, 2)}
    assert len(marks) == 4
    assert all(len(mark) == 22 for mark in marks)
    assert NEW.code_mac("482913", clinic_id=1) == NEW.code_mac("482913", clinic_id=1)


def test_a_code_is_looked_for_under_every_secret_the_current_first() -> None:
    assert BOTH.code_macs("482913", clinic_id=1) == [
        NEW.code_mac("482913", clinic_id=1),
        OLD.code_mac("482913", clinic_id=1),
    ]


def test_a_link_is_the_same_each_time_and_names_its_id() -> None:
    token = NEW.link_token(LINK, 1)
    assert token == NEW.link_token(LINK, 1)
    assert link_id_in(token) == LINK
    assert NEW.is_link_token(token, link_id=LINK, version=1)


def test_a_link_holds_nothing_that_an_address_would_change() -> None:
    assert NEW.link_token(LINK, 1).replace("-", "").replace("_", "").isalnum()
    assert len(NEW.link_token(LINK, 1)) == 43


def test_an_older_version_of_the_link_is_not_taken() -> None:
    assert not NEW.is_link_token(NEW.link_token(LINK, 1), link_id=LINK, version=2)


def test_a_link_of_another_invitation_is_not_taken() -> None:
    assert not NEW.is_link_token(NEW.link_token(new_link_id(), 1), link_id=LINK, version=1)


def test_the_proof_of_one_link_is_none_for_another_id() -> None:
    other = new_link_id()
    mixed = text(data(other) + data(NEW.link_token(LINK, 1))[16:])
    assert link_id_in(mixed) == other
    assert not NEW.is_link_token(mixed, link_id=other, version=1)
    assert not NEW.is_link_token(mixed, link_id=LINK, version=1)


def test_a_forged_link_is_not_taken() -> None:
    token = NEW.link_token(LINK, 1)
    for place in range(22, len(token)):
        forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert not NEW.is_link_token(forged, link_id=LINK, version=1)


def test_a_truncated_or_lengthened_link_is_not_taken() -> None:
    token = NEW.link_token(LINK, 1)
    for wrong in (token[:-1], token[:-4], token[:22], f"{token}A", f"{token}=", f" {token}"):
        assert link_id_in(wrong) is None
        assert not NEW.is_link_token(wrong, link_id=LINK, version=1)


def test_the_same_bytes_in_another_spelling_are_not_taken() -> None:
    tokens = (NEW.link_token(new_link_id(), 1) for _ in range(1000))
    token = next(each for each in tokens if "-" in each)
    assert link_id_in(token.replace("-", "+")) is None


@pytest.mark.parametrize("token", JUNK, ids=range(len(JUNK)))
def test_junk_is_no_link(token: str) -> None:
    assert link_id_in(token) is None or not NEW.is_link_token(
        token, link_id=link_id_in(token) or "", version=1
    )
    assert not NEW.is_link_token(token, link_id=LINK, version=1)


def test_links_of_an_old_secret_still_open_and_new_ones_are_made_under_the_new() -> None:
    assert BOTH.is_link_token(OLD.link_token(LINK, 1), link_id=LINK, version=1)
    assert BOTH.link_token(LINK, 1) == NEW.link_token(LINK, 1)
    assert not NEW.is_link_token(OLD.link_token(LINK, 1), link_id=LINK, version=1)


def test_link_ids_do_not_repeat() -> None:
    assert len({new_link_id() for _ in range(1000)}) == 1000


def test_each_use_has_a_secret_of_its_own() -> None:
    assert NEW.sign_with("sessions") != NEW.sign_with("reset")
    assert NEW.sign_with("sessions") != OLD.sign_with("sessions")
    assert NEW.mac("confirmation", "x") != NEW.mac("other", "x")
    assert "the secret" not in bytes.fromhex(NEW.sign_with("sessions")).decode("latin-1")
