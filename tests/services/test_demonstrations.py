from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.databases import open_copy
from tests.films import NOW

from hematovision.people import Role
from hematovision.services.crops import Album
from hematovision.services.demonstrations import (
    NAMES,
    add_people,
    begin,
    cast_of,
    is_demonstration,
    new_password,
    set_up,
)
from hematovision.services.hands import Hand
from hematovision.services.passwords import password_fits
from hematovision.services.printed_names import get_printed_name
from hematovision.services.ranges import get_ranges
from hematovision.services.references import count_references
from hematovision.storage.database import Database
from hematovision.storage.files import open_files
from hematovision.storage.sealing import Seal

BY = Hand(None, "terminal", NOW)


@pytest.fixture
def alone(tmp_path: Path, empty_file: Path) -> Iterator[Database]:
    """Give a SQLite database: to hash passwords takes long."""
    database = open_copy(empty_file, tmp_path / "alone")
    yield database
    database.close()


def test_database_says_that_it_is_a_demonstration(database: Database) -> None:
    assert not is_demonstration(database)
    begin(database, by=BY)
    assert is_demonstration(database)


def test_every_role_has_somebody_whose_password_fits(alone: Database) -> None:
    people = add_people(alone, by=BY)
    assert {person.user.role for person in people} == set(Role)
    assert [person.user.name for person in people] == list(NAMES)
    assert all(name[0] == role[0] for name, role in NAMES.items())
    assert len({person.password for person in people}) == len(people)
    for person in people:
        with alone.reading() as records:
            kept = records.users.secrets_of(person.user.id).password_hash
        assert password_fits(person.password, kept)
        assert person.password not in repr(person)
        assert person.user.has_password
        assert get_printed_name(alone, person.user).endswith(" Sample")
    cast = cast_of(people)
    actors = (cast.technologist, cast.pathologist, cast.second)
    assert [person.user.name for person in actors] == ["tom", "paula", "pedro"]


def test_passwords_can_be_read_out() -> None:
    password = new_password()
    assert [len(group) for group in password.split("-")] == [4] * 4
    assert password != new_password()


def test_ranges_and_drawn_references_are_there(database: Database, tmp_path: Path) -> None:
    set_up(Album(database, open_files("", tmp_path, Seal(bytes(32)))), by=BY)
    bands = get_ranges(database)[0].bands
    assert [band.name for band in bands] == ["", "Children, 2 to 6 years"]
    assert "Made up" in bands[1].source
    counted = count_references(database)
    assert {source for source, _, _ in counted} == {"drawn"}
    assert {number for _, _, number in counted} == {3}
    assert {"neutrophil", "band", "erythroblast"} <= {label for _, label, _ in counted}
