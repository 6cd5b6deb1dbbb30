"""What the differential of a case shows beside its counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, exists, not_, select
from sqlalchemy.orm import Session

from hematovision.cells import Box, ModelIdentity
from hematovision.storage.photos import PhotoState
from hematovision.storage.tables import CellRow, PhotoRow, ReadingRow, ReviewRow, UserRow


@dataclass(frozen=True, slots=True)
class Change:
    """A cell that a person calls something else than the machine.

    Attributes:
        id: Of the cell.
        number: Counts the cells of the case from one.
        suggested: What the machine named it.
        label: The code of what people call it.
        by: The name of who said so last.
        has_picture: Whether its photo is kept.
    """

    id: int
    number: int
    suggested: str
    label: str
    by: str
    has_picture: bool


class DifferentialStore:
    """Asks what stands in the case's photos and cells; changes nothing."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def changes(self, case_id: int, inside: Mapping[str, str], *, limit: int) -> Sequence[Change]:
        """List the cells of a case that people call something else than the machine, by number.

        Args:
            case_id: The case.
            inside: Labels that name a type more finely, and the type: no other name.
            limit: At most so many.
        """
        finer = [
            not_(and_(CellRow.label == label, CellRow.cell_type == kind))
            for label, kind in inside.items()
        ]
        rows = self._session.execute(
            select(CellRow, UserRow.name, PhotoRow.file)
            .join(PhotoRow, PhotoRow.id == CellRow.photo_id)
            .join(
                ReviewRow,
                and_(ReviewRow.cell_id == CellRow.id, ReviewRow.number == CellRow.version),
            )
            .join(UserRow, UserRow.id == ReviewRow.reviewed_by)
            .where(
                CellRow.case_id == case_id,
                CellRow.reading_id.is_not(None),
                CellRow.label != CellRow.cell_type,
                *finer,
            )
            .order_by(CellRow.number)
            .limit(limit)
        )
        return [
            Change(
                cell.id, cell.number or 0, cell.cell_type or "", cell.label or "", by, bool(file)
            )
            for cell, by, file in rows
        ]

    def boxes(self, case_id: int) -> Sequence[Box]:
        """List where the cells of a case lie."""
        corners = CellRow.box_xmin, CellRow.box_ymin, CellRow.box_xmax, CellRow.box_ymax
        rows = self._session.execute(select(*corners).where(CellRow.case_id == case_id))
        return [Box(*row) for row in rows]

    def empty_photos(self, case_id: int) -> Sequence[int]:
        """List the numbers of a case's read photos without any cell."""
        rows = self._session.scalars(
            select(PhotoRow.number)
            .where(
                PhotoRow.case_id == case_id,
                PhotoRow.state == PhotoState.READ,
                not_(exists().where(CellRow.photo_id == PhotoRow.id)),
            )
            .order_by(PhotoRow.number)
        )
        return [number or 0 for number in rows]

    def models(self, case_id: int) -> Sequence[str]:
        """List the models that read a case's photos, with version and the head of their hash."""
        return [model.label for model in self.model_identities(case_id)]

    def model_identities(self, case_id: int) -> Sequence[ModelIdentity]:
        """List the models that read a case's photos."""
        rows = self._session.execute(
            select(ReadingRow.model_name, ReadingRow.model_version, ReadingRow.model_sha256)
            .join(PhotoRow, PhotoRow.id == ReadingRow.photo_id)
            .where(PhotoRow.case_id == case_id)
            .distinct()
            .order_by(ReadingRow.model_name, ReadingRow.model_version, ReadingRow.model_sha256)
        )
        return [ModelIdentity(*row) for row in rows]
