"""What a gallery shows: the cells of a case or of one photo, what they may be called, and keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from hematovision.services.cases import the_case
from hematovision.services.crops import side_for
from hematovision.services.naming import Keys, OwnLabels, keys_of, own_labels
from hematovision.services.references import Shown, references_for
from hematovision.services.review import the_photo
from hematovision.storage.cases import Case
from hematovision.storage.cells import Cell
from hematovision.storage.database import Database, Records
from hematovision.storage.photos import Photo
from hematovision.storage.returns import Return


@dataclass(frozen=True, slots=True)
class Gallery:
    """The cells of a case, and what is shown beside them.

    Attributes:
        case: The case.
        photos: Its photos, by number.
        cells: Its cells, by number.
        own: The laboratory's own labels.
        keys: Of who looks.
        side: Photo pixels that the crops of the case show.
        references: Cells to compare with, by the code of the label; empty where none are asked for.
        returned: Why the case waits to be looked at again; None where it does not.
    """

    case: Case
    photos: Sequence[Photo]
    cells: Sequence[Cell]
    own: OwnLabels
    keys: Keys
    side: int
    references: Shown
    returned: Return | None

    @property
    def without_picture(self) -> set[int]:
        """The ids of the photos whose picture is not kept."""
        return {photo.id for photo in self.photos if photo.file is None}


def open_gallery(
    database: Database, case_id: int, *, user_id: int, labels: Sequence[str]
) -> Gallery:
    """Give the cells of a case.

    Args:
        database: Keeps them.
        case_id: The case.
        user_id: Who looks.
        labels: For which labels cells to compare with are wanted.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    with database.reading() as records:
        return the_gallery(records, case_id, user_id, labels)


def open_photo(
    database: Database, case_id: int, number: int, *, user_id: int
) -> tuple[Gallery, Photo]:
    """Give a photo of a case, with the gallery of its case but for cells to compare with.

    Raises:
        CaseUnknownError: If there is no such case.
        PhotoUnknownError: If it has no such photo.
    """
    with database.reading() as records:
        gallery = the_gallery(records, case_id, user_id, ())
        return gallery, the_photo(records, case_id, number)


def photos_without_picture(database: Database, case_id: int) -> frozenset[int]:
    """Give the numbers of the photos of a case whose picture is not kept."""
    with database.reading() as records:
        photos = records.photos.list(case_id)
    return frozenset(photo.number for photo in photos if photo.file is None and photo.number)


def open_keys(database: Database, user_id: int) -> tuple[OwnLabels, Keys]:
    """Give the laboratory's own labels, and the keys of one person."""
    with database.reading() as records:
        return _names(records, user_id)


def the_gallery(records: Records, case_id: int, user_id: int, labels: Sequence[str]) -> Gallery:
    """Give the cells of a case within a transaction.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    case = the_case(records, case_id)
    cells = records.cells.list(case_id)
    own, keys = _names(records, user_id)
    return Gallery(
        case=case,
        photos=records.photos.list(case_id),
        cells=cells,
        own=own,
        keys=keys,
        side=side_for([cell.box for cell in cells]),
        references=references_for(records, labels) if labels else {},
        returned=records.returns.open([case_id]).get(case_id),
    )


def _names(records: Records, user_id: int) -> tuple[OwnLabels, Keys]:
    own = own_labels(records)
    return own, keys_of(records, user_id, own.usable)
