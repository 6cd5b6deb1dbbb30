import hashlib
import json
from pathlib import Path

import pytest
from tests.services.cases import make_case
from tests.services.signatures import add_person, sign

from hematovision.cells import CellType
from hematovision.cli.tools import Tools
from hematovision.storage.cases import Case
from hematovision.storage.database import Database, open_database

from .conftest import Run

REASONS = {"target": "No more cells on the film.", "unconfirmed": "They are clear."}


@pytest.fixture
def database(tools: Tools) -> Database:
    return open_database("", tools.settings.data_folder)


@pytest.fixture
def case(database: Database) -> Case:
    return make_case(database, [CellType.NEUTROPHIL] * 3, number="26-0837")


@pytest.mark.parametrize("kind", ["pdf", "csv", "xlsx", "fhir", "zip"])
def test_case_is_written_to_a_file_and_on_record(
    run: Run, database: Database, case: Case, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "out"
    result = run("export", "26-0837", "--format", kind, "--output", path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (result.exit_code, result.output) == (0, f"{path}: sha256 {sha256}\n")
    with database.reading() as records:
        event = records.audit.find(action="case.exported", subject=f"case {case.id}")
    assert event is not None
    assert (event.door, event.details["sha256"]) == ("terminal", sha256)


def test_version_that_was_signed_can_be_asked_for(
    run: Run, database: Database, case: Case, tmp_path: Path
) -> None:
    sign(database, case, add_person(database, "rosa"), reasons=REASONS)
    path = tmp_path / "report.json"
    for options, status in (((), "final"), (("--signed", "0"), "preliminary")):
        run("export", "26-0837", "--format", "fhir", "--output", path, *options)
        bundle = json.loads(path.read_text())
        assert bundle["entry"][0]["resource"]["status"] == status


def test_what_is_not_there_is_named_and_writes_nothing(
    run: Run, case: Case, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    unknown = run("export", "26-1", "--format", "pdf", "--output", path)
    assert (unknown.exit_code, unknown.stderr[:26]) == (1, "Error: There is no case 26")
    unsigned = run("export", "26-0837", "--format", "pdf", "--signed", "1", "--output", path)
    assert unsigned.exit_code == 1
    assert not path.exists()


def test_place_that_cannot_be_written_is_named(run: Run, case: Case, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "out"
    result = run("export", "26-0837", "--format", "csv", "--output", path)
    assert result.exit_code == 1
    assert f"{path}: No such file or directory." in result.stderr
