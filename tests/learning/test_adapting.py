import json
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.vision.networks import CLASSES, CROP, LOOK, write_locator

from hematovision.cells import CellType
from hematovision.learning.adapting import (
    AdaptationRefusedError,
    OutputExistsError,
    Watch,
    adapt_bundle,
    adapt_site,
    in_one_view,
    known_threshold,
    logits_and_features,
    open_network,
    probabilities_of,
    site_version,
    type_mixture,
)
from hematovision.learning.export import export_classifier, write_bundle
from hematovision.learning.network import build_classifier, with_views
from hematovision.learning.sites import Home, Labelled, Site
from hematovision.vision.bundle import Bundle, damaged_files, read_bundle
from hematovision.vision.classifying import softmax
from hematovision.vision.reader import load_reader
from hematovision.vision.runtime import Network

from .networks import SIZE, noise, wake

pytestmark = pytest.mark.train

LYMPHOCYTE, NEUTROPHIL = 1, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a whole model folder around a small network that is drawn by chance."""
    made = tmp_path_factory.mktemp("base") / "model"
    made.mkdir()
    keras.utils.set_random_seed(0)
    network = wake(build_classifier(None, classes=len(CLASSES), attributes=5, size=SIZE))
    words = network.get_layer("morphology").get_weights()
    export_classifier(with_views(network), made, morphology=words)
    write_locator(made / "locator.onnx")
    write_bundle(
        made,
        crop=CROP,
        locator=LOOK,
        name="blood_cell",
        version="2.0.0",
        classes=CLASSES,
        prediction_set={"coverage": 0.95, "threshold": 0.1},
        metrics={"validation": {}},
    )
    return made


@pytest.fixture
def bundle(folder: Path) -> Bundle:
    return read_bundle(folder)


def two_kinds(number: int, *, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Draw crops of a reddish and of a bluish kind."""
    crops = noise(number, seed=seed) * 0.4
    labels = np.where(np.arange(number) % 2, LYMPHOCYTE, NEUTROPHIL)
    crops[labels == LYMPHOCYTE, ..., 0] += 120
    crops[labels == NEUTROPHIL, ..., 2] += 120
    return crops.astype(np.uint8), labels


def site() -> Site:
    return Site(two_kinds(64, seed=1)[0], photos=60, unread=1, empty=2)


def test_labelled_cells_give_a_whole_new_bundle(bundle: Bundle, tmp_path: Path) -> None:
    output = tmp_path / "models" / "lab"
    labelled = Labelled(*two_kinds(60))
    record = adapt_bundle(bundle, site(), home=None, labelled=labelled, output=output, name="Lab A")
    taught = record["with_labels"]
    assert taught["after"]["right"][0] > taught["before"]["right"][0]
    made = read_bundle(output)
    assert damaged_files(made) == ()
    assert made.identity.version == "2.0.0+site.lab-a.1"
    assert set(made.files) == set(bundle.files)
    assert made.document["site"] == json.loads(json.dumps(record)) | {
        "base": bundle.identity.sha256,
        "name": "Lab A",
        "number": 1,
    }
    assert "metrics" not in made.document
    logits, *_ = Network(output / "blood_cell.onnx")(labelled[0])
    assert (logits.argmax(axis=1) == labelled[1]).mean() > 0.9
    assert load_reader(output).model.version == made.identity.version


def test_no_better_score_is_refused_and_nothing_is_written(bundle: Bundle, tmp_path: Path) -> None:
    crops, _ = two_kinds(60)
    said_already = probabilities_of(open_network(bundle), crops).argmax(axis=1)
    with pytest.raises(AdaptationRefusedError, match=r"60 labelled cells 100\.0% .* are right"):
        adapt_bundle(
            bundle,
            site(),
            home=None,
            labelled=Labelled(crops, said_already),
            output=tmp_path / "lab",
            name="lab",
        )
    assert list(tmp_path.iterdir()) == []


