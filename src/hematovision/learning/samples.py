"""Batches that are drawn anew each epoch, and are the same for the same seed."""

import keras
import numpy as np


class Samples(keras.utils.PyDataset):
    """The frame of every set of samples: how many batches, of what size, and from which chance."""

    def __init__(self, *, steps: int, batch: int, seed: int, **options: int) -> None:
        """Begin before the first epoch.

        Args:
            steps: Batches an epoch.
            batch: Samples a batch.
            seed: The source of chance.
            **options: Of `keras.utils.PyDataset`.
        """
        super().__init__(**options)
        self._steps, self._batch, self._seed, self._epoch = steps, batch, seed, 0

    def __len__(self) -> int:
        """Batches an epoch."""
        return self._steps

    def on_epoch_begin(self) -> None:
        """Draw others in the next epoch."""
        self._epoch += 1

    def start_at(self, epoch: int) -> None:
        """Go on where an earlier run stopped."""
        self._epoch = epoch

    def generator_of(self, step: int) -> np.random.Generator:
        """Give the source of chance of one batch."""
        return np.random.default_rng((self._seed, self._epoch, step))
