"""Requests that come again: under one key the work is done once, and answered alike each time.

A program that heard no answer cannot know whether its request was lost or the answer; so it gives
each a key (draft-ietf-httpapi-idempotency-key-header) and sends it again.
"""

import json
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hematovision.errors import (
    IdempotencyKeyBusyError,
    IdempotencyKeyReusedError,
    KeyOutdatedError,
)
from hematovision.services.rotation import insist_on_key
from hematovision.storage.database import Database
from hematovision.storage.sealing import Seal, SealBrokenError

KEPT = timedelta(hours=24)
WORK = "request-"
"""Begins the claims of what is done for requests; no file of a watched folder is called so."""
LEASE = timedelta(minutes=5)
"""Whoever works on a request for longer was killed; the largest takes less."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with a key.

    Attributes:
        user_id: Who asks.
        key: The request's, as they call it.
        fingerprint: SHA-256 of what they ask.
    """

    user_id: int
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that nobody else works on.

    Attributes:
        id: The request's number.
        mark: Of the claim.
        work: Begins the claims of what is done for it, the same whoever works on it.
    """

    id: int
    mark: str
    work: str

    def of(self, place: int) -> str:
        """Name the claim of one part of its work, such as of the third picture."""
        return f"{self.work}-{place}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered.

    Attributes:
        status: The status code.
        headers: Those that belong to it, by name.
        body: As it was sent.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def claim(database: Database, asked: Asked, *, seal: Seal, now: datetime) -> Claim | Answer:
    """Claim a request, or give what it was answered before.

    Raises:
        IdempotencyKeyReusedError: If something else was asked under its key.
        IdempotencyKeyBusyError: If somebody works on it just now.
        KeyOutdatedError: If this machine was not given the key that sealed the answer.
    """
    mark = secrets.token_hex(16)
    with database.transaction() as records:
        held = records.answers.claim(
            asked.user_id,
            asked.key,
            asked.fingerprint,
            work=WORK + secrets.token_hex(8),
            claim=mark,
            now=now,
            lease=LEASE,
            kept=KEPT,
        )
    if held.fingerprint != asked.fingerprint:
        raise IdempotencyKeyReusedError("Something else was asked under this Idempotency-Key.")
    if held.claim == mark:
        return Claim(held.id, mark, held.work)
    if held.answer is None:
        raise IdempotencyKeyBusyError("The request with this Idempotency-Key is being answered.")
    try:
        return _unpacked(seal.open(held.answer, _purpose(held.id)))
    except SealBrokenError as error:
        raise KeyOutdatedError("The data_key of this machine is not the one that holds.") from error


def finish(
    database: Database, claim: Claim, answer: Answer, *, seal: Seal, case_id: int | None
) -> None:
    """Keep what a request was answered, sealed.

    Args:
        database: Keeps it.
        claim: Of the request.
        answer: What it was answered.
        seal: Seals it.
        case_id: The case that it tells of, if any; it is erased with that.

    Raises:
        KeyOutdatedError: If this machine was not given the key that holds.
    """
    sealed = seal.seal(_packed(answer), _purpose(claim.id))
    with database.transaction() as records:
        insist_on_key(records, seal)
        records.answers.finish(claim.id, claim.mark, sealed, case_id=case_id)


def release(database: Database, claim: Claim) -> None:
    """Let go of a request whose work was not done, so that it may come again."""
    with database.transaction() as records:
        records.answers.release(claim.id, claim.mark, lease=LEASE)


def find_done(database: Database, claim: str | None) -> int | None:
    """Give the number of what a part of a request became, if it was done before."""
    if claim is None:
        return None
    with database.reading() as records:
        return records.claims.find(claim)


def forget_old(database: Database, *, now: datetime) -> None:
    """Forget answers that were kept for long enough."""
    with database.reading() as records:
        are_there = records.answers.are_there(before=now - KEPT)
    if are_there:
        with database.transaction() as records:
            records.answers.sweep(before=now - KEPT)
            records.claims.sweep(WORK, before=now - 2 * KEPT)


def _packed(answer: Answer) -> bytes:
    head = json.dumps([answer.status, dict(answer.headers)]).encode()
    return zlib.compress(head + b"\n" + answer.body)


def _unpacked(packed: bytes) -> Answer:
    head, _, body = zlib.decompress(packed).partition(b"\n")
    status, headers = json.loads(head)
    return Answer(status, headers, body)


def _purpose(number: int) -> str:
    return f"answer {number}"
