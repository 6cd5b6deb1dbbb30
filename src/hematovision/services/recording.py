"""Readings on record: what was said of a photo that belongs to no case, and the photo, sealed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hematovision.cells import PhotoReading, RgbImage
from hematovision.errors import PhotoUnknownError
from hematovision.observing.signals import Stage, stage
from hematovision.services.hands import Hand
from hematovision.services.readings import ReadPhoto
from hematovision.services.rotation import insist_on_key
from hematovision.storage.database import Database, Records
from hematovision.storage.files import Files, PictureGoneError
from hematovision.storage.photos import Sent
from hematovision.storage.readings import KeptReading
from hematovision.storage.sealing import SealBrokenError
from hematovision.vision.decoders import HERE, Decoder
from hematovision.vision.decoding import MAX_PIXELS
from hematovision.vision.stripping import strip

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """Where readings are kept that somebody asked for the quick way.

    Attributes:
        database: Keeps what was said.
        files: Keeps the pictures, sealed.
        keep_pictures: Whether pictures are kept at all.
        decoder: Turns their bytes into pixels.
    """

    database: Database
    files: Files
    keep_pictures: bool
    decoder: Decoder = HERE


@dataclass(frozen=True, slots=True)
class Noted:
    """A reading that is to be kept.

    Attributes:
        reading: What was said.
        size: Bytes of the file as it was sent.
        picture: The file without its metadata; None where it is not to be kept.
        claim: Of what is recorded once: a file of a watched folder, a picture of a request.
    """

    reading: PhotoReading
    size: int
    picture: bytes | None
    claim: str | None = None

    @classmethod
    def of(
        cls,
        read: ReadPhoto,
        data: bytes,
        *,
        keep_picture: bool,
        decoder: Decoder = HERE,
        claim: str | None = None,
    ) -> Self:
        """Note what is kept of a photo, its reading and its file."""
        picture = strip(data, read.photo, decoder) if keep_picture else None
        return cls(read.reading, len(data), picture, claim)


def record_reading(
    record: Record, read: ReadPhoto, data: bytes, *, by: Hand, claim: str | None = None
) -> int:
    """Keep the reading of a photo that belongs to no case; give the id of its photo.

    Args:
        record: Where it is kept.
        read: The photo and what was said.
        data: The file as it was sent.
        by: Who sent it, through which door, when.
        claim: Under which it is recorded once; None where it may be again.

    Raises:
        KeyOutdatedError: If this machine was not given the key that holds.
        AlreadyThereError: If it was claimed and is on record.
    """
    with stage(Stage.RECORD):
        noted = Noted.of(
            read,
            data,
            keep_picture=record.keep_pictures,
            decoder=record.decoder,
            claim=claim,
        )
        (photo_id,) = record_readings(record, [noted], by=by)
    return photo_id


def record_readings(record: Record, readings: Sequence[Noted], *, by: Hand) -> Sequence[int]:
    """Keep readings of photos that belong to no case: all of them, or none.

    A picture that was read before is another photo: somebody else asked, or at another time.

    Args:
        record: Where they are kept.
        readings: What is kept of each.
        by: Who sent them, through which door, when.

    Returns:
        The ids of their photos.

    Raises:
        KeyOutdatedError: If this machine was not given the key that holds.
        AlreadyThereError: If a file that was claimed is on record.
    """
    names: list[str | None] = []
    try:
        for noted in readings:
            names.append(None if noted.picture is None else record.files.put(noted.picture))
        with record.database.transaction() as records:
            insist_on_key(records, record.files.seal)
            pairs = zip(readings, names, strict=True)
            return [_record(records, noted, name, by) for noted, name in pairs]
    except BaseException:
        # No row speaks of them.
        for name in filter(None, names):
            record.files.discard(name)
        raise


def get_reading(database: Database, photo_id: int) -> KeptReading:
    """Give what the newest model said of a photo.

    Raises:
        PhotoUnknownError: If there is no such photo, or none has read it.
    """
    with database.reading() as records:
        kept = records.readings.find(photo_id)
    if kept is None:
        raise PhotoUnknownError("There is no such reading.")
    return kept


def is_recorded(
    database: Database, photo_id: int, reading: PhotoReading, *, sent_by: int | None
) -> bool:
    """Tell whether somebody's photo is on record with this content and this model's answer."""
    with database.reading() as records:
        kept = records.readings.find(photo_id)
    return kept is not None and (
        (kept.sent_by, kept.reading.image_sha256, kept.reading.model.sha256)
        == (sent_by, reading.image_sha256, reading.model.sha256)
    )


def find_picture(
    files: Files, kept: KeptReading, *, max_pixels: int = MAX_PIXELS, decoder: Decoder = HERE
) -> RgbImage | None:
    """Give the photo of a reading; None where it is not kept, or not to be had any more.

    Args:
        files: Keeps the pictures.
        kept: The reading.
        max_pixels: Larger pictures are refused.
        decoder: Turns its bytes into pixels.

    Returns:
        The upright photo of shape (height, width, 3), RGB, uint8, 0-255.
    """
    if kept.file is None:
        return None
    try:
        return decoder.decode(files.get(kept.file), max_pixels=max_pixels)
    except (PictureGoneError, SealBrokenError):
        log.exception("The picture of photo %d cannot be shown", kept.photo_id)
        return None


def _record(records: Records, noted: Noted, name: str | None, by: Hand) -> int:
    reading = noted.reading
    sent = Sent(reading.image_sha256, noted.size, name, by.door, by.user_id, by.now)
    photo_id = records.photos.add_read(sent, reading)
    if noted.claim is not None:
        records.claims.add(noted.claim, now=by.now, became=photo_id)
    details = {
        "sha256": reading.image_sha256,
        "cells": len(reading.cells),
        "model": reading.model.sha256,
        "kept": name is not None,
    }
    records.audit.add(by.did("photo.read", f"photo {photo_id}", details))
    return photo_id
