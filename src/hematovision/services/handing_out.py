"""Hands the record of who did what to somebody outside, who can check it without this program."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hematovision.services.hands import Hand
from hematovision.storage.chain import encode, line_of
from hematovision.storage.database import Database


@dataclass(slots=True)
class Export:
    """The record as lines of JSON, the last of which is a checkpoint.

    Attributes:
        database: Keeps the record.
        checkpoint: What the last line says, once the lines were taken: the newest event, its
            digest, how many lines come before, the SHA-256 of these, and the signature of it all.
    """

    database: Database
    checkpoint: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> Iterator[bytes]:
        """Give the lines, each with its end."""
        sha256, number, last = hashlib.sha256(), 0, None
        with self.database.reading() as records:
            for last in records.audit.walk():
                line = line_of(last).encode() + b"\n"
                sha256.update(line)
                number += 1
                yield line
        said = {
            "event": last.id if last else 0,
            "digest": last.digest if last else None,
            "at": last.at.isoformat(timespec="microseconds") if last else None,
            "lines": number,
            "sha256": sha256.hexdigest(),
        }
        signature = self.database.custody.chain.sign(f"export {encode(said)}")
        self.checkpoint = said | {"signature": signature}
        yield encode({"checkpoint": self.checkpoint}).encode() + b"\n"


def export_record(database: Database, *, by: Hand) -> Export:
    """Hand out the whole record, this export included."""
    with database.transaction() as records:
        records.audit.add(by.did("audit.exported", "audit"))
    return Export(database)
