import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.films import NOW
from tests.installations import field_pictures
from tests.models import BY
from tests.services.cases import say
from tests.vision.networks import write_tiny_model

from hematovision.cells import CellType
from hematovision.cli.stores import open_pictures, open_records
from hematovision.cli.tools import Tools
from hematovision.config import Settings
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.cases import open_case
from hematovision.services.teaching import allow_teaching
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.vision.reader import load_reader

from .conftest import Run


@pytest.fixture
def tools(settings: Settings) -> Tools:
    write_tiny_model(settings.model_folder)
    return Tools(replace(settings, max_pixels=100_000), load_reader=load_reader)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "other", "2.0.0", CellType.LYMPHOCYTE)


@pytest.fixture
def database(tools: Tools) -> Iterator[Database]:
    database = open_records(tools.settings)
    yield database
    database.close()


@pytest.fixture
def case(tools: Tools, database: Database) -> Case:
    """Give a case with a photo of two neutrophils, of which people have named one."""
    files = open_pictures(tools.settings)
    case = open_case(database, "26-0837", by=BY)
    add_photo(database, files, case, field_pictures(1)[0], by=BY)
    desk = Desk(database, files, load_reader(tools.settings.model_folder))
    assert read_next(desk, "worker", clock=lambda: NOW)
    say(database, case, "neutrophil", 1)
    return case


def test_model_is_installed_promoted_and_rolled_back(run: Run, other: Path) -> None:
    assert run("model", "list").stdout.startswith("reads   tiny 1.0.0")
    said = run("model", "install", other)
    assert said.exit_code == 0
    assert "Installed tiny 2.0.0" in said.stdout
    assert "hematovision model shadow 2.0.0" in said.stdout
    assert run("model", "shadow", "2.0.0").exit_code == 0
    assert run("model", "list").stdout.splitlines()[0].startswith("shadow  tiny 2.0.0")
    assert "No model reads in the shadow." in run("model", "shadow", "off").stdout
    assert "tiny 2.0.0" in run("model", "promote", "2.0.0").stdout
    first, second = run("model", "list").stdout.splitlines()
    assert first.startswith("reads   tiny 2.0.0")
    assert second.startswith("        tiny 1.0.0")
    assert second.endswith("shipped")
    assert "tiny 1.0.0" in run("model", "rollback").stdout
    assert run("model", "list").stdout.splitlines()[1].startswith("reads")


def test_classify_reads_with_the_promoted_model(run: Run, other: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(field_pictures(1)[0])
    run("model", "install", other)
    run("model", "promote", "2.0.0")
    told = json.loads(run("classify", "--json", tmp_path / "photo.png").stdout)
    assert told["model"]["version"] == "2.0.0"
    told = json.loads(run("classify", "--json", "--no-record", tmp_path / "photo.png").stdout)
    assert told["model"]["version"] == "1.0.0"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["promote", "3.0.0"], "No model is called 3.0.0 here.", id="unknown"),
        pytest.param(["promote", "shipped"], "This model reads already.", id="reads"),
        pytest.param(["shadow", "1.0.0"], "This model reads already", id="shadow of itself"),
        pytest.param(["rollback"], "No model was promoted.", id="nothing before"),
        pytest.param(["compare", "1.0.0", "3.0.0"], "No model is called 3.0.0", id="compare"),
    ],
)
def test_what_cannot_be_done_is_named(run: Run, arguments: list[str], says: str) -> None:
    result = run("model", *arguments)
    assert result.exit_code == 1
    assert says in result.stderr


def test_damaged_folder_is_named_and_nothing_is_installed(run: Run, other: Path) -> None:
    (other / "locator.onnx").write_bytes(b"")
    result = run("model", "install", other)
    assert result.exit_code == 1
    assert "locator.onnx is not the file that the bundle lists. Nothing was installed." in (
        result.stderr
    )
    assert "2.0.0" not in run("model", "list").stdout


def test_compare_reads_what_is_missing(run: Run, other: Path, case: Case) -> None:
    run("model", "install", other)
    stored = run("model", "compare", "1.0.0", "2.0.0", "--stored").stdout
    assert "There is no cell that both have read." in stored
    assert "Left out: 1 photos" in stored
    told = run("model", "compare", "1.0.0", "2.0.0").stdout
    assert "1 cells that people have named, on 1 photos" in told
    assert "right in one alone: 1 and 0 (McNemar, p = 1)" in told
    assert "neutrophil" in told


def test_confirmed_cells_are_exported(
    run: Run, database: Database, case: Case, tmp_path: Path
) -> None:
    refused = run("dataset", "export", tmp_path / "set", "--all-confirmed")
    assert refused.exit_code == 1
    assert "let cases improve the model on their pages" in refused.stderr
    allow_teaching(database, case.id, may_improve=True, by=BY)
    assert run("dataset", "export", tmp_path / "set").exit_code == 1
    told = run("dataset", "export", tmp_path / "set", "--all-confirmed")
    assert told.exit_code == 0
    assert "1 cells on 1 photos of 1 cases" in told.stdout
    assert "pictures of patients" in told.stdout
    assert (tmp_path / "set/cells.csv").is_file()
    again = run("dataset", "export", tmp_path / "set", "--all-confirmed")
    assert "set is there already." in again.stderr
