"""How well laboratory and model do: what people change, what they agree on, what has drifted."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hematovision.cells import MEASURES
from hematovision.differential import INSIDE
from hematovision.errors import ModelDamagedError, ModelMissingError
from hematovision.labels import FIVE, UNIDENTIFIED, Label
from hematovision.services.choosing import find_choice
from hematovision.services.hands import Hand
from hematovision.services.naming import own_labels
from hematovision.services.pairs import SOURCES, Agreement, PairSource, agreements
from hematovision.services.shares import Part
from hematovision.services.shelf import Shelf
from hematovision.storage.database import Database, Records
from hematovision.storage.locator_checks import LocatorCheck
from hematovision.storage.quality import Look, Period, Reads, Said
from hematovision.vision.bundle import read_bundle
from hematovision.vision.looks import Looks, find_looks

UNLIKE = 0.2
"""Of the photos that a model was made from one in twenty lies outside; four times as many do not
come by chance or by a bad day."""

FEWEST = 20
"""Of fewer photos nobody says that they look unlike."""

Key = TypeVar("Key", bound=Hashable)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Overrides:
    """How often people call a cell something else than the model named it.

    Attributes:
        all: Of all cells that a model named and a person looked at.
        classes: By what the model named them.
        readers: By who looked at them.
        weeks: By when.
    """

    all: Part
    classes: Mapping[str, Part]
    readers: Mapping[int, Part]
    weeks: Mapping[int, Part]


@dataclass(frozen=True, slots=True)
class Drift:
    """How far photos are from those that the model was made from, in one measure.

    Attributes:
        measure: Of `cells.MEASURES`.
        outside: The photos that lie in the range of no set, of all that have the measure.
        weeks: The same by week.
    """

    measure: str
    outside: Part
    weeks: Sequence[Look]

    @property
    def newest(self) -> Part:
        """Give the same of the newest week alone: what has just begun drowns in a long time."""
        return Part(self.weeks[-1].outside, self.weeks[-1].photos)

    @property
    def is_unlike(self) -> bool:
        """Whether so many lie outside that the photos, or the newest ones, are not like those."""
        return is_unlike(self.outside) or is_unlike(self.newest)


@dataclass(frozen=True, slots=True)
class Survey:
    """How well laboratory and model do in some time.

    Attributes:
        period: The time.
        overrides: How often people call a cell something else than the model.
        confusion: Cells by what the model called them and by what people do.
        reads: What was read, by week.
        agreement: How well readers agree.
        drift: How far photos are from those that the model was made from; empty where nobody can
            say.
        checks: What people counted in photos, the oldest first.
        people: Names by user.
        own: The laboratory's own labels.
    """

    period: Period
    overrides: Overrides
    confusion: Mapping[str, Mapping[str, int]]
    reads: Sequence[Reads]
    agreement: Sequence[Agreement]
    drift: Sequence[Drift]
    checks: Sequence[LocatorCheck]
    people: Mapping[int, str]
    own: Sequence[Label]

    @property
    def unlike(self) -> Sequence[str]:
        """Name the measures in which the photos are unlike those that the model was made from."""
        return [drift.measure for drift in self.drift if drift.is_unlike]


def survey(
    database: Database,
    period: Period,
    looks: Looks | None,
    *,
    sources: Sequence[PairSource] = SOURCES,
) -> Survey:
    """Say how well laboratory and model do.

    Args:
        database: Has what was read and said.
        period: Of which time.
        looks: How the pictures look that the model was made from; None where nobody measured them.
        sources: Whence pairs of labels come.
    """
    with database.reading() as records:
        said = records.quality.said(period)
        return Survey(
            period=period,
            overrides=overrides_of(said),
            confusion=confusion_of(said),
            reads=records.quality.reads(period),
            agreement=[
                one
                for source in sources
                for one in agreements(source.code, source.find(records, period))
            ],
            drift=_drift(records, period, looks),
            checks=records.locator_checks.list(period.since, period.until),
            people={user.id: user.name for user in records.users.list()},
            own=own_labels(records).every,
        )


def looks_of(shelf: Shelf) -> Looks | None:
    """Say how the pictures look that the model that reads was made from; None if nobody knows."""
    try:
        return find_looks(read_bundle(shelf.folder(find_choice(shelf.database).reads)))
    except ModelMissingError:
        return None
    except ModelDamagedError as error:
        log.error("%s", error)
        return None


def record_export(database: Database, table: str, *, by: Hand) -> None:
    """Record that somebody took numbers away."""
    with database.transaction() as records:
        records.audit.add(by.did("quality.exported", f"table {table}"))


def is_unlike(outside: Part) -> bool:
    """Tell whether more photos lie outside than chance and a bad day bring."""
    share = outside.share
    return outside.number >= FEWEST and share is not None and (share.low or 0) > UNLIKE


def is_override(said: Said) -> bool:
    """Tell whether a person calls cells something else; a finer name of the same is none."""
    return said.suggested not in (said.label, INSIDE.get(said.label))


def overrides_of(said: Iterable[Said]) -> Overrides:
    """Count how often people call a cell something else than the model named it."""
    named = [one for one in said if one.suggested in FIVE]
    classes = _grouped(named, lambda one: str(one.suggested))
    return Overrides(
        all=Part.sum(classes.values()),
        classes={code: classes[code] for code in FIVE if code in classes},
        readers=_grouped(named, lambda one: one.by),
        weeks=dict(sorted(_grouped(named, lambda one: one.week).items())),
    )


def confusion_of(said: Iterable[Said]) -> Mapping[str, Mapping[str, int]]:
    """Count cells by what the model called them, `unidentified` last, and by what people do."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in said:
        counts[one.suggested or UNIDENTIFIED][one.label] += one.number
    return {code: counts[code] for code in (*FIVE, UNIDENTIFIED) if code in counts}


def drift_of(looks: Mapping[str, Sequence[Look]]) -> Sequence[Drift]:
    """Add up over weeks how many photos lie outside; measures that no photo has are left out."""
    return [
        Drift(name, Part.sum(Part(one.outside, one.photos) for one in looks[name]), looks[name])
        for name in MEASURES
        if looks.get(name)
    ]


def _drift(records: Records, period: Period, looks: Looks | None) -> Sequence[Drift]:
    if looks is None:
        return ()
    ranges = looks.ranges
    found = records.quality.looks(period, looks.model.sha256, ranges)
    return drift_of({name: weeks for name, weeks in found.items() if ranges[name]})


def _grouped(said: Sequence[Said], key: Callable[[Said], Key]) -> dict[Key, Part]:
    numbers: Counter[Key] = Counter()
    changed: Counter[Key] = Counter()
    for one in said:
        numbers[key(one)] += one.number
        changed[key(one)] += one.number if is_override(one) else 0
    return {found: Part(changed[found], number) for found, number in numbers.items()}
