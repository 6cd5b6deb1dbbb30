"""Pictures of a case as a ZIP: photos with their cells marked, and cells in folders by class.

Names in it are made of numbers and codes; nothing of what was sent is among them.
"""

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np

from hematovision.cells import NOTICE, RgbImage
from hematovision.exchange.marks import INK, WHITE, mark_of
from hematovision.exchange.report import Report, ReportCell
from hematovision.exchange.tabular import CELL_COLUMNS, Row, cell_rows
from hematovision.exchange.workbooks import about, write_csv
from hematovision.labels import Label

COLUMNS = ("picture", *CELL_COLUMNS)
"""Of `cells.csv` in the ZIP: `picture` is where the cell lies there; empty where it is not kept."""
FONT = Path(__file__).parent / "fonts" / "DejaVuSansCondensed-Bold.ttf"
QUALITY = 92
READ_ME = """\
{notice}

photos/           the photos, with a box and the letter of its class at every cell
cells/confirmed/  cells as people called them, a folder a class: to be trained on
cells/suggested/  cells of which nobody said anything, as the system suggests
cells.csv         a row a cell: where its picture is, what machine and people say of it

A picture of a cell is a square of unchanged pixels, twice as wide as the cell, with the cell in
its middle. Cells of one photo resemble each other: keep those with the same number in the column
"photo" on the same side when you split them.

{about}
"""


@dataclass(frozen=True, slots=True)
class PhotoPictures:
    """What is handed over of one photo.

    Attributes:
        number: Counts the photos of the case from one.
        marked: The photo with its cells marked, shape (height, width, 3).
        cells: A square around each cell, by its number.
    """

    number: int
    marked: RgbImage
    cells: Mapping[int, RgbImage]


def write_pictures(stream: IO[bytes], report: Report, photos: Iterable[PhotoPictures]) -> None:
    """Write a ZIP, one photo after the other.

    Args:
        stream: Where to; it can be sought.
        report: The case.
        photos: Those that are kept; each is let go of before the next is asked for.
    """
    cells = {cell.number: cell for cell in report.cells}
    written: dict[int, str] = {}
    # Pictures are squeezed already.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for photo in photos:
            archive.writestr(f"photos/photo-{photo.number:04}.jpg", _encoded(photo.marked, "JPEG"))
            for number, picture in photo.cells.items():
                written[number] = name_of(cells[number])
                archive.writestr(written[number], _encoded(picture, "PNG"))
        with archive.open("cells.csv", "w") as table:
            write_csv(table, COLUMNS, _rows(report, written))
        said = "\n".join(f"{name}: {value}" for name, value in about(report))
        archive.writestr("README.txt", READ_ME.format(notice=NOTICE, about=said))


def name_of(cell: ReportCell) -> str:
    """Say where the picture of a cell lies: by class, photo and cell."""
    pile = "confirmed" if cell.person else "suggested"
    folder = re.sub(r"\W", "_", cell.called)
    return f"cells/{pile}/{folder}/photo-{cell.photo:04}-cell-{cell.number:05}.png"


def mark_cells(photo: RgbImage, cells: Sequence[ReportCell], own: Sequence[Label]) -> RgbImage:
    """Draw a box around every cell of a photo, and the letter of its class in the box's corner.

    Args:
        photo: Shape (height, width, 3), RGB, uint8, 0-255; it is left as it is.
        cells: Of this photo.
        own: The laboratory's own labels.
    """
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(photo)
    drawing = ImageDraw.Draw(image)
    height = max(12, min(photo.shape[:2]) // 30)
    font = ImageFont.truetype(FONT, height)
    thick = max(1, height // 8)
    for cell in cells:
        box, mark = cell.box, mark_of(cell.called, own)
        edges = (box.xmin, box.ymin, box.xmax - 1, box.ymax - 1)
        # White beside dark is seen on any stain.
        drawing.rectangle([edges[0] - 1, edges[1] - 1, edges[2] + 1, edges[3] + 1], outline=WHITE)
        drawing.rectangle(edges, outline=INK, width=thick)
        corner = (edges[0], edges[1], edges[0] + 1.4 * height, edges[1] + 1.4 * height)
        ground = mark.colour if mark.is_filled else WHITE
        drawing.rectangle(corner, fill=ground, outline=INK)
        middle = (edges[0] + 0.7 * height, edges[1] + 0.7 * height)
        drawing.text(middle, mark.letter, fill=mark.ink, font=font, anchor="mm")
    return np.asarray(image)


def _rows(report: Report, written: Mapping[int, str]) -> Iterable[Row]:
    for cell, row in zip(report.cells, cell_rows(report), strict=True):
        yield (written.get(cell.number, ""), *row)


def _encoded(picture: RgbImage, kind: str) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    fast = {"compress_level": 1}
    options = {"quality": QUALITY, "subsampling": 0} if kind == "JPEG" else fast
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()
