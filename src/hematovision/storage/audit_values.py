"""What was there before an event and after it: encrypted a case, and forgotten with its key."""

import hmac
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from hematovision.storage.chain import encode
from hematovision.storage.custody import Custody
from hematovision.storage.private import KEY_BYTES
from hematovision.storage.sealing import Seal, SealBrokenError
from hematovision.storage.tables import AuditKeyRow, AuditRow, AuditValueRow

NO_CASE = 0
"""What belongs to no case, such as settings, shares a key."""
ERASED = "case.erased"
"""The event of a case whose values were forgotten."""
AT_ONCE = 5_000
"""Rows that are fetched together."""


@dataclass(frozen=True, slots=True)
class Values:
    """What an event changed.

    Attributes:
        before: What was there; None where nothing was said of it.
        after: What is there now.
    """

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    def digests(self, key: bytes, event_id: int) -> tuple[str | None, str | None]:
        """Give the HMAC of each, in hex; the same value has another in every event."""
        return (
            _digest(key, f"before event {event_id}", self.before),
            _digest(key, f"after event {event_id}", self.after),
        )


class AuditValueStore:
    """Keeps values, opens and forgets them.

    The digests in the chain are keyed with the key of the case as well: when it is gone nobody
    can try which value fits.
    """

    def __init__(self, session: Session, custody: Custody) -> None:
        """Work within a transaction."""
        self._session = session
        self._custody = custody
        self._keys: dict[int, bytes] = {}
        self._forgotten: set[int] = set()

    def keep(
        self, event_id: int, case_id: int | None, values: Values
    ) -> tuple[AuditValueRow | None, tuple[str | None, str | None]]:
        """Encrypt what an event says.

        Returns:
            The row to be written behind that of the event, and the digests of before and after.
        """
        case_id = case_id or NO_CASE
        said = values.before is not None or values.after is not None
        if not said or case_id in self._forgotten:
            return None, (None, None)
        key = self._key(case_id)
        plain = encode([values.before, values.after]).encode()
        sealed = Seal(key).seal(plain, _purpose(event_id))
        row = AuditValueRow(event_id=event_id, case_id=case_id, sealed=sealed)
        return row, values.digests(key, event_id)

    def open(self, event_id: int) -> Values | None:
        """Give what an event says; None where it was forgotten, or never said.

        Raises:
            SealBrokenError: If it was changed, or the data_key is another.
        """
        row = self._session.get(AuditValueRow, event_id)
        key = self._find_key(row.case_id) if row else None
        return _opened(event_id, row.sealed, key) if row and key else None

    def list_broken(self) -> Iterator[int]:
        """Give the events of which something else is kept than the chain says, or nothing any more.

        What was erased with its case is neither: an event says so.
        """
        # Values and keys in one query: between two a case could be erased.
        rows = self._session.execute(
            select(AuditValueRow.event_id, AuditValueRow.case_id, AuditValueRow.sealed)
            .add_columns(AuditKeyRow.sealed, AuditRow.before_digest, AuditRow.after_digest)
            .join(AuditRow, AuditRow.id == AuditValueRow.event_id)
            .outerjoin(AuditKeyRow, AuditKeyRow.case_id == AuditValueRow.case_id)
            .order_by(AuditValueRow.event_id),
            execution_options={"yield_per": AT_ONCE},
        )
        for event_id, case_id, sealed, sealed_key, *digests in rows:
            if not self._is_whole(event_id, sealed, (case_id, sealed_key), tuple(digests)):
                yield event_id
        yield from self._session.scalars(_lost())

    def _is_whole(
        self,
        event_id: int,
        sealed: bytes,
        key_of: tuple[int, bytes | None],
        digests: tuple[str | None, ...],
    ) -> bool:
        try:
            key = self._open_key(*key_of)
            if key is None:
                return False
            return _opened(event_id, sealed, key).digests(key, event_id) == digests
        except (SealBrokenError, TypeError):
            # The latter of what is no bytes at all.
            return False

    def forget(self, case_id: int) -> None:
        """Erase the key of a case and all that is encrypted with it."""
        self._session.execute(delete(AuditKeyRow).where(AuditKeyRow.case_id == case_id))
        self._session.execute(delete(AuditValueRow).where(AuditValueRow.case_id == case_id))
        self._keys.pop(case_id, None)
        self._forgotten.add(case_id)

    def _key(self, case_id: int) -> bytes:
        """Give the key of a case; make it where there is none."""
        key = self._find_key(case_id)
        if key is None:
            key = self._keys[case_id] = os.urandom(KEY_BYTES)
            sealed = self._custody.seal.seal(key, _purpose_of_key(case_id))
            self._session.add(AuditKeyRow(case_id=case_id, sealed=sealed))
        return key

    def _find_key(self, case_id: int) -> bytes | None:
        if case_id in self._keys:
            return self._keys[case_id]
        row = self._session.get(AuditKeyRow, case_id)
        return self._open_key(case_id, row.sealed if row else None)

    def _open_key(self, case_id: int, sealed: bytes | None) -> bytes | None:
        if case_id not in self._keys:
            if sealed is None:
                return None
            self._keys[case_id] = self._custody.seal.open(sealed, _purpose_of_key(case_id))
        return self._keys[case_id]


def _lost() -> Select[int]:
    """Ask for the events of which nothing is kept, though their case was not erased."""
    erased = select(AuditRow.case_id).where(
        AuditRow.action == ERASED, AuditRow.case_id.is_not(None)
    )
    return (
        select(AuditRow.id)
        .outerjoin(AuditValueRow, AuditValueRow.event_id == AuditRow.id)
        .where(
            AuditRow.before_digest.is_not(None) | AuditRow.after_digest.is_not(None),
            AuditValueRow.event_id.is_(None),
            AuditRow.case_id.is_(None) | AuditRow.case_id.not_in(erased),
        )
        .order_by(AuditRow.id)
    )


def _opened(event_id: int, sealed: bytes, key: bytes) -> Values:
    """Open what is kept of an event.

    Raises:
        SealBrokenError: If it was changed.
    """
    before, after = json.loads(Seal(key).open(sealed, _purpose(event_id)))
    return Values(before, after)


def _digest(key: bytes, purpose: str, value: Mapping[str, Any] | None) -> str | None:
    if value is None:
        return None
    return hmac.digest(key, f"{purpose} {encode(value)}".encode(), "sha256").hex()


def _purpose(event_id: int) -> str:
    return f"values of event {event_id}"


def _purpose_of_key(case_id: int) -> str:
    return f"audit key of case {case_id}"
