"""What is asked of all that was read and reviewed: sums by week, in few queries, however much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    case,
    cast,
    extract,
    false,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from hematovision.cells import MEASURES
from hematovision.storage.tables import (
    EPOCH,
    CellRow,
    MeasureRow,
    ReviewRow,
    SecondLabelRow,
    SecondReadingRow,
)

WEEK = timedelta(weeks=1)
MILLISECOND = timedelta(milliseconds=1)
BEFORE_MONDAY = timedelta(days=3)
"""The first of January 1970 was a Thursday; weeks begin on Mondays."""

Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Period:
    """Some time.

    Attributes:
        since: Its first moment, UTC; None for the beginning.
        until: The first moment after it; None for no end.
        ahead: How far the laboratory's clock is ahead of UTC; its weeks begin by it.
    """

    since: datetime | None = None
    until: datetime | None = None
    ahead: timedelta = field(default_factory=timedelta)

    def begin_of(self, week: int) -> datetime:
        """Say when a week began, UTC."""
        return EPOCH + week * WEEK - BEFORE_MONDAY - self.ahead


@dataclass(frozen=True, slots=True)
class Said:
    """How many cells that a model found a person calls so, of what the model called them.

    Attributes:
        week: When they said so: counts the Mondays since 1970.
        by: Who said so last.
        suggested: What the model named them; None where it did not.
        label: What the person calls them.
        number: How many cells.
    """

    week: int
    by: int
    suggested: str | None
    label: str
    number: int


@dataclass(frozen=True, slots=True)
class Pair:
    """How many cells one person called so and another so.

    Attributes:
        first: Who spoke first.
        second: Who spoke next.
        labels: What each called them.
        number: How many cells.
    """

    first: int
    second: int
    labels: tuple[str, str]
    number: int


@dataclass(frozen=True, slots=True)
class Reads:
    """What was read in a week.

    Attributes:
        week: Counts the Mondays since 1970.
        photos: How many were read.
        empty: Of these, without a white cell.
        cells: How many were found.
        unidentified: Of these, left without a name.
    """

    week: int
    photos: int
    empty: int
    cells: int
    unidentified: int


@dataclass(frozen=True, slots=True)
class Look:
    """How the photos that one model read in a week look, in one measure.

    Attributes:
        week: Counts the Mondays since 1970.
        photos: How many have the measure.
        mean: Over them.
        outside: How many lie outside of every range that was asked about.
    """

    week: int
    photos: int
    mean: float
    outside: int


class QualityStore:
    """Adds up; changes nothing."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def said(self, period: Period) -> Sequence[Said]:
        """Count what stands of what people said in some time of cells that a model found."""
        week = self._week_of(ReviewRow.reviewed_at, period)
        rows: Any = self._session.execute(
            select(week, ReviewRow.reviewed_by, CellRow.cell_type, ReviewRow.label, func.count())
            .join(CellRow, CellRow.id == ReviewRow.cell_id)
            .where(*_within(ReviewRow.reviewed_at, period), ReviewRow.label.is_not(None))
            .where(ReviewRow.number == CellRow.version, CellRow.reading_id.is_not(None))
            .group_by(week, ReviewRow.reviewed_by, CellRow.cell_type, ReviewRow.label)
        )
        return [Said(*row) for row in rows]

    def one_after_the_other(self, period: Period) -> Sequence[Pair]:
        """Count what two people said of one cell, one right after the other, by what they said."""
        first, second = aliased(ReviewRow), aliased(ReviewRow)
        parts = (first.reviewed_by, second.reviewed_by, first.label, second.label)
        rows: Any = self._session.execute(
            select(*parts, func.count())
            .join(first, and_(first.cell_id == second.cell_id, first.number == second.number - 1))
            .where(*_within(second.reviewed_at, period), second.number > 1)
            .where(first.label.is_not(None), second.label.is_not(None))
            .where(first.reviewed_by != second.reviewed_by)
            .group_by(*parts)
        )
        return [Pair(one, other, (said, then), number) for one, other, said, then, number in rows]

    def blinded(self, period: Period) -> Sequence[Pair]:
        """Count what first and second readers said of one cell, the second without seeing it.

        The first is who had said something of the cell last when the second reading was finished.
        """
        newest = (
            select(func.max(ReviewRow.number))
            .where(ReviewRow.cell_id == SecondLabelRow.cell_id)
            .where(ReviewRow.reviewed_at <= SecondReadingRow.finished_at)
            .correlate(SecondLabelRow, SecondReadingRow)
            .scalar_subquery()
        )
        first = aliased(ReviewRow)
        parts = (
            first.reviewed_by,
            SecondReadingRow.reader_id,
            SecondLabelRow.first_label,
            SecondLabelRow.label,
        )
        rows: Any = self._session.execute(
            select(*parts, func.count())
            .select_from(SecondReadingRow)
            .join(SecondLabelRow, SecondLabelRow.reading_id == SecondReadingRow.id)
            .join(first, and_(first.cell_id == SecondLabelRow.cell_id, first.number == newest))
            .where(*_within(SecondReadingRow.finished_at, period))
            .where(SecondReadingRow.finished_at.is_not(None))
            .where(SecondLabelRow.first_label.is_not(None), SecondLabelRow.label.is_not(None))
            .group_by(*parts)
        )
        return [Pair(one, other, (said, then), number) for one, other, said, then, number in rows]

    def reads(self, period: Period) -> Sequence[Reads]:
        """Count what was read in some time, by week."""
        week = self._week_of(MeasureRow.at, period)
        rows = self._session.execute(
            select(
                week,
                func.count(),
                func.sum(case((MeasureRow.cells == 0, 1), else_=0)),
                func.sum(MeasureRow.cells),
                func.sum(MeasureRow.unidentified),
            )
            .where(*_within(MeasureRow.at, period))
            .group_by(week)
            .order_by(week)
        )
        return [Reads(*map(int, row)) for row in rows]

    def looks(
        self, period: Period, model_sha256: str, ranges: Mapping[str, Sequence[Ends]]
    ) -> Mapping[str, Sequence[Look]]:
        """Say how the photos look that a model read in some time, by measure and week.

        Args:
            period: The time.
            model_sha256: Of the model that read them.
            ranges: Of each of `cells.MEASURES`; a photo lies outside that lies in none of them.
        """
        week = self._week_of(MeasureRow.at, period)
        columns: list[Any] = []
        for name in MEASURES:
            value = getattr(MeasureRow, name)
            inside = or_(false(), *(value.between(*ends) for ends in ranges[name]))
            outside = case((and_(value.is_not(None), ~inside), 1), else_=0)
            columns += [func.count(value), func.avg(value), func.sum(outside)]
        rows = self._session.execute(
            select(week, *columns)
            .where(*_within(MeasureRow.at, period), MeasureRow.model_sha256 == model_sha256)
            .group_by(week)
            .order_by(week)
        ).all()
        return {
            name: [
                Look(row[0], row[place], float(row[place + 1]), int(row[place + 2]))
                for row in rows
                if row[place]
            ]
            for place, name in zip(range(1, 3 * len(MEASURES), 3), MEASURES, strict=True)
        }

    def _week_of(
        self, moment: InstrumentedAttribute[datetime], period: Period
    ) -> ColumnElement[int]:
        """Count the Mondays since 1970 up to a moment, by the laboratory's clock."""
        ahead, week = (BEFORE_MONDAY + period.ahead) // MILLISECOND, WEEK // MILLISECOND
        since_epoch = self._milliseconds_of(moment)
        return (since_epoch + _constant(ahead)) // _constant(week)

    def _milliseconds_of(self, moment: InstrumentedAttribute[datetime]) -> ColumnElement[int]:
        if moment.class_ is not ReviewRow:
            return type_coerce(moment, BigInteger)
        if self._session.get_bind().dialect.name == "sqlite":
            seconds: ColumnElement[Any] = func.strftime(literal_column("'%s'"), moment)
        else:
            seconds = func.floor(extract("epoch", moment))
        return cast(seconds, BigInteger) * _constant(1000)


def _constant(number: int) -> ColumnElement[int]:
    """Write a number out: only so a database sees that it groups by what it selects."""
    return literal_column(str(number), BigInteger)


def _within(
    moment: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
    period: Period,
) -> Sequence[ColumnElement[bool]]:
    bounds = []
    if period.since is not None:
        bounds.append(moment >= period.since)
    if period.until is not None:
        bounds.append(moment < period.until)
    return bounds
