"""What the database alone must not tell: sealed by AES-GCM, with keys that lie elsewhere."""

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence

NONCE_BYTES = 12
MARK_BYTES = 8


class SealBrokenError(Exception):
    """What was sealed was changed, sealed for something else, or with another key."""


class Seal:
    """Seals with its newest key, and opens with any that it has.

    While keys are rotated there are two: what is sealed from then on is sealed with the new one,
    and what was sealed before still opens.
    """

    def __init__(
        self, *keys: bytes, changed: Callable[[], Sequence[bytes] | None] = lambda: None
    ) -> None:
        """Take the keys.

        Args:
            keys: Of 32 bytes each, the newest first.
            changed: Gives the keys anew where others hold now; asked whenever one is needed, so
                that a program which runs learns of a new one before it seals anything.
        """
        self._keys = tuple(keys)
        self._changed = changed

    @property
    def keys(self) -> Sequence[bytes]:
        """Give the keys that hold now, the newest first."""
        self._keys = tuple(self._changed() or self._keys)
        return self._keys

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Seal bytes for a purpose, such as `second factor of user 3`; they open for it alone."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self.keys[0]).encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Open what was sealed.

        Raises:
            SealBrokenError: If it was changed, sealed for another purpose, or with another key.
        """
        for key in self.keys:
            plain = _opened(key, sealed, purpose)
            if plain is not None:
                return plain
        raise SealBrokenError(f"Cannot be opened: {purpose}.")

    def renew(self, sealed: bytes, purpose: str) -> bytes | None:
        """Seal with the newest key what an older one sealed; None where the newest did already.

        Raises:
            SealBrokenError: As `open`.
        """
        if _opened(self.keys[0], sealed, purpose) is not None:
            return None
        return self.seal(self.open(sealed, purpose), purpose)


def mark_of(key: bytes) -> str:
    """Give a mark by which a key is known again, and which tells nothing of it."""
    return hmac.digest(key, b"mark of a key", hashlib.sha256)[:MARK_BYTES].hex()


def _opened(key: bytes, sealed: bytes, purpose: str) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError):
        return None
