"""Email through a mail server, message after message on connections that are kept.

A server takes nothing over before a message's last line: what breaks earlier is refused for
certain, what breaks after it was begun to be written is unknown.
"""

import re
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as LINES
from email.utils import format_datetime, parseaddr
from smtplib import SMTP, SMTP_SSL, SMTPAuthenticationError, SMTPNotSupportedError
from urllib.parse import unquote, urlsplit

from inviter import clock
from inviter.models import Answer
from inviter.senders import BUSY, NO_ANSWER, NOT_PERMITTED, UNREACHABLE, Message
from inviter.senders.calls import TIMEOUT, common_tls
from inviter.senders.kept import IDLE, Kept
from inviter.settling import Result, refused_here

HERE = ("localhost", "127.0.0.1", "::1")
REFERENCE_LIMIT = 100
NEEDS_SIGN_IN = (530, 534, 535, 538)
REASONS = {
    b"5.1.1": "no-such-address",
    b"5.1.2": "no-such-address",
    b"5.1.3": "no-such-address",
    b"5.1.6": "no-such-address",
    b"5.1.10": "no-such-address",
    b"5.2.2": "mailbox-full",
    b"5.2.3": "too-large",
    b"5.3.4": "too-large",
}
"""Enhanced codes that say more than the plain one."""
FILTERING = 3
"""How many times longer a whole message may take than any other step: filters look at it first."""


class Smtp:
    """`smtp://` demands STARTTLS of any machine but this one, unless it ends in `?tls=none`."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT,
        idle: float = IDLE,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._is_tls = parts.scheme == "smtps"
        asked = parts.query or ("tls=none" if self._host in HERE else "tls=required")
        self.starts_tls = asked == "tls=required" and not self._is_tls
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._timeout, self._tls = timeout, tls
        self._our_name: str | None = None  # asked of the network once
        self._kept: Kept[SMTP] = Kept(idle)

    def send(self, message: Message, *, attempt_id: str) -> Result:
        sender = parseaddr(message.sender)[1]
        try:
            written = _written(message, sender, attempt_id)
        except Exception:  # a line break in a header, no address: nothing has left
            return refused_here("not-written")
        try:
            server = self._ready()
        except (SMTPNotSupportedError, _NotPermitted):
            return NOT_PERMITTED
        except (OSError, UnicodeError):
            return UNREACHABLE
        try:
            result = self._hand_over(server, sender, message.to, written)
        except BaseException:
            server.close()  # what would come next might end up inside of this message
            raise
        self._kept.give(server)
        return result

    def _ready(self) -> SMTP:
        """With nothing begun. What was kept is asked first: a server may have had enough of us."""
        kept = self._kept.take()
        if kept is None:
            return self._connected()
        try:
            if kept.rset()[0] == 250:
                return kept
        except OSError:
            pass
        kept.close()
        return self._connected()

    def _connected(self) -> SMTP:
        server = self._greeted()
        self._our_name = server.local_hostname
        try:
            server.ehlo_or_helo_if_needed()
            if self.starts_tls:
                server.starttls(context=self._tls or common_tls())
                server.ehlo_or_helo_if_needed()
            if self._user:
                server.login(self._user, self._password)
        except BaseException as error:
            server.close()
            if isinstance(error, SMTPAuthenticationError) and error.smtp_code >= 500:
                raise _NotPermitted from error
            raise
        return server

    def _greeted(self) -> SMTP:
        if not self._is_tls:
            port = self._port or 587
            return SMTP(self._host, port, self._our_name, timeout=self._timeout)
        context = self._tls or common_tls()
        name = self._our_name
        return SMTP_SSL(self._host, self._port, name, timeout=self._timeout, context=context)

    def _hand_over(self, server: SMTP, sender: str, to: str, written: bytes) -> Result:
        try:
            refused = _begun(server, sender, to)
        except OSError:
            server.close()
            return UNREACHABLE
        if refused:
            return refused
        try:
            return _finished(server, written, self._timeout)
        except OSError:
            server.close()
            return NO_ANSWER


class _NotPermitted(Exception):
    """The server does not know us, and will not tomorrow."""


def _begun(server: SMTP, sender: str, to: str) -> Result | None:
    """All before the message itself: how it was refused, or None where the server awaits it."""
    code, said = server.mail(sender)
    if code >= 500:  # whoever it is for, the server takes nothing from this address
        return NOT_PERMITTED
    if code == 250:
        code, said = server.rcpt(to)
    if code in (250, 251):
        code, said = server.docmd("DATA")
    return None if code == 354 else _refusal(code, said)


def _finished(server: SMTP, written: bytes, timeout: float) -> Result:
    if server.sock:
        server.sock.settimeout(timeout * FILTERING)
    server.send(re.sub(rb"(?m)^\.", b"..", written) + b".\r\n")
    code, said = server.getreply()
    if server.sock:
        server.sock.settimeout(timeout)
    if 200 <= code < 300:
        reference = said.decode("ascii", "replace").partition("\n")[0][:REFERENCE_LIMIT]
        return Result(Answer.ACCEPTED, reference=reference or None)
    return _refusal(code, said) if 400 <= code < 600 else NO_ANSWER


def _refusal(code: int, said: bytes) -> Result:
    if 400 <= code < 500:
        return BUSY
    if code in NEEDS_SIGN_IN:
        return NOT_PERMITTED
    if not 500 <= code < 600:  # no SMTP at all
        return UNREACHABLE
    enhanced = said.partition(b" ")[0]
    return Result(Answer.REFUSED, REASONS.get(enhanced, "refused"))


def _written(message: Message, sender: str, attempt_id: str) -> bytes:
    """Raises what the package likes. Two headers hold the attempt's id: one comes back."""
    f"{sender}{message.to}".encode("ascii")  # servers need not know more
    mail = EmailMessage(policy=LINES)
    mail["From"] = Address(parseaddr(message.sender)[0], addr_spec=sender)
    mail["To"] = Address(addr_spec=message.to)
    if message.reply_to:
        mail["Reply-To"] = Address(addr_spec=message.reply_to)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = f"<{attempt_id}@{sender.rpartition('@')[2]}>"
    mail["X-Inviter-Attempt"] = attempt_id
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text, cte="quoted-printable")
    mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
    return mail.as_bytes()
