"""Search: the history of all readings, newest first, as fast among a million as among ten.

Every search walks one range of one index of `history`, in the order that is shown, and stops when
the page is full. An index holds all that can be asked for, so what does not fit is passed over
without being looked up; cases are asked first, for they are few beside their readings.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import BigInteger, ColumnElement, Select, func, or_, select, tuple_, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from hematovision.storage.cases import CaseState
from hematovision.storage.history import ALL
from hematovision.storage.tables import CaseRow, HistoryRow, PhotoRow, ReadingRow, UserRow
from hematovision.storage.users import fold_name

NOBODY = 0
MANY_CASES = 5_000
"""Of more, every reading's case is looked up on the way; soon a page is full."""

PLACE = (HistoryRow.__table__.c.at.type, HistoryRow.__table__.c.reading_id.type)
Asked: TypeAlias = Sequence[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a page ends, and the next begins.

    Attributes:
        at: When its last reading was made, UTC.
        reading_id: That reading.
    """

    at: datetime
    reading_id: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for; what is left out may be anything.

    Attributes:
        accession: How the number of the case begins, whatever its capitals.
        since: Read then or later, UTC.
        until: Read earlier, UTC.
        person: The user who sent the photo; `NOBODY` where nobody was signed in.
        label: At least one cell goes by it: by what people call it, else by the model's name.
        state: Of the case.
        quick: Whether it belongs to no case.
        model_version: Of the model that read.
        blind: Cases that no label finds, for whoever searches must not know what is said of them.
    """

    accession: str = ""
    since: datetime | None = None
    until: datetime | None = None
    person: int | None = None
    label: str = ALL
    state: CaseState | None = None
    quick: bool = False
    model_version: str = ""
    blind: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A reading in the history.

    Attributes:
        mark: Its place.
        photo_id: Of its photo.
        read_at: When it was read, UTC.
        case_id: The case it belongs to, if any.
        accession: Its number.
        state: Of the case.
        sender: The name of who sent the photo; None for the terminal.
        door: Through which it came.
        model_version: Of the model that read.
        cells: How many were found.
        counts: How many go by each label, the most frequent first.
    """

    mark: Mark
    photo_id: int
    read_at: datetime
    case_id: int | None
    accession: str | None
    state: CaseState | None
    sender: str | None
    door: str
    model_version: str
    cells: int
    counts: Mapping[str, int]


class SearchStore:
    """Searches the history."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def find(self, wanted: Wanted, *, before: Mark | None = None, limit: int) -> Sequence[Line]:
        """Find readings, the newest first.

        Args:
            wanted: What is searched for.
            before: The end of the page before; None for the newest.
            limit: At most so many.
        """
        asked = _asked(wanted, before)
        if not (wanted.accession or wanted.state):
            return self._lines(self._session.scalars(_walk(asked, limit)).all())
        cases = self._cases(_cases_asked(wanted), asked, limit)
        if cases is None:
            return []
        asked.append(HistoryRow.case_id.in_(cases))
        walk = _walk(asked, limit, sort=not isinstance(cases, Select))
        return self._lines(self._session.scalars(walk).all())

    def model_versions(self) -> Sequence[str]:
        """List the versions of all models that read here."""
        return leap(self._session, HistoryRow.model_version, HistoryRow.label == ALL)

    def labels(self) -> Sequence[str]:
        """List what cells here go by."""
        return [label for label in leap(self._session, HistoryRow.label) if label != ALL]

    def _cases(self, meant: Asked, asked: Asked, limit: int) -> Sequence[int] | Select[int] | None:
        """Find the cases of which readings are shown: their ids, or, of very many, how to ask.

        Args:
            meant: What is asked of the cases.
            asked: What is asked of the readings.
            limit: So many readings are shown.

        Returns:
            None where there is no such case.
        """
        every = select(CaseRow.id).where(*meant)
        ids = self._session.scalars(every.limit(MANY_CASES + 1)).all()
        if len(ids) > MANY_CASES:
            return every
        return self._newest(meant, asked, limit) if len(ids) > limit else ids or None

    def _newest(self, meant: Asked, asked: Asked, limit: int) -> Sequence[int] | None:
        """Keep of cases those whose newest reading can be on the page: there are as many at most.

        Each case is asked for its newest only, so that it does not matter how much else it has.
        """
        at = (
            select(HistoryRow.at)
            .where(HistoryRow.case_id == CaseRow.id, *asked)
            .order_by(HistoryRow.at.desc())
            .limit(1)
            .scalar_subquery()
        )
        rows = self._session.execute(select(CaseRow.id, at).where(*meant))
        newest = {case_id: moment for case_id, moment in rows if moment is not None}
        if not newest:
            return None
        last = sorted(newest.values(), reverse=True)[:limit][-1]
        return [case_id for case_id, moment in newest.items() if moment >= last]

    def _lines(self, reading_ids: Sequence[int]) -> Sequence[Line]:
        """Give readings in an order, with all that a list shows of them, in two queries."""
        if not reading_ids:
            return []
        counts: dict[int, dict[str, int]] = {reading_id: {} for reading_id in reading_ids}
        for reading_id, label, number in self._session.execute(
            select(HistoryRow.reading_id, HistoryRow.label, HistoryRow.number)
            .where(HistoryRow.reading_id.in_(reading_ids))
            .order_by(HistoryRow.number.desc(), HistoryRow.label)
        ):
            counts[reading_id][label] = number
        rows = self._session.execute(
            select(ReadingRow, PhotoRow, UserRow.name, CaseRow.accession, CaseRow.state)
            .join(PhotoRow, PhotoRow.id == ReadingRow.photo_id)
            .outerjoin(UserRow, UserRow.id == PhotoRow.sent_by)
            .outerjoin(CaseRow, CaseRow.id == PhotoRow.case_id)
            .where(ReadingRow.id.in_(reading_ids))
        )
        found = {row[0].id: _line(*row, counts[row[0].id]) for row in rows}
        return [found[reading_id] for reading_id in reading_ids]


def leap(
    session: Session, column: InstrumentedAttribute[str], *where: ColumnElement[bool]
) -> list[str]:
    """List the values of a column, leaping from each to the next instead of reading all."""
    found = select(func.min(column).label("value")).where(*where).cte("found", recursive=True)
    after = select(func.min(column)).where(*where, column > found.c.value).scalar_subquery()
    found = found.union_all(select(after).where(found.c.value.is_not(None)))
    return list(session.scalars(select(found.c.value).where(found.c.value.is_not(None))))


def _walk(asked: Asked, limit: int, *, sort: bool = False) -> Select[int]:
    """Ask for the ids of readings, the newest first.

    Args:
        asked: What is asked of them.
        limit: At most so many.
        sort: Whether few are to be sorted, and no index walked in its order: SQLite, which never
            counts, would take that of time, and pass over all that was read since.
    """
    at = type_coerce(HistoryRow.at, BigInteger) + 0 if sort else HistoryRow.at
    return (
        select(HistoryRow.reading_id)
        .where(*asked)
        .order_by(at.desc(), HistoryRow.reading_id.desc())
        .limit(limit)
    )


def _asked(wanted: Wanted, before: Mark | None) -> list[ColumnElement[bool]]:
    """Say what is asked of readings."""
    asked = [HistoryRow.label == wanted.label]
    if wanted.blind and wanted.label != ALL:
        # Left out here and not of a page: that a page has less would tell as much.
        told = HistoryRow.case_id.not_in(wanted.blind)
        asked.append(or_(HistoryRow.case_id.is_(None), told))
    if wanted.quick:
        asked.append(HistoryRow.case_id.is_(None))
    if wanted.person is not None:
        asked.append(HistoryRow.sent_by == (wanted.person or None))
    if wanted.model_version:
        asked.append(HistoryRow.model_version == wanted.model_version)
    if wanted.since is not None:
        asked.append(HistoryRow.at >= wanted.since)
    if wanted.until is not None:
        asked.append(HistoryRow.at < wanted.until)
    if before is not None:
        place = tuple_(HistoryRow.at, HistoryRow.reading_id)
        asked.append(place < tuple_(before.at, before.reading_id, types=PLACE))
    return asked


def _cases_asked(wanted: Wanted) -> list[ColumnElement[bool]]:
    """Say what is asked of cases."""
    asked: list[ColumnElement[bool]] = []
    if wanted.accession:
        begin = fold_name(wanted.accession)
        asked.append(CaseRow.folded_accession.startswith(begin, autoescape=True))
    if wanted.state:
        asked.append(CaseRow.state == wanted.state)
    return asked


def _line(
    row: ReadingRow,
    photo: PhotoRow,
    sender: str | None,
    accession: str | None,
    state: str | None,
    counts: dict[str, int],
) -> Line:
    cells = counts.pop(ALL, 0)
    return Line(
        mark=Mark(row.read_at, row.id),
        photo_id=photo.id,
        read_at=row.read_at,
        case_id=photo.case_id,
        accession=accession,
        state=None if state is None else CaseState(state),
        sender=sender,
        door=photo.door,
        model_version=row.model_version,
        cells=cells,
        counts=counts,
    )
