import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from tests.vision.networks import CLASSES, CROP, LOOK

from hematovision.errors import ModelDamagedError
from hematovision.learning.export import (
    LARGEST_DIFFERENCE,
    OutputRefusedError,
    ParityError,
    check_output,
    check_parity,
    export_classifier,
    export_locator,
    fold_calibration,
    ship,
    write_bundle,
)
from hematovision.learning.locator import build_locator
from hematovision.learning.network import with_views
from hematovision.vision.bundle import damaged_files, read_bundle
from hematovision.vision.classifying import softmax
from hematovision.vision.runtime import Network

from .networks import noise, small_classifier

pytestmark = pytest.mark.train

CROPS = noise(8, seed=2).astype(np.uint8)


@pytest.fixture(scope="module")
def shipped(classifier: keras.Model) -> keras.Model:
    """Give the network as it is shipped."""
    return with_views(classifier)


@pytest.fixture(scope="module")
def made(
    classifier: keras.Model, shipped: keras.Model, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Export both networks once."""
    folder = tmp_path_factory.mktemp("made")
    words = classifier.get_layer("morphology").get_weights()
    export_classifier(shipped, folder, morphology=words)
    export_locator(build_locator(None), folder / "locator.onnx")
    return folder


def test_twins_give_one_answer(made: Path, shipped: keras.Model) -> None:
    assert check_parity(made, CROPS) < LARGEST_DIFFERENCE
    logits, features, *_ = Network(made / "blood_cell.onnx")(CROPS)
    assert (logits.shape, features.shape) == ((8, 2), (8, 1280))
    np.testing.assert_allclose(
        softmax(logits), np.asarray(shipped(CROPS.astype(np.float32))), atol=LARGEST_DIFFERENCE
    )


def test_heat_adds_up_to_the_logits_and_words_come_from_the_same_features(
    made: Path, classifier: keras.Model
) -> None:
    logits, features, heat, words = Network(made / "blood_cell.onnx")(CROPS)
    _, bias = classifier.get_layer("logits").get_weights()
    np.testing.assert_allclose(heat.mean(axis=(1, 2)) + bias, logits, atol=1e-4)
    kernel, bias = classifier.get_layer("morphology").get_weights()
    np.testing.assert_allclose(features @ kernel + bias, words, atol=1e-4)


def test_words_are_kept_for_a_later_export(made: Path, shipped: keras.Model) -> None:
    before = Network(made / "blood_cell.onnx")(CROPS)[3]
    export_classifier(shipped, made)
    np.testing.assert_array_equal(Network(made / "blood_cell.onnx")(CROPS)[3], before)


def test_h5_opens_with_plain_keras_and_holds_no_optimizer(made: Path, shipped: keras.Model) -> None:
    opened = keras.models.load_model(made / "blood_cell.h5")
    pictures = noise(3, seed=4)
    np.testing.assert_allclose(
        np.asarray(opened(pictures)), np.asarray(shipped(pictures)), atol=1e-6
    )
    with h5py.File(made / "blood_cell.h5") as file:
        assert set(file) == {"model_weights"}
        assert "training_config" not in file.attrs


def test_parity_is_refused_where_the_twins_differ(made: Path, tmp_path: Path) -> None:
    (tmp_path / "blood_cell.onnx").write_bytes((made / "blood_cell.onnx").read_bytes())
    other = with_views(small_classifier(seed=9))
    other.save(tmp_path / "blood_cell.h5", include_optimizer=False)
    with pytest.raises(ParityError, match=r"blood_cell\.h5 and blood_cell\.onnx differ by"):
        check_parity(tmp_path, CROPS)


def test_locator_takes_views_of_any_size(made: Path) -> None:
    locator = Network(made / "locator.onnx")
    for height, width in ((32, 32), (96, 256), (320, 64)):
        heat, boxes = locator(np.full((1, height, width, 3), 240, np.uint8))
        assert heat.shape == (1, height // 8, width // 8, 3)
        assert boxes.shape == (1, height // 8, width // 8, 4)
        assert ((heat >= 0) & (heat <= 1)).all()


def test_folding_divides_the_logits_and_adds_the_bias(classifier: keras.Model) -> None:
    network = keras.models.clone_model(classifier)
    network.set_weights(classifier.get_weights())
    head = network.get_layer("logits")
    head.bias.assign([0.5, -0.25])
    logits = keras.Model(network.inputs[0], head.output)
    before = np.asarray(logits(noise(4)))
    fold_calibration(network, 2.5, np.asarray([0.25, -1.0]))
    expected = before / 2.5 + [0.25, -1.0]
    np.testing.assert_allclose(np.asarray(logits(noise(4))), expected, rtol=1e-4, atol=1e-6)


def describe(folder: Path, **others: object) -> None:
    write_bundle(
        folder,
        crop=CROP,
        locator=LOOK,
        name="blood_cell",
        version="2.0.0",
        classes=CLASSES,
        prediction_set={"coverage": 0.95, "thresholds": dict.fromkeys(CLASSES, 0.07)},
        **others,
    )


def test_written_bundle_is_read_back(made: Path) -> None:
    describe(made, metrics={"validation": {"pbc": 0.99}})
    bundle = read_bundle(made)
    assert (bundle.crop, bundle.locator, bundle.classes) == (CROP, LOOK, CLASSES)
    assert (bundle.coverage, bundle.set_thresholds) == (0.95, dict.fromkeys(CLASSES, 0.07))
    assert bundle.identity.version == "2.0.0"
    assert bundle.document["metrics"] == {"validation": {"pbc": 0.99}}
    assert set(bundle.files) == {
        "blood_cell.h5",
        "blood_cell.onnx",
        "locator.onnx",
        "morphology.npz",
    }
    assert damaged_files(bundle) == ()


def test_attributes_keep_the_order_of_the_networks_outputs(made: Path) -> None:
    words = {"size": ("big", "small"), "cytoplasm": ("blue", "pale")}
    describe(made, morphology=words)
    assert list(read_bundle(made).morphology.items()) == list(words.items())


def test_same_model_is_described_in_the_same_bytes(made: Path) -> None:
    describe(made)
    first = (made / "bundle.json").read_bytes()
    describe(made)
    assert (made / "bundle.json").read_bytes() == first
    assert json.loads(first)["crop"]["size"] == CROP.size


def test_missing_network_shows_as_damaged(tmp_path: Path) -> None:
    for name in ("blood_cell.onnx", "locator.onnx"):
        (tmp_path / name).write_bytes(b"network")
    describe(tmp_path)
    assert damaged_files(read_bundle(tmp_path)) == ()
    (tmp_path / "locator.onnx").write_bytes(b"other")
    assert damaged_files(read_bundle(tmp_path)) == ("locator.onnx",)
    with pytest.raises(ModelDamagedError):
        Network(tmp_path / "blood_cell.onnx")


def test_folder_that_is_no_model_is_not_replaced(tmp_path: Path) -> None:
    work, folder = tmp_path / "runs" / "train", tmp_path / "photos"
    for fine in (folder, tmp_path / "new"):
        check_output(fine, work)
    folder.mkdir()
    check_output(folder, work)
    (folder / "photo.jpg").write_bytes(b"")
    with pytest.raises(OutputRefusedError, match="holds something that is no model"):
        check_output(folder, work)
    with pytest.raises(OutputRefusedError, match="is a file"):
        check_output(folder / "photo.jpg", work)
    (folder / "bundle.json").write_text("{}")
    check_output(folder, work)
    for around in (work, tmp_path / "runs"):
        with pytest.raises(OutputRefusedError, match="holds the work folder"):
            check_output(around, work)


@pytest.mark.parametrize("there", [pytest.param(True, id="old"), pytest.param(False, id="none")])
def test_shipped_folder_is_replaced_whole(tmp_path: Path, there: bool) -> None:
    made, folder = tmp_path / "made", tmp_path / "models" / "blood_cell"
    made.mkdir()
    (made / "bundle.json").write_text("new")
    if there:
        folder.mkdir(parents=True)
        (folder / "bundle.json").write_text("old")
        (folder / "left_over.onnx").write_text("old")
    ship(made, folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"bundle.json": "new"}
    assert list(folder.parent.iterdir()) == [folder]
    assert (made / "bundle.json").is_file()
