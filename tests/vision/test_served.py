from pathlib import Path

import numpy as np
import pytest

from hematovision.errors import ModelDamagedError
from hematovision.vision.bundle import read_bundle
from hematovision.vision.served import FREE, Tensor, open_served

from .networks import write_tiny_model, write_whole_model


def test_networks_are_named_after_their_weights(tmp_path: Path) -> None:
    bundle = read_bundle(write_tiny_model(tmp_path / "model"))
    classifier, locator = open_served(bundle)
    assert classifier.name == f"blood_cell-{bundle.identity.sha256[:12]}"
    assert locator.name == f"locator-{bundle.identity.sha256[:12]}"
    other, _ = open_served(read_bundle(write_tiny_model(tmp_path / "other", "2.0.0")))
    assert other.name != classifier.name


def test_shapes_are_those_of_the_networks_answers(tmp_path: Path) -> None:
    classifier, locator = open_served(read_bundle(write_whole_model(tmp_path / "model")))
    assert classifier.pictures == Tensor("pictures", "UINT8", (32, 32, 3))
    assert classifier.outputs == (
        Tensor("logits", "FP32", (6,)),
        Tensor("features", "FP32", (3,)),
        Tensor("heat", "FP32", (4, 4, 6)),
        Tensor("morphology", "FP32", (6,)),
    )
    assert locator.pictures.shape == (FREE, FREE, 3)
    assert locator.outputs == (
        Tensor("heat", "FP32", (FREE, FREE, 3)),
        Tensor("boxes", "FP32", (FREE, FREE, 4)),
    )


def test_network_may_end_after_its_features(tmp_path: Path) -> None:
    classifier, _ = open_served(read_bundle(write_tiny_model(tmp_path / "model")))
    assert [output.name for output in classifier.outputs] == ["logits", "features"]


def test_sample_is_a_picture_that_is_taken(tmp_path: Path) -> None:
    for network in open_served(read_bundle(write_tiny_model(tmp_path / "model"))):
        assert network.sample.dtype == np.uint8
        assert network.network(network.sample)


def test_damaged_model_is_not_served(tmp_path: Path) -> None:
    bundle = read_bundle(write_tiny_model(tmp_path / "model"))
    (tmp_path / "model" / "locator.onnx").write_bytes(b"another")
    with pytest.raises(ModelDamagedError, match=r"locator\.onnx"):
        open_served(bundle)
