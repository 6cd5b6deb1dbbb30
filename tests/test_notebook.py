"""Guards of the notebook: it runs on a few real pictures, and what is committed was run."""

import ast
import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from .conftest import SHARED, skip_or_fail

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks/model.ipynb"
WEIGHTS = SHARED / "weights/mobilenet_v2_1.0_imagenet_no_top.weights.h5"

ALLOWED = {"hematovision", "numpy", "pathlib", "os", "IPython"}
LARGEST = 2_500_000
KAGGLE = 80
PHOTOS = {
    "train": {"MONOCYTE": 99, "LYMPHOCYTE": 99, "EOSINOPHIL": 20, "NEUTROPHIL": 20},
    "test": {"NEUTROPHIL": 5},
}
"""BCCD photos that the test takes, at most: every pair of them is compared."""

HISTORY = "epoch,loss,predictions_accuracy\n0,1.5,0.6\n1,0.9,0.8\n"


def cells(kind: str, notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def outputs(notebook: Any) -> Iterator[Any]:
    for cell in cells("code", notebook):
        yield from cell.outputs


def printed(notebook: Any) -> str:
    return "".join(out.text for out in outputs(notebook) if out.output_type == "stream")


def shown(notebook: Any, cell_id: str) -> list[str]:
    """Give the kinds of what a cell displays."""
    (cell,) = (cell for cell in notebook.cells if cell.id == cell_id)
    return [kind for out in cell.outputs for kind in out.get("data", {})]


def share(name: str, notebook: Any) -> float:
    """Read a percentage of the plain recipe."""
    (number,) = re.findall(rf"^{name}: ([\d.]+)% right", printed(notebook), re.MULTILINE)
    return float(number)


def number_of(pattern: str, notebook: Any) -> tuple[int, int]:
    """Read the two numbers of a sentence such as `7 of 9 photos`."""
    ((some, of),) = re.findall(rf"^(\d+) of (\d+) {pattern}", printed(notebook), re.MULTILINE)
    return int(some), int(of)


@pytest.fixture(scope="module")
def committed() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def few(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of sets that has some photos of BCCD; what it has not is not asked for."""
    data = tmp_path_factory.mktemp("data")
    for name in ("kaggle", "pbc"):
        (data / name).symlink_to(data_folder / name)
    (data / "bccd").mkdir()
    (data / "bccd/photos").symlink_to(data_folder / "bccd/photos")
    for table in ("labels.csv", "boxes.csv"):
        write_some(data_folder / "bccd" / table, data / "bccd" / table, chosen(data_folder))
    return data


def chosen(data_folder: Path) -> set[str]:
    """Name the first so many photos of each type and part."""
    left = {part: dict(numbers) for part, numbers in PHOTOS.items()}
    names = set()
    with (data_folder / "bccd/labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            numbers, label = left.get(row["official_split"], {}), row["label_as_published"]
            if numbers.get(label, 0) > 0:
                numbers[label] -= 1
                names.add(row["photo"])
    return names


def write_some(table: Path, copy: Path, names: set[str]) -> None:
    """Copy the rows of some photos."""
    header, *rows = table.read_text().splitlines(keepends=True)
    place = header.strip().split(",").index("photo")
    copy.write_text(header + "".join(row for row in rows if row.split(",")[place] in names))


@pytest.fixture(scope="module")
def executed(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the notebook as `make notebook` does, on few pictures."""
    if not WEIGHTS.is_file():
        skip_or_fail(f"the weights are not at {WEIGHTS}")
    work = tmp_path_factory.mktemp("run")
    (work / "trunk.csv").write_text(HISTORY)
    places = {"DATA": few, "WEIGHTS": WEIGHTS, "RUN": work, "LIMIT": KAGGLE}
    settings = {f"HEMATOVISION_NOTEBOOK_{name}": str(value) for name, value in places.items()}
    program = [sys.executable, "notebooks/execute.py", str(work / "model.ipynb")]
    done = subprocess.run(  # noqa: S603 - our own program
        program, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(work / "model.ipynb", as_version=4)


@pytest.mark.train
@pytest.mark.real_data
def test_notebook_runs_and_its_pictures_are_there(executed: Any) -> None:
    assert_was_run(executed)
    assert shown(executed, "leak-row").count("image/jpeg") == 2
    assert shown(executed, "plain") == []
    for name in ("locator", "crops"):
        assert shown(executed, name).count("image/jpeg") == 1, name
    for name in ("data-pictures", "heat-pictures", "whole"):
        assert shown(executed, name).count("image/jpeg") == 2, name
    for name in ("curves", "accuracies"):
        assert shown(executed, name).count("image/svg+xml") == 1, name


@pytest.mark.train
@pytest.mark.real_data
def test_copies_leak_over_a_random_split_of_few_pictures(executed: Any) -> None:
    traced, copies = number_of("copies come from", executed)
    assert copies == 4 * KAGGLE
    assert copies / 4 < traced < copies
    twins, asked = number_of("traced copies that are asked have a twin", executed)
    assert twins > asked / 2
    assert share("leaky", executed) > share("honest", executed) + 5


def test_committed_notebook_was_run_and_is_small(committed: Any) -> None:
    assert_was_run(committed)
    assert NOTEBOOK.stat().st_size < LARGEST
    assert share("leaky", committed) > share("honest", committed)
    for name in ("leak-row", "locator", "heat-pictures", "whole"):
        assert "image/jpeg" in shown(committed, name), name
    assert "image/svg+xml" in shown(committed, "accuracies")


def test_committed_notebook_keeps_no_traces_of_the_machine(committed: Any) -> None:
    text = NOTEBOOK.read_text()
    assert str(ROOT) not in text
    assert not re.search(r"/(home|root|Users|work)/", printed(committed))
    assert not [cell.id for cell in committed.cells if "execution" in cell.metadata]


def test_notebook_uses_the_package_and_little_else(committed: Any) -> None:
    assert imported("\n\n".join(cell.source for cell in cells("code", committed))) <= ALLOWED


def test_notebook_shows_no_picture_of_jtsc(committed: Any) -> None:
    code = "\n".join(cell.source for cell in cells("code", committed))
    assert "jtsc" not in code.lower()


def test_notebook_says_what_it_is_for_and_whose_pictures_it_shows(committed: Any) -> None:
    text = " ".join(" ".join(cell.source for cell in cells("markdown", committed)).split())
    for words in ("For research use only", "MIT licence", "Acevedo", "CC BY 4.0", "by patient"):
        assert words in text


def assert_was_run(notebook: Any) -> None:
    """Insist that every cell ran, in order, and that nothing failed or complained."""
    code = cells("code", notebook)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [out for out in outputs(notebook) if out.output_type == "error"]
    assert not [out.text for out in outputs(notebook) if out.get("name") == "stderr"]


def imported(code: str) -> set[str]:
    """Name the packages that some code imports."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.split(".")[0] for name in names}
