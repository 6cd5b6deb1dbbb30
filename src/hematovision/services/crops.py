"""Cells cut out of photos, so that people can look at them: a sealed sheet a photo, made once.

To decode a photo for every cell is slow. All cells of a photo are therefore cut at once, when
nothing more waits to be read or at the first look at one of them, and kept sealed beside the photo;
with the photo they are thrown away.
"""

import io
import math
import threading
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hematovision.cells import Box, CellReader, Heat, RgbImage
from hematovision.errors import (
    CellUnknownError,
    HematoVisionError,
    PhotoUnknownError,
    PictureNotKeptError,
)
from hematovision.storage.cells import Cell
from hematovision.storage.database import Database
from hematovision.storage.files import Files, PictureGoneError
from hematovision.storage.sealing import SealBrokenError
from hematovision.vision.cutting import (
    CROP_SIDE,
    PHOTO_SIDE,
    crop_pictures,
    jpeg_of,
    square_on,
)
from hematovision.vision.decoders import HERE, Decoder
from hematovision.vision.decoding import MAX_PIXELS

SIDES = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024)
"""Photo pixels that the crops of a case may show; few, so that few sheets are made."""
USUAL, ROOM = 0.9, 1.05
"""So many cells are shown whole, with a little room; a few large ones make no other look small."""
BEYOND = 200
"""The grey beyond a photo: no colour, so that nobody takes it for a part of the photo."""
SIZES = {"small": 320, "large": PHOTO_SIDE}
"""The longer side of a photo for the screen, in pixels."""
SAME = 0.5
"""The overlap from which on a box is that of the same cell."""

ReaderOf = Callable[[str | None, str], CellReader]
"""Gives the reader of a model by its hash, and its version for the case that there is none."""

_decoding = threading.Lock()
"""One photo is decoded at a time: forty million pixels take 120 MB."""
_explaining = threading.Lock()
"""One photo is read again at a time, and nobody who only looks waits for it."""


@dataclass(frozen=True, slots=True)
class Album:
    """Where pictures are found, and how large they may be.

    Attributes:
        database: Says which they are.
        files: Has them.
        max_pixels: Larger photos are refused.
        decoder: Turns their bytes into pixels.
    """

    database: Database
    files: Files
    max_pixels: int = MAX_PIXELS
    decoder: Decoder = HERE


def side_for(boxes: Sequence[Box]) -> int:
    """Say how many photo pixels the crops of a case show: one scale for all of them."""
    if not boxes:
        return CROP_SIDE
    longest = sorted(max(box.width, box.height) for box in boxes)
    usual = longest[math.ceil(USUAL * len(longest)) - 1]
    return next((side for side in SIDES if side >= ROOM * usual), SIDES[-1])


def get_crop(album: Album, case_id: int, cell_id: int, side: int) -> bytes:
    """Give a cell as a JPEG of `CROP_SIDE` pixels.

    Args:
        album: Where its photo is.
        case_id: The case it belongs to.
        cell_id: The cell.
        side: Photo pixels that it shows, one of `SIDES`.

    Raises:
        CellUnknownError: If the case has no such cell.
        PictureNotKeptError: If its photo is not there any more.
        HematoVisionError: Whatever `decode_image` refuses, under its own name.
    """
    cell, file = _find(album, case_id, cell_id)
    what = f"cells-{side}"
    found = _in_sheet(album.files.find_beside(file, what), cell_id)
    if found is not None:
        return found
    with _decoding:
        found = _in_sheet(album.files.find_beside(file, what), cell_id)
        if found is None:
            found = _make_sheet(album, cell.photo_id, file, side)[cell_id]
    return found


def prepare_crops(album: Album, case_id: int, photo_ids: Sequence[int]) -> None:
    """Cut the cells of photos before anybody looks at them, where that is not done.

    What cannot be cut now, such as a photo that was thrown away meanwhile, is left to who looks.
    """
    with album.database.reading() as records:
        boxes = records.cells.boxes(case_id)
        with_cells = {photo_id for photo_id, _ in boxes}
        found = [records.photos.find(each) for each in photo_ids if each in with_cells]
    side = side_for([box for _, box in boxes])
    for photo in found:
        if photo is None or photo.file is None:
            continue
        with _decoding, suppress(HematoVisionError):
            if album.files.find_beside(photo.file, f"cells-{side}") is None:
                _make_sheet(album, photo.id, photo.file, side)


def get_picture(album: Album, case_id: int | None, photo_id: int, size: str) -> bytes:
    """Give a photo as a JPEG, made once and kept beside it; of photos with one content the first.

    Args:
        album: Where it is.
        case_id: The case it belongs to.
        photo_id: The photo.
        size: One of `SIZES`, which say how many pixels the longer side has at most.

    Raises:
        PhotoUnknownError: If the case has no such photo.
        PictureNotKeptError: If it is not there any more.
        HematoVisionError: Whatever `decode_image` refuses, under its own name.
    """
    with album.database.reading() as records:
        photo = records.photos.find(photo_id)
        if photo is not None and photo.same_as is not None and photo.case_id == case_id:
            photo = records.photos.find(photo.same_as)
    if photo is None or photo.case_id != case_id:
        raise PhotoUnknownError("There is no such photo in this case.")
    file = _kept(photo.file)
    return _made_once(album, file, size, lambda: jpeg_of(_decode(album, file), longest=SIZES[size]))


