"""Settings: the only module that reads the environment. All that is wrong is said at once."""

import re
import secrets
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from phonenumbers import SUPPORTED_REGIONS
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "INVITER_"
ROOT = Path(__file__).resolve().parent.parent
INSTANCE = ROOT / "instance"
SECRET_KEY_LENGTH = 32
NEEDED = {
    "sendgrid": ("SENDGRID_API_KEY",),
    "smtp": ("SMTP_URL",),
    "twilio": ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"),
}
"""What each way to send can't do without."""


class CannotStart(SystemExit):
    """Stops whatever is starting, with its message and no traceback."""


class ConfigError(CannotStart):
    """Names every setting that is wrong and what to do about each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["Inviter cannot start:", *(f"- {each}" for each in problems)]))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults are those of the demo with nothing set; `read` makes one from the environment."""

    demo: bool
    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str
    base_url: str
    secret_key: str = field(repr=False)
    old_secret_keys: tuple[str, ...] = field(default=(), repr=False)
    trusted_hosts: tuple[str, ...] = ()
    proxy_hops: int = 0
    email: str = "mailbox"
    email_from: str = "Inviter <invitations@example.org>"
    sendgrid_api_key: str = field(default="", repr=False)
    sendgrid_url: str = ""
    sendgrid_webhook_key: str = ""
    smtp_url: str = field(default="", repr=False)
    sms: str = "mailbox"
    twilio_account_sid: str = ""
    twilio_auth_token: str = field(default="", repr=False)
    twilio_from: str = ""
    twilio_url: str = ""
    sms_regions: tuple[str, ...] = ("CA", "US")
    invitations_per_hour: int = 2_000
    imported_per_day: int = 200_000
    texts_per_day: int = 5_000
    texts_per_block: int = 200
    require_mfa: bool = False
    idle_minutes: int = 30
    keep_contacts_days: int = 30
    upload_max_mb: int = 20
    upload_max_rows: int = 100_000
    doubt_after: timedelta = timedelta(minutes=15)
    log_format: str = "text"
    argon2_time_cost: int = 3  # not from the environment: only tests ask for less
    argon2_memory_kib: int = 65_536  # at least 32

    @property
    def is_secure(self) -> bool:
        return self.base_url.startswith("https://")


def read(environ: Mapping[str, str], *, demo: bool = False, instance: Path = INSTANCE) -> Config:
    """`demo` is what holds where INVITER_DEMO is not set. Raises ConfigError."""
    return _Reader(environ, demo, instance).read()


