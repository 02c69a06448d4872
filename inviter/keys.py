"""What protects Invite Codes and Invitation Links, derived from `SECRET_KEY`. Pure.

A code is stored encrypted, because staff must read it, and found by an HMAC that includes its
clinic. A link is a random public id and an HMAC over it, so that the database holds nothing that
opens a door.
Secrets that were replaced (`OLD_SECRET_KEYS`) still open what was made under them.
"""

import base64
import hashlib
import hmac
import secrets
from binascii import b2a_base64
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LINK_ID_BYTES = 16
LINK_MAC_BYTES = 16
LINK_SHARED_BYTES = 3
LINK_TOKEN_LENGTH = 43
NONCE_BYTES = 12
IN_ADDRESSES = bytes.maketrans(b"+/", b"-_")


class Unreadable(Exception):
    """What none of the secrets opens: `SECRET_KEY` was changed without `OLD_SECRET_KEYS`."""


class Keys:
    """Makes everything under the first secret, opens what any of them made."""

    def __init__(self, secret: str, old_secrets: Sequence[str] = ()) -> None:
        self._rings = [_Ring(each) for each in (secret, *old_secrets)]
        self._newest = Keys(secret) if old_secrets else self

    def seal_code(self, code: str, *, clinic_id: int, invitation_id: int) -> str:
        """Encrypt a code so that it opens only on this invitation."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        place = _place(clinic_id, invitation_id)
        return _text(nonce + self._rings[0].code_cipher.encrypt(nonce, code.encode(), place))

    def open_code(self, sealed: str, *, clinic_id: int, invitation_id: int) -> str:
        """Raises Unreadable."""
        place = _place(clinic_id, invitation_id)
        for ring in self._rings:
            try:
                data = _bytes(sealed)
                return ring.code_cipher.decrypt(
                    data[:NONCE_BYTES], data[NONCE_BYTES:], place
                ).decode()
            except (InvalidTag, ValueError):  # the second where it is no sealed code at all
                continue
        raise Unreadable(f"the code of invitation {invitation_id}")

    def reseal_code(
        self, sealed: str, *, clinic_id: int, invitation_id: int
    ) -> tuple[str, str] | None:
        """The same code under the current secret, and what it is found by then; None where it is
        under it already. Raises Unreadable."""
        try:
            self._newest.open_code(sealed, clinic_id=clinic_id, invitation_id=invitation_id)
            return None
        except Unreadable:
            code = self.open_code(sealed, clinic_id=clinic_id, invitation_id=invitation_id)
        place = {"clinic_id": clinic_id, "invitation_id": invitation_id}
        return self.seal_code(code, **place), self.code_mac(code, clinic_id=clinic_id)

    def seal(self, purpose: str, text: str) -> str:
        """Encrypt what travels through a browser, such as a name that an address must not show."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return _text(nonce + self._rings[0].cipher(purpose).encrypt(nonce, text.encode(), None))

    def unseal(self, purpose: str, sealed: str) -> str:
        """Raises Unreadable."""
        for ring in self._rings:
            try:
                data = _bytes(sealed)
                nonce, rest = data[:NONCE_BYTES], data[NONCE_BYTES:]
                return ring.cipher(purpose).decrypt(nonce, rest, None).decode()
            except (InvalidTag, ValueError):
                continue
        raise Unreadable(purpose)

    def reseal(self, purpose: str, sealed: str) -> str | None:
        """The same under the current secret; None where it is under it already. Raises
        Unreadable."""
        try:
            self._newest.unseal(purpose, sealed)
            return None
        except Unreadable:
            return self.seal(purpose, self.unseal(purpose, sealed))

    def code_mac(self, code: str, *, clinic_id: int) -> str:
        """What a code is found by; under the current secret."""
        return self._rings[0].code_mac(code, clinic_id)

    def code_macs(self, code: str, *, clinic_id: int) -> list[str]:
        """What a code may be stored under, the current secret's first."""
        return [ring.code_mac(code, clinic_id) for ring in self._rings]

    def link_token(self, link_id: str, version: int) -> str:
        """The last part of an Invitation Link; the same for the same id and version."""
        return _text(_bytes(link_id) + self._rings[0].link_mac(link_id, version))

    def is_link_token(self, token: str, *, link_id: str, version: int) -> bool:
        """Whether any secret made this token, for this version of the link."""
        if link_id_in(token) != link_id:
            return False
        mac = _bytes(token)[LINK_ID_BYTES:]
        return any(
            hmac.compare_digest(mac, ring.link_mac(link_id, version)) for ring in self._rings
        )

    def mac(self, purpose: str, text: str) -> str:
        """Tells whether two texts are equal without keeping either."""
        return self.macs(purpose, text)[0]

    def macs(self, purpose: str, text: str) -> list[str]:
        """What a text may be kept as, under the current secret first."""
        return [
            _text(hmac.digest(ring.derive(purpose), text.encode(), hashlib.sha256))
            for ring in self._rings
        ]

    def sign_with(self, purpose: str) -> str:
        """A secret of its own for each use outside this module, such as sessions."""
        return self._rings[0].derive(purpose).hex()


def new_link_id() -> str:
    """128 random bits, public."""
    return new_link_ids(1)[0]


def new_link_ids(count: int) -> list[str]:
    """So many, which begin with the same bytes: their index has them beside each other, and few of
    its pages are written."""
    shared = secrets.token_bytes(LINK_SHARED_BYTES)
    own = LINK_ID_BYTES - LINK_SHARED_BYTES
    drawn = secrets.token_bytes(own * count)
    return [_text(shared + drawn[start : start + own]) for start in range(0, own * count, own)]


def link_id_in(token: str) -> str | None:
    """The public id that a token claims; None when it cannot be one. Nothing is proven yet."""
    try:
        data = _bytes(token)
    except ValueError:
        return None
    if len(data) != LINK_ID_BYTES + LINK_MAC_BYTES or _text(data) != token:
        return None
    return _text(data[:LINK_ID_BYTES])


class _Ring:
    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._code_key = self.derive("code lookup")
        self._link_key = self.derive("link")
        self.code_cipher = self.cipher("code")

    def cipher(self, purpose: str) -> AESGCM:
        return AESGCM(self.derive(purpose))

    def derive(self, purpose: str) -> bytes:
        return hmac.digest(self._secret, b"inviter " + purpose.encode(), hashlib.sha256)

    def code_mac(self, code: str, clinic_id: int) -> str:
        return _text(
            hmac.digest(self._code_key, f"{clinic_id} {code}".encode(), hashlib.sha256)[:16]
        )

    def link_mac(self, link_id: str, version: int) -> bytes:
        message = f"{link_id} {version}".encode()
        return hmac.digest(self._link_key, message, hashlib.sha256)[:LINK_MAC_BYTES]


def _place(clinic_id: int, invitation_id: int) -> bytes:
    return f"{clinic_id}/{invitation_id}".encode()


def _text(data: bytes) -> str:
    """Base64 that fits in an address; as the library writes it, in a third of the time."""
    return b2a_base64(data, newline=False).translate(IN_ADDRESSES, b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
