import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hematovision.cells import CellType
from hematovision.learning.datasets import DataMissingError, load_picture
from hematovision.learning.labels import (
    OutOfFold,
    OutOfFoldError,
    draw_suspicions,
    read_out_of_fold,
    suspicious_labels,
    write_table,
)

from .outoffold import CLASSES, PLANTED, made_up, write_out_of_fold

_file = io.BytesIO()
np.save(_file, np.zeros(3))
ARRAY = _file.getvalue()


def test_planted_wrong_labels_are_found_and_no_others() -> None:
    suspicions = suspicious_labels(made_up())
    assert {(s.path, s.published, s.suggested) for s in suspicions} == set(PLANTED)


def test_most_doubtful_label_comes_first() -> None:
    qualities = [suspicion.quality for suspicion in suspicious_labels(made_up())]
    assert qualities == sorted(qualities)
    assert 0 <= qualities[0] < 0.1


def test_right_labels_are_not_suspicious() -> None:
    told = made_up()
    assert suspicious_labels(replace(told, labels=told.probabilities.argmax(axis=1))) == []


def test_types_without_a_cell_are_no_hindrance() -> None:
    told = made_up()
    assert CellType.BASOPHIL not in {told.classes[label] for label in told.labels}
    kept = told.labels != CLASSES.index(CellType.EOSINOPHIL)
    fewer = OutOfFold(
        tuple(np.asarray(told.paths)[kept]), told.labels[kept], told.probabilities[kept], CLASSES
    )
    assert {s.published for s in suspicious_labels(fewer)} == {CellType.MONOCYTE}


def test_table_is_read_back(tmp_path: Path) -> None:
    told = made_up()
    read = read_out_of_fold(write_out_of_fold(tmp_path, told))
    assert (read.paths, read.classes) == (told.paths, told.classes)
    np.testing.assert_array_equal(read.labels, told.labels)
    np.testing.assert_array_equal(read.probabilities, told.probabilities)


def test_missing_table_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(OutOfFoldError, match=r"out_of_fold\.npz is missing; “hematovision train”"):
        read_out_of_fold(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"classes": np.asarray(["unicorn"] * 6)}, id="unknown type"),
        pytest.param({"labels": np.zeros(3, np.intp)}, id="labels of other cells"),
        pytest.param({"probabilities": np.zeros((3, 6))}, id="probabilities of other cells"),
        pytest.param({"paths": None}, id="no paths"),
        pytest.param({"paths": np.asarray([{}])}, id="objects"),
    ],
)
def test_damaged_table_is_refused(tmp_path: Path, change: dict[str, np.ndarray | None]) -> None:
    told = made_up()
    columns = {
        "paths": np.asarray(told.paths),
        "labels": told.labels,
        "probabilities": told.probabilities,
        "classes": np.asarray(told.classes),
    } | change
    columns = {name: column for name, column in columns.items() if column is not None}
    np.savez(tmp_path / "out_of_fold.npz", **columns)
    with pytest.raises(OutOfFoldError, match="cannot be understood"):
        read_out_of_fold(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", ARRAY])
def test_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "out_of_fold.npz").write_bytes(content)
    with pytest.raises(OutOfFoldError, match="cannot be understood"):
        read_out_of_fold(tmp_path)


def test_list_is_written_as_csv() -> None:
    file = io.StringIO()
    write_table(suspicious_labels(made_up()), file)
    head, *rows = file.getvalue().splitlines()
    assert head == "picture,published,suggested,quality"
    assert sorted(row.rpartition(",")[0] for row in rows) == sorted(map(",".join, PLANTED))


def test_every_suspicion_is_drawn(tmp_path: Path) -> None:
    suspicions = suspicious_labels(made_up())
    for suspicion in suspicions:
        Image.new("RGB", (64, 48), "red").save(tmp_path / suspicion.path)
    draw_suspicions(suspicions, tmp_path, tmp_path / "sheet.png")
    sheet = load_picture(tmp_path / "sheet.png")
    assert (sheet == (255, 0, 0)).all(axis=2).sum() == len(suspicions) * 64 * 48


def test_nothing_suspicious_draws_nothing(tmp_path: Path) -> None:
    draw_suspicions([], tmp_path, tmp_path / "sheet.png")
    assert list(tmp_path.iterdir()) == []


def test_picture_of_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="is --data the right folder"):
        draw_suspicions(suspicious_labels(made_up()), tmp_path, tmp_path / "sheet.png")
