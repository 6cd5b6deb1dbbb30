"""Cases and photos with all that a list shows of them, however many, in as many queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal_column, or_, select
from sqlalchemy.orm import Session, aliased

from hematovision.labels import NO_CELL
from hematovision.storage.cases import Case, CaseState, case_of
from hematovision.storage.cells import CellStore, Tally
from hematovision.storage.photos import Photo, PhotoState, photo_of
from hematovision.storage.returns import Return, ReturnStore
from hematovision.storage.tables import CaseRow, CellRow, PhotoRow, ReadingRow, ReturnRow, UserRow
from hematovision.storage.users import fold_name

UNDER_WAY = (PhotoState.WAITING, PhotoState.PAUSED, PhotoState.READING)
PACE_READINGS = 20


class Pile(StrEnum):
    """What of all cases is looked at."""

    REVIEW = "review"
    """Cells wait for a name, or nobody has looked yet."""
    SIGN = "sign"
    """Somebody looked, and no cell is left unidentified."""
    BACK = "back"
    """It waits to be looked at again, before it is signed or to be amended."""
    SIGNED = "signed"
    """Signed, and perhaps amended."""
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Search:
    """Which cases are looked for.

    Attributes:
        pile: Of these only.
        text: Part of an accession number; empty for any.
        mine: A user who reviewed it last, or made it while nobody did; None for anybody.
        state: The state they are in; None for any.
        cursor: The number of the last case that was seen; None for the beginning.
        limit: How many at most.
    """

    pile: Pile = Pile.ALL
    text: str = ""
    mine: int | None = None
    state: CaseState | None = None
    cursor: int | None = None
    limit: int = 25

    @property
    def oldest_first(self) -> bool:
        """Whether what waits longest comes first; of what waits not, the newest does."""
        return self.pile not in {Pile.ALL, Pile.SIGNED}


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list shows of a case.

    Attributes:
        case: The case.
        reviewer: The name of who said something of a cell last.
        photos: How many in each state.
        film: The first photo that was read; None while none was.
        tallies: Its cells by what the model named them and what people call them.
        returned: Why it waits to be looked at again; None where it does not.
    """

    case: Case
    reviewer: str | None
    photos: Mapping[PhotoState, int]
    film: int | None
    tallies: Sequence[Tally]
    returned: Return | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many cases wait.

    Attributes:
        to_review: For somebody who looks at their cells.
        to_sign: For a signature.
        back: To be looked at again.
        unidentified: Cells that are left unidentified in all of them.
        oldest: The case with cells that waits longest for a review.
        since: Since when the oldest case waits, whether it has cells or not.
    """

    to_review: int
    to_sign: int
    back: int
    unidentified: int
    oldest: Case | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows of a photo.

    Attributes:
        photo: The photo.
        cells: In it, but for boxes without a cell.
        same_as: The number of the first photo with this very content.
    """

    photo: Photo
    cells: int
    same_as: int | None


