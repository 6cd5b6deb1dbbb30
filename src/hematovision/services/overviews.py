"""What waits for whom: the start page, the photos of a case, and how far they are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from hematovision.errors import CaseUnknownError, PhotoUnknownError
from hematovision.labels import NO_CELL, UNIDENTIFIED, Label
from hematovision.services.cases import the_case
from hematovision.services.naming import own_labels
from hematovision.storage.cases import Case
from hematovision.storage.cells import Tally
from hematovision.storage.database import Database, Records
from hematovision.storage.overviews import Search, Shown, Summary, Waiting
from hematovision.storage.photos import PhotoState

MOST_RUNNING = 3
MOST_FAILED = 50
SHEET = 300
REST = timedelta(minutes=1)
"""Between two readings so much is a pause, and says nothing of how fast photos are read."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the photos of a case are.

    Attributes:
        case: The case.
        photos: How many in each state.
        cells: Found so far.
        unidentified: Of these, left without a name.
        seconds_left: Until the last is read, about; None while nobody can say.
    """

    case: Case
    photos: Mapping[PhotoState, int]
    cells: int
    unidentified: int
    seconds_left: int | None

    @property
    def total(self) -> int:
        """Photos, but for those that were cancelled."""
        return sum(self.photos.values()) - self.number(PhotoState.CANCELLED)

    @property
    def done(self) -> int:
        """Photos that nobody needs to wait for."""
        return self.number(PhotoState.READ, PhotoState.SAME, PhotoState.FAILED)

    @property
    def is_running(self) -> bool:
        """Whether photos are read, or will be without anybody's doing."""
        return self.number(PhotoState.WAITING, PhotoState.READING) > 0

    @property
    def is_paused(self) -> bool:
        """Whether photos wait for somebody to let them be read."""
        return self.number(PhotoState.PAUSED) > 0

    def number(self, *states: PhotoState) -> int:
        """Count the photos in some states."""
        return sum(self.photos.get(state, 0) for state in states)


@dataclass(frozen=True, slots=True)
class Start:
    """The start page.

    Attributes:
        waiting: How many cases wait.
        running: The cases whose photos are not all read; the first few.
        cases: What was looked for.
        cursor: Where the next page begins; None at the end.
        own: The laboratory's own labels.
    """

    waiting: Waiting
    running: Sequence[Progress]
    cases: Sequence[Summary]
    cursor: int | None
    own: Sequence[Label]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The photos of a case.

    Attributes:
        progress: How far they are.
        photos: In the order they came.
        failed: Those that could not be read; the first few.
        cursor: Where the next sheet begins; None at the end.
    """

    progress: Progress
    photos: Sequence[Shown]
    failed: Sequence[Shown]
    cursor: int | None


def look_over(database: Database, wanted: Search, *, user_id: int | None = None) -> Start:
    """Say what waits, and look for cases, as far as a user may see them."""
    with database.reading() as records:
        found, cursor = _search(records, wanted, user_id)
        running = records.overviews.running(limit=MOST_RUNNING)
        return Start(
            waiting=records.overviews.count_waiting(),
            running=[_progress(records, case, user_id) for case in running],
            cases=found,
            cursor=cursor,
            own=own_labels(records).every,
        )


def list_cases(
    database: Database, wanted: Search, *, user_id: int | None
) -> tuple[Sequence[Summary], int | None]:
    """Look for cases, as far as a user may see them; say where the next page begins, if any."""
    with database.reading() as records:
        return _search(records, wanted, user_id)


def get_summary(database: Database, case_id: int, *, user_id: int | None) -> Summary:
    """Give a case with what a list shows of it, as far as a user may see it.

    Raises:
        CaseUnknownError: If there is none.
    """
    with database.reading() as records:
        found = records.overviews.find(case_id)
        if found is None:
            raise CaseUnknownError("There is no such case.")
        return blinded(records, [found], user_id)[0]


def _search(
    records: Records, wanted: Search, user_id: int | None
) -> tuple[Sequence[Summary], int | None]:
    # One more than is shown tells whether there is a next page.
    more = replace(wanted, limit=wanted.limit + 1)
    found = blinded(records, records.overviews.search(more), user_id)
    is_last = len(found) <= wanted.limit
    return found[: wanted.limit], None if is_last else found[wanted.limit - 1].case.id


def blinded(records: Records, found: Sequence[Summary], user_id: int | None) -> Sequence[Summary]:
    """Leave out what people called the cells of cases that somebody is reading a second time."""
    blind = set() if user_id is None else records.seconds.in_hand(user_id)
    return [
        replace(one, tallies=_unsaid(one.tallies)) if one.case.id in blind else one for one in found
    ]


def _unsaid(tallies: Sequence[Tally]) -> Sequence[Tally]:
    return [replace(tally, label=None) for tally in tallies]


def _is_blind(records: Records, case_id: int, user_id: int | None) -> bool:
    return user_id is not None and records.seconds.is_reading(case_id, user_id)


def has_cases(database: Database) -> bool:
    """Tell whether anybody made a case."""
    with database.reading() as records:
        return records.overviews.has_cases()


def progress_of(database: Database, case_id: int, *, user_id: int | None = None) -> Progress:
    """Say how far the photos of a case are, as far as a user may know.

    Raises:
        CaseUnknownError: If there is none.
    """
    with database.reading() as records:
        return _progress(records, the_case(records, case_id), user_id)


def sheet_of(
    database: Database,
    case_id: int,
    *,
    after: int = 0,
    limit: int = SHEET,
    user_id: int | None = None,
) -> Sheet:
    """Give the photos of a case, as far as a user may know.

    Args:
        database: Has them.
        case_id: The case.
        after: The number of the last photo that was seen.
        limit: How many at most.
        user_id: Who looks.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    with database.reading() as records:
        case = the_case(records, case_id)
        photos = records.overviews.photos(case_id, after=after, limit=limit + 1)
        return Sheet(
            progress=_progress(records, case, user_id),
            photos=_blinded_photos(records, case_id, photos[:limit], user_id),
            failed=records.overviews.failed(case_id, limit=MOST_FAILED),
            cursor=photos[limit - 1].photo.number if len(photos) > limit else None,
        )


