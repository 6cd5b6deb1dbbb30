"""Cases with photos and cells, for tests of what people say of them."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import cycle, islice

import numpy as np
from PIL import Image

from hematovision.cells import (
    Box,
    CellReader,
    CellType,
    Decision,
    Doubt,
    ModelIdentity,
    Reading,
    RgbImage,
)
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.hands import Hand
from hematovision.storage.cases import Case
from hematovision.storage.cells import Cell
from hematovision.storage.database import Database
from hematovision.storage.files import Files

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
FIVE = [kind for kind in CellType if kind is not CellType.OTHER]
SIDE = 24


class FilmReader:
    """Says many cells of every photo, of all types, every fourth unidentified."""

    model = ModelIdentity("film", "1.2.3", "1" * 64)

    def __init__(self, number: int) -> None:
        self.number = number

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        width = photo.shape[1]
        places = [divmod(place * SIDE, width // SIDE * SIDE) for place in range(self.number)]
        kinds = islice(cycle(FIVE), self.number)
        return [
            reading(Box(x, SIDE * y, x + SIDE, SIDE * (y + 1)), kind, place)
            for place, ((y, x), kind) in enumerate(zip(places, kinds, strict=True))
        ]


def reading(box: Box, kind: CellType, place: int) -> Reading:
    """Say a type, less surely of every second cell and not at all of every fourth."""
    other = FIVE[(FIVE.index(kind) + 1) % 5]
    share = (0.99, 0.72, 0.51, 0.85)[place % 4]
    rest = dict.fromkeys(CellType, 0.0) | {other: 1 - share}
    is_sure = share > 0.6
    return Reading(
        box,
        Decision.NAMED if is_sure else Decision.UNIDENTIFIED,
        kind if is_sure else None,
        share,
        rest | {kind: share},
        (kind,) if is_sure else (kind, other),
        () if is_sure else (Doubt.SEVERAL,),
        morphology="round nucleus, dense chromatin" if is_sure else None,
    )


def picture(number: int = 0, width: int = 480, height: int = 360) -> bytes:
    """Draw a JPEG that no other number has."""
    grey = np.random.default_rng(number).integers(90, 220, (height // 8, width // 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).resize((width, height)).save(buffer, "JPEG")
    return buffer.getvalue()


def make_case(
    database: Database,
    files: Files,
    reader: CellReader,
    photos: Sequence[bytes],
    accession: str = "26-0837",
    at: datetime = NOW,
) -> Case:
    """Make a case whose photos are read."""
    by = Hand(None, "page", at)
    with database.transaction() as records:
        case = records.cases.add(accession, "", by=None, now=at)
    for photo in photos:
        add_photo(database, files, case, photo, by=by)
    desk = Desk(database, files, reader)
    while read_next(desk, "worker", clock=lambda: at):
        pass
    return case


def cells_of(database: Database, case: Case) -> list[Cell]:
    with database.reading() as records:
        return list(records.cells.list(case.id))
