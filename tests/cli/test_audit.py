import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.records import attack, change, event, keep, remove, rewrite, stored

from hematovision.config import Settings
from hematovision.storage.checkpoints import FILE
from hematovision.storage.database import Database, open_database
from hematovision.storage.private import AUDIT_KEY

from .conftest import Run

VERIFIER = Path(__file__).parents[2] / "docs" / "audit_verifier.py"


@pytest.fixture
def kept(settings: Settings) -> Database:
    """Give a record of four events."""
    database = open_database("", settings.data_folder)
    keep(database, *(event(number) for number in range(1, 4)))
    return database


def verifier(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the script as somebody does who has no HematoVision."""
    command = [sys.executable, "-I", "-S", str(VERIFIER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


def test_whole_record_is_said_to_be_whole(run: Run, kept: Database) -> None:
    result = run("audit", "verify")
    assert result.exit_code == 0
    assert f"4 events, the newest 4: {stored(kept)[-1].digest}" in result.stdout
    assert "After event 2 there is no checkpoint" in result.stdout
    run("audit", "checkpoint")
    assert "no checkpoint" not in run("audit", "verify").stdout


def test_place_of_every_change_is_said(run: Run, kept: Database) -> None:
    attack(kept, change(2, subject="case 99"), remove(4), quietly=False)
    run("audit", "checkpoint")
    result = run("audit", "verify")
    assert result.exit_code == 1
    assert "Event 2: is not what was written there" in result.stdout
    assert "its triggers are gone" in result.stdout
    assert "The audit record is not as it was written." in result.stderr


def test_checkpoint_is_printed_and_found_again(run: Run, kept: Database, tmp_path: Path) -> None:
    printed = run("audit", "checkpoint").stdout
    assert json.loads(printed)["event"] == 4
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(printed)
    (kept.custody.folder / FILE).unlink()
    attack(kept, remove(4))
    assert run("audit", "verify").exit_code == 0
    result = run("audit", "verify", "--against", elsewhere)
    assert result.exit_code == 1
    assert "Event 4: removed at the end" in result.stdout


def test_record_without_events_has_no_checkpoint(run: Run) -> None:
    result = run("audit", "checkpoint")
    assert (result.exit_code, result.stdout) == (0, "")
    result = run("audit", "verify")
    assert result.exit_code == 0
    assert "No event stands in a chain yet" in result.stdout


def test_checkpoint_of_an_export_is_good_to_verify_against(
    run: Run, kept: Database, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    seen.write_text(run("audit", "export", tmp_path / "export").stdout)
    assert run("audit", "verify", "--against", seen).exit_code == 0
    attack(kept, remove(5))
    assert "Event 5: removed" in run("audit", "verify", "--against", seen).stdout
    seen.write_text("nothing")
    assert "holds no checkpoint" in run("audit", "verify", "--against", seen).stderr


@pytest.mark.usefixtures("kept")
def test_lost_and_other_keys_are_named(run: Run, settings: Settings) -> None:
    file = settings.data_folder / AUDIT_KEY
    file.write_text("0" * 64)
    assert "is not the key that the audit record was begun with" in run("users", "list").stderr
    assert "Event 2: is not what was written there" in run("audit", "verify").stdout
    file.write_text("no key")
    assert "audit_key holds no key of 32 bytes" in run("audit", "verify").stderr
    file.unlink()
    for command in ("verify", "export", "checkpoint"):
        result = run("audit", command, *(["export"] if command == "export" else []))
        assert result.exit_code == 1
        assert "There is no" in result.stderr
    assert not file.exists()


def test_export_is_checked_without_this_program(run: Run, kept: Database, tmp_path: Path) -> None:
    first, second, seen = tmp_path / "first", tmp_path / "second", tmp_path / "seen"
    seen.write_text(run("audit", "export", first).stdout)
    run("audit", "export", second)
    assert len(first.read_text().splitlines()) == 6
    key = kept.custody.folder / AUDIT_KEY
    for arguments in ((first,), (second, "--checkpoint", seen), (second, "--key", key)):
        result = verifier(*arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert "Nothing is wrong" in result.stdout
    checkpoints = kept.custody.folder / FILE
    assert verifier(second, "--checkpoint", checkpoints, "--key", key).returncode == 0


def test_export_that_was_changed_is_found_without_the_key(
    run: Run, kept: Database, tmp_path: Path
) -> None:
    file = tmp_path / "export"
    run("audit", "export", file)
    file.write_text(file.read_text().replace('"case 2"', '"case 9"'))
    result = verifier(file)
    assert result.returncode == 1
    assert "The lines are not those" in result.stdout
    with_key = verifier(file, "--key", kept.custody.folder / AUDIT_KEY)
    assert "Event 3 was changed" in with_key.stdout


def test_export_of_a_record_written_anew_is_found_by_an_earlier_checkpoint(
    run: Run, kept: Database, tmp_path: Path
) -> None:
    seen, file = tmp_path / "seen", tmp_path / "export"
    seen.write_text(run("audit", "export", file).stdout)
    rows = list(stored(kept))
    attack(kept, change(2, subject="case 99"))
    rewrite(kept, stored(kept), kept.custody.chain.key)
    run("audit", "export", file)
    assert len(rows) == 5
    assert verifier(file, "--key", kept.custody.folder / AUDIT_KEY).returncode == 0
    result = verifier(file, "--checkpoint", seen)
    assert result.returncode == 1
    assert "Event 5 is another than a checkpoint saw." in result.stdout


def test_cut_export_is_none(run: Run, kept: Database, tmp_path: Path) -> None:
    file = tmp_path / "export"
    run("audit", "export", file)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert "its end is missing" in verifier(file).stdout
    assert stored(kept)[-1].action == "audit.exported"
