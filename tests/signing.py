"""Signs as SendGrid and Twilio do, by nothing of theirs: what they document, written anew."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from inviter import clock

KEY = ec.generate_private_key(ec.SECP256R1())
TOKEN = "the token of the account"
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"


def public(key: ec.EllipticCurvePrivateKey = KEY) -> str:
    """As SendGrid shows it."""
    form = PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, form)).decode()


def by_sendgrid(
    body: bytes, *, key: ec.EllipticCurvePrivateKey = KEY, timestamp: str | None = None
) -> dict[str, str]:
    """The headers that go with a body: ECDSA over the time and the raw body."""
    timestamp = timestamp or str(int(clock.now().timestamp()))
    signature = key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: timestamp}


def by_twilio(address: str, fields: Mapping[str, str], *, token: str = TOKEN) -> dict[str, str]:
    """The header that goes with a form: HMAC-SHA1 over the whole address and the sorted fields."""
    said = address + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    mac = hmac.new(token.encode(), said.encode(), hashlib.sha1).digest()
    return {"X-Twilio-Signature": base64.b64encode(mac).decode()}
