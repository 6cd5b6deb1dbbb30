"""How events are chained: each has an HMAC of what it says and of the digest before it.

What is digested is JSON of one form, so that it is the same in every database and in an export.
docs/audit.md tells how to check it without this program; docs/audit_verifier.py does.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

BEGUN = "chain.begun"
"""The first event of the chain; it vouches for all that an earlier version wrote."""
NOTHING = "0" * 64
"""Stands in the place of the digest before the first."""

encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
"""Write JSON in the one form that is digested."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it stands in the chain.

    Attributes:
        id: Counts the events; each stands behind the one with the number before.
        digest: The HMAC of it and of all that stand before it, in hex; None of those that an
            earlier version wrote, before there was a chain.
        at: When, UTC.
        actor_id: The user who did it; None where nobody was signed in.
        door: `page`, `api`, `terminal`, `folder` or `worker`.
        address: From where a page or a program asked; None where that is not known.
        action: What was done.
        subject: To what.
        case_id: The case that it tells of, if any.
        details: What else there is to say.
        before_digest: Of what was there, keyed with the key of the case; None where nothing was
            given.
        after_digest: Of what was there then.
    """

    id: int
    digest: str | None
    at: datetime
    actor_id: int | None
    door: str
    address: str | None
    action: str
    subject: str
    case_id: int | None
    details: Mapping[str, Any]
    before_digest: str | None = None
    after_digest: str | None = None


def words_of(event: StoredEvent) -> dict[str, Any]:
    """Give what is digested of an event, and exported."""
    return {
        "id": event.id,
        "at": event.at.isoformat(timespec="microseconds"),
        "actor": event.actor_id,
        "door": event.door,
        "address": event.address,
        "action": event.action,
        "subject": event.subject,
        "case": event.case_id,
        "details": event.details,
        "before": event.before_digest,
        "after": event.after_digest,
    }


@dataclass(frozen=True, slots=True)
class Chain:
    """Makes the digests.

    Attributes:
        key: 32 bytes, kept outside of the database.
    """

    key: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """Name the key without telling it."""
        return self.sign("key")[:16]

    def digest(self, previous: str, event: StoredEvent) -> str:
        """Digest an event and, by the digest before it, all that stand before it."""
        return self._hmac(previous + encode(words_of(event)))

    def sign(self, words: str) -> str:
        """Sign what is no event."""
        return self._hmac(f"hematovision audit {words}")

    def cover(self) -> "Cover":
        """Begin to cover rows that stand in no chain."""
        return Cover(hmac.new(self.key, b"hematovision audit cover", hashlib.sha256))

    def _hmac(self, words: str) -> str:
        return hmac.digest(self.key, words.encode(), "sha256").hex()


@dataclass(slots=True)
class Cover:
    """One HMAC of many rows.

    Attributes:
        rows: How many.
    """

    _hmac: Any
    rows: int = 0

    def add(self, event: StoredEvent) -> None:
        """Cover one row more, whatever digest it has."""
        self._hmac.update(encode(words_of(event)).encode())
        self.rows += 1

    @property
    def digest(self) -> str:
        """Give the HMAC, in hex."""
        digest: str = self._hmac.hexdigest()
        return digest


def line_of(event: StoredEvent) -> str:
    """Give an event as a line of an export."""
    return encode(words_of(event) | {"digest": event.digest})
