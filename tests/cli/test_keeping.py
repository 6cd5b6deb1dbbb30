import errno
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from tests.films import FilmReader, make_case, picture
from tests.models import Rack
from tests.vision.networks import write_tiny_model

from hematovision.cells import PhotoReading
from hematovision.cli.tools import Tools
from hematovision.config import Settings
from hematovision.services import rotation
from hematovision.services.batches import Desk, read_next
from hematovision.services.hands import Hand
from hematovision.services.installing import install_model
from hematovision.services.rotation import Vault, rotate
from hematovision.storage.cases import Case
from hematovision.storage.database import Database, open_database
from hematovision.storage.depot import open_depot
from hematovision.storage.files import Files, open_files
from hematovision.storage.keys import open_seal, write_keys
from hematovision.storage.photos import Sent
from hematovision.storage.private import read_data_keys
from hematovision.vision.reader import load_reader

from .conftest import Run

BY = Hand(None, "terminal", datetime.now(UTC))


@pytest.fixture
def opened(settings: Settings) -> Database:
    return open_database("", settings.data_folder)


@pytest.fixture
def files(settings: Settings, opened: Database) -> Files:
    return open_files("", settings.data_folder, open_seal(settings.data_folder))


@pytest.fixture
def case(opened: Database, files: Files) -> Case:
    return make_case(opened, files, FilmReader(2), [picture(1, 96, 96)])


def read_case(opened: Database, files: Files, folder: Path) -> int:
    """Let real networks read a photo of a case; give its number."""
    with opened.transaction() as records:
        case = records.cases.add("26-real", "", by=None, now=datetime.now(UTC))
        sent = Sent("b" * 64, 9, files.put(picture(7, 96, 96)), "page", None, datetime.now(UTC))
        photo = records.photos.add(sent, case_id=case.id)
    desk = Desk(opened, files, load_reader(folder, threads=1))
    assert read_next(desk, "worker", clock=lambda: datetime.now(UTC))
    return photo.id


def test_reading_is_verified_with_the_recorded_model(
    run: Run, settings: Settings, opened: Database, files: Files, case: Case, tmp_path: Path
) -> None:
    (settings.data_folder / "models").mkdir()
    folder = write_tiny_model(settings.data_folder / "models" / "ours")
    tools = Tools(settings)
    photo = read_case(opened, files, folder)
    same = run("verify", photo, tools=tools)
    assert (same.exit_code, same.output.split("\t")[:2]) == (0, [str(photo), "same"])
    of_case = run("verify", "--case", "26-0837", tools=tools)
    assert (of_case.exit_code, of_case.output.splitlines()[-1]) == (1, "1 no_model")
    all_of_them = run("verify", "--all", "--model", folder, tools=tools)
    assert (all_of_them.exit_code, all_of_them.output.splitlines()[-1]) == (1, "1 no_model, 1 same")


def test_answer_that_differs_is_told(
    run: Run, settings: Settings, opened: Database, files: Files
) -> None:
    write_tiny_model(settings.model_folder)
    photo = read_case(opened, files, settings.model_folder)
    result = run(
        "verify", photo, tools=Tools(settings, load_reader=lambda _, threads: FilmReader(3))
    )
    assert result.exit_code == 1
    assert "different" in result.output
    assert "cells before, 3 now" in result.output


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param([], 2, "Give numbers of readings, --case or --all", id="nothing"),
        pytest.param(["1", "--all"], 2, "Give numbers", id="both"),
        pytest.param(["4711"], 1, "There is no such reading", id="no reading"),
        pytest.param(["--case", "26-9"], 1, "There is no such case", id="no case"),
    ],
)
def test_what_cannot_be_verified_is_said(run: Run, words: list[str], code: int, said: str) -> None:
    result = run("verify", *words)
    assert (result.exit_code, said in result.output) == (code, True)


def test_case_is_exported_whole(run: Run, case: Case, tmp_path: Path) -> None:
    target = tmp_path / "case.zip"
    result = run("case", "export", "26-0837", target)
    assert result.exit_code == 0
    assert "1 pictures, sha256 " in result.output
    with zipfile.ZipFile(target) as packed:
        assert json.loads(packed.read("case.json"))["cases"][0]["id"] == case.id
    again = run("case", "export", "26-0837", target)
    assert (again.exit_code, "is there already" in again.output) == (1, True)
    assert "There is no such case" in run("case", "export", "26-9", tmp_path / "x").output


def test_picture_that_lacks_in_an_export_is_told(
    run: Run, opened: Database, files: Files, case: Case, tmp_path: Path
) -> None:
    with opened.reading() as records:
        files.delete(records.photos.list(case.id)[0].file or "")
    assert "1 pictures are not kept" in run("case", "export", "26-0837", tmp_path / "x").stderr


def test_case_is_erased_once_its_number_is_typed_again(
    run: Run, opened: Database, case: Case
) -> None:
    wrong = run("case", "erase", "26-0837", "--why", "asked", "--confirm", "26-1")
    assert (wrong.exit_code, "not the one of this case" in wrong.output) == (1, True)
    done = run("case", "erase", "26-0837", sent=b"trial\n26-0837\n")
    assert done.exit_code == 0
    assert f"Case {case.id} is erased: 1 photos, 2 cells." in done.output
    with opened.reading() as records:
        assert records.cases.find("26-0837") is None


def test_key_is_rotated(run: Run, settings: Settings, case: Case) -> None:
    before = read_data_keys(settings.data_folder)
    result = run("keys", "rotate", tools=Tools(settings, wait=lambda span: None))
    assert result.exit_code == 0
    assert "2 files and secrets are sealed anew" in result.stdout
    assert "Machines that have a copy" in result.stderr
    assert read_data_keys(settings.data_folder) != before


