"""Proves that the record of who did what is as it was written, or says where it is not."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from hematovision.services.vouching import check_signatures
from hematovision.storage.audit import UNREADABLE
from hematovision.storage.chain import BEGUN, NOTHING, Chain, StoredEvent
from hematovision.storage.checkpoints import Checkpoint
from hematovision.storage.database import Database, Records

MOST = 50
"""Findings that are named; what is wrong further on is only counted."""


class Fault(StrEnum):
    """What can be wrong."""

    ALTERED = "altered"
    """An event is not what was written, or it was put there, or stands at another's place."""
    MISSING = "missing"
    """Events were removed."""
    UNCHAINED = "unchained"
    """A row stands in no chain."""
    BEGINNING = "beginning"
    """What the chain begins with is not what was there then."""
    CUT = "cut"
    """Events at the end were removed: a checkpoint has seen them."""
    REWRITTEN = "rewritten"
    """The chain is whole, but another than a checkpoint has seen."""
    CHECKPOINT = "checkpoint"
    """A line of the checkpoints was changed, removed or added."""
    VALUES = "values"
    """What can be forgotten was changed or removed, and not by forgetting."""
    SIGNED = "signed"
    """What was signed is not what is kept, or is kept no more."""
    UNTOLD = "untold"
    """There is a signature of which no event tells."""
    TRIGGERS = "triggers"
    """The database no longer refuses to change events."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        fault: What.
        first: The first event that it concerns; of a checkpoint its line, of a signature of
            which no event tells its number; zero where it is none.
        last: The last one.
    """

    fault: Fault
    first: int
    last: int


@dataclass(slots=True)
class Proof:
    """What was found.

    Attributes:
        events: How many rows were read.
        last: The number of the newest event; zero where there is none.
        digest: Its digest; empty where there is none.
        proved: Up to which event a checkpoint vouches that nothing is missing or written anew.
        begun: The event with which the chain begins; zero where none does.
        findings: The first `MOST` that are wrong.
        wrong: How many there are in all.
    """

    events: int = 0
    last: int = 0
    digest: str = ""
    proved: int = 0
    begun: int = 0
    findings: list[Finding] = field(default_factory=list)
    wrong: int = 0

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.wrong

    def add(self, fault: Fault, first: int, last: int | None = None) -> None:
        """Note what is wrong."""
        self.wrong += 1
        if len(self.findings) < MOST:
            self.findings.append(Finding(fault, first, first if last is None else last))


def prove(database: Database, against: Sequence[Checkpoint | None] = ()) -> Proof:
    """Read the whole record and compare it with its digests and with all checkpoints.

    Args:
        database: Keeps the record.
        against: Checkpoints besides those of the data folder, such as were kept elsewhere.

    Returns:
        What is wrong, and up to where nothing can be.

    Raises:
        AuditKeyError: If the key is missing.
        OSError: If the key or the checkpoints cannot be read.
        ValueError: If the key is none.
    """
    with database.reading() as records:
        if records.audit.has_begun():
            database.custody.insist()
    chain = database.custody.chain
    # Before the events: what is written meanwhile has no checkpoint that is known here.
    kept = database.custody.checkpoints.read()
    proof = Proof()
    _check_lines(chain, kept, proof)
    with database.reading() as records:
        _Walk(chain, proof, _digests([*kept, *against])).follow(records.audit.walk_warily())
        for event_id in records.audit.values.list_broken():
            proof.add(Fault.VALUES, event_id)
        _check_signatures(records, proof)
        if not records.audit.refuses_changes():
            proof.add(Fault.TRIGGERS, 0)
    return proof


class _Walk:
    """Follows the chain from its first event to its last."""

    def __init__(self, chain: Chain, proof: Proof, seen: dict[int, set[str]]) -> None:
        self._chain = chain
        self._proof = proof
        self._seen = seen
        self._cover = chain.cover()
        self._rewritten = False

    def follow(self, events: Iterable[StoredEvent]) -> None:
        """Check every event, then whether the end is there."""
        last = None
        for event in events:
            if last is None and event.digest is None:
                self._take_cover(event)
            elif last is None:
                self._check_first(event)
                last = event
            else:
                self._check(last, event)
                last = event
            self._compare(event)
            self._proof.events += 1
            self._proof.last, self._proof.digest = event.id, event.digest or ""
        self._end()

    def _check_first(self, event: StoredEvent) -> None:
        """Check the event that the chain begins with, and what it vouches for."""
        self._proof.begun = event.id
        details = event.details if isinstance(event.details, Mapping) else {}
        said = (details.get("earlier"), details.get("cover"))
        if event.action != BEGUN or said != (self._cover.rows, self._cover.digest):
            self._proof.add(Fault.BEGINNING, event.id)
        elif not self._fits(NOTHING, event):
            self._proof.add(Fault.ALTERED, event.id)

    def _check(self, last: StoredEvent, event: StoredEvent) -> None:
        """Check an event and that it stands behind the last one."""
        if event.id != last.id + 1:
            # Which digest stood before is not known: the gap is told, the event is not.
            self._proof.add(Fault.MISSING, last.id + 1, event.id - 1)
        elif event.digest is None:
            self._proof.add(Fault.UNCHAINED, event.id)
        elif last.digest and not self._fits(last.digest, event):
            self._proof.add(Fault.ALTERED, event.id)

    def _fits(self, previous: str, event: StoredEvent) -> bool:
        """Tell whether an event has the digest that it must have there."""
        try:
            return event.digest == self._chain.digest(previous, event)
        except UNREADABLE:
            return False

    def _take_cover(self, event: StoredEvent) -> None:
        """Cover a row; one that says what was never written is not counted, and so found out."""
        with suppress(*UNREADABLE):
            self._cover.add(event)

    def _compare(self, event: StoredEvent) -> None:
        """Compare an event with the checkpoints that have seen it."""
        digests = self._seen.pop(event.id, None)
        if digests is None or self._rewritten:
            return
        if digests == {event.digest}:
            self._proof.proved = event.id
        else:
            self._rewritten = True
            self._proof.add(Fault.REWRITTEN, self._proof.proved + 1, event.id)

    def _end(self) -> None:
        """See whether a checkpoint has seen more than there is."""
        newest = self._proof.last
        if later := [number for number in self._seen if number > newest]:
            self._proof.add(Fault.CUT, newest + 1, max(later))


def _check_lines(chain: Chain, kept: Sequence[Checkpoint | None], proof: Proof) -> None:
    """Check that the lines of the file were written one behind the other, with the key.

    What is no checkpoint may be what a crash has left: if a line was lost there, the next one does
    not fit.
    """
    previous = NOTHING
    for number, checkpoint in enumerate(kept, start=1):
        if checkpoint is None:
            continue
        if not checkpoint.fits(chain, previous):
            proof.add(Fault.CHECKPOINT, number)
        previous = checkpoint.signature


def _check_signatures(records: Records, proof: Proof) -> None:
    """Check that every signature is the one of which an event tells."""
    broken, untold = check_signatures(records)
    for event_id in broken:
        proof.add(Fault.SIGNED, event_id)
    for signature_id in untold:
        proof.add(Fault.UNTOLD, signature_id)


def _digests(checkpoints: Iterable[Checkpoint | None]) -> dict[int, set[str]]:
    """Say which digests checkpoints have seen at which event."""
    seen: dict[int, set[str]] = {}
    for checkpoint in checkpoints:
        if checkpoint:
            seen.setdefault(checkpoint.head.id, set()).add(checkpoint.head.digest)
    return seen
