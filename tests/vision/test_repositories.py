import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from hematovision.errors import FolderTakenError, ModelDamagedError
from hematovision.vision import repositories
from hematovision.vision.bundle import Bundle, read_bundle
from hematovision.vision.repositories import LARGEST_DIFFERENCE, WITHIN, write_repository
from hematovision.vision.runtime import Network
from hematovision.vision.triton import Serving

from .networks import write_tiny_model, write_whole_model
from .triton_schema import parse_config

PACKAGED = Path(repositories.__file__).parents[1] / "models" / "blood_cell"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_whole_model(tmp_path / "model"))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    """The repository of the model that reads here."""
    bundle, folder = read_bundle(PACKAGED), tmp_path_factory.mktemp("shipped") / "repository"
    write_repository(bundle, folder, Serving())
    return bundle, folder


def listed(folder: Path) -> list[Any]:
    return [
        one["config"]
        for one in json.loads((folder / "config.json").read_text())["model_config_list"]
    ]


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("kind", "outputs", "shapes"),
    [
        (
            "blood_cell",
            ("logits", "features", "heat", "morphology"),
            [(1, 160, 160, 3), (4, 160, 160, 3)],
        ),
        ("locator", ("heat", "boxes"), [(1, 256, 192, 3), (2, 64, 320, 3)]),
    ],
)
def test_what_is_written_answers_as_what_was_shipped(
    shipped: tuple[Bundle, Path], kind: str, outputs: tuple[str, ...], shapes: list[Any]
) -> None:
    bundle, folder = shipped
    path = folder / f"{kind}-{bundle.identity.sha256[:12]}" / "1" / "model.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape[0], given.shape[3]) == (
        *("pictures", "tensor(uint8)", "N"),
        3,
    )
    assert tuple(output.name for output in session.get_outputs()) == outputs
    chance = np.random.default_rng(7)
    for shape in shapes:
        pictures = chance.integers(0, 256, shape, np.uint8)
        found = session.run(list(outputs), {"pictures": pictures})
        for answer, wanted in zip(found, Network(PACKAGED / f"{kind}.onnx")(pictures), strict=True):
            np.testing.assert_allclose(answer, wanted, atol=1e-4)


def test_shapes_that_triton_is_told_are_those_of_the_file(shipped: tuple[Bundle, Path]) -> None:
    for config_file in shipped[1].glob("*/config.pbtxt"):
        config = parse_config(config_file.read_text())
        assert config.name == config_file.parent.name
        session = onnxruntime.InferenceSession(
            config_file.parent / "1" / config.default_model_filename,
            providers=["CPUExecutionProvider"],
        )
        for told, found in (
            *zip(config.input, session.get_inputs(), strict=True),
            *zip(config.output, session.get_outputs(), strict=True),
        ):
            sides = [side if isinstance(side, int) else -1 for side in found.shape]
            assert (told.name, [-1, *told.dims]) == (found.name, sides)


def test_openvino_calls_outputs_by_their_names(shipped: tuple[Bundle, Path]) -> None:
    for path in shipped[1].glob("*/1/model.onnx"):
        graph = onnx.load(path).graph
        outputs = {output.name for output in graph.output}
        made = {name for node in graph.node for name in node.output if name}
        assert all(name.startswith(WITHIN) for name in made - outputs)
        assert max(outputs) < WITHIN


def test_repository_has_what_both_servers_read(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "some" / "repository"
    written = write_repository(bundle, folder, Serving(instances=2))
    names = [one.name for one in written]
    assert files(folder) == sorted(
        ["config.json"]
        + [f"{name}/{file}" for name in names for file in ("config.pbtxt", "1/model.onnx")]
    )
    assert all(one.difference <= LARGEST_DIFFERENCE for one in written)
    for config, name in zip(listed(folder), names, strict=True):
        assert (config["name"], config["base_path"]) == (name, name)
        assert (config["target_device"], config["nireq"]) == ("CPU", 2)
        assert config["plugin_config"] == {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "2"}
    assert [file.name for file in folder.parent.iterdir()] == ["repository"]


def test_networks_of_another_model_stay(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    first = write_repository(bundle, folder, Serving())
    other = read_bundle(write_tiny_model(tmp_path / "other", "2.0.0"))
    second = write_repository(other, folder, Serving(gpus=1))
    assert [config["name"] for config in listed(folder)] == [one.name for one in (*first, *second)]
    before = files(folder)
    again = write_repository(bundle, folder, Serving(instances=5))
    assert files(folder) == before
    assert {config["name"]: config["nireq"] for config in listed(folder)} == {
        **{one.name: 1 for one in second},
        **{one.name: 5 for one in again},
    }
    assert "count: 5" in (folder / first[0].name / "config.pbtxt").read_text()


@pytest.mark.parametrize(
    "there",
    [
        pytest.param({"photo.jpg": "x"}, id="something"),
        pytest.param({"config.json": "{}"}, id="other configuration"),
        pytest.param({"config.json": "no JSON"}, id="no configuration"),
        pytest.param({"config.json": '{"model_config_list": [{"config": 5}]}'}, id="no networks"),
        pytest.param(
            {"config.json": '{"model_config_list": [{"config": {"name": "resnet"}}]}'},
            id="networks of others",
        ),
        pytest.param({"config.json": '{"model_config_list": []}', "a": "x"}, id="not listed"),
    ],
)
def test_what_is_not_ours_is_not_touched(
    bundle: Bundle, tmp_path: Path, there: dict[str, str]
) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    for name, text in there.items():
        (folder / name).write_text(text)
    with pytest.raises(FolderTakenError, match="taken"):
        write_repository(bundle, folder, Serving())
    assert {file.name: file.read_text() for file in folder.iterdir()} == there


def test_file_is_no_folder(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(FolderTakenError):
        write_repository(bundle, tmp_path / "taken", Serving())


def test_nothing_is_written_of_a_damaged_model(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.folder / "locator.onnx").write_bytes(b"another")
    with pytest.raises(ModelDamagedError):
        write_repository(bundle, tmp_path / "repository", Serving())
    assert not (tmp_path / "repository").exists()


def test_what_cannot_be_moved_leaves_the_repository_as_it_was(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "repository"
    write_repository(bundle, folder, Serving())
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.parent.name == "fresh" and path.name.startswith("locator"):
            raise OSError(28, "No space left on device", str(target))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        write_repository(bundle, folder, Serving(instances=7))
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before
    assert sorted(child.name for child in tmp_path.iterdir()) == ["model", "repository"]


def test_network_that_answers_otherwise_is_not_written(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repositories, "_run", lambda *_: [np.full((1, 6), np.nan)])
    with pytest.raises(ModelDamagedError, match="otherwise"):
        write_repository(bundle, tmp_path / "repository", Serving())
    assert not (tmp_path / "repository").exists()


def test_network_that_cannot_be_run_with_bytes_is_not_written(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repositories, "_with_bytes", lambda _: b"no network")
    with pytest.raises(ModelDamagedError, match="not a network"):
        write_repository(bundle, tmp_path / "repository", Serving())
    assert not (tmp_path / "repository").exists()
