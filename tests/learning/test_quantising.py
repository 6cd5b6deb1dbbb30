import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.vision.networks import write_tiny_model

from hematovision.cells import Box, RgbImage
from hematovision.config import PACKAGED_MODEL
from hematovision.errors import ModelDamagedError
from hematovision.learning.export import OutputRefusedError
from hematovision.learning.quantising import (
    KEPT_OF_LOCATOR,
    NoTwinError,
    Watched,
    close_up,
    convolutions_of,
    pictures_of,
    quantise,
    quantise_model,
    twin_version,
    watch_model,
    write_twin,
)
from hematovision.learning.slimming import GraphUnknownError
from hematovision.vision.bundle import Bundle, damaged_files, read_bundle, sha256_of
from hematovision.vision.reader import load_reader

from .graphs import coloured, exported_classifier, write_exported
from .sets import write_sets

WORDS = {"size": ["big", "small"], "shape": ["long", "round", "other"]}


def write_model(folder: Path) -> Path:
    """Write a model folder whose classifier has the form of the large one."""
    write_tiny_model(folder, parity_largest_difference=0.0, recipe_hash="r")
    write_exported(folder / "blood_cell.onnx")
    (folder / "blood_cell.h5").write_bytes(b"keras")
    (folder / "morphology.npz").write_bytes(b"head")
    document = json.loads((folder / "bundle.json").read_text())
    names = ("blood_cell.h5", "blood_cell.onnx", "locator.onnx", "morphology.npz")
    document["files"] = {name: sha256_of(folder / name) for name in names}
    document["morphology"] = WORDS
    (folder / "bundle.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return read_bundle(write_model(tmp_path_factory.mktemp("models") / "plain"))


def smear(seed: int) -> RgbImage:
    """Draw a photo with two dark spots of different size on bright glass."""
    photo = np.full((256, 256, 3), 240, np.uint8)
    photo[64:72, 128:136] = (10, 30, 150 + seed)
    photo[160:168, 32:40] = (10, 130 + seed, 40)
    return photo


@pytest.fixture(scope="module")
def watched(model: Bundle) -> Watched:
    return watch_model(model, [smear(seed) for seed in range(8)])


@pytest.fixture(scope="module")
def twin(model: Bundle, watched: Watched, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("twins") / "twin"
    write_twin(model, watched, watched, output, seed=7)
    return output


def test_what_both_networks_look_at_is_kept(watched: Watched) -> None:
    assert len(watched.crops) == 8
    assert {crop.shape for crop in watched.crops} == {(1, 32, 32, 3)}
    assert {view.shape[0] for view in watched.views} == {1}


def test_photo_without_a_cell_gives_a_view_and_no_crop(model: Bundle) -> None:
    seen = watch_model(model, [np.full((128, 192, 3), 235, np.uint8)])
    assert seen.crops == []
    assert seen.views


def test_twin_is_a_model_folder_of_its_own(model: Bundle, twin: Path) -> None:
    bundle = read_bundle(twin)
    assert damaged_files(bundle) == ()
    assert set(bundle.files) == {"blood_cell.onnx", "locator.onnx", "morphology.npz"}
    assert bundle.identity.version == "1.0.0+int8"
    assert bundle.identity.sha256 != model.identity.sha256
    assert bundle.set_thresholds == model.set_thresholds
    assert "parity_largest_difference" not in bundle.document
    record = bundle.document["integers"]
    assert record["base"] == model.identity.sha256
    assert record["watched"] == {"crops": 8, "views": 8}
    assert record["same_name"] == 1
    assert record["probability_apart"][0] < 0.05


def test_twin_reads_photos_as_the_model_does(model: Bundle, twin: Path) -> None:
    plain, whole = (load_reader(folder, threads=1) for folder in (model.folder, twin))
    for seed in range(3):
        before, after = (reader.read(smear(seed), explain=True) for reader in (plain, whole))
        assert len(before) == len(after) == 2
        for one, other in zip(before, after, strict=True):
            assert one.box.overlap(other.box) > 0.9
            assert one.confidence == pytest.approx(other.confidence, abs=0.1)
            assert other.heat is not None


def test_weights_are_kept_in_bytes(twin: Path) -> None:
    kinds = {
        onnx.TensorProto.DataType.Name(one.data_type)
        for one in onnx.load(twin / "blood_cell.onnx").graph.initializer
    }
    assert {"INT8", "UINT8"} <= kinds


def test_same_seed_makes_the_same_twin(
    model: Bundle, watched: Watched, twin: Path, tmp_path: Path
) -> None:
    write_twin(model, watched, watched, tmp_path / "again", seed=7)
    assert (tmp_path / "again/bundle.json").read_bytes() == (twin / "bundle.json").read_bytes()


def test_twin_of_a_twin_is_refused(twin: Path, tmp_path: Path) -> None:
    with pytest.raises(NoTwinError, match="already"):
        quantise_model(twin, tmp_path, tmp_path / "out", seed=7)


def test_network_of_another_form_is_refused_and_nothing_is_written(
    watched: Watched, tmp_path: Path
) -> None:
    other = read_bundle(write_tiny_model(tmp_path / "other"))
    with pytest.raises(GraphUnknownError):
        write_twin(other, watched, watched, tmp_path / "out", seed=7)
    assert not (tmp_path / "out").exists()


def test_without_pictures_or_convolutions_there_is_no_twin() -> None:
    with pytest.raises(NoTwinError, match="No picture"):
        quantise(exported_classifier(), [], kept=(), seed=7)
    convolutions = ("c1", "c2", "c3", "c4", "b2", "n2")
    with pytest.raises(NoTwinError, match="no convolution"):
        quantise(exported_classifier(), coloured(1), kept=convolutions, seed=7)


def test_damaged_model_is_not_rounded(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "morphology.npz").write_bytes(b"other")
    with pytest.raises(ModelDamagedError):
        quantise_model(folder, tmp_path, tmp_path / "out", seed=7)


def test_something_that_is_no_model_is_not_replaced(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("mine")
    with pytest.raises(OutputRefusedError):
        quantise_model(folder, tmp_path, tmp_path / "out", seed=7)


def test_no_test_picture_and_none_of_jtsc_is_watched(tmp_path: Path) -> None:
    pictures = pictures_of(write_sets(tmp_path))
    names = {split: {path.name for path in paths} for split, paths in pictures.items()}
    assert "SNE_1.jpg" in names["train"]
    assert names["val"] >= {"BA_1.jpg"}
    everything = names["train"] | names["val"]
    assert not everything & {"BloodImage_00001.jpg", "BloodImage_00003.jpg", "SNE_2.jpg"}
    assert not everything & {"PLT_1.jpg", "BA_2.jpg", "pbc_900.jpg", "001.png"}


def test_version_of_a_twin_says_so() -> None:
    assert twin_version("1.1.0") == "1.1.0+int8"
    assert twin_version("1.1.0+site.lab.1") == "1.1.0+site.lab.1.int8"


def test_layers_of_a_name_are_found_by_what_keras_calls_their_outputs() -> None:
    model = exported_classifier()
    for node in model.graph.node:
        if node.name in {"c2", "c4"}:
            (old,) = node.output
            node.output[0] = f"functional_1/smooth_{node.name}/BiasAdd:0"
            for taker in model.graph.node:
                taker.input[:] = [node.output[0] if one == old else one for one in taker.input]
    assert convolutions_of(model, KEPT_OF_LOCATOR) == [
        "functional_1/smooth_c2/BiasAdd:0",
        "functional_1/smooth_c4/BiasAdd:0",
    ]
    assert convolutions_of(exported_classifier(), KEPT_OF_LOCATOR) == []


def test_shipped_locator_has_the_layers_that_are_kept() -> None:
    kept = convolutions_of(onnx.load(PACKAGED_MODEL / "locator.onnx"), KEPT_OF_LOCATOR)
    assert len(kept) == 2 + 4 + 2


def test_locator_sees_the_largest_cell_from_near_as_well(model: Bundle) -> None:
    far, near = (
        watch_model(model, [smear(seed) for seed in range(2)], closer=closer)
        for closer in (False, True)
    )
    assert len(near.crops) == len(far.crops)
    for one, other in zip(near.views, far.views, strict=False):
        np.testing.assert_array_equal(one, other)
    assert len(near.views) > len(far.views)


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        pytest.param(Box(100, 80, 120, 110), (45, 45, 3), id="inside"),
        pytest.param(Box(0, 0, 20, 30), (45, 45, 3), id="corner"),
        pytest.param(Box(226, 236, 256, 256), (33, 38, 3), id="other corner"),
    ],
)
def test_close_up_reaches_as_far_as_the_photo(box: Box, shape: tuple[int, ...]) -> None:
    photo = smear(1)
    seen = close_up(photo, box, zoom=1.5)
    assert seen.shape == shape
    assert seen.flags.c_contiguous
