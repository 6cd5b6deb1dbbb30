from pathlib import Path

import keras
import numpy as np
import pytest
from tests.conftest import SHARED, skip_or_fail

from hematovision.learning.network import (
    build_backbone,
    build_classifier,
    falling_adamw,
    freeze_backbone,
    unfreeze,
)

from .networks import SIZE, noise, normalisations, small_classifier

pytestmark = pytest.mark.train

WEIGHTS = SHARED / "weights" / "mobilenet_v2_1.0_imagenet_no_top.weights.h5"


@pytest.fixture
def weights() -> Path:
    if not WEIGHTS.is_file():
        skip_or_fail(f"the backbone's weights are not at {WEIGHTS}")
    return WEIGHTS


def test_layers_after_the_backbone_have_their_names(classifier: keras.Model) -> None:
    names = [layer.name for layer in classifier.layers]
    assert names[:2] == ["pictures", "scaling"]
    assert names[-4:] == ["pooler", "output_dropout", "logits", "predictions"]
    assert classifier.name == "blood_cell"
    assert classifier.get_layer("logits").activation is keras.activations.linear


def test_pictures_become_probabilities(classifier: keras.Model) -> None:
    probabilities = np.asarray(classifier(noise(4)))
    assert classifier.input_shape == (None, SIZE, SIZE, 3)
    assert probabilities.shape == (4, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert probabilities.std(axis=0).min() > 1e-3


def test_size_and_number_of_classes_are_the_callers() -> None:
    network = build_classifier(None, classes=6, size=64, dropout=0.1)
    assert (network.input_shape, network.output_shape) == ((None, 64, 64, 3), (None, 6))
    assert network.get_layer("output_dropout").rate == 0.1


def test_freezing_the_backbone_leaves_only_the_head_to_learn() -> None:
    network = build_classifier(None, classes=2, size=SIZE)
    freeze_backbone(network)
    assert [w.path for w in network.trainable_weights] == ["logits/kernel", "logits/bias"]
    unfreeze(network)
    assert len(network.trainable_weights) > 50
    assert not any(layer.trainable for layer in normalisations(network))


def test_network_overfits_one_batch_and_leaves_normalisation_alone() -> None:
    network = small_classifier()
    before = [np.asarray(w) for layer in normalisations(network) for w in layer.weights]
    first = np.asarray(network.get_layer("Conv1").kernel)
    unfreeze(network)
    network.compile(keras.optimizers.Adam(3e-4), "categorical_crossentropy", metrics=["accuracy"])
    pictures, labels = noise(8), np.eye(2, dtype=np.float32)[[0, 1] * 4]
    network.fit(pictures, labels, batch_size=8, epochs=40, verbose=0)
    loss, right = network.evaluate(pictures, labels, verbose=0)
    assert right == 1
    assert loss < 0.1
    after = [np.asarray(w) for layer in normalisations(network) for w in layer.weights]
    assert len(after) == 4 * len(normalisations(network)) > 100
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (np.asarray(network.get_layer("Conv1").kernel) != first).any()


def test_statistics_stay_frozen_also_when_called_for_training(classifier: keras.Model) -> None:
    layers = normalisations(classifier)
    before = [np.asarray(layer.moving_mean) for layer in layers]
    classifier(noise(8, seed=5), training=True)
    for layer, mean in zip(layers, before, strict=True):
        np.testing.assert_array_equal(np.asarray(layer.moving_mean), mean)


def test_weights_of_a_file_are_those_of_plain_mobilenet(weights: Path) -> None:
    backbone = build_backbone(weights, size=64)
    plain = keras.applications.MobileNetV2(
        input_shape=(224, 224, 3), include_top=False, weights=None
    )
    plain.load_weights(weights)
    for layer in plain.layers:
        for ours, theirs in zip(
            backbone.get_layer(layer.name).weights if layer.weights else [],
            layer.weights,
            strict=True,
        ):
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    scaled = backbone.get_layer("scaling")(np.asarray([[[[0.0, 127.5, 255.0]]]]))
    np.testing.assert_allclose(np.asarray(scaled).ravel(), [-1, 0, 1])


def test_rate_rises_then_falls_to_nothing() -> None:
    schedule = falling_adamw(200, 1e-3)._learning_rate
    rates = [float(schedule(step)) for step in (0, 10, 100, 200)]
    assert rates[0] == pytest.approx(1e-3 / 20)
    assert rates[1] == pytest.approx(1e-3)
    assert rates[1] > rates[2] > rates[3]
    assert rates[3] < 1e-5
