"""What an installation has done of late and has to do, for whoever watches it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hematovision.cells import ModelIdentity
from hematovision.errors import HematoVisionError
from hematovision.labels import FIVE, UNIDENTIFIED
from hematovision.services.quality import drift_of, looks_of
from hematovision.services.shares import Part
from hematovision.services.shelf import Shelf
from hematovision.storage.checkpoints import Head
from hematovision.storage.photos import PhotoState
from hematovision.storage.quality import Period

LATELY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Overlook:
    """What is told of an installation.

    Attributes:
        photos: Of all, by how far they are.
        waits: Seconds for which the oldest photo that waits has waited.
        decisions: Cells that were found lately, by what a model named them.
        outside: Photos that were read lately and lie in the range of no set that the model was made
            from, of all, by measure; empty where nobody can say.
        untold: What webhooks wait to be told.
        head: The newest event of the audit record.
        model: The one that reads; None where none does.
    """

    photos: Mapping[str, int]
    waits: float
    decisions: Mapping[str, int]
    outside: Mapping[str, Part]
    untold: int
    head: Head | None
    model: ModelIdentity | None = None


def overlook(shelf: Shelf, *, now: datetime) -> Overlook:
    """Look an installation over.

    Args:
        shelf: Has the model that reads, and the database.
        now: When, UTC.
    """
    since, looks = now - LATELY, looks_of(shelf)
    with shelf.database.reading() as records:
        census = records.census.take(waiting=PhotoState.WAITING, since=since)
        head = records.audit.head()
        found = {}
        if looks is not None:
            ranges = looks.ranges
            weeks = records.quality.looks(Period(since), looks.model.sha256, ranges)
            found = {name: weeks[name] for name in weeks if ranges[name]}
    waits = (now - census.waiting_since).total_seconds() if census.waiting_since else 0.0
    return Overlook(
        photos={str(state): census.photos.get(state, 0) for state in PhotoState},
        waits=max(waits, 0.0),
        decisions=dict.fromkeys((*FIVE, UNIDENTIFIED), 0) | dict(census.decisions),
        outside={drift.measure: drift.outside for drift in drift_of(found)},
        untold=census.untold,
        head=head,
        model=_model(shelf),
    )


def _model(shelf: Shelf) -> ModelIdentity | None:
    try:
        return shelf.reader().model
    except HematoVisionError:
        return None
