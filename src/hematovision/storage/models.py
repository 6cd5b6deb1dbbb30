"""Models that are installed, and what each says of photos that people have named cells of."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from hematovision.cells import Box, ModelIdentity, Reading
from hematovision.storage.inserts import add_once, insert_into
from hematovision.storage.tables import (
    CaseRow,
    CellRow,
    ModelRow,
    PhotoRow,
    ReadingRow,
    ReviewRow,
    ShadowRow,
)

MANY = 500
"""So many photos are asked for at once."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is installed.

    Attributes:
        identity: Its name, version and hash; the folder is called by the hash.
        installed_by: The user who installed it; None for the terminal.
        installed_at: When, UTC.
    """

    identity: ModelIdentity
    installed_by: int | None
    installed_at: datetime


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A cell that a person has named.

    Attributes:
        cell_id: The cell.
        case_id: Its case.
        case_state: How far that is.
        may_improve: Whether that may be used to improve a model.
        photo_id: Its photo.
        image_sha256: Of the photo's file as it was sent.
        file: Under which the photo is kept; None where it is not (any more).
        box: Where in the photo the cell lies.
        label: What people call it.
        people: How many people called it so.
    """

    cell_id: int
    case_id: int
    case_state: str
    may_improve: bool
    photo_id: int
    image_sha256: str
    file: str | None
    box: Box
    label: str
    people: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of a cell.

    Attributes:
        box: Where it found it.
        cell_type: What it names it; None where it would not say.
        probabilities: By type.
    """

    box: Box
    cell_type: str | None
    probabilities: Mapping[str, float]

    @property
    def best(self) -> str | None:
        """The most probable type; the name where there are no probabilities."""
        return max(self.probabilities, key=self.probabilities.__getitem__, default=self.cell_type)


class ModelStore:
    """Keeps which models are installed, and their answers beside those that are shown."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, identity: ModelIdentity, *, by: int | None, now: datetime) -> None:
        """Keep that a model is installed.

        Raises:
            AlreadyThereError: If it is, or another has its name and version.
        """
        row = ModelRow(
            name=identity.name,
            version=identity.version,
            sha256=identity.sha256,
            installed_by=by,
            installed_at=now,
        )
        add_once(self._session, row)

    def list(self) -> Sequence[Model]:
        """List the models that are installed, the newest first."""
        rows = self._session.scalars(select(ModelRow).order_by(ModelRow.id.desc()))
        return [_model(row) for row in rows]

    def find(self, sha256: str) -> Model | None:
        """Find a model by its hash."""
        row = self._session.scalar(select(ModelRow).where(ModelRow.sha256 == sha256))
        return _model(row) if row else None

    def keep_shadow(
        self, photo_id: int, model_sha256: str, cells: Sequence[Reading], *, now: datetime
    ) -> bool:
        """Keep what a model says of a photo beside what is shown; False where it did before."""
        insert = insert_into(self._session, ShadowRow).values(
            photo_id=photo_id,
            model_sha256=model_sha256,
            read_at=now,
            cells=[_document(cell) for cell in cells],
        )
        added = insert.on_conflict_do_nothing().returning(ShadowRow.id)
        return self._session.execute(added).first() is not None

    def confirmed(self, labels: Collection[str]) -> Sequence[Confirmed]:
        """List the cells of cases that people call so, in the order of cases and photos.

        A photo that is in its case twice is left out: its cells are those of the first.
        """
        people = (
            select(func.count(ReviewRow.reviewed_by.distinct()))
            .where(ReviewRow.cell_id == CellRow.id, ReviewRow.label == CellRow.label)
            .scalar_subquery()
        )
        rows = self._session.execute(
            select(CellRow, PhotoRow, CaseRow.state, CaseRow.may_improve, people)
            .join(PhotoRow, PhotoRow.id == CellRow.photo_id)
            .join(CaseRow, CaseRow.id == CellRow.case_id)
            .where(CellRow.label.in_(labels), PhotoRow.same_as.is_(None))
            .order_by(CellRow.case_id, CellRow.photo_id, CellRow.id)
        )
        return [_confirmed(*row) for row in rows]

    def cases_of(self, image_sha256s: Collection[str]) -> set[int]:
        """Give the cases that have a photo of these contents."""
        wanted, cases = sorted(image_sha256s), set()
        for start in range(0, len(wanted), MANY):
            some = wanted[start : start + MANY]
            found = select(PhotoRow.case_id).where(PhotoRow.image_sha256.in_(some))
            cases |= {case_id for case_id in self._session.scalars(found) if case_id is not None}
        return cases

    def read_by(self, model_sha256: str, photo_ids: Collection[int]) -> set[int]:
        """Say which photos a model has read, for people or in the shadow."""
        return {
            photo_id
            for table in (ReadingRow, ShadowRow)
            for photo_id in self._some(photo_ids, partial(_photos_read, table, model_sha256))
        }

    def answers(
        self, model_sha256: str, photo_ids: Collection[int]
    ) -> Mapping[int, Sequence[Answer]]:
        """Give what a model says of photos, for people or in the shadow; others are left out."""
        shown = set(self._some(photo_ids, partial(_photos_read, ReadingRow, model_sha256)))
        found: dict[int, list[Answer]] = {photo_id: [] for photo_id in shown}
        for row in self._some(shown, partial(_cells_of, model_sha256)):
            found[row.photo_id].append(_answer(row))
        for shadow in self._some(set(photo_ids) - shown, partial(_shadows_of, model_sha256)):
            found[shadow.photo_id] = [_said(cell) for cell in shadow.cells]
        return found

    def _some(
        self, photo_ids: Collection[int], ask: Callable[[Sequence[int]], Select[Any]]
    ) -> Iterator[Any]:
        """Ask for photos, some at a time: a database takes no list of any length."""
        ids = sorted(photo_ids)
        for start in range(0, len(ids), MANY):
            yield from self._session.scalars(ask(ids[start : start + MANY]))


