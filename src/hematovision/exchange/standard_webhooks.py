"""Signatures of the Standard Webhooks specification: https://www.standardwebhooks.com."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """Make a secret, as a receiver is given it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def new_event_id() -> str:
    """Make the name of an event, by which a receiver knows it again."""
    return f"msg_{secrets.token_hex(16)}"


def headers_of(
    event_id: str, body: bytes, secrets_that_sign: Sequence[str], *, now: datetime
) -> Mapping[str, str]:
    """Give the headers that prove who sends something, and when.

    Args:
        event_id: The same in every attempt.
        body: Byte for byte what is sent.
        secrets_that_sign: Those that the receiver may know, the newest first.
        now: When it is sent, UTC.
    """
    at = str(int(now.timestamp()))
    signed = f"{event_id}.{at}.".encode() + body
    return {
        "webhook-id": event_id,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(_signature(one, signed) for one in secrets_that_sign),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
