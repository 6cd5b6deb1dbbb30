"""Reference ranges: what each laboratory sets, by age band, with whence they come."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hematovision.differential import AgeBand, Range
from hematovision.errors import ChangedMeanwhileError, RangeInvalidError, rounded
from hematovision.labels import LABELS, Count, Label
from hematovision.services.hands import Hand
from hematovision.services.naming import own_labels
from hematovision.storage.database import Database, Records

SETTING = "ranges"
NAME_LENGTH = 64
SOURCE_LENGTH = 200
MOST_BANDS = 50
PERCENT = 100.0
MOST_CELLS = 1000.0
"""10^9 a litre."""
DECIMAL = re.compile(r"\d{1,4}(?:[.,]\d{1,3})?", re.ASCII)
ADULTS = AgeBand(
    code="adults",
    name="",
    source="MedlinePlus, Blood differential test (medlineplus.gov/ency/article/003657.htm)",
    limits={
        "neutrophil": Range(40, 60),
        "lymphocyte": Range(20, 40),
        "monocyte": Range(2, 8),
        "eosinophil": Range(1, 4),
        "basophil": Range(0.5, 1),
    },
)
"""What holds until the laboratory sets its own."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """All that a laboratory has set.

    Attributes:
        bands: At least one; the first holds for a case that picks none.
        version: Counts the changes; zero while nothing was set.
        changed_at: When, UTC; None while nothing was set.
    """

    bands: tuple[AgeBand, ...]
    version: int = 0
    changed_at: datetime | None = None

    def find(self, code: str | None) -> AgeBand | None:
        """Find the ranges of a case: those it picks, as far as they are kept, or the first."""
        if code is None:
            return self.bands[0]
        return next((band for band in self.bands if band.code == code), None)


@dataclass(frozen=True, slots=True)
class Written:
    """Ranges as somebody typed them.

    Attributes:
        name: Of the age band.
        source: Whence they come.
        limits: The two ends of each share, in %, by the code of a label; empty where none is set.
        absolute: The two ends of each count, in 10^9 a litre.
    """

    name: str
    source: str
    limits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    absolute: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def read_decimal(text: str) -> float | None:
    """Read a number such as `7.2` or `7,2`; None where it is none."""
    text = text.strip()
    return float(text.replace(",", ".")) if DECIMAL.fullmatch(text) else None


def the_ranges(records: Records) -> Ranges:
    """Give the ranges within a transaction."""
    kept = records.laboratory.get(SETTING, None)
    if kept.content is None:
        return Ranges((ADULTS,))
    return Ranges(tuple(map(_band, kept.content)), kept.version, kept.changed_at)


def get_ranges(database: Database) -> tuple[Ranges, tuple[Label, ...]]:
    """Give the ranges, and the labels that can have one: those of white cells."""
    with database.reading() as records:
        labels = (*LABELS, *own_labels(records).every)
        white = tuple(label for label in labels if label.count is Count.WHITE)
        return the_ranges(records), white


def add_band(database: Database, written: Written, *, seen: int, by: Hand) -> AgeBand:
    """Keep ranges for another age band.

    Raises:
        RangeInvalidError: If a number, the name or the source cannot be.
        ChangedMeanwhileError: If somebody else changed ranges since they were looked at.
    """
    with database.transaction() as records:
        bands = the_ranges(records).bands
        if len(bands) >= MOST_BANDS:
            raise RangeInvalidError("There are %(number)s age bands already.", number=MOST_BANDS)
        band = _read(written, _new_code(written.name, bands), bands)
        _keep(records, (*bands, band), "added", band.code, seen, by)
    return band


def change_band(database: Database, code: str, written: Written, *, seen: int, by: Hand) -> AgeBand:
    """Keep other ranges for an age band.

    Raises:
        RangeInvalidError: If a number, the name or the source cannot be.
        ChangedMeanwhileError: If somebody else changed ranges since they were looked at.
    """
    with database.transaction() as records:
        bands = the_ranges(records).bands
        others = [band for band in bands if band.code != code]
        _insist(len(others) < len(bands))
        changed = _read(written, code, others)
        kept = [changed if band.code == code else band for band in bands]
        _keep(records, kept, "changed", code, seen, by)
    return changed


def remove_band(database: Database, code: str, *, seen: int, by: Hand) -> None:
    """Keep no ranges for an age band any more; cases that picked it are held against none.

    Raises:
        RangeInvalidError: If it is the last.
        ChangedMeanwhileError: If somebody else changed ranges since they were looked at.
    """
    with database.transaction() as records:
        bands = the_ranges(records).bands
        left = [band for band in bands if band.code != code]
        _insist(len(left) < len(bands))
        if not left:
            raise RangeInvalidError("These are the last ranges.")
        _keep(records, left, "removed", code, seen, by)


def _insist(still_there: bool) -> None:
    if not still_there:
        raise ChangedMeanwhileError("Somebody else removed this age band meanwhile.")


def _keep(
    records: Records, bands: Sequence[AgeBand], change: str, code: str, seen: int, by: Hand
) -> None:
    content = [_document(band) for band in bands]
    before = {"bands": records.laboratory.get(SETTING, None).content}
    if not records.laboratory.set(SETTING, content, seen=seen, by=by.user_id, now=by.now):
        raise ChangedMeanwhileError("Somebody else changed the ranges meanwhile.")
    details = {"band": code, "change": change}
    action, after = "laboratory.ranges_changed", {"bands": content}
    records.audit.add(by.did(action, "ranges", details, before=before, after=after))


def _read(written: Written, code: str, others: Sequence[AgeBand]) -> AgeBand:
    """Read ranges as they were typed, or say which of them cannot be."""
    name, source = " ".join(written.name.split()), " ".join(written.source.split())
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise RangeInvalidError("An age band needs a name, such as “Children, 2 to 6 years”.")
    if any(name.casefold() == (band.name or band.code).casefold() for band in others):
        raise RangeInvalidError("There is an age band %(name)s.", name=name)
    if not source or len(source) > SOURCE_LENGTH or not source.isprintable():
        raise RangeInvalidError("Ranges need their source.")
    limits = _read_all(written.limits, PERCENT)
    absolute = _read_all(written.absolute, MOST_CELLS)
    return AgeBand(code, name, source, limits, absolute)


def _read_all(written: Mapping[str, tuple[str, str]], most: float) -> dict[str, Range]:
    found = {code: _read_range(*ends, most) for code, ends in written.items()}
    return {code: limits for code, limits in found.items() if limits}


def _read_range(low: str, high: str, most: float) -> Range | None:
    if not low.strip() and not high.strip():
        return None
    ends = read_decimal(low), read_decimal(high)
    if ends[0] is None or ends[1] is None:
        raise RangeInvalidError("“%(low)s” to “%(high)s” is not a range.", low=low, high=high)
    if not ends[0] < ends[1] <= most:
        raise RangeInvalidError(
            "%(low)s to %(high)s is not a range from 0 to %(most)s.",
            low=low,
            high=high,
            most=rounded(most),
        )
    return Range(ends[0], ends[1])


def _new_code(name: str, bands: Sequence[AgeBand]) -> str:
    """Make a code of a name that no band has."""
    code = re.sub(r"\W+", "-", name.casefold()).strip("-")[: NAME_LENGTH - 4] or "band"
    taken = {band.code for band in bands}
    numbers = range(2, MOST_BANDS + 2)
    return next(one for one in (code, *(f"{code}-{n}" for n in numbers)) if one not in taken)


def _document(band: AgeBand) -> dict[str, Any]:
    return {
        "code": band.code,
        "name": band.name,
        "source": band.source,
        "limits": {code: [one.low, one.high] for code, one in band.limits.items()},
        "absolute": {code: [one.low, one.high] for code, one in band.absolute.items()},
    }


def _band(kept: Mapping[str, Any]) -> AgeBand:
    return AgeBand(
        kept["code"],
        kept["name"],
        kept["source"],
        {code: Range(*ends) for code, ends in kept["limits"].items()},
        {code: Range(*ends) for code, ends in kept["absolute"].items()},
    )