def _photos_read(
    table: type[ReadingRow] | type[ShadowRow], model_sha256: str, photo_ids: Sequence[int]
) -> Select[Any]:
    return select(table.photo_id).where(
        table.photo_id.in_(photo_ids), table.model_sha256 == model_sha256
    )


def _shadows_of(model_sha256: str, photo_ids: Sequence[int]) -> Select[Any]:
    return select(ShadowRow).where(
        ShadowRow.photo_id.in_(photo_ids), ShadowRow.model_sha256 == model_sha256
    )


def _cells_of(model_sha256: str, photo_ids: Sequence[int]) -> Select[Any]:
    return (
        select(CellRow)
        .join(ReadingRow, ReadingRow.id == CellRow.reading_id)
        .where(CellRow.photo_id.in_(photo_ids), ReadingRow.model_sha256 == model_sha256)
        .order_by(CellRow.id)
    )


def _model(row: ModelRow) -> Model:
    return Model(
        ModelIdentity(row.name, row.version, row.sha256), row.installed_by, row.installed_at
    )


def _confirmed(
    cell: CellRow, photo: PhotoRow, state: str, may_improve: bool, people: int
) -> Confirmed:
    return Confirmed(
        cell_id=cell.id,
        case_id=cell.case_id or 0,
        case_state=state,
        may_improve=may_improve,
        photo_id=photo.id,
        image_sha256=photo.image_sha256,
        file=photo.file,
        box=_box(cell),
        label=cell.label or "",
        people=people,
    )


def _box(cell: CellRow) -> Box:
    return Box(cell.box_xmin, cell.box_ymin, cell.box_xmax, cell.box_ymax)


def _answer(cell: CellRow) -> Answer:
    return Answer(_box(cell), cell.cell_type, cell.answer["probabilities"])


def _said(cell: Mapping[str, Any]) -> Answer:
    return Answer(Box(*cell["box"]), cell["cell_type"], cell["probabilities"])


def _document(cell: Reading) -> dict[str, Any]:
    """Lay out a cell with everything that was said of it."""
    return {
        "box": cell.box.as_list(),
        "decision": str(cell.decision),
        "cell_type": None if cell.cell_type is None else str(cell.cell_type),
        "confidence": cell.confidence,
        "known": cell.known,
        "probabilities": {str(kind): part for kind, part in cell.probabilities.items()},
        "prediction_set": [str(kind) for kind in cell.prediction_set],
        "doubts": [str(doubt) for doubt in cell.doubts],
    }
