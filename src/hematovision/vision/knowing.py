"""How much a cell resembles the leukocytes that the model has learnt."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hematovision.vision.bundle import damaged_by

SIGNALS = 4
"""Odds of a named type, evidence for one, distance to the nearest, length of the features."""
DISTANCE = 2
"""The place of the distance among them."""

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Knower:
    """Weighs signals of one network into a score of 0 to 1.

    C types, of which T have names; D features of the pooler; K directions that are kept of them.

    Attributes:
        named: Which of the network's types have names, shape (C,), bool.
        middle: Mean of the features that were learnt, shape (D,).
        axes: Directions in which named cells of one type spread by about one, shape (D, K).
        centres: Where the named types lie along them, shape (T, K).
        weights: Of the signals, shape (SIGNALS,).
        bias: Added to their weighted sum, shape ().
    """

    named: NDArray[np.bool_]
    middle: Floats
    axes: Floats
    centres: Floats
    weights: Floats
    bias: Floats

    def __post_init__(self) -> None:
        """Insist on shapes that go together.

        Raises:
            ValueError: If they do not, or a number is not finite.
        """
        numbers = (self.middle, self.axes, self.centres, self.weights, self.bias)
        shapes = [array.shape for array in numbers]
        (features, *_), kept = self.middle.shape or (0,), self.axes.shape[-1:]
        types = int(np.count_nonzero(self.named))
        expected = [(features,), (features, *kept), (types, *kept), (SIGNALS,), ()]
        if self.named.dtype != np.bool_ or self.named.ndim != 1 or shapes != expected:
            raise ValueError(f"its arrays of shapes {shapes} do not go together")
        if not 0 < types < len(self.named):
            raise ValueError("it must know named types and others")
        if not all(np.issubdtype(array.dtype, np.floating) for array in numbers):
            raise ValueError("it holds something else than numbers")
        if not all(np.isfinite(array).all() for array in numbers):
            raise ValueError("it holds numbers that are not finite")

    def __call__(self, logits: NDArray[np.float32], features: NDArray[np.float32]) -> Floats:
        """Say how much cells resemble those that were learnt.

        Args:
            logits: Shape (N, C), of the network that the knower was fitted to.
            features: Shape (N, D), of the same.

        Returns:
            Shape (N,), 0-1; one is a cell like those learnt.
        """
        return self.weigh(self.signals(logits, features))

    def weigh(self, signals: Floats) -> Floats:
        """Turn signals of shape (N, SIGNALS) into scores of shape (N,), 0-1."""
        known: Floats = 0.5 * (1 + np.tanh((signals @ self.weights + self.bias) / 2))
        return known

    def signals(self, logits: NDArray[np.float32], features: NDArray[np.float32]) -> Floats:
        """Measure what is weighed.

        The evidence for a named type is the energy of Liu et al., Energy-based out-of-distribution
        detection, 2020, over named types alone; the distance is that of Lee et al., A simple
        unified framework for detecting out-of-distribution samples, 2018.

        Args:
            logits: Shape (N, C).
            features: Shape (N, D).

        Returns:
            Shape (N, SIGNALS): log-odds of named against other types, evidence for the named
            types, and the logarithms of the distance to the nearest and of the features' length.
        """
        evidence = _log_sum(logits[:, self.named])
        odds = evidence - _log_sum(logits[:, ~self.named])
        length = np.linalg.norm(features.astype(np.float64), axis=1)
        return np.stack([odds, evidence, self.distances(features), np.log1p(length)], axis=1)

    def distances(self, features: NDArray[np.float32]) -> Floats:
        """Measure how far cells are from the nearest named type.

        Args:
            features: Shape (N, D).

        Returns:
            The logarithm of the squared distance and one, shape (N,).
        """
        placed = (features.astype(np.float64) - self.middle) @ self.axes
        apart: Floats = np.log1p(((placed[:, None] - self.centres) ** 2).sum(axis=2).min(axis=1))
        return apart

    def fits(self, logits: NDArray[np.float32], features: NDArray[np.float32]) -> bool:
        """Tell whether a network with such outputs, (N, C) and (N, D), can be the one it knows."""
        return (logits.shape[1:], features.shape[1:]) == (self.named.shape, self.middle.shape)

    def save(self, path: Path) -> None:
        """Write `known.npz`."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        np.savez_compressed(path, **arrays)


ARRAYS = tuple(Knower.__dataclass_fields__)
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error)
"""What NumPy raises of archives that are damaged, and `Knower` of arrays that do not fit."""


def load_knower(path: Path) -> Knower:
    """Read `known.npz`.

    Raises:
        ModelDamagedError: If it cannot be understood.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Knower(**{name: arrays[name] for name in ARRAYS})
    except UNREADABLE as error:
        raise damaged_by(path, error) from error


def _log_sum(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the logarithm of the sum of exponentials along a row: shape (N,)."""
    most = logits.max(axis=1).astype(np.float64)
    total: NDArray[np.float64] = np.log(np.exp(logits - most[:, None]).sum(axis=1)) + most
    return total
