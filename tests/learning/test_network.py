from pathlib import Path

import keras
import numpy as np
import pytest
from tests.conftest import SHARED, skip_or_fail

from hematovision.learning.network import (
    backbone_of,
    build_backbone,
    build_classifier,
    falling_adamw,
    freeze_backbone,
    unfreeze,
    with_views,
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
    assert names[-5:-2] == ["pooler", "output_dropout", "logits"]
    assert set(names[-2:]) == {"morphology", "predictions"}
    assert classifier.name == "blood_cell"
    assert classifier.get_layer("logits").activation is keras.activations.linear


def test_pictures_become_probabilities(classifier: keras.Model) -> None:
    said = classifier(noise(4))
    probabilities = np.asarray(said["predictions"])
    assert said["morphology"].shape == (4, 5)
    assert classifier.input_shape == (None, SIZE, SIZE, 3)
    assert probabilities.shape == (4, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert probabilities.std(axis=0).min() > 1e-3


def test_size_and_number_of_classes_are_the_callers() -> None:
    network = build_classifier(None, classes=6, attributes=9, size=64, dropout=0.1)
    assert network.input_shape == (None, 64, 64, 3)
    shapes = {name: output.shape for name, output in network.output.items()}
    assert shapes == {"predictions": (None, 6), "morphology": (None, 9)}
    assert network.get_layer("output_dropout").rate == 0.1


def test_freezing_the_backbone_leaves_only_the_head_to_learn() -> None:
    network = build_classifier(None, classes=2, attributes=5, size=SIZE)
    freeze_backbone(network)
    assert {w.path.split("/")[0] for w in network.trainable_weights} == {"logits", "morphology"}
    unfreeze(network)
    assert len(network.trainable_weights) > 50
    assert not any(layer.trainable for layer in normalisations(network))


def test_layers_up_to_a_named_one_may_stay_as_they_are() -> None:
    network = build_classifier(None, classes=2, attributes=5, size=SIZE)
    unfreeze(network, above="block_5_add")
    learning = {w.path.split("/")[0] for w in network.trainable_weights}
    assert "block_6_expand" in learning
    assert not learning & {"Conv1", "block_5_project"}
    assert not any(layer.trainable for layer in normalisations(network))


def test_views_of_a_crop_are_averaged_before_the_head(classifier: keras.Model) -> None:
    crops = noise(3, seed=3)
    network = with_views(classifier)
    logits = keras.Model(classifier.inputs[0], classifier.get_layer("logits").output)
    mirrored = [crops, crops[:, :, ::-1], crops[:, ::-1], crops[:, ::-1, ::-1]]
    expected = np.mean([logits(np.ascontiguousarray(view)) for view in mirrored], axis=0)
    seen = keras.Model(network.inputs[0], network.get_layer("logits").output)
    np.testing.assert_allclose(np.asarray(seen(crops)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        np.asarray(seen(crops)), np.asarray(seen(crops[:, ::-1, ::-1].copy())), atol=1e-5
    )
    assert backbone_of(network).output_shape == (None, 1, 1, 1280)


def test_network_overfits_one_batch_and_leaves_normalisation_alone() -> None:
    network = small_classifier()
    before = [np.asarray(w) for layer in normalisations(network) for w in layer.weights]
    first = np.asarray(network.get_layer("Conv1").kernel)
    unfreeze(network)
    naming = keras.Model(network.inputs[0], network.output["predictions"])
    naming.compile(keras.optimizers.Adam(3e-4), "categorical_crossentropy", metrics=["accuracy"])
    pictures, labels = noise(8), np.eye(2, dtype=np.float32)[[0, 1] * 4]
    naming.fit(pictures, labels, batch_size=8, epochs=40, verbose=0)
    loss, right = naming.evaluate(pictures, labels, verbose=0)
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
