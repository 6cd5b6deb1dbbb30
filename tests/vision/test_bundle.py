import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from hematovision.cells import CellType
from hematovision.errors import ModelDamagedError, ModelMissingError
from hematovision.vision.bundle import damaged_files, read_bundle, sha256_of

from .model_folder import FILES, bundle_document, write_model_folder

SAME = dict.fromkeys(bundle_document()["classes"], 0.5)
WITH_KNOWN = {**bundle_document()["files"], "known.npz": "0" * 64}


def sets(thresholds: object) -> dict[str, Any]:
    """Describe prediction sets of these thresholds."""
    return {"prediction_set": {"coverage": 0.95, "thresholds": thresholds}}


CROP, LOOK = bundle_document()["crop"], bundle_document()["locator"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model_folder(tmp_path / "model")


def test_folder_is_read(folder: Path) -> None:
    bundle = read_bundle(folder)
    assert bundle.identity.name == "blood_cell"
    assert (
        bundle.identity.sha256 == hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()
    )
    assert bundle.classes[0] is CellType.EOSINOPHIL
    assert bundle.crop.stain_mean == (0.1, 0.2, 0.3)
    assert bundle.locator.side == 640
    assert bundle.coverage == 0.9
    assert bundle.set_thresholds[CellType.EOSINOPHIL] == 0.03
    assert bundle.set_thresholds[CellType.OTHER] == 0.08
    assert bundle.known_threshold is None
    assert bundle.morphology == {}
    assert bundle.document["metrics"]["jtsc"]["right"] == 0.61
    assert damaged_files(bundle) == ()


def test_one_threshold_is_read_as_that_of_every_type(folder: Path) -> None:
    rule = {"prediction_set": {"coverage": 0.95, "threshold": 0.4}}
    write_model_folder(folder, bundle_document() | rule)
    assert read_bundle(folder).set_thresholds == dict.fromkeys(CellType, 0.4)


def test_known_threshold_and_morphology_are_read(folder: Path) -> None:
    words = {"cell_size": ["big", "small"], "granularity": ["no", "yes"]}
    new = {"known": {"threshold": 0.25}, "morphology": words, "files": WITH_KNOWN}
    write_model_folder(folder, bundle_document() | new)
    bundle = read_bundle(folder)
    assert bundle.known_threshold == 0.25
    assert list(bundle.morphology.items()) == [
        ("cell_size", ("big", "small")),
        ("granularity", ("no", "yes")),
    ]
    assert damaged_files(bundle) == ("known.npz",)


@pytest.mark.parametrize("name", ["bundle.json", *FILES])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelMissingError, match=name):
        read_bundle(folder)


def test_missing_folder_is_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError):
        read_bundle(tmp_path / "none")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"classes": ["neutrophil", "unicorn"]}, id="unknown class"),
        pytest.param({"crop": {"size": 128}}, id="crop rule not whole"),
        pytest.param({"locator": {"speed": 9}}, id="unknown rule"),
        pytest.param({"prediction_set": {}}, id="no threshold"),
        pytest.param({"files": ...}, id="no hashes"),
        pytest.param({"crop": None}, id="no crop rule"),
        pytest.param({"files": {}}, id="hashes of nothing"),
        pytest.param({"files": ["blood_cell.onnx", "locator.onnx"]}, id="names without hashes"),
        pytest.param(
            {"prediction_set": {"coverage": 0.95, "threshold": "x"}}, id="threshold of no number"
        ),
        pytest.param({"prediction_set": {"coverage": 1.5, "threshold": 0.5}}, id="coverage over 1"),
        pytest.param({"prediction_set": {"threshold": 0.5}}, id="no coverage"),
        pytest.param(sets(SAME | {"other": True}), id="threshold of true"),
        pytest.param(sets(SAME | {"other": float("nan")}), id="threshold of NaN"),
        pytest.param(sets(SAME | {"other": -0.1}), id="threshold below 0"),
        pytest.param(sets(SAME | {"unicorn": 0.5}), id="threshold of no type"),
        pytest.param(sets({"neutrophil": 0.5}), id="types without a threshold"),
        pytest.param(sets([0.5] * 6), id="thresholds without types"),
        pytest.param({"known": {"threshold": 0.5}}, id="known-or-not score without its file"),
        pytest.param({"known": {"threshold": 2}, "files": WITH_KNOWN}, id="known over 1"),
        pytest.param({"known": {"score": 1}, "files": WITH_KNOWN}, id="known without threshold"),
        pytest.param({"morphology": {"cell_size": "big"}}, id="attribute of one word"),
        pytest.param({"morphology": {"cell_size": []}}, id="attribute without values"),
        pytest.param({"morphology": {"cell_size": ["big", "big"]}}, id="value twice"),
        pytest.param({"morphology": ["cell_size"]}, id="attributes without values"),
        pytest.param({"crop": CROP | {"size": "128"}}, id="size in words"),
        pytest.param({"crop": CROP | {"size": -1}}, id="size below zero"),
        pytest.param({"crop": CROP | {"size": 1.5}}, id="part of a pixel"),
        pytest.param({"crop": CROP | {"context": "2"}}, id="context in words"),
        pytest.param({"crop": CROP | {"context": float("inf")}}, id="context without end"),
        pytest.param({"crop": CROP | {"stain_mean": ["a", "b", "c"]}}, id="stain in words"),
        pytest.param({"crop": CROP | {"stain_strength": True}}, id="strength that is true"),
        pytest.param({"locator": LOOK | {"score": "x"}}, id="score in words"),
        pytest.param({"locator": LOOK | {"side": 0}}, id="no side"),
        pytest.param({"locator": LOOK | {"more": 0}}, id="a rule too many"),
    ],
)
def test_damaged_document_is_refused(folder: Path, change: dict[str, Any]) -> None:
    changed = bundle_document() | change
    document = {name: value for name, value in changed.items() if value is not ...}
    write_model_folder(folder, document)
    with pytest.raises(ModelDamagedError, match=r"bundle\.json"):
        read_bundle(folder)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 10**5])
def test_document_that_is_none_is_refused(folder: Path, text: bytes) -> None:
    (folder / "bundle.json").write_bytes(text)
    with pytest.raises(ModelDamagedError, match=r"bundle\.json"):
        read_bundle(folder)


def test_changed_and_lost_files_are_named(folder: Path) -> None:
    bundle = read_bundle(folder)
    (folder / "locator.onnx").write_bytes(b"another")
    assert damaged_files(bundle) == ("locator.onnx",)
    (folder / "blood_cell.onnx").unlink()
    assert set(damaged_files(bundle)) == set(FILES)


def test_missing_file_has_a_hash_like_no_other(tmp_path: Path) -> None:
    assert sha256_of(tmp_path / "none") == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_that_may_not_be_read_is_missing(folder: Path) -> None:
    folder.chmod(0)
    try:
        with pytest.raises(ModelMissingError, match="cannot be read"):
            read_bundle(folder)
    finally:
        folder.chmod(0o700)


def test_document_that_is_a_loop_is_missing(folder: Path) -> None:
    (folder / "bundle.json").unlink()
    (folder / "bundle.json").symlink_to("bundle.json")
    with pytest.raises(ModelMissingError):
        read_bundle(folder)
    assert sha256_of(folder / "bundle.json") == ""
