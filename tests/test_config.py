"""Settings: defaults of the demo, what production needs, and all that is wrong said at once."""

from pathlib import Path

import pytest

from inviter import config
from inviter.config import ConfigError

PRODUCTION = {
    "INVITER_BASE_URL": "https://invite.example.org",
    "INVITER_SECRET_KEY": "k" * 32,
    "INVITER_DATABASE_URL": "postgresql://inviter@db/inviter",
    "INVITER_EMAIL": "sendgrid",
    "INVITER_SENDGRID_API_KEY": "x",
    "INVITER_EMAIL_FROM": "Inviter <invitations@example.org>",
    "INVITER_SMS": "off",
}


def test_the_demo_needs_nothing(tmp_path: Path) -> None:
    read = config.read({}, demo=True, instance=tmp_path / "instance")
    assert read.demo
    assert (read.email, read.sms, read.base_url) == ("mailbox", "mailbox", "http://127.0.0.1:8000")
    assert read.database_url == f"sqlite:///{tmp_path / 'instance' / 'inviter.db'}"


def test_the_demo_keeps_the_secret_it_made(tmp_path: Path) -> None:
    first = config.read({}, demo=True, instance=tmp_path).secret_key
    assert len(first) >= 32
    assert config.read({}, demo=True, instance=tmp_path).secret_key == first
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


def test_production_is_what_holds_unless_the_demo_is_asked_for() -> None:
    read = config.read(PRODUCTION)
    assert not read.demo
    assert read.is_secure
    assert read.database_url == "postgresql+psycopg://inviter@db/inviter"


def test_everything_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        config.read({}, instance=tmp_path)
    named = [each.split()[0] for each in refused.value.problems]
    assert sorted(named) == [
        "INVITER_BASE_URL",
        "INVITER_EMAIL",
        "INVITER_EMAIL_FROM",
        "INVITER_SECRET_KEY",
        "INVITER_SMS",
    ]
    assert str(refused.value).startswith("Inviter cannot start:\n- INVITER_")


WRONG = [
    ("PORT", "http"),
    ("PORT", "0"),
    ("PORT", "²"),
    ("PROXY_HOPS", "-1"),
    ("DATABASE_URL", "mysql://x"),
    ("DATABASE_URL", "nonsense"),
    ("BASE_URL", "invite.example.org"),
    ("BASE_URL", "ftp://example.org"),
    ("BASE_URL", "https://example.org/path"),
    ("SECRET_KEY", "short"),
    ("EMAIL", "pigeon"),
    ("EMAIL_FROM", "nobody"),
    ("SENDGRID_URL", "api"),
    ("SMS", "pigeon"),
    ("SMS_REGIONS", "Canada"),
    ("IDLE_MINUTES", "5"),
    ("DOUBT_MINUTES", "soon"),
    ("LOG_FORMAT", "xml"),
    ("DEMO", "yes"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_named_with_what_it_takes(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.read({**PRODUCTION, f"INVITER_{name}": value})
    assert any(each.startswith(f"INVITER_{name} ") for each in refused.value.problems)


def test_sendgrid_needs_its_key() -> None:
    with pytest.raises(ConfigError, match="INVITER_SENDGRID_API_KEY is needed"):
        config.read({**PRODUCTION, "INVITER_SENDGRID_API_KEY": ""})


def test_a_secret_is_never_part_of_what_is_printed() -> None:
    read = config.read({**PRODUCTION, "INVITER_OLD_SECRET_KEYS": "o" * 40})
    assert "kkk" not in repr(read)
    assert "ooo" not in repr(read)
