"""The differential of a case: what was counted, against which ranges, and what is left to do."""

from dataclasses import dataclass, replace

from hematovision.differential import INSIDE, AgeBand, Differential
from hematovision.errors import CountInvalidError
from hematovision.labels import Label
from hematovision.services.cases import change_case, the_case
from hematovision.services.checks import Check, CheckState, Second, checks_of
from hematovision.services.counting import MOST, count_cells
from hematovision.services.crops import side_for
from hematovision.services.hands import Hand
from hematovision.services.naming import own_labels
from hematovision.services.policies import the_policy
from hematovision.services.ranges import Ranges, read_decimal, the_ranges
from hematovision.storage.cases import Case
from hematovision.storage.database import Database, Records
from hematovision.storage.differentials import Change
from hematovision.storage.returns import Return

LEAST_TARGET = 50
MOST_WHITE_COUNT = 1000.0
SHOWN = 24
"""Changed cells that are shown; the gallery has them all."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A case and its differential, at one moment.

    Attributes:
        case: The case.
        differential: Its cells.
        ranges: All that the laboratory has set.
        band: The ranges that hold for the case; None where those that it picks are gone.
        checks: What is to be looked at.
        changes: The first cells that people call something else than the machine.
        side: Photo pixels that the crops of the case show.
        own: The laboratory's own labels.
        returned: Why it waits to be looked at again; None where it does not.
        signed: How many versions of it are signed.
    """

    case: Case
    differential: Differential
    ranges: Ranges
    band: AgeBand | None
    checks: tuple[Check, ...]
    changes: tuple[Change, ...]
    side: int
    own: tuple[Label, ...]
    returned: Return | None
    signed: int

    @property
    def open_checks(self) -> tuple[Check, ...]:
        """What is to be done before it is signed."""
        return tuple(check for check in self.checks if check.state is CheckState.OPEN)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a case is to be counted, as somebody typed it.

    Attributes:
        seen: The version of the case that they saw.
        target: How many white cells.
        band: The code of the age band.
        white_count: White cells in blood, 10^9 a litre; empty where unknown.
    """

    seen: int
    target: str
    band: str
    white_count: str


def open_sheet(database: Database, case_id: int) -> Sheet:
    """Count the cells of a case.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    with database.reading() as records:
        return the_sheet(records, case_id)


def the_sheet(records: Records, case_id: int) -> Sheet:
    """Count the cells of a case within a transaction.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    case = the_case(records, case_id)
    ranges, own = the_ranges(records), own_labels(records).every
    band = ranges.find(case.age_band)
    differential = count_cells(
        records.cells.count([case_id])[case_id], own, band=band, white_count=case.white_count
    )
    return Sheet(
        case=case,
        differential=differential,
        ranges=ranges,
        band=band,
        checks=_checks(records, case, differential),
        changes=tuple(records.differentials.changes(case_id, INSIDE, limit=SHOWN)),
        side=side_for(records.differentials.boxes(case_id)),
        own=own,
        returned=records.returns.open([case_id]).get(case_id),
        signed=records.signatures.count(case_id),
    )


def _checks(records: Records, case: Case, differential: Differential) -> tuple[Check, ...]:
    return checks_of(
        differential,
        case.target,
        records.photos.count(case.id),
        empty=records.differentials.empty_photos(case.id),
        models=records.differentials.models(case.id),
        policy=the_policy(records),
        second=_second(records, case.id),
    )


def _second(records: Records, case_id: int) -> Second:
    """Say how far second readings are."""
    readings = records.seconds.list(case_id)
    finished = [reading for reading in readings if reading.finished_at]
    asked = any(reading.is_open or reading.finished_at for reading in readings)
    apart = records.seconds.count_apart(case_id) if finished else 0
    return Second(asked, len(finished), apart)


def change_counting(database: Database, case_id: int, wanted: Wanted, *, by: Hand) -> Case:
    """Set how a case is counted: its target, its age band, and the total white count.

    Raises:
        CaseUnknownError: If there is no such case.
        CountInvalidError: If a number, or the age band, cannot be.
        CaseClosedError: If it is signed.
        ChangedMeanwhileError: If somebody else changed the case since it was looked at.
    """
    with database.reading() as records:
        case = the_case(records, case_id)
        if the_ranges(records).find(wanted.band) is None:
            raise CountInvalidError("These reference ranges are not kept any more.")
    changed = replace(
        case,
        version=wanted.seen,
        target=_read_target(wanted.target),
        age_band=wanted.band,
        white_count=_read_white_count(wanted.white_count),
    )
    return change_case(database, changed, "counting_changed", by=by)


def _read_target(text: str) -> int:
    text = text.strip()
    if not text.isdecimal() or len(text) > 4 or not LEAST_TARGET <= int(text) <= MOST:
        raise CountInvalidError(
            "“%(text)s” is no target of %(least)s to %(most)s cells.",
            text=text,
            least=LEAST_TARGET,
            most=MOST,
        )
    return int(text)


def _read_white_count(text: str) -> float | None:
    if not text.strip():
        return None
    number = read_decimal(text)
    if number is None or not 0 < number <= MOST_WHITE_COUNT:
        raise CountInvalidError("“%(text)s” is no white count in 10⁹ a litre.", text=text)
    return number
