"""Copies of photos as augmented sets hold them, made here, so that their sources are known."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hematovision.cells import RgbImage
from hematovision.learning import Track
from hematovision.learning.datasets import load_named
from hematovision.learning.leaks import find_sources, find_twins, group_twins

SIZE = (320, 240)
TURN = 20.0
SHIFT, SHEAR, ZOOM = 0.12, 0.2, 0.15
QUALITY = (60, 95)
Matrix = NDArray[np.float64]


def copy_photo(photo: RgbImage, generator: np.random.Generator) -> bytes:
    """Make a copy as the Kaggle set holds them: turned, shifted, sheared, mirrored, compressed.

    Args:
        photo: Shape (height, width, 3), uint8.
        generator: The source of chance.

    Returns:
        A JPEG of 320x240 whose missing corners are black; its contrast is stretched.
    """
    copy = cv2.warpAffine(photo, _matrix(photo.shape[:2], generator), SIZE, flags=cv2.INTER_AREA)
    dark, light = generator.uniform(0, 25), generator.uniform(225, 255)
    stretched = np.clip((copy.astype(np.float32) - dark) * (255 / (light - dark)), 0, 255)
    stretched[copy.max(axis=2) == 0] = 0
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(generator.integers(*QUALITY))]
    _, data = cv2.imencode(".jpg", stretched.astype(np.uint8)[:, :, ::-1], quality)
    return data.tobytes()


def _matrix(shape: tuple[int, ...], generator: np.random.Generator) -> Matrix:
    """Draw a map from the photo to the copy: shape (2, 3)."""
    height, width = shape
    turn = np.deg2rad(generator.uniform(-TURN, TURN))
    zoom = generator.uniform(1 - ZOOM, 1 + ZOOM) * SIZE[0] / width
    mirror = np.diag(generator.choice((-1.0, 1.0), 2))
    shear = np.array([[1, generator.uniform(-SHEAR, SHEAR)], [0, 1]])
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = zoom * turned @ shear @ mirror
    middle = np.array(SIZE) / 2 + generator.uniform(-SHIFT, SHIFT, 2) * SIZE
    return np.column_stack([linear, middle - linear @ (np.array([width, height]) / 2)])


def write_copies(
    photos: Sequence[Path], each: int, folder: Path, *, seed: int, track: Track
) -> list[Path]:
    """Write copies of every photo: `each` of the first, then of the second, and so on."""
    generator = np.random.default_rng(seed)
    written = []
    for number, photo in enumerate(track(photos, "copies")):
        picture = load_named(photo)
        for copy in range(each):
            written.append(folder / f"{number:05}-{copy:03}.jpg")
            written[-1].write_bytes(copy_photo(picture, generator))
    return written


def try_lens(
    photos: Sequence[Path], each: int, folder: Path, *, seed: int, track: Track
) -> dict[str, Any]:
    """Measure how often copies are told right, without and with their photos at hand.

    Photos that show one field are one source: a copy of either may come from both.

    Args:
        photos: The sources.
        each: Copies of each.
        folder: An empty folder for the copies.
        seed: The source of chance.
        track: Shows how far it is.

    Returns:
        `copies`; of their sources `right`, `wrong` and `none`; of the copies by themselves
        `alone`, those in no group with another copy of their source, `apart`, those outside the
        largest group of their source, and `merged`, those in a group that is mostly of another
        source; `seconds` for this grouping.
    """
    copies = write_copies(photos, each, folder, seed=seed, track=track)
    fields = group_twins(len(photos), find_twins(photos, track=track))
    truth = [fields[place // each] for place in range(len(copies))]
    found = find_sources(copies, photos, track=track)
    told = [None if source is None else fields[source] for source in found]
    began = perf_counter()
    groups = group_twins(len(copies), find_twins(copies, track=track))
    seconds = perf_counter() - began
    return {
        "copies": len(copies),
        "right": sum(one == other for one, other in zip(told, truth, strict=True)),
        "wrong": sum(one not in {None, other} for one, other in zip(told, truth, strict=True)),
        "none": told.count(None),
        **_judge_groups(groups, truth),
        "seconds": round(seconds, 1),
    }


def _judge_groups(groups: Sequence[int], truth: Sequence[int]) -> dict[str, int]:
    """Compare groups that were found with the true ones."""
    pairs = Counter(zip(groups, truth, strict=True))
    owner = {group: source for (group, source), _ in reversed(pairs.most_common())}
    home = {source: group for (group, source), _ in reversed(pairs.most_common())}
    joined = list(zip(groups, truth, strict=True))
    return {
        "alone": sum(pairs[one] == 1 for one in joined),
        "apart": sum(home[source] != group for group, source in joined),
        "merged": sum(owner[group] != source for group, source in joined),
    }
