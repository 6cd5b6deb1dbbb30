"""Reference cells: of known type, to show beside doubtful ones."""

import hashlib
import re
from collections.abc import Mapping, Sequence

from hematovision.errors import LabelInvalidError, LabelUnknownError, PictureNotKeptError
from hematovision.services.crops import Album
from hematovision.services.hands import Hand
from hematovision.services.naming import own_labels
from hematovision.services.rotation import insist_on_key
from hematovision.storage.cells import Place
from hematovision.storage.database import Database, Records
from hematovision.storage.files import Files, PictureGoneError
from hematovision.storage.references import Reference
from hematovision.storage.sealing import SealBrokenError
from hematovision.vision.cutting import CROP_SIDE, jpeg_of

SOURCE = re.compile(r"[\w](?:[\w ./-]{0,62}[\w])?")
SHOWN = 3
"""So many of each name are shown."""

Shown = Mapping[str, Sequence[Reference | Place]]


def add_reference(album: Album, label: str, source: str, picture: bytes, *, by: Hand) -> bool:
    """Keep a cell of known type.

    Args:
        album: Where it is kept.
        label: The code of what it is.
        source: Whence its set comes, as the laboratory calls it.
        picture: The file of one cell; only its pixels are kept.
        by: Who adds it.

    Returns:
        False where this very picture is there already.

    Raises:
        LabelUnknownError: If a cell cannot be called so here.
        LabelInvalidError: If the source has no name that can be shown.
        HematoVisionError: Whatever `decode_image` refuses, under its own name.
    """
    if not SOURCE.fullmatch(source):
        raise LabelInvalidError("This cannot be the name of a set.")
    with album.database.reading() as records:
        if label not in {one.code for one in own_labels(records).usable}:
            raise LabelUnknownError("No cell is called %(label)s here.", label=label)
    pixels = album.decoder.decode(picture, max_pixels=album.max_pixels)
    file = album.files.put(jpeg_of(pixels, longest=CROP_SIDE))
    sha256 = hashlib.sha256(picture).hexdigest()
    with album.database.transaction() as records:
        insist_on_key(records, album.files.seal)
        reference = Reference(0, label, source, file)
        added = records.references.add(reference, sha256, by=by.user_id, now=by.now)
        if added:
            records.audit.add(by.did("reference.added", f"label {label}", {"sha256": sha256}))
    if not added:
        album.files.delete(file)
    return added


def remove_references(database: Database, files: Files, source: str, *, by: Hand) -> int:
    """Forget a set; give how many cells it had."""
    with database.transaction() as records:
        gone = records.references.remove(source)
        if gone:
            records.discards.add(gone, now=by.now)
            records.audit.add(by.did("references.removed", "references", {"cells": len(gone)}))
    for file in gone:
        files.discard(file)
    return len(gone)


def count_references(database: Database) -> Sequence[tuple[str, str, int]]:
    """Count the cells of every set by source and label."""
    with database.reading() as records:
        return records.references.count()


def references_for(records: Records, labels: Sequence[str]) -> Shown:
    """Choose cells to show for each label: of a loaded set, else those confirmed here."""
    loaded = records.references.some(labels, SHOWN)
    confirmed = records.cells.confirmed(labels, SHOWN + 1)
    return {label: [*loaded[label], *confirmed[label]] for label in labels}


def get_reference(album: Album, reference_id: int) -> bytes:
    """Give the picture of a reference cell, a JPEG.

    Raises:
        PictureNotKeptError: If it is not there.
    """
    with album.database.reading() as records:
        reference = records.references.find(reference_id)
    try:
        if reference is not None:
            return album.files.get(reference.file)
    except (PictureGoneError, SealBrokenError) as error:
        raise PictureNotKeptError("This picture is not kept any more.") from error
    raise PictureNotKeptError("There is no such reference cell.")
