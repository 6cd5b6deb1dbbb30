"""MobileNetV2 backbone, pooler, heads: the network that names cells, and its views."""

from pathlib import Path

import keras
import numpy as np

CLASSIFIER_SIZE = 160
LAST_MAP = "out_relu"
"""The backbone's last layer; what it gives is pooled."""


def build_backbone(weights: str | Path | None, *, size: int | None = None) -> keras.Model:
    """Build MobileNetV2 (Sandler et al., 2018) without its top, ready for pictures of 0-255.

    Args:
        weights: `imagenet` downloads them, a path reads a `.weights.h5`, None draws them.
        size: Side of the square input in pixels; any multiple of 32 when left out.

    Returns:
        A model from (N, size, size, 3), 0-255, to (N, size/32, size/32, 1280), its batch
        normalisation frozen: batches are too small and too alike to estimate it.
    """
    pictures = keras.Input((size, size, 3), name="pictures")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1, name="scaling")(pictures)
    network = keras.applications.MobileNetV2(
        input_tensor=scaled,
        include_top=False,
        weights="imagenet" if weights == "imagenet" else None,
    )
    if weights is not None and weights != "imagenet":
        plain = keras.applications.MobileNetV2(
            input_shape=(224, 224, 3), include_top=False, weights=None
        )
        plain.load_weights(weights)
        for source in plain.layers:
            if source.weights:
                network.get_layer(source.name).set_weights(source.get_weights())
    freeze_normalisation(network)
    return network


def freeze_normalisation(network: keras.Model) -> None:
    """Keep the statistics of batch normalisation, also under `training=True`."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def build_classifier(
    weights: str | Path | None,
    *,
    classes: int,
    attributes: int,
    size: int = CLASSIFIER_SIZE,
    dropout: float = 0.3,
) -> keras.Model:
    """Build the network that learns to name cells, and to describe them.

    Args:
        weights: See `build_backbone`.
        classes: Number of cell types.
        attributes: Number of values of all morphological attributes.
        size: Side of the square input in pixels.
        dropout: Share of the pooled features that is dropped in training.

    Returns:
        A model from (N, size, size, 3), 0-255, to `predictions`, probabilities (N, classes), and
        `morphology`, logits (N, attributes). Its layers `pooler`, `output_dropout`, `logits` and
        `predictions` follow the backbone; both heads are linear.
    """
    backbone = build_backbone(weights, size=size)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooler")(backbone.output)
    dropped = keras.layers.Dropout(dropout, name="output_dropout")(pooled)
    morphology = keras.layers.Dense(attributes, name="morphology")(dropped)
    logits = keras.layers.Dense(classes, name="logits")(dropped)
    predictions = keras.layers.Softmax(name="predictions")(logits)
    outputs = {"predictions": predictions, "morphology": morphology}
    return keras.Model(backbone.inputs[0], outputs, name="blood_cell")


def with_views(network: keras.Model) -> keras.Model:
    """Build the network that is shipped: it looks at four views of a crop and gives one answer.

    A cell has no up or left, so it is also looked at mirrored across, down and both ways, and the
    features are averaged; the heads are linear, so are their logits then. Only layers of plain
    Keras, so that the file opens anywhere: a mirror is a matrix with ones on the other diagonal.

    Args:
        network: From `build_classifier`, or a network with its layers.

    Returns:
        A model from (N, size, size, 3), 0-255, to probabilities (N, classes). Its layers are
        `backbone` (of all views), `pooler`, `logits`, `predictions`.
    """
    size = network.inputs[0].shape[1]
    maps = keras.Model(network.inputs[0], network.get_layer(LAST_MAP).output, name="backbone")
    pictures = keras.Input((size, size, 3), name="pictures")
    across = _mirror("nhwc,wv->nhvc", size, "mirror_across")
    down = _mirror("nhwc,hv->nvwc", size, "mirror_down")
    mirrored = across(pictures)
    views = [pictures, mirrored, down(pictures), down(mirrored)]
    stacked = keras.layers.Concatenate(axis=1, name="views")(
        [
            keras.layers.Reshape((1, size, size, 3), name=f"view_{number}")(view)
            for number, view in enumerate(views, start=1)
        ]
    )
    every_map = keras.layers.TimeDistributed(maps, name="backbone")(stacked)
    pooled = keras.layers.GlobalAveragePooling3D(name="pooler")(every_map)
    head = network.get_layer("logits")
    logits = keras.layers.Dense(head.units, name="logits")
    predictions = keras.layers.Softmax(name="predictions")(logits(pooled))
    logits.set_weights(head.get_weights())
    return keras.Model(pictures, predictions, name="blood_cell")


def _mirror(equation: str, size: int, name: str) -> keras.layers.Layer:
    """Make the layer that turns one axis round."""
    mirror = keras.layers.EinsumDense(equation, output_shape=(size, size, 3), name=name)
    mirror.build((None, size, size, 3))
    mirror.set_weights([np.eye(size, dtype=np.float32)[::-1]])
    mirror.trainable = False
    return mirror


def backbone_of(network: keras.Model) -> keras.Model:
    """Give the part of a network `with_views` that looks at one view.

    Returns:
        A model from (N, size, size, 3), 0-255, to (N, size/32, size/32, 1280).
    """
    backbone: keras.Model = network.get_layer("backbone").layer
    return backbone


def freeze_backbone(network: keras.Model) -> None:
    """Let only the heads learn."""
    for layer in network.layers:
        layer.trainable = layer.name in {"logits", "morphology"}


def unfreeze(network: keras.Model, *, above: str | None = None) -> None:
    """Let everything learn but batch normalisation.

    Args:
        network: From `build_classifier`.
        above: This layer, and those before it, stay as they are.
    """
    learns = above is None
    for layer in network.layers:
        layer.trainable = learns
        learns = learns or layer.name == above
    freeze_normalisation(network)


def falling_adamw(steps: int, rate: float) -> keras.optimizers.Optimizer:
    """AdamW whose rate rises, then falls to nothing; the weights' moving average is kept.

    Args:
        steps: Batches altogether.
        rate: The highest learning rate.
    """
    warmup = max(1, steps // 20)
    return keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            rate / 20, max(1, steps - warmup), warmup_target=rate, warmup_steps=warmup
        ),
        weight_decay=1e-4,
        clipnorm=5.0,
        use_ema=True,
        ema_momentum=0.995,
    )
