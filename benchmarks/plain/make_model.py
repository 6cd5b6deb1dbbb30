"""Makes the `.h5` that the plain program loads: MobileNetV2 with a small head for four classes.

How fast it is does not depend on what it has learnt, so it has learnt nothing.
"""

import sys

import keras

SIZE = 224
CLASSES = 4


def main(path: str) -> None:
    """Write the model."""
    base = keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), include_top=False, weights=None, pooling="avg"
    )
    head = [
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(CLASSES, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), base, *head])
    model.save(path)


if __name__ == "__main__":
    main(sys.argv[1])
