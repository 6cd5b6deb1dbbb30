import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hematovision.errors import ModelDamagedError
from hematovision.vision.runtime import CPU, CUDA, Network, choose_providers

from .networks import CLASSES, write_classifier, write_locator


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    path = tmp_path / "classifier.onnx"
    write_classifier(path)
    return path


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no network", id="text"),
        pytest.param(b"\x08\x09\x3a\x04", id="cut off"),
        pytest.param(None, id="missing"),
    ],
)
def test_file_that_is_no_network_is_damaged(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "none.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelDamagedError, match=r"none\.onnx"):
        Network(path)


def test_cut_off_network_is_damaged(classifier: Path) -> None:
    classifier.write_bytes(classifier.read_bytes()[:-40])
    with pytest.raises(ModelDamagedError, match=r"classifier\.onnx"):
        Network(classifier)


def test_outputs_come_in_the_networks_order(classifier: Path) -> None:
    pictures = np.zeros((3, 16, 16, 3), np.uint8)
    pictures[1] = (10, 20, 30)
    logits, features = Network(classifier, threads=1)(pictures)
    assert logits.shape == (3, len(CLASSES))
    np.testing.assert_allclose(features, [[0, 0, 0], [10, 20, 30], [0, 0, 0]])


def test_only_the_outputs_that_are_asked_for_are_given(classifier: Path) -> None:
    network = Network(classifier, threads=1)
    pictures = np.full((1, 16, 16, 3), 7, np.uint8)
    logits, features = network(pictures)
    assert network.outputs == 2
    (alone,) = network(pictures, outputs=(1,))
    np.testing.assert_array_equal(alone, features)
    for given, wanted in zip(network(pictures, outputs=(1, 0)), (features, logits), strict=True):
        np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (2, 64, 96, 3)])
def test_views_of_any_size_are_taken(tmp_path: Path, shape: tuple[int, ...]) -> None:
    write_locator(tmp_path / "locator.onnx")
    heat, boxes = Network(tmp_path / "locator.onnx")(np.zeros(shape, np.uint8))
    number, height, width, _ = shape
    assert heat.shape == (number, height // 8, width // 8, 3)
    assert boxes.shape == (number, height // 8, width // 8, 4)


def test_many_threads_get_the_answers_of_one(classifier: Path) -> None:
    network = Network(classifier)
    pictures = np.random.default_rng(0).integers(0, 255, (8, 1, 16, 16, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        together = [logits for logits, _ in pool.map(network, pictures)]
    for one, picture in zip(together, pictures, strict=True):
        np.testing.assert_array_equal(one, network(picture)[0])


@pytest.mark.parametrize(
    ("offered", "first"),
    [
        pytest.param([CPU], CPU, id="processor"),
        pytest.param(["AzureExecutionProvider", CPU], CPU, id="others"),
        pytest.param([CUDA, CPU], CUDA, id="card"),
    ],
)
def test_card_is_taken_where_it_is_offered_and_the_processor_is_left(
    offered: list[str], first: str
) -> None:
    tried = choose_providers(offered)
    begin = tried[0][0]
    assert (begin if isinstance(begin, str) else begin[0]) == first
    assert tried[-1] == [CPU]


def test_card_computes_with_whole_numbers() -> None:
    assert choose_providers([CUDA])[0][0] == (CUDA, {"use_tf32": "0"})


def test_processor_is_fallen_back_to_where_the_card_does_not_load(classifier: Path) -> None:
    network = Network(classifier, threads=1, offered=(CUDA, CPU))
    assert network(np.zeros((1, 16, 16, 3), np.uint8))[0].shape == (1, len(CLASSES))


def test_engine_tells_its_maker_nothing(classifier: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    program = (
        "import os, sys; from pathlib import Path\n"
        "from hematovision.vision.runtime import Network\n"
        "Network(Path(sys.argv[1])); print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    kept = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(classifier)],
        env=kept | {"HOME": str(home), "XDG_CACHE_HOME": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == "1\n"
    assert list(home.rglob("*Microsoft*")) == []
