"""Settings: defaults of the demo, what production needs, and all that is wrong said at once."""

from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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
    assert read.require_mfa
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


def public_key(key: EllipticCurvePrivateKey | RSAPrivateKey) -> str:
    made = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(made).decode()


RSA_KEY = public_key(rsa.generate_private_key(65537, 2048))
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
    ("SENDGRID_WEBHOOK_KEY", "key"),
    ("SENDGRID_WEBHOOK_KEY", "a2V5"),
    ("SENDGRID_WEBHOOK_KEY", RSA_KEY),
    ("SMTP_URL", "mail.example.org"),
    ("SMTP_URL", "https://mail.example.org"),
    ("SMTP_URL", "smtp://"),
    ("SMTP_URL", "smtp://mail.example.org:99999"),
    ("SMTP_URL", "smtp://mail.example.org:0"),
    ("SMTP_URL", "smtp://mail.example.org/path"),
    ("SMTP_URL", "smtp://mail.example.org?tls=perhaps"),
    ("TWILIO_ACCOUNT_SID", "SK1"),
    ("TWILIO_ACCOUNT_SID", "AC1/../AC2"),
    ("TWILIO_FROM", "clinic"),
    ("TWILIO_FROM", "+1 306 555 0100"),
    ("TWILIO_URL", "api"),
    ("SMS", "pigeon"),
    ("SMS_REGIONS", "Canada"),
    ("SMS_REGIONS", "CA,UK"),
    ("TEXTS_PER_DAY", "0"),
    ("TEXTS_PER_BLOCK", "many"),
    ("INVITATIONS_PER_HOUR", "49"),
    ("IMPORTED_PER_DAY", "-1"),
    ("IDLE_MINUTES", "5"),
    ("KEEP_CONTACTS_DAYS", "2"),
    ("DOUBT_MINUTES", "soon"),
    ("LOG_FORMAT", "xml"),
    ("DEMO", "yes"),
    ("REQUIRE_MFA", "no"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_named_with_what_it_takes(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.read({**PRODUCTION, f"INVITER_{name}": value})
    assert any(each.startswith(f"INVITER_{name} ") for each in refused.value.problems)


@pytest.mark.parametrize(
    ("way", "needed"),
    [
        ({"EMAIL": "sendgrid"}, ["SENDGRID_API_KEY"]),
        ({"EMAIL": "smtp"}, ["SMTP_URL"]),
        (
            {"EMAIL": "mailbox", "SMS": "twilio"},
            ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"],
        ),
        (
            {"EMAIL": "smtp", "SMS": "twilio"},
            ["SMTP_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"],
        ),
    ],
)
def test_what_a_way_to_send_needs_is_named_together(way: dict[str, str], needed: list[str]) -> None:
    chosen = {f"INVITER_{name}": value for name, value in way.items()}
    with pytest.raises(ConfigError) as refused:
        config.read({**PRODUCTION, "INVITER_SENDGRID_API_KEY": "", **chosen})
    named = [each.split()[0] for each in refused.value.problems]
    assert named == [f"INVITER_{each}" for each in needed]


def test_texts_by_twilio_and_emails_by_smtp() -> None:
    key = public_key(ec.generate_private_key(ec.SECP256R1()))
    read = config.read(
        {
            **PRODUCTION,
            "INVITER_EMAIL": "smtp",
            "INVITER_SMTP_URL": "smtp://user:p%40ss@mail.example.org:587",
            "INVITER_SMS": "twilio",
            "INVITER_TWILIO_ACCOUNT_SID": "AC0001",
            "INVITER_TWILIO_AUTH_TOKEN": "token",
            "INVITER_TWILIO_FROM": "+13065550100",
            "INVITER_TWILIO_URL": "http://127.0.0.1:9000/",
            "INVITER_SENDGRID_WEBHOOK_KEY": key,
        }
    )
    assert (read.email, read.smtp_url) == ("smtp", "smtp://user:p%40ss@mail.example.org:587")
    assert (read.sms, read.twilio_account_sid, read.twilio_auth_token, read.twilio_from) == (
        *("twilio", "AC0001", "token", "+13065550100"),
    )
    assert read.twilio_url == "http://127.0.0.1:9000"
    assert read.sendgrid_webhook_key == key


@pytest.mark.parametrize(
    "url",
    [
        *("smtp://mail.example.org", "smtps://user:pass@mail.example.org:465"),
        *("smtp://relay:25?tls=none", "smtp://localhost/?tls=required", "smtp://[::1]:2525"),
    ],
)
def test_addresses_of_mail_servers(url: str) -> None:
    assert config.read({**PRODUCTION, "INVITER_SMTP_URL": url}).smtp_url == url


def test_a_secret_is_never_part_of_what_is_printed() -> None:
    read = config.read(
        {
            **PRODUCTION,
            "INVITER_OLD_SECRET_KEYS": "o" * 40,
            "INVITER_SENDGRID_API_KEY": "g" * 40,
            "INVITER_TWILIO_AUTH_TOKEN": "t" * 40,
            "INVITER_SMTP_URL": "smtp://user:ppp@mail.example.org",
        }
    )
    assert not any(secret in repr(read) for secret in ("kkk", "ooo", "ggg", "ttt", "ppp"))