class OverviewStore:
    """Looks over cases and photos; changes nothing."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def search(self, wanted: Search) -> Sequence[Summary]:
        """Look for cases."""
        return self._summaries(self._session.execute(_cases(wanted)).all())

    def find(self, case_id: int) -> Summary | None:
        """Find a case by its number here."""
        rows = self._session.execute(_every_case().where(CaseRow.id == case_id)).all()
        return next(iter(self._summaries(rows)), None)

    def _summaries(self, rows: Sequence[Any]) -> Sequence[Summary]:
        ids = [row.id for row, _ in rows]
        photos, films = self._count_photos(ids)
        tallies = CellStore(self._session).count(ids)
        back = ReturnStore(self._session).open(ids)
        return [
            Summary(
                case_of(row),
                name,
                photos[row.id],
                films.get(row.id),
                tallies[row.id],
                back.get(row.id),
            )
            for row, name in rows
        ]

    def has_cases(self) -> bool:
        """Tell whether there is any case."""
        return self._session.scalar(select(CaseRow.id).limit(1)) is not None

    def count_waiting(self) -> Waiting:
        """Count the cases that wait."""
        is_signable = case((_signable(), 1), else_=0).label("signable")
        # Case by case, so that the index of unidentified cells is used.
        left = (
            select(func.count())
            .where(CellRow.case_id == CaseRow.id, _unidentified())
            .scalar_subquery()
            .label("left")
        )
        ones = select(CaseRow.created_at, is_signable, left).where(_waits()).subquery()
        counted = select(
            ones.c.signable,
            func.count(),
            func.min(ones.c.created_at),
            func.sum(ones.c.left),
        ).group_by(ones.c.signable)
        piles = {pile[0]: pile[1:] for pile in self._session.execute(counted)}
        has_cells = select(CellRow.id).where(CellRow.case_id == CaseRow.id).exists()
        oldest = self._session.scalar(
            select(CaseRow).where(_waits(), ~_signable(), has_cells).order_by(CaseRow.id).limit(1)
        )
        to_review, since, unidentified = piles.get(0, (0, None, 0))
        return Waiting(
            to_review=to_review,
            to_sign=piles[1][0] if 1 in piles else 0,
            back=self._session.scalar(select(func.count()).where(_open(), _back())) or 0,
            unidentified=int(unidentified),
            oldest=case_of(oldest) if oldest else None,
            since=since,
        )

    def running(self, *, limit: int) -> Sequence[Case]:
        """List the cases whose photos wait, pause or are read, in the order they came."""
        rows = select(CaseRow).where(CaseRow.id.in_(_under_way())).order_by(CaseRow.id)
        return [case_of(row) for row in self._session.scalars(rows.limit(limit))]

    def photos(self, case_id: int, *, after: int, limit: int) -> Sequence[Shown]:
        """List photos of a case with numbers above one, in the order they came."""
        rows = _photos(case_id).where(PhotoRow.number > after).limit(limit)
        return [_shown(*row) for row in self._session.execute(rows)]

    def failed(self, case_id: int, *, limit: int) -> Sequence[Shown]:
        """List the photos of a case that could not be read."""
        rows = _photos(case_id).where(PhotoRow.state == PhotoState.FAILED).limit(limit)
        return [_shown(*row) for row in self._session.execute(rows)]

    def count_ahead(self, case_id: int) -> int:
        """Count the photos that are read until the last of a case is."""
        last = select(func.max(PhotoRow.id)).where(
            PhotoRow.case_id == case_id, PhotoRow.state.in_(UNDER_WAY)
        )
        moving = PhotoRow.state.in_((PhotoState.WAITING, PhotoState.READING))
        ahead = select(func.count()).where(moving, PhotoRow.id <= last.scalar_subquery())
        return self._session.scalar(ahead) or 0

    def newest_readings(self, case_id: int) -> Sequence[datetime]:
        """Say when the photos of a case were read that were read last, the newest first."""
        rows = (
            select(ReadingRow.read_at)
            .join(PhotoRow, PhotoRow.id == ReadingRow.photo_id)
            .where(PhotoRow.case_id == case_id)
            .order_by(ReadingRow.id.desc())
            .limit(PACE_READINGS)
        )
        return self._session.scalars(rows).all()

    def _count_photos(
        self, ids: Sequence[int]
    ) -> tuple[dict[int, dict[PhotoState, int]], dict[int, int]]:
        """Count photos by case and state, and find the first of each case that was read."""
        counted: Any = (
            select(PhotoRow.case_id, PhotoRow.state, func.count(), func.min(PhotoRow.id))
            .where(PhotoRow.case_id.in_(ids))
            .group_by(PhotoRow.case_id, PhotoRow.state)
        )
        counts: dict[int, dict[PhotoState, int]] = {case_id: {} for case_id in ids}
        films: dict[int, int] = {}
        for case_id, state, number, first in self._session.execute(counted):
            counts[case_id][PhotoState(state)] = number
            if state == PhotoState.READ:
                films[case_id] = first
        return counts, films


def _cases(wanted: Search) -> Any:
    """Ask for the cases that are wanted."""
    rows = _every_case().where(*_conditions(wanted)).limit(wanted.limit)
    return rows.order_by(CaseRow.id if wanted.oldest_first else CaseRow.id.desc())


def _every_case() -> Any:
    """Ask for cases with who has them."""
    return select(CaseRow, UserRow.name).outerjoin(UserRow, UserRow.id == CaseRow.reviewed_by)


def _of_pile(pile: Pile) -> Sequence[ColumnElement[bool]]:
    """Of a case: it lies on a pile."""
    if pile is Pile.REVIEW:
        return _waits(), ~_signable()
    if pile is Pile.SIGN:
        return _waits(), _signable()
    if pile is Pile.BACK:
        return _open(), _back()
    return (~_open(),) if pile is Pile.SIGNED else ()


def _conditions(wanted: Search) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    conditions += _of_pile(wanted.pile)
    if wanted.text:
        conditions.append(
            CaseRow.folded_accession.contains(fold_name(wanted.text), autoescape=True)
        )
    if wanted.state is not None:
        conditions.append(CaseRow.state == wanted.state)
    if wanted.mine is not None:
        nobodys = and_(CaseRow.reviewed_by.is_(None), CaseRow.created_by == wanted.mine)
        conditions.append(or_(CaseRow.reviewed_by == wanted.mine, nobodys))
    if wanted.cursor is not None:
        older = CaseRow.id < wanted.cursor
        conditions.append(CaseRow.id > wanted.cursor if wanted.oldest_first else older)
    return conditions


def _open() -> ColumnElement[bool]:
    return CaseRow.state.in_((CaseState.OPEN, CaseState.IN_REVIEW))


def _back() -> ColumnElement[bool]:
    """Of a case: it waits to be looked at again."""
    return CaseRow.id.in_(select(ReturnRow.case_id).where(ReturnRow.done_at.is_(None)))


def _waits() -> ColumnElement[bool]:
    """Of a case: it waits for a review or a signature, and was not sent back."""
    return and_(_open(), ~_back())


def _signable() -> ColumnElement[bool]:
    """Of a case: somebody looked, no cell is left unidentified, and no more will come."""
    left = select(CellRow.id).where(CellRow.case_id == CaseRow.id, _unidentified()).exists()
    return and_(CaseRow.state == CaseState.IN_REVIEW, CaseRow.id.not_in(_under_way()), ~left)


def _under_way() -> Any:
    """Ask for the numbers of the cases whose photos are not all read."""
    moving = PhotoRow.state.in_(UNDER_WAY), PhotoRow.case_id.is_not(None)
    return select(PhotoRow.case_id).where(*moving)


def _unidentified() -> ColumnElement[bool]:
    """Of a cell: `STILL_UNIDENTIFIED`, word by word, or the index would not be used."""
    unnamed = and_(CellRow.label.is_(None), CellRow.cell_type.is_(None))
    return or_(CellRow.label == literal_column("'unidentified'"), unnamed)


def _photos(case_id: int) -> Any:
    """Ask for photos with their cells and the first of their content, in one query."""
    first = aliased(PhotoRow)
    cells = (
        select(func.count())
        .where(CellRow.photo_id == PhotoRow.id, func.coalesce(CellRow.label, "") != NO_CELL)
        .correlate(PhotoRow)
        .scalar_subquery()
    )
    return (
        select(PhotoRow, cells, first.number)
        .outerjoin(first, first.id == PhotoRow.same_as)
        .where(PhotoRow.case_id == case_id)
        .order_by(PhotoRow.number)
    )


def _shown(row: PhotoRow, cells: int, same_as: int | None) -> Shown:
    return Shown(photo_of(row), cells, same_as)
