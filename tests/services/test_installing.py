import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests.databases import open_copy
from tests.models import BY, Rack
from tests.vision.networks import CLASSES, CROP, write_tiny_model

from hematovision.cells import CellType
from hematovision.errors import (
    HematoVisionError,
    ModelDamagedError,
    ModelMissingError,
    ModelThereError,
    ModelUnfitError,
)
from hematovision.services.choosing import folder_of
from hematovision.services.installing import install_model
from hematovision.services.models import list_models
from hematovision.storage.database import Database
from hematovision.vision.bundle import sha256_of


@pytest.fixture
def rack(tmp_path: Path, empty_file: Path) -> Iterator[Rack]:
    """Give models on a disk; what folders are refused does not hang on the database."""
    database = open_copy(empty_file, tmp_path / "database")
    yield Rack(tmp_path, database)
    database.close()


def change(folder: Path, **document: Any) -> None:
    """Write something else into a bundle."""
    file = folder / "bundle.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | document))


def assert_nothing_is_installed(rack: Rack) -> None:
    assert list_models(rack.database).models == []
    assert rack.events() == []
    assert list((rack.data / "models").iterdir()) == []


def test_model_is_installed_beside_the_shipped_one(tmp_path: Path, database: Database) -> None:
    rack = Rack(tmp_path, database)
    source = rack.write()
    (source / "card.md").write_text("# Card")
    (source / "notes.txt").write_text("not of the model")
    model = install_model(rack.store, source, by=BY)
    folder = folder_of(rack.data, model.sha256)
    assert sorted(file.name for file in folder.iterdir()) == [
        *("blood_cell.onnx", "bundle.json", "card.md", "locator.onnx")
    ]
    assert sha256_of(folder / "bundle.json") == model.sha256
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    (installed,) = list_models(rack.database).models
    assert installed.identity == model
    assert rack.events() == [("model.installed", f"model {model.sha256[:16]}")]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def links(source: Path) -> None:
    file = source / "blood_cell.onnx"
    file.rename(source.parent / "elsewhere.onnx")
    file.symlink_to(source.parent / "elsewhere.onnx")


def links_beside(source: Path) -> None:
    (source / "card.md").symlink_to("/etc/hostname")


def links_the_bundle(source: Path) -> None:
    (source / "bundle.json").rename(source.parent / "bundle.json")
    (source / "bundle.json").symlink_to(source.parent / "bundle.json")


def waits(source: Path) -> None:
    (source / "locator.onnx").unlink()
    os.mkfifo(source / "locator.onnx")


def holds_a_folder(source: Path) -> None:
    (source / "locator.onnx").unlink()
    (source / "locator.onnx").mkdir()


def lists(name: str) -> Callable[[Path], None]:
    """List a file under a hostile name; it is there, and its hash is right."""

    def spoil(source: Path) -> None:
        (source.parent / "secret").write_text("secret")
        files = json.loads((source / "bundle.json").read_text())["files"]
        change(source, files=files | {name: sha256_of(source.parent / "secret")})

    return spoil


def lists_many(source: Path) -> None:
    files = json.loads((source / "bundle.json").read_text())["files"]
    change(source, files=files | {f"file-{i}": "0" for i in range(99)})


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(links, id="link to a network"),
        pytest.param(links_beside, id="link beside"),
        pytest.param(links_the_bundle, id="link to the bundle"),
        pytest.param(waits, id="pipe"),
        pytest.param(holds_a_folder, id="folder"),
        pytest.param(lists_many, id="too many"),
        *(
            pytest.param(lists(name), id=repr(name))
            for name in (
                *("../secret", "/etc/hostname", "a/../../secret", "..", ".", "", ".hidden"),
                *("C:secret", "a\\..\\secret", "-rf", "a\0b", "BUNDLE.json", "Locator.onnx"),
            )
        ),
    ],
)
def test_hostile_folder_is_refused(rack: Rack, spoil: Callable[[Path], None]) -> None:
    source = rack.write()
    spoil(source)
    with pytest.raises(ModelUnfitError):
        install_model(rack.store, source, by=BY)
    assert_nothing_is_installed(rack)


def test_folder_that_is_a_link_is_refused(rack: Rack) -> None:
    (rack.folder / "link").symlink_to(rack.write(), target_is_directory=True)
    with pytest.raises(ModelUnfitError, match="is a link"):
        install_model(rack.store, rack.folder / "link", by=BY)


def is_cut(source: Path) -> None:
    data = (source / "blood_cell.onnx").read_bytes()
    (source / "blood_cell.onnx").write_bytes(data[:-1])