def test_without_labels_and_without_sets_nothing_is_begun(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AdaptationRefusedError, match="--data"):
        adapt_site(
            folder,
            [],
            cells=None,
            data=None,
            output=tmp_path / "lab",
            name="lab",
            track=lambda items, what: items,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_never_overwritten(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputExistsError, match="is there already"):
        adapt_site(
            folder,
            [],
            cells=tmp_path,
            data=None,
            output=tmp_path,
            name="lab",
            track=lambda items, what: items,
        )


def by_colour(*, slope: float, blind: bool = False) -> keras.Model:
    """Build a network that names by the difference of blue and red."""
    pictures = keras.Input((SIZE, SIZE, 3))
    pooled = keras.layers.GlobalAveragePooling2D(name="pooler")(pictures)
    head = keras.layers.Dense(len(CLASSES), name="logits")
    network = keras.Model(pictures, keras.layers.Softmax(name="predictions")(head(pooled)))
    kernel = np.zeros((3, len(CLASSES)), np.float32)
    kernel[:, NEUTROPHIL], kernel[:, LYMPHOCYTE] = (-slope, 0, slope), (slope, 0, -slope)
    bias = np.full(len(CLASSES), -1e4, np.float32)
    bias[[LYMPHOCYTE, NEUTROPHIL]] = (0, 1e4) if blind else 0
    head.set_weights([kernel, bias])
    return network


def colours_at_home() -> Home:
    crops, labels = two_kinds(40)
    return Home(crops, labels, crops, labels, ("bccd",) * 10 + ("pbc",) * 30)


def test_a_fall_at_home_is_an_objection_with_its_numbers(bundle: Bundle) -> None:
    watch = Watch(by_colour(slope=0.1), bundle, site(), colours_at_home())
    (fall, *_) = watch.judge(by_colour(slope=-0.1)).objections
    assert "home cells falls from 100.0% to 0.0%" in fall
    assert set(watch.before["home"]) == {"all", "bccd", "pbc"}


def test_names_that_become_no_steadier_are_an_objection(bundle: Bundle) -> None:
    watch = Watch(by_colour(slope=0.1), bundle, site(), colours_at_home())
    (one,) = watch.judge(by_colour(slope=0.2)).objections
    assert "do not become steadier" in one


def test_a_type_that_vanishes_is_an_objection(bundle: Bundle) -> None:
    watch = Watch(by_colour(slope=0.1), bundle, site(), colours_at_home())
    objections = watch.judge(by_colour(slope=0.1, blind=True)).objections
    assert any("lymphocyte almost vanishes (50.0% of the cells" in one for one in objections)


def test_one_view_has_the_same_head(bundle: Bundle) -> None:
    network = open_network(bundle)
    even = np.broadcast_to(noise(4)[:, :1, :1], (4, SIZE, SIZE, 3)).astype(np.uint8)
    crops = np.concatenate([even, even[:, ::-1, ::-1]])
    np.testing.assert_allclose(
        probabilities_of(in_one_view(network), crops), probabilities_of(network, crops), atol=0.02
    )


def test_logits_and_features_are_those_of_the_head(bundle: Bundle) -> None:
    network, crops = open_network(bundle), two_kinds(4)[0]
    logits, features = logits_and_features(network, crops)
    kernel, offset = network.get_layer("logits").get_weights()
    np.testing.assert_allclose(features @ kernel + offset, logits, atol=1e-4)
    np.testing.assert_allclose(softmax(logits), probabilities_of(network, crops), atol=1e-5)


def test_a_model_without_the_known_score_has_no_threshold(bundle: Bundle) -> None:
    network = open_network(bundle)
    assert known_threshold(bundle, network, network, site(), colours_at_home()) is None


def test_what_looks_foreign_does_not_count_in_the_mixture() -> None:
    chances = np.asarray([[0.6, 0.1, 0, 0.3], [0.2, 0.1, 0, 0.7]])
    classes = (CellType.NEUTROPHIL, CellType.MONOCYTE, CellType.BASOPHIL, CellType.OTHER)
    np.testing.assert_allclose(type_mixture(chances, classes), [0.8, 0.2, 0, 0])


@pytest.mark.parametrize(
    ("version", "name", "number", "made"),
    [
        ("1.0.0", "Lab A/2", 1, "1.0.0+site.lab-a-2.1"),
        ("1.0.0+site.lab.1", "lab", 2, "1.0.0+site.lab.2"),
        ("1.0.0", "§", 1, "1.0.0+site.site.1"),
    ],
)
def test_versions_say_of_which_site(version: str, name: str, number: int, made: str) -> None:
    assert site_version(version, name, number) == made
