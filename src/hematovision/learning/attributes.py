"""The eleven words of morphology that experts gave the cells of PBC (WBCAtt, Tsutsui 2023)."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from hematovision.learning.datasets import Cell, DataMissingError

Vocabulary = Mapping[str, tuple[str, ...]]
"""The values of every attribute, in the order of the network's outputs."""

NOT_ATTRIBUTES = ("image", "cell_type", "split")


def read_attributes(data: Path) -> dict[str, dict[str, str]]:
    """Read what the experts said, by picture and attribute; cells without words are left out.

    Raises:
        DataMissingError: If the set is not there.
    """
    path = data / "pbc" / "cells.csv"
    if not path.is_file():
        raise DataMissingError(f"{path} is missing; docs/data.md says where to get the set.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    said = {
        row["image"]: {name: row[name] for name in row if name not in NOT_ATTRIBUTES}
        for row in rows
    }
    return {image: words for image, words in said.items() if all(words.values())}


def vocabulary_of(said: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """List the values of every attribute, in alphabetical order."""
    names = next(iter(said.values()), {})
    return {name: tuple(sorted({words[name] for words in said.values()})) for name in names}


def attribute_targets(
    cells: Sequence[Cell], said: Mapping[str, Mapping[str, str]], vocabulary: Vocabulary
) -> NDArray[np.float32]:
    """Give what the network should say of each cell.

    Returns:
        Shape (N, values of all attributes): 1 at each value that holds; all 0 for a cell that
        nobody has described.
    """
    places = [(name, value) for name, values in vocabulary.items() for value in values]
    targets = np.zeros((len(cells), len(places)), np.float32)
    for target, cell in zip(targets, cells, strict=True):
        words = said.get(f"{cell.path.parent.name}/{cell.path.name}", {})
        target[:] = [words.get(name) == value for name, value in places]
    return targets


class AttributeLoss(keras.losses.Loss):
    """Cross-entropy of each attribute, averaged over the attributes; nothing where all is 0."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Learn where each attribute's values lie."""
        super().__init__(name="attributes")
        self._ends = np.cumsum([len(values) for values in vocabulary.values()]).tolist()

    def call(self, truth: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Give one number a cell."""
        starts = [0, *self._ends[:-1]]
        losses = [
            -ops.sum(truth[:, start:end] * ops.log_softmax(logits[:, start:end]), axis=-1)
            for start, end in zip(starts, self._ends, strict=True)
        ]
        return sum(losses[1:], losses[0]) / len(losses)