class _Reader:
    """Collects every problem instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str], demo: bool, instance: Path) -> None:
        self._values = {
            name[len(PREFIX) :]: value.strip()
            for name, value in environ.items()
            if name.startswith(PREFIX) and value.strip()
        }
        self._instance = instance
        self._problems: list[str] = []
        self._demo = self._choice("DEMO", ("0", "1"), "1" if demo else "0") == "1"

    def read(self) -> Config:
        port = self._number("PORT", 8000, 1, 65535)
        config = Config(
            demo=self._demo,
            host=self._values.get("HOST", "127.0.0.1"),
            port=port,
            database_url=self._database_url(),
            base_url=self._base_url(port),
            secret_key=self._secret_key(),
            old_secret_keys=self._list("OLD_SECRET_KEYS"),
            trusted_hosts=self._list("TRUSTED_HOSTS"),
            proxy_hops=self._number("PROXY_HOPS", 0, 0, 10),
            email=self._sender("EMAIL", ("mailbox", "smtp", "sendgrid")),
            email_from=self._email_from(),
            sendgrid_api_key=self._values.get("SENDGRID_API_KEY", ""),
            sendgrid_url=self._url("SENDGRID_URL"),
            sendgrid_webhook_key=self._webhook_key(),
            smtp_url=self._smtp_url(),
            sms=self._sender("SMS", ("mailbox", "twilio", "off")),
            twilio_account_sid=self._matching("TWILIO_ACCOUNT_SID", r"AC\w+", "begin with AC"),
            twilio_auth_token=self._values.get("TWILIO_AUTH_TOKEN", ""),
            twilio_from=self._matching(
                "TWILIO_FROM",
                r"\+?\d{3,15}|MG\w+",
                "be a number such as +13065550100, or the id of a messaging service (MG...)",
            ),
            twilio_url=self._url("TWILIO_URL"),
            sms_regions=self._regions(),
            invitations_per_hour=self._number("INVITATIONS_PER_HOUR", 2_000, 100, 1_000_000),
            imported_per_day=self._number("IMPORTED_PER_DAY", 200_000, 1, 100_000_000),
            texts_per_day=self._number("TEXTS_PER_DAY", 5_000, 1, 10_000_000),
            texts_per_block=self._number("TEXTS_PER_BLOCK", 200, 1, 10_000_000),
            require_mfa=self._choice("REQUIRE_MFA", ("0", "1"), "0" if self._demo else "1") == "1",
            idle_minutes=self._number("IDLE_MINUTES", 30, 15, 480),
            keep_contacts_days=self._number("KEEP_CONTACTS_DAYS", 30, 3, 90),
            upload_max_mb=self._number("UPLOAD_MAX_MB", 20, 1, 100),
            upload_max_rows=self._number("UPLOAD_MAX_ROWS", 100_000, 1, 1_000_000),
            doubt_after=timedelta(minutes=self._number("DOUBT_MINUTES", 15, 1, 1440)),
            log_format=self._choice("LOG_FORMAT", ("text", "json"), "text"),
        )
        if self._problems:
            raise ConfigError(self._problems)
        return config

    def _problem(self, text: str) -> None:
        self._problems.append(PREFIX + text)

    def _number(self, name: str, default: int, least: int, most: int) -> int:
        value = self._values.get(name, str(default))
        if value.isascii() and value.isdigit() and least <= int(value) <= most:
            return int(value)
        self._problem(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
        return default

    def _choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self._values.get(name, default)
        if value in choices:
            return value
        self._problem(f"{name} must be {' or '.join(choices)}, not {value!r}.")
        return default

    def _list(self, name: str) -> tuple[str, ...]:
        parts = (part.strip() for part in self._values.get(name, "").split(","))
        return tuple(part for part in parts if part)

    def _sender(self, name: str, choices: tuple[str, ...]) -> str:
        """Outside the demo someone must say how messages leave."""
        if name not in self._values and not self._demo:
            self._problem(f"{name} must say how messages leave: {' or '.join(choices)}.")
            return choices[0]
        chosen = self._choice(name, choices, "mailbox")
        for needed in NEEDED.get(chosen, ()):
            if needed not in self._values:
                self._problem(f"{needed} is needed when {PREFIX}{name} is {chosen}.")
        return chosen

    def _matching(self, name: str, pattern: str, must: str) -> str:
        value = self._values.get(name, "")
        if value and not re.fullmatch(pattern, value, re.ASCII):
            self._problem(f"{name} must {must}.")
        return value

    def _webhook_key(self) -> str:
        """Of an elliptic curve, as SendGrid shows it: Base64 of DER."""
        value = self._values.get("SENDGRID_WEBHOOK_KEY", "")
        try:
            key = load_der_public_key(b64decode(value, validate=True)) if value else None
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if value and not isinstance(key, EllipticCurvePublicKey):
            self._problem("SENDGRID_WEBHOOK_KEY must be the verification key as SendGrid shows it.")
        return value

    def _smtp_url(self) -> str:
        value = self._values.get("SMTP_URL", "")
        if value and not _is_smtp(value):
            self._problem(
                "SMTP_URL must be such as smtp://user:password@host:587 or smtps://host;"
                " ?tls=none sends in the open."
            )
        return value

    def _email_from(self) -> str:
        value = self._values.get("EMAIL_FROM", "")
        if not value:
            if not self._demo:
                self._problem("EMAIL_FROM is needed: the address that messages come from.")
            return Config.email_from
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", parseaddr(value)[1]):
            self._problem(f"EMAIL_FROM must be an address such as {Config.email_from}.")
        return value

    def _regions(self) -> tuple[str, ...]:
        regions = self._list("SMS_REGIONS") or Config.sms_regions
        wrong = [each for each in regions if each not in SUPPORTED_REGIONS]
        if wrong:
            self._problem(f"SMS_REGIONS must be two-letter countries such as CA,US, not {wrong}.")
        return regions

    def _url(self, name: str) -> str:
        value = self._values.get(name, "").rstrip("/")
        try:
            parts = urlsplit(value)
            is_right = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            is_right = False
        if value and not is_right:
            self._problem(f"{name} must begin with https:// or http:// and name a host.")
            return ""
        return value

    def _base_url(self, port: int) -> str:
        value = self._url("BASE_URL")
        if value and set(value.partition("://")[2]) & set("/?#@"):
            self._problem("BASE_URL must end after the host, as in https://invite.example.org.")
        if not value and not self._demo:
            self._problem("BASE_URL is needed: the address that links in messages begin with.")
        return value or f"http://127.0.0.1:{port}"

    def _secret_key(self) -> str:
        value = self._values.get("SECRET_KEY", "")
        if not value and self._demo:
            return self._demo_secret_key()
        if len(value) < SECRET_KEY_LENGTH:
            self._problem(
                f"SECRET_KEY must be at least {SECRET_KEY_LENGTH} characters; make one with:"
                ' python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        return value

    def _demo_secret_key(self) -> str:
        """Kept beside the demo's database, which it opens."""
        path = self._instance / "secret_key"
        if not path.exists():
            self._instance.mkdir(exist_ok=True)
            made = path.with_suffix(f".{secrets.token_hex(4)}")
            made.touch(mode=0o600)
            made.write_text(secrets.token_urlsafe(SECRET_KEY_LENGTH))
            made.replace(path)  # whole or not at all
        kept = path.read_text().strip()
        if len(kept) < SECRET_KEY_LENGTH:
            self._problem(f"SECRET_KEY is needed: what {path} holds is no key.")
        return kept

    def _database_url(self) -> str:
        value = self._values.get("DATABASE_URL")
        if value is None:
            self._instance.mkdir(exist_ok=True)
            return f"sqlite:///{self._instance / 'inviter.db'}"
        try:
            url = make_url(value)
        except ArgumentError:
            url = None
        kind = url.get_backend_name() if url is not None else ""
        if url is None or kind not in ("sqlite", "postgresql") or not url.database:
            self._problem("DATABASE_URL must be sqlite:///PATH or postgresql://HOST/NAME.")
            return value
        driver = "postgresql+psycopg" if kind == "postgresql" else "sqlite"
        return url.set(drivername=driver).render_as_string(hide_password=False)


def _is_smtp(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_port = parts.port != 0
    except ValueError:
        return False
    is_bare = parts.path in ("", "/") and not parts.fragment
    is_server = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and is_port
    return is_server and is_bare and parts.query in ("", "tls=required", "tls=none")