def is_no_network(source: Path) -> None:
    (source / "blood_cell.onnx").write_bytes(b"no network")
    files = {name: sha256_of(source / name) for name in ("blood_cell.onnx", "locator.onnx")}
    change(source, files=files)


def looks_into(location: str) -> Callable[[Path], None]:
    """Let the classifier take its weights from another file, as ONNX allows."""

    def spoil(source: Path) -> None:
        weights = np.zeros((3, len(CLASSES)), np.float32)
        for folder in (source, source.parent):
            (folder / "weights.bin").write_bytes(weights.tobytes())
        network = onnx.load(source / "blood_cell.onnx")
        (tensor,) = (one for one in network.graph.initializer if one.name == "weights")
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location.format(folder=source.parent))
        (source / "blood_cell.onnx").write_bytes(network.SerializeToString())
        files = {name: sha256_of(source / name) for name in ("blood_cell.onnx", "locator.onnx")}
        change(source, files=files)

    return spoil


def names_fewer(source: Path) -> None:
    change(source, classes=CLASSES[:-1], prediction_set={"coverage": 0.9, "threshold": 0.1})


def takes_another_input(source: Path) -> None:
    crop = json.loads((source / "bundle.json").read_text())["crop"]
    change(source, crop=crop | {"size": 10**6})


@pytest.mark.parametrize(
    ("spoil", "failure"),
    [
        pytest.param(is_cut, ModelUnfitError, id="cut file"),
        pytest.param(is_no_network, ModelDamagedError, id="no network"),
        pytest.param(looks_into("weights.bin"), ModelDamagedError, id="weights that it lists not"),
        pytest.param(looks_into("../../../weights.bin"), ModelDamagedError, id="weights above"),
        pytest.param(looks_into("{folder}/weights.bin"), ModelDamagedError, id="weights elsewhere"),
        pytest.param(names_fewer, ModelUnfitError, id="other classes"),
        pytest.param(lambda s: (s / "locator.onnx").unlink(), ModelUnfitError, id="missing file"),
        pytest.param(lambda s: (s / "bundle.json").write_text("{"), ModelUnfitError, id="no JSON"),
        pytest.param(lambda s: change(s, files=[]), ModelUnfitError, id="no list of files"),
        pytest.param(lambda s: change(s, files={}), ModelMissingError, id="no networks"),
        pytest.param(lambda s: change(s, crop={}), ModelDamagedError, id="no rule"),
        pytest.param(lambda s: change(s, version="2\x1b[2J"), ModelUnfitError, id="no version"),
        pytest.param(lambda s: change(s, version="2" * 65), ModelUnfitError, id="long version"),
        pytest.param(lambda s: change(s, version=2), ModelDamagedError, id="number for a version"),
        pytest.param(lambda s: change(s, name=None), ModelDamagedError, id="nothing for a name"),
        pytest.param(lambda s: change(s, version="shipped"), ModelUnfitError, id="version of ours"),
        pytest.param(lambda s: change(s, version="off"), ModelUnfitError, id="word for no model"),
        pytest.param(takes_another_input, ModelUnfitError, id="another input"),
    ],
)
def test_model_that_cannot_read_is_refused(
    rack: Rack, spoil: Callable[[Path], None], failure: type[HematoVisionError]
) -> None:
    source = rack.write()
    spoil(source)
    with pytest.raises(failure):
        install_model(rack.store, source, by=BY)
    assert_nothing_is_installed(rack)


def test_model_that_is_there_is_not_installed_again(rack: Rack) -> None:
    rack.install()
    with pytest.raises(ModelThereError, match="already"):
        install_model(rack.store, rack.folder / "model-2.0.0", by=BY)
    with pytest.raises(ModelThereError, match="already"):
        install_model(rack.store, rack.shipped, by=BY)
    assert len(rack.events()) == 1


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_name_and_version_of_another_are_refused(rack: Rack, version: str) -> None:
    sha256 = rack.install("2.0.0")
    other = write_tiny_model(rack.folder / "other", version, CellType.BASOPHIL)
    with pytest.raises(ModelThereError, match=f"tiny {version}"):
        install_model(rack.store, other, by=BY)
    assert [model.identity.sha256 for model in list_models(rack.database).models] == [sha256]
    assert len(list((rack.data / "models").iterdir())) == 1


def test_another_machine_gets_the_files_alone(rack: Rack) -> None:
    folder = folder_of(rack.data, rack.install())
    shutil.rmtree(folder)
    install_model(rack.store, rack.folder / "model-2.0.0", by=BY)
    assert folder.is_dir()
    assert len(rack.events()) == 1


def test_crop_of_the_tiny_model_is_what_the_tests_suppose() -> None:
    assert CROP.size == 32