def get_photo(album: Album, case_id: int, number: int) -> RgbImage:
    """Give a photo with all its pixels.

    Args:
        album: Where it is.
        case_id: The case it belongs to.
        number: Counts the photos of the case from one.

    Raises:
        PhotoUnknownError: If the case has no such photo.
        PictureNotKeptError: If it is not there any more.
        HematoVisionError: Whatever `decode_image` refuses, under its own name.
    """
    with album.database.reading() as records:
        photo = records.photos.find_number(case_id, number)
    if photo is None:
        raise PhotoUnknownError("There is no such photo in this case.")
    with _decoding:
        return _decode(album, _kept(photo.file))


@dataclass(frozen=True, slots=True)
class Explained:
    """What mattered in a cell.

    Attributes:
        box: Where the cell lies.
        heat: Where the answer comes from.
        crop: The cell, shape (CROP_SIDE, CROP_SIDE, 3).
        area: What the crop shows, in pixels of the photo.
    """

    box: Box
    heat: Heat
    crop: RgbImage
    area: Box


def explain_cell(
    album: Album, reader_of: ReaderOf, case_id: int, cell_id: int, side: int
) -> Explained | None:
    """Read the photo of a cell again, with the model whose answer is shown, to see what mattered.

    Args:
        album: Where its photo is.
        reader_of: Gives the model that said something; for a cell that a person boxed, the one
            that reads now.
        case_id: The case it belongs to.
        cell_id: The cell.
        side: Photo pixels that it shows, one of `SIDES`.

    Returns:
        None where the reader does not find the cell, or does not say.

    Raises:
        CellUnknownError: If the case has no such cell.
        PictureNotKeptError: If its photo is not there any more.
        ModelMissingError: If the model whose answer is shown is not to be had any more.
    """
    cell, file = _find(album, case_id, cell_id)
    reader = reader_of(cell.model_sha256, cell.model_version or "")
    with _decoding:
        photo = _decode(album, file)
    with _explaining:
        readings = reader.read(photo, explain=True)
    best = max(readings, key=lambda reading: reading.box.overlap(cell.box), default=None)
    if best is None or best.heat is None or best.box.overlap(cell.box) < SAME:
        return None
    area = square_on(cell.box, side)
    return Explained(cell.box, best.heat, crop_pictures(photo, [area], beyond=BEYOND)[0], area)


def _find(album: Album, case_id: int, cell_id: int) -> tuple[Cell, str]:
    with album.database.reading() as records:
        cell = records.cells.find(case_id, cell_id)
        photo = records.photos.find(cell.photo_id) if cell else None
    if cell is None or photo is None:
        raise CellUnknownError("There is no such cell in this case.")
    return cell, _kept(photo.file)


def _kept(file: str | None) -> str:
    if file is None:
        raise PictureNotKeptError("This picture is not kept.")
    return file


def _made_once(album: Album, file: str, what: str, make: Callable[[], bytes]) -> bytes:
    found = album.files.find_beside(file, what)
    if found is not None:
        return found
    with _decoding:
        found = album.files.find_beside(file, what)
        if found is None:
            found = make()
            album.files.put_beside(file, what, found)
    return found


def _decode(album: Album, file: str) -> RgbImage:
    try:
        return album.decoder.decode(album.files.get(file), max_pixels=album.max_pixels)
    except (PictureGoneError, SealBrokenError) as error:
        raise PictureNotKeptError("This picture is not kept any more.") from error


def _make_sheet(album: Album, photo_id: int, file: str, side: int) -> dict[int, bytes]:
    """Cut all cells of a photo, and keep them beside it."""
    photo = _decode(album, file)
    with album.database.reading() as records:
        cells = records.cells.on_photo(photo_id)
    areas = [square_on(cell.box, side) for cell in cells]
    ids = [cell.id for cell in cells]
    crops = dict(zip(ids, map(jpeg_of, crop_pictures(photo, areas, beyond=BEYOND)), strict=True))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as sheet:
        for cell_id, crop in crops.items():
            sheet.writestr(str(cell_id), crop)
    album.files.put_beside(file, f"cells-{side}", buffer.getvalue())
    return crops


def _in_sheet(sheet: bytes | None, cell_id: int) -> bytes | None:
    """Find a cell in a sheet; None where it was boxed after the sheet was made."""
    if sheet is None:
        return None
    with zipfile.ZipFile(io.BytesIO(sheet)) as crops:
        return crops.read(str(cell_id)) if str(cell_id) in crops.namelist() else None
