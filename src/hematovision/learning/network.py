"""MobileNetV2 backbone, pooler, head: the network that names cells."""

from pathlib import Path

import keras

CLASSIFIER_SIZE = 160


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
    size: int = CLASSIFIER_SIZE,
    dropout: float = 0.3,
) -> keras.Model:
    """Build the network that names cells.

    Args:
        weights: See `build_backbone`.
        classes: Number of cell types.
        size: Side of the square input in pixels.
        dropout: Share of the pooled features that is dropped in training.

    Returns:
        A model from (N, size, size, 3), 0-255, to probabilities (N, classes). Its layers `pooler`,
        `output_dropout`, `logits` and `predictions` follow the backbone; the head is linear.
    """
    backbone = build_backbone(weights, size=size)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooler")(backbone.output)
    dropped = keras.layers.Dropout(dropout, name="output_dropout")(pooled)
    logits = keras.layers.Dense(classes, name="logits")(dropped)
    predictions = keras.layers.Softmax(name="predictions")(logits)
    return keras.Model(backbone.inputs[0], predictions, name="blood_cell")


def freeze_backbone(network: keras.Model) -> None:
    """Let only the head learn."""
    for layer in network.layers:
        layer.trainable = layer.name == "logits"


def unfreeze(network: keras.Model) -> None:
    """Let everything learn but batch normalisation."""
    for layer in network.layers:
        layer.trainable = True
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
