"""Batch normalisation fitted to the cells of another microscope."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

BATCH = 64
"""Cells whose moments are measured together; large enough that a batch resembles the whole."""


@keras.saving.register_keras_serializable("hematovision")
class AligningNormalization(keras.layers.BatchNormalization):
    """Normalises a site's cells so that they leave with the moments that home cells leave with.

    Moments of what comes in are added up in `mean_sum` and `variance_sum`.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Add what is measured to what batch normalisation keeps."""
        super().build(input_shape)
        width = (input_shape[-1],)
        options: dict[str, Any] = {"initializer": "zeros", "trainable": False}
        self.share = self.add_weight(shape=(), name="share", **options)
        self.home_mean = self.add_weight(shape=width, name="home_mean", **options)
        self.home_variance = self.add_weight(shape=width, name="home_variance", **options)
        self.mean_sum = self.add_weight(shape=width, name="mean_sum", **options)
        self.variance_sum = self.add_weight(shape=width, name="variance_sum", **options)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise, whatever `training` says."""
        mean, variance = keras.ops.moments(inputs, axes=(0, 1, 2))
        self.mean_sum.assign(self.mean_sum + mean)
        self.variance_sum.assign(self.variance_sum + variance)
        moved_mean, moved_variance = self.aligned(mean, variance)
        return keras.ops.batch_normalization(
            inputs,
            moved_mean,
            moved_variance,
            axis=-1,
            offset=self.beta,
            scale=self.gamma,
            epsilon=self.epsilon,
        )

    def aligned(self, mean: Any, variance: Any) -> tuple[Any, Any]:
        """Give the statistics to normalise with, where cells of the site have these moments."""
        ratio = (variance + self.epsilon) / (self.home_variance + self.epsilon)
        offset = (self.home_mean - self.moving_mean) * keras.ops.sqrt(ratio)
        kept, moved = 1 - self.share, self.share
        return (
            kept * self.moving_mean + moved * (mean - offset),
            (self.moving_variance + self.epsilon) * ratio**self.share - self.epsilon,
        )

    def start(self, *, share: float) -> None:
        """Begin to measure anew."""
        self.share.assign(share)
        self.mean_sum.assign(keras.ops.zeros_like(self.mean_sum))
        self.variance_sum.assign(keras.ops.zeros_like(self.variance_sum))


def align_normalisation(
    network: keras.Model,
    *,
    home: NDArray[np.uint8],
    site: NDArray[np.uint8],
    share: float,
) -> None:
    """Move the statistics of batch normalisation, so that a site's cells look like home cells.

    Where the statistics are those of the cells that were learnt from, this is adaptive batch
    normalisation (Li et al., Revisiting batch normalization for practical domain adaptation, 2017)
    mixed with the old statistics (Schneider et al., Improving robustness against common
    corruptions by covariate shift adaptation, 2020). Where the network was trained with statistics
    that are not its cells' own, as with those of ImageNet, home cells leave a layer with moments
    other than zero and one; the site's are moved to these moments, not to zero and one.

    Args:
        network: A functional model, or one that holds it, as in `network.with_views`; changed in
            place.
        home: Cells like those that were learnt from, shape (N, size, size, 3), RGB, 0-255, their
            types mixed as the site's.
        site: Cells of the new microscope, the same shape.
        share: How far to move, 0 to 1.
    """
    network = normalising_part(network)
    twin = keras.models.clone_model(network, clone_function=_aligning, recursive=True)
    pairs = list(zip(_leaves(network), _leaves(twin), strict=True))
    for old, new in pairs:
        _copy_weights(old, new)
    normalising = [(o, n) for o, n in pairs if isinstance(n, AligningNormalization)]
    for _, layer in normalising:
        layer.start(share=0.0)
    batches = _measure(twin, home)
    for _, layer in normalising:
        layer.home_mean.assign(layer.mean_sum / batches)
        layer.home_variance.assign(layer.variance_sum / batches)
        layer.start(share=share)
    batches = _measure(twin, site)
    for old, layer in normalising:
        mean, variance = layer.aligned(layer.mean_sum / batches, layer.variance_sum / batches)
        old.moving_mean.assign(mean)
        old.moving_variance.assign(variance)


def normalising_part(network: keras.Model) -> keras.Model:
    """Give the model whose own layers normalise: the network, or what it wraps."""
    for layer in network.layers:
        inner = getattr(layer, "layer", None)
        if isinstance(inner, keras.Model):
            return inner
    return network


def _measure(twin: keras.Model, crops: NDArray[np.uint8]) -> int:
    """Show a twin all cells, and count in how many batches."""
    batches = max(1, round(len(crops) / BATCH))
    order = np.random.default_rng(0).permutation(len(crops))
    for part in np.array_split(order, batches):
        twin.predict_on_batch(crops[part].astype(np.float32))
    return batches


def _aligning(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Give a layer's twin, that of batch normalisation one which aligns."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return AligningNormalization.from_config(layer.get_config())
    return type(layer).from_config(layer.get_config())


def _leaves(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Walk the layers, those of inner models too; the same order for a model and its twin."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _copy_weights(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Give the twin of a layer its weights."""
    if not isinstance(new, AligningNormalization):
        new.set_weights(old.get_weights())
        return
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        if getattr(old, name) is not None:
            getattr(new, name).assign(getattr(old, name))
