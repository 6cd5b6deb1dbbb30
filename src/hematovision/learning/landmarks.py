"""What a picture is recognised by: small places that look alike at any turn, size and light."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hematovision.cells import RgbImage

SIDE = 320
"""Longer side at which pictures are described; that of the Kaggle copies."""
MOST = 250
BLACK = 24
"""Pixels darker than this in every colour are no part of a smear: the filled edge of a copy."""
EDGE = 9
_MIRROR = np.arange(128).reshape(4, 4, 8)[::-1][:, :, [0, 7, 6, 5, 4, 3, 2, 1]].ravel()


@dataclass(frozen=True, slots=True)
class Landmarks:
    """What is kept of a picture.

    Attributes:
        places: Shape (N, 2), float32, x and y in pixels of the picture at `SIDE`.
        looks: Shape (N, 128), uint8, SIFT (Lowe, 2004).
        grey: Shape (height, width), uint8, at half of `SIDE`; 0 where there is no smear.
    """

    places: NDArray[np.float32]
    looks: NDArray[np.uint8]
    grey: NDArray[np.uint8]


NO_LANDMARKS = Landmarks(
    np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8), np.zeros((4, 4), np.uint8)
)


def find_landmarks(picture: RgbImage) -> Landmarks:
    """Find the places by which a picture is recognised.

    Args:
        picture: Shape (height, width, 3), uint8.
    """
    scale = SIDE / max(picture.shape[:2])
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    height, width = (max(8, round(scale * side)) for side in picture.shape[:2])
    small = cv2.resize(picture, (width, height), interpolation=shrink)
    seen = (small.max(axis=2) >= BLACK).astype(np.uint8)
    seen = cv2.erode(seen, np.ones((EDGE, EDGE), np.uint8), borderValue=1)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    finder = cv2.SIFT.create(nfeatures=MOST, contrastThreshold=0.02, edgeThreshold=12)
    found, looks = finder.detectAndCompute(grey, seen)
    if looks is None:
        found, looks = (), np.zeros((0, 128))
    half = (max(4, width // 2), max(4, height // 2))
    light = cv2.resize(np.maximum(grey, 1), half, interpolation=cv2.INTER_AREA)
    light[cv2.resize(seen, half, interpolation=cv2.INTER_NEAREST) == 0] = 0
    places = np.asarray([one.pt for one in found[:MOST]], np.float32).reshape(-1, 2)
    return Landmarks(places, looks[:MOST].astype(np.uint8), light)


def comparable(looks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give looks unit length under Hellinger's kernel (RootSIFT; Arandjelovic, Zisserman, 2012)."""
    sums = np.maximum(looks.sum(axis=1, keepdims=True, dtype=np.float32), 1)
    return np.asarray(np.sqrt(looks / sums), np.float32)


def mirrored(looks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give the looks that the same places have in the mirrored picture."""
    return looks[:, _MIRROR]
