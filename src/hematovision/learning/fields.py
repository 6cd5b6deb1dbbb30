"""Photos of one field found by content: shifted, or in another focus."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from hematovision.learning import LearningError
from hematovision.learning.groups import group_pairs

VIEW = (160, 120)
SAME_FIELD = 15.5
"""Height of the correlation peak over its spread. The pairs known in BCCD reach 18.5 to 75; below
15.5 nearly all are unrelated. To group a pair for nothing costs little; a pair missed leaks."""


class FieldUnreadableError(LearningError):
    """A photo is missing or cannot be decoded."""


def group_fields(paths: Sequence[Path]) -> list[int]:
    """Give photos that show a part of the same field the same group.

    Every pair is compared by phase correlation (Kuglin and Hines, 1975): finds any shift, and
    another focus, of photos at one scale; not rotation or flips.

    Args:
        paths: Photos of one microscope and one size.

    Returns:
        One group number a photo, in their order: the index of the group's first photo.

    Raises:
        FieldUnreadableError: If one is missing or cannot be decoded.
    """
    return group_pairs(len(paths), _overlapping_pairs(_spectra(paths)))


def _spectra(paths: Sequence[Path]) -> NDArray[np.complex64]:
    """Give each photo's whitened, low-passed spectrum, padded to twice its size."""
    width, height = VIEW
    rows = np.fft.fftfreq(2 * height)[:, None]
    columns = np.fft.rfftfreq(2 * width)[None]
    low_pass = np.exp(-(rows**2 + columns**2) / (2 * 0.16**2))
    spectra = []
    for path in paths:
        try:
            with Image.open(path) as photo:
                small = photo.convert("L").resize(VIEW, Image.Resampling.BOX)
        except OSError as error:
            raise FieldUnreadableError(f"{path}: {error}.") from error
        detail = np.asarray(small.filter(ImageFilter.GaussianBlur(0.75)), np.float32)
        detail = detail - np.asarray(small.filter(ImageFilter.GaussianBlur(6)), np.float32)
        spectrum = np.fft.rfft2(detail - detail.mean(), s=(2 * height, 2 * width))
        strength = np.abs(spectrum)
        spectra.append(spectrum / (strength + 1e-3 * strength.mean()) * low_pass)
    return np.asarray(spectra, np.complex64)


def _overlapping_pairs(spectra: NDArray[np.complex64]) -> list[tuple[int, int]]:
    """Give the pairs of photos whose correlation has one sharp peak."""
    width, height = VIEW
    pairs = []
    for one in range(len(spectra) - 1):
        products = spectra[one] * np.conj(spectra[one + 1 :])
        correlation = np.fft.irfft2(products, s=(2 * height, 2 * width))
        peaks = correlation.max(axis=(1, 2)) / correlation.std(axis=(1, 2))
        pairs += [(one, one + 1 + int(i)) for i in np.flatnonzero(peaks > SAME_FIELD)]
    return pairs