def get_shown(
    database: Database, case_id: int, number: int, *, user_id: int | None = None
) -> Shown:
    """Give a photo of a case by its number, as far as a user may know.

    Raises:
        CaseUnknownError: If there is no such case.
        PhotoUnknownError: If it has no such photo.
    """
    with database.reading() as records:
        the_case(records, case_id)
        found = records.overviews.photos(case_id, after=number - 1, limit=1)
        if not found or found[0].photo.number != number:
            raise PhotoUnknownError("There is no photo %(number)s in this case.", number=number)
        return _blinded_photos(records, case_id, found, user_id)[0]


def _blinded_photos(
    records: Records, case_id: int, photos: Sequence[Shown], user_id: int | None
) -> Sequence[Shown]:
    """Count also boxes of which others say that there is no cell, for who must not know that."""
    if not _is_blind(records, case_id, user_id):
        return photos
    boxes = Counter(photo_id for photo_id, _ in records.cells.boxes(case_id))
    return [replace(one, cells=boxes[one.photo.id]) for one in photos]


def count_cells(tallies: Sequence[Tally]) -> tuple[int, int]:
    """Count the cells of a case, but for boxes without one, and those left unidentified."""
    cells = sum(tally.number for tally in tallies if tally.label != NO_CELL)
    left = sum(tally.number for tally in tallies if _is_unidentified(tally))
    return cells, left


def _is_unidentified(tally: Tally) -> bool:
    return tally.label == UNIDENTIFIED or (tally.label is None and tally.cell_type is None)


def _progress(records: Records, case: Case, user_id: int | None) -> Progress:
    tallies = records.cells.count([case.id])[case.id]
    if _is_blind(records, case.id, user_id):
        tallies = _unsaid(tallies)
    cells, unidentified = count_cells(tallies)
    return Progress(
        case=case,
        photos=records.photos.count(case.id),
        cells=cells,
        unidentified=unidentified,
        seconds_left=seconds_left(
            records.overviews.newest_readings(case.id), records.overviews.count_ahead(case.id)
        ),
    )


def seconds_left(readings: Sequence[datetime], ahead: int) -> int | None:
    """Estimate how long the photos ahead take at the pace of the newest readings.

    Args:
        readings: When the newest photos were read, the newest first.
        ahead: How many photos are read until the last.

    Returns:
        Seconds; None where nothing is ahead or too little was read to tell.
    """
    gaps = [newer - older for newer, older in pairwise(readings)]
    gaps = [gap for gap in gaps if gap < REST]
    if not ahead or len(gaps) < 2:
        return None
    pace = sum(gaps, timedelta()) / len(gaps)
    return max(1, round(ahead * pace.total_seconds()))
