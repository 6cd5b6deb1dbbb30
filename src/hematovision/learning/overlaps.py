"""Whether two pictures show a part of the same field, by laying one over the other."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hematovision.learning.landmarks import Landmarks, comparable, mirrored

RATIO = 0.85
CLOSE = 3.0
FEWEST = 6
"""Places that must lie where the other picture has them."""

ALIKE = 0.7
"""Least correlation of fine detail where both pictures overlap. In BCCD and PBC, pairs that show
the same reach 0.9 and more; nothing lies between 0.61 and 0.9."""

MANY, ALIKE_OF_MANY = 20, 0.4
"""So many places need less: by chance 7 at most fit in PBC."""

LEAST_AREA = 0.04
SCALES = (0.3, 3.3)
MOST_SHEAR = 1.6
FINE, COARSE = 1.2, 12.0

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How two pictures lie on one another.

    Attributes:
        places: Distinct landmarks that fit.
        alike: Correlation of fine detail in the shared area, -1 to 1.
        area: Shared part of the second picture, 0 to 1.
    """

    places: int
    alike: float
    area: float

    @property
    def sure(self) -> bool:
        """Whether they show the same."""
        least = ALIKE_OF_MANY if self.places >= MANY else ALIKE
        return self.places >= FEWEST and self.alike >= least and self.area >= LEAST_AREA


NONE = Overlap(0, 0.0, 0.0)
SAME = Overlap(FEWEST, 1.0, 1.0)


def lay_over(one: Landmarks, other: Landmarks) -> Overlap:
    """Look for the turn, size, shear and shift that lays one picture over another.

    An affine map is fitted to matching landmarks (RANSAC; Fischler and Bolles, 1981), also of the
    mirrored picture, and checked by the correlation of fine detail.

    Args:
        one: The picture that is moved.
        other: The picture on which it is laid.
    """
    best, places = None, 0
    for looks in (other.looks, mirrored(other.looks)):
        matrix, fitting = _fit(one.places, one.looks, other.places, looks)
        if fitting > places:
            best, places = matrix, fitting
    if best is None:
        return NONE
    alike, area = _compare(one.grey, other.grey, best)
    return Overlap(places, alike, area)


def _fit(
    places: NDArray[np.float32],
    looks: NDArray[np.uint8],
    other_places: NDArray[np.float32],
    other_looks: NDArray[np.uint8],
) -> tuple[Matrix | None, int]:
    """Fit a map to landmarks that are each other's nearest; give it and the places that fit."""
    pairs = _mutual(comparable(looks), comparable(other_looks))
    if len(pairs) < FEWEST:
        return None, 0
    one, other = places[pairs[:, 0]], other_places[pairs[:, 1]]
    cv2.setRNGSeed(0)
    matrix, inside = cv2.estimateAffine2D(
        one,
        other,
        method=cv2.RANSAC,
        ransacReprojThreshold=CLOSE,
        maxIters=1000,
        confidence=0.995,
    )
    if matrix is None or not _plausible(matrix):
        return None, 0
    fitting = np.round(one[inside.ravel() > 0] / 4)
    return matrix, len(np.unique(fitting, axis=0))


def _mutual(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.intp]:
    """Pair looks that are each other's nearest, and clearly so: shape (N, 2)."""
    if len(one) < FEWEST or len(other) < FEWEST:
        return np.zeros((0, 2), np.intp)
    alike = one @ other.T
    forth, back = alike.argmax(axis=1), alike.argmax(axis=0)
    rows = np.arange(len(one))
    first = alike[rows, forth]
    alike[rows, forth] = -2
    second = alike.max(axis=1)
    clear = (2 - 2 * first) < RATIO**2 * (2 - 2 * second)
    kept = rows[clear & (back[forth] == rows)]
    return np.stack([kept, forth[kept]], axis=1)


def _plausible(matrix: Matrix) -> bool:
    """Tell whether a map turns, shears and resizes no more than copies do."""
    large, small = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return bool(SCALES[0] < small and large < SCALES[1] and large / small < MOST_SHEAR)


def _compare(
    one: NDArray[np.uint8], other: NDArray[np.uint8], matrix: Matrix
) -> tuple[float, float]:
    """Correlate fine detail where both pictures have some, and say how much that is."""
    halved = matrix.copy()
    halved[:, 2] /= 2
    size = (other.shape[1], other.shape[0])
    moved = cv2.warpAffine(one, halved, size, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.warpAffine((one > 0).astype(np.uint8), halved, size) & (other > 0).astype(np.uint8)
    shared = cv2.erode(seen, np.ones((5, 5), np.uint8)) > 0
    area = float(shared.mean())
    if area < LEAST_AREA:
        return 0.0, area
    detail = [_detail(picture)[shared] for picture in (moved, other)]
    first, second = (some - some.mean() for some in detail)
    strength = np.sqrt((first @ first) * (second @ second)) + 1e-6
    return float(first @ second / strength), area


def _detail(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Leave out what varies slowly, and single pixels."""
    light = grey.astype(np.float32)
    fine = cv2.GaussianBlur(light, (0, 0), FINE)
    detail: NDArray[np.float32] = fine - cv2.GaussianBlur(light, (0, 0), COARSE)
    return detail
