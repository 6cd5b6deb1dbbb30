"""The pictures that go with a report: its cells as people look at them, and its photos."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from hematovision.errors import HematoVisionError
from hematovision.exchange.pictures import PhotoPictures, mark_cells
from hematovision.exchange.report import Report, ReportCell
from hematovision.services.crops import Album, get_crop, get_photo, side_for
from hematovision.vision.cutting import cut_squares, square_on

AROUND = 2
"""A cell that is handed over to be learnt from has a square so many times as wide as it is."""


def crops_of(album: Album, report: Report) -> Callable[[ReportCell], bytes | None]:
    """Give pictures of a report's cells, all in the one scale of the gallery."""
    with album.database.reading() as records:
        ids = {cell.number: cell.id for cell in records.cells.list(report.case_id)}
    side = side_for([cell.box for cell in report.cells])

    def crop(cell: ReportCell) -> bytes | None:
        try:
            return get_crop(album, report.case_id, ids[cell.number], side)
        except (HematoVisionError, KeyError):
            # It is not kept, or not any more: the report says its numbers all the same.
            return None

    return crop


def photos_of(album: Album, report: Report) -> Iterator[PhotoPictures]:
    """Give the pictures of one photo after the other, as far as they are kept."""
    for number, group in groupby(_by_photo(report.cells), key=lambda cell: cell.photo):
        cells = list(group)
        try:
            photo = get_photo(album, report.case_id, number)
        except HematoVisionError:
            continue
        squares = [
            square_on(cell.box, AROUND * max(cell.box.width, cell.box.height)) for cell in cells
        ]
        cut = dict(zip((cell.number for cell in cells), cut_squares(photo, squares), strict=True))
        shown = [cell for cell in cells if cell.is_cell]
        yield PhotoPictures(number, mark_cells(photo, shown, report.own), cut)


def _by_photo(cells: Iterable[ReportCell]) -> Sequence[ReportCell]:
    return sorted(cells, key=lambda cell: (cell.photo, cell.number))