def test_keys_that_cannot_be_written_here_are_taken_out_by_hand(
    run: Run, settings: Settings, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system")

    write_keys(settings.data_folder, [bytes(32), *read_data_keys(settings.data_folder)])
    monkeypatch.setattr(rotation, "write_keys", refuse)
    result = run("keys", "rotate", tools=Tools(settings, wait=lambda span: None))
    assert result.exit_code == 0
    assert "take the last line out of data_key" in result.stderr


def test_another_secret_key_is_let_hold(run: Run, settings: Settings, opened: Database) -> None:
    result = run("keys", "session")
    assert result.exit_code == 0
    assert "Give every other machine this secret_key" in result.stdout
    with opened.reading() as records:
        assert records.laboratory.get("secret_key", None).content
        assert records.audit.list(limit=1)[0].subject == "secret key"


@pytest.mark.parametrize("words", [["worker"], ["serve", "--port", "0"], ["keys", "rotate"]])
def test_nothing_starts_with_a_key_that_no_longer_holds(
    run: Run,
    settings: Settings,
    opened: Database,
    files: Files,
    case: Case,
    words: list[str],
) -> None:
    old = (settings.data_folder / "data_key").read_text()
    rotate(Vault(opened, files), by=BY, wait=lambda span: None, clock=partial(datetime.now, UTC))
    (settings.data_folder / "data_key").write_text(old)
    result = run(*words)
    assert result.exit_code == 1
    assert "is not the one that holds. Give this machine the keys of the others" in result.output


def test_what_is_over_is_named_first_and_deleted_then(
    run: Run, settings: Settings, opened: Database, files: Files
) -> None:
    long_ago = datetime(2020, 2, 3, tzinfo=UTC)
    sent = Sent("a" * 64, 9, files.put(b"picture"), "page", None, long_ago)
    with opened.transaction() as records:
        said = PhotoReading("a" * 64, 128, 96, FilmReader.model, ())
        photo_id = records.photos.add_all_read([(sent, said)])[0]
    tools = Tools(replace(settings, keep_days=1))
    dry = run("retention", "--dry-run", tools=tools)
    assert dry.output.splitlines()[-1] == (
        "would be deleted: 0 cases, 0 readings of no case, 1 pictures, 0 strays."
    )
    assert f"picture\t{photo_id}\t2020-02-03" in dry.output
    assert not files.is_empty()
    done = run("retention", tools=tools)
    assert (done.exit_code, done.output.startswith("deleted: ")) == (0, True)
    assert files.is_empty()
    assert "0 strays" in run("retention", "--strays", tools=tools).output


def test_backup_is_made_and_put_back(
    run: Run, settings: Settings, case: Case, tmp_path: Path
) -> None:
    made = run("backup", tmp_path / "backup", "--keys", tmp_path / "keys")
    assert (made.exit_code, " rows, 1 pictures" in made.output) == (0, True)
    there = Tools(replace(settings, data_folder=tmp_path / "there"))
    refused = run("restore", tmp_path / "backup", tools=there)
    assert (refused.exit_code, "is not at hand" in refused.output) == (1, True)
    back = run("restore", tmp_path / "backup", "--keys", tmp_path / "keys", tools=there)
    assert (back.exit_code, "1 pictures are back" in back.output) == (0, True)
    again = run("restore", tmp_path / "backup", tools=there)
    assert (again.exit_code, "The database has " in again.output) == (1, True)
    assert run("audit", "verify", tools=there).exit_code == 0


def test_backup_of_a_machine_with_an_empty_disk_has_the_models_of_all(
    run: Run, settings: Settings, opened: Database, tmp_path: Path
) -> None:
    shared = f"memory:/{tmp_path}/pictures"
    one = replace(settings, pictures_url=shared, keys_folder=settings.data_folder)
    rack = Rack(tmp_path, opened)
    depot = open_depot(shared, open_seal(one.keys))
    assert depot
    model = install_model(replace(rack.store, depot=depot), rack.write(), by=BY).sha256
    address = f"sqlite:///{settings.data_folder / 'hematovision.sqlite'}"
    third = replace(one, data_folder=tmp_path / "third", database_url=address)
    made = run("backup", tmp_path / "backup", "--with-keys", tools=Tools(third))
    assert made.exit_code == 0, made.output
    moved = f"memory:/{tmp_path}/moved"
    there = Settings(data_folder=tmp_path / "there", pictures_url=moved)
    back = run("restore", tmp_path / "backup", tools=Tools(there))
    assert back.exit_code == 0, back.output
    found = open_depot(moved, open_seal(there.keys))
    assert found
    assert found.has(model)
    assert run("audit", "verify", tools=Tools(there)).exit_code == 0


def test_backup_says_where_its_keys_are_not(run: Run, case: Case, tmp_path: Path) -> None:
    assert "keep data_key" in run("backup", tmp_path / "without").stderr
    assert run("backup", tmp_path / "with", "--with-keys").stderr == ""
    both = run("backup", tmp_path / "x", "--with-keys", "--keys", tmp_path / "y")
    assert both.exit_code == 2
    there = run("backup", tmp_path / "with")
    assert (there.exit_code, "is there already" in there.output) == (1, True)


def test_database_that_cannot_be_reached_is_named(
    run: Run, settings: Settings, tmp_path: Path
) -> None:
    tools = Tools(replace(settings, database_url="no address"))
    result = run("restore", tmp_path, tools=tools)
    assert (result.exit_code, "HEMATOVISION_DATABASE_URL" in result.output) == (1, True)
