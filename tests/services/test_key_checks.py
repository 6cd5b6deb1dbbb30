"""A machine with keys of its own is told so before it seals or signs anything."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.databases import Postgres, open_copy
from tests.films import NOW, FilmReader, make_case, picture

from hematovision.errors import KeyOutdatedError
from hematovision.services.crops import Album
from hematovision.services.hands import Hand
from hematovision.services.key_checks import SECRET, forget_secret, insist_on_keys, take_secret
from hematovision.services.references import add_reference
from hematovision.services.rotation import SETTING
from hematovision.storage.database import Database, open_database
from hematovision.storage.files import Files
from hematovision.storage.sealing import Seal, mark_of

BY = Hand(None, "terminal", NOW)
OURS, OTHER = bytes(range(32)), bytes(32)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(str(tmp_path / "pictures"), Seal(OURS))


def insist(database: Database, files: Files, secret: str = "ours") -> None:  # noqa: S107
    insist_on_keys(database, files, secret, by=BY)


def mark(database: Database, name: str) -> object:
    with database.reading() as records:
        return records.laboratory.get(name, None).content


def test_first_machine_says_which_keys_hold(each_database: Database, files: Files) -> None:
    insist(each_database, files)
    insist(each_database, files)
    assert mark(each_database, SETTING) == mark_of(OURS)
    other = replace(files, seal=Seal(OTHER))
    with pytest.raises(KeyOutdatedError, match="data_key"):
        insist(each_database, other)
    # While keys are rotated a machine has both.
    insist(each_database, replace(files, seal=Seal(OTHER, OURS)))


def test_database_of_one_machine_asks_for_no_secret(
    empty_file: Path, tmp_path: Path, files: Files
) -> None:
    database = open_copy(empty_file, tmp_path / "one")
    insist(database, files, "one")
    insist(database, files, "another")
    assert mark(database, SECRET) is None
    database.close()


def test_shared_database_asks_for_the_secret_of_the_first(
    postgres_server: Postgres, files: Files, tmp_path: Path
) -> None:
    database = open_database(postgres_server.make(), tmp_path)
    insist(database, files)
    with pytest.raises(KeyOutdatedError, match="secret_key"):
        insist(database, files, "another")
    assert "ours" not in str(mark(database, SECRET))
    take_secret(database, "another", by=BY)
    insist(database, files, "another")
    with pytest.raises(KeyOutdatedError, match="secret_key"):
        insist(database, files)
    with database.transaction() as records:
        forget_secret(records, by=BY)
        forget_secret(records, by=BY)
    insist(database, files)
    database.close()


def test_key_that_opens_nothing_of_an_older_installation_does_not_hold(
    database: Database, files: Files
) -> None:
    make_case(database, files, FilmReader(1), [picture(1)])
    with pytest.raises(KeyOutdatedError, match="opens nothing"):
        insist(database, replace(files, seal=Seal(OTHER)))
    assert mark(database, SETTING) is None
    insist(database, files)
    assert mark(database, SETTING) == mark_of(OURS)


def test_nothing_is_settled_while_nothing_can_be_tried(database: Database, files: Files) -> None:
    add_reference(Album(database, files), "band", "set", picture(1), by=BY)
    elsewhere = replace(files, root=f"{files.root}-elsewhere")
    insist(database, elsewhere)
    assert mark(database, SETTING) is None
