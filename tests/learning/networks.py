"""Builds small classifiers that are drawn by chance and yet say something."""

import keras
import numpy as np
from numpy.typing import NDArray

from hematovision.learning.network import build_classifier, freeze_normalisation

SIZE = 32


def wake(network: keras.Model) -> keras.Model:
    """Set the statistics of batch normalisation to those of noise.

    Drawn weights under untouched statistics shrink every picture to nothing.
    """
    layers = normalisations(network)
    for layer in layers:
        layer.trainable, layer.momentum = True, 0.0
    network(noise(8), training=True)
    for layer in layers:
        layer.momentum = 0.99
    freeze_normalisation(network)
    return network


def normalisations(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [one for one in network.layers if isinstance(one, keras.layers.BatchNormalization)]


def noise(number: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Draw pictures that differ as a whole, not only pixel by pixel."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 96, (number, SIZE, SIZE, 3))
    return (pictures + random.integers(0, 160, (number, 1, 1, 3))).astype(np.float32)


def small_classifier(*, seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return wake(build_classifier(None, classes=2, attributes=5, size=SIZE))
