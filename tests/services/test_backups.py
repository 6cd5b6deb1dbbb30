import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.databases import Postgres
from tests.films import NOW, FilmReader, cells_of, make_case, picture

from hematovision.errors import BackupUnusableError, TargetNotEmptyError
from hematovision.people import Role
from hematovision.services.backups import back_up, restore
from hematovision.services.batches import LEASE, Desk, add_photo, read_next, take_next
from hematovision.services.erasing import Why, erase_unasked
from hematovision.services.hands import Hand
from hematovision.services.proving import prove
from hematovision.services.review import Said, name_cells
from hematovision.services.rotation import Rotated, Vault, rotate
from hematovision.storage.cases import Case
from hematovision.storage.copies import LEFT_OUT
from hematovision.storage.database import Database, connect, open_database
from hematovision.storage.files import Files, open_files
from hematovision.storage.keys import open_seal
from hematovision.storage.laboratory import LaboratoryStore
from hematovision.storage.photos import PhotoState
from hematovision.storage.sealing import Seal
from hematovision.storage.tables import Base

BY = Hand(None, "terminal", NOW)


@pytest.fixture
def files(database: Database) -> Files:
    folder = database.custody.folder
    return open_files("", folder, open_seal(folder))


@pytest.fixture
def case(database: Database, files: Files) -> Case:
    """Make a case of every kind of row: some cells are named, a photo waits, another is in hand."""
    case = make_case(database, files, FilmReader(4), [picture(1), picture(2)])
    with database.transaction() as records:
        ines = records.users.add("ines", Role.PATHOLOGIST, now=NOW)
        records.laboratory.set("ranges", {"a": [1.5, None]}, seen=0, by=ines.id, now=NOW)
        records.users.add_sign_in("token", ines.id, now=NOW, expires_at=NOW)
        records.audit.add(BY.did("case.noted", f"case {case.id}", after={"note": "Ñandú"}))
    by = Hand(ines.id, "page", NOW)
    first, *_ = cells_of(database, case)
    name_cells(database, case.id, [Said(first.id, "blast", first.version)], by=by)
    add_photo(database, files, case, picture(1), by=by)
    add_photo(database, files, case, picture(3), by=by)
    assert take_next(database, "worker", now=NOW) is not None
    add_photo(database, files, case, picture(4), by=by)
    return case


class Place:
    """Somewhere with nothing in it."""

    def __init__(self, folder: Path, address: str = "") -> None:
        self.folder, self.address = folder, address
        self.database = connect(address, folder)

    def restore(self, source: Path, keys: Path | None = None) -> Database:
        restore(self.database, self.sealed(Seal()), source, keys=keys, by=BY)
        return self.database

    def sealed(self, seal: Seal) -> Files:
        return open_files("", self.folder, seal)

    @property
    def files(self) -> Files:
        return self.sealed(open_seal(self.folder))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "elsewhere")
    yield place
    place.database.close()


def everything(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Give all that is kept, but for the events of the backup itself."""
    with database.engine.connect() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in Base.metadata.sorted_tables
            if table.name not in LEFT_OUT
        }
    found["audit_events"] = [
        row for row in found["audit_events"] if not any("backup." in str(part) for part in row)
    ]
    return {name: sorted(rows, key=str) for name, rows in found.items()}


@pytest.mark.parametrize("name", ["backup", "backup.zip"])
def test_everything_comes_back_as_it_was(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path, name: str
) -> None:
    before = everything(database)
    made = back_up(database, files, tmp_path / name, keys=tmp_path / name, by=BY)
    assert (made.pictures, made.missing) == (4, 0)
    restored = place.restore(tmp_path / name)
    assert everything(restored) == before
    assert prove(restored).is_whole
    with restored.reading() as records:
        photos = records.photos.list(case.id)
        event = records.audit.find(action="case.noted", subject=f"case {case.id}")
        values = records.audit.values.open(event.id) if event else None
        assert records.audit.find(action="backup.restored", subject="backup") is not None
    assert values is not None
    assert values.after == {"note": "Ñandú"}
    kept = [place.files.get(photo.file) for photo in photos if photo.file]
    assert kept == [picture(1), picture(2), picture(3), picture(4)]


def test_backup_of_either_database_goes_into_the_other(
    database: Database,
    files: Files,
    case: Case,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    before = everything(database)
    back_up(database, files, tmp_path / "backup", keys=tmp_path / "backup", by=BY)
    address = ""
    if database.engine.dialect.name == "sqlite":
        server: Postgres = request.getfixturevalue("postgres_server")
        address = server.make()
    other = Place(tmp_path / "other", address)
    restored = other.restore(tmp_path / "backup")
    assert restored.engine.dialect.name != database.engine.dialect.name
    assert everything(restored) == before
    assert prove(restored).is_whole
    again = make_case(restored, other.files, FilmReader(1), [picture(9)], "26-new")
    assert again.id == case.id + 1
    restored.close()


def test_models_of_the_data_folder_come_along(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path
) -> None:
    ours = database.custody.folder / "models" / "ours"
    for folder in (ours, ours.parent / ".draft"):
        folder.mkdir(parents=True)
        (folder / "bundle.json").write_text("{}")
    back_up(database, files, tmp_path / "backup", keys=tmp_path / "backup", by=BY)
    place.restore(tmp_path / "backup")
    found = {path.parent.name: path.read_text() for path in place.folder.glob("models/*/*")}
    assert found == {"ours": "{}"}


def test_keys_are_in_the_backup_only_where_they_are_wanted(
    database: Database, files: Files, case: Case, tmp_path: Path
) -> None:
    key = (database.custody.folder / "data_key").read_text().strip()
    for name, keys in (("without", None), ("apart", tmp_path / "keys"), ("with", None)):
        place = tmp_path / name
        back_up(database, files, place, keys=place if name == "with" else keys, by=BY)
        texts = [path.read_bytes() for path in place.rglob("*") if path.is_file()]
        assert any(key.encode() in text for text in texts) == (name == "with")
    assert (tmp_path / "keys" / "data_key").read_text().strip() == key
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_backup_without_keys_needs_them_from_elsewhere(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path
) -> None:
    back_up(database, files, tmp_path / "backup", keys=tmp_path / "keys", by=BY)
    with pytest.raises(BackupUnusableError, match="data_key of this backup is not at hand"):
        place.restore(tmp_path / "backup")
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "data_key").write_text("00" * 32)
    with pytest.raises(BackupUnusableError, match="data_key"):
        place.restore(tmp_path / "backup", tmp_path / "wrong")
    assert place.files.is_empty()
    (place.folder / "data_key").unlink()
    restored = place.restore(tmp_path / "backup", tmp_path / "keys")
    assert prove(restored).is_whole


def test_backup_that_is_damaged_is_not_put_back(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    back_up(database, files, target, keys=target, by=BY)
    cells = target / "tables" / "cells.jsonl"
    cells.write_text(cells.read_text().replace("neutrophil", "eosinophil"))
    with pytest.raises(BackupUnusableError, match=r"tables/cells\.jsonl is not the file"):
        place.restore(target)
    assert not (place.folder / "data_key").exists()


def changed_backup(
    database: Database, files: Files, target: Path, change: dict[str, object]
) -> Path:
    """Back up, keys and all, and say something else in the list."""
    back_up(database, files, target, keys=target, by=BY)
    listed = json.loads((target / "manifest.json").read_text())
    (target / "manifest.json").write_text(json.dumps(listed | change))
    return target


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"format": "hematovision-case"}, id="no backup"),
        pytest.param({"version": 2}, id="newer format"),
        pytest.param({"tables_version": "9999"}, id="newer tables"),
    ],
)
def test_backup_of_another_program_is_not_put_back(
    database: Database,
    files: Files,
    case: Case,
    place: Place,
    tmp_path: Path,
    change: dict[str, object],
) -> None:
    target = changed_backup(database, files, tmp_path / "backup", change)
    with pytest.raises(BackupUnusableError, match="version"):
        place.restore(target)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"rows": {"../../etc": 1}}, id="rows elsewhere"),
        pytest.param({"rows": {"nothing": 1}}, id="rows of no table"),
        pytest.param({"rows": ["cells"]}, id="no numbers"),
        pytest.param({"keys": None}, id="no keys"),
        pytest.param({"made_at": 5}, id="no moment"),
        pytest.param({"missing": {}}, id="no list"),
        pytest.param({"missing": [{}]}, id="no names"),
    ],
)
def test_list_that_no_backup_has_is_refused(
    database: Database,
    files: Files,
    case: Case,
    place: Place,
    tmp_path: Path,
    change: dict[str, object],
) -> None:
    target = changed_backup(database, files, tmp_path / "backup", change)
    with pytest.raises(BackupUnusableError, match="Its list does not say"):
        place.restore(target)
    assert not (place.folder / "data_key").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pictures/..key", b""),
        ("pictures/a/b", b""),
        ("models/a\0b", b""),
        ("keys/data_key", b"\xff"),
    ],
)
def test_file_that_no_backup_has_is_refused(
    database: Database,
    files: Files,
    case: Case,
    place: Place,
    tmp_path: Path,
    name: str,
    content: bytes,
) -> None:
    back_up(database, files, tmp_path / "backup", keys=tmp_path / "keys", by=BY)
    listed = json.loads((tmp_path / "backup" / "manifest.json").read_text())
    (tmp_path / "backup" / "manifest.json").write_text(
        json.dumps(
            listed | {"files": listed["files"] | {name: {"sha256": sha256(content).hexdigest()}}}
        )
    )
    with suppress(ValueError):
        (tmp_path / "backup" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "backup" / name).write_bytes(content)
    with pytest.raises(BackupUnusableError):
        place.restore(tmp_path / "backup", tmp_path / "keys")
    assert not list(place.folder.rglob("..key"))


@pytest.mark.parametrize("line", ["no row", "[1]", '{"id": 1}', '{"id": {"time": "now"}}'])
def test_row_that_is_none_is_refused(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path, line: str
) -> None:
    target = tmp_path / "backup"
    back_up(database, files, target, keys=target, by=BY)
    listed = json.loads((target / "manifest.json").read_text())
    listed["files"]["tables/cells.jsonl"]["sha256"] = sha256(line.encode()).hexdigest()
    (target / "manifest.json").write_text(json.dumps(listed))
    (target / "tables" / "cells.jsonl").write_text(line)
    with pytest.raises(BackupUnusableError, match="The rows of cells are none"):
        place.restore(target)


@pytest.mark.parametrize("what", ["people", "pictures", "record"])
def test_nothing_that_is_there_is_overwritten(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path, what: str
) -> None:
    back_up(database, files, tmp_path / "backup", keys=tmp_path / "backup", by=BY)
    if what == "people":
        there = open_database("", place.folder)
        with there.transaction() as records:
            records.users.add("bob", Role.VIEWER, now=NOW)
        there.close()
    elif what == "pictures":
        place.sealed(Seal(bytes(32))).put(b"picture")
    else:
        (place.folder / "audit_checkpoints").write_text("of another record")
    with pytest.raises(TargetNotEmptyError):
        place.restore(tmp_path / "backup")


def test_installation_that_was_started_and_never_used_is_empty(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path
) -> None:
    back_up(database, files, tmp_path / "backup", keys=tmp_path / "backup", by=BY)
    open_database("", place.folder).close()
    assert prove(place.restore(tmp_path / "backup")).is_whole


def test_picture_that_was_deleted_meanwhile_is_said_to_be_gone(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path
) -> None:
    with database.reading() as records:
        first = records.photos.list(case.id)[0]
    files.delete(first.file or "")
    made = back_up(database, files, tmp_path / "backup", keys=tmp_path / "backup", by=BY)
    assert (made.pictures, made.missing) == (3, 1)
    with place.restore(tmp_path / "backup").reading() as records:
        assert records.photos.list(case.id)[0].file is None


def renew(database: Database, files: Files) -> Rotated:
    later = NOW + LEASE
    vault = Vault(database, files)
    return rotate(vault, by=BY, wait=lambda span: None, clock=lambda: later)


class Meanwhile(Files):
    """Does something else while the pictures are copied."""

    def get_sealed(self, name: str) -> bytes:
        found = super().get_sealed(name)
        if not hasattr(self, "done"):
            object.__setattr__(self, "done", True)
            self.act()
        return found

    def act(self) -> None:
        raise NotImplementedError


def test_key_rotated_while_pictures_are_copied_opens_all_of_them(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path
) -> None:
    class Rotating(Meanwhile):
        def act(self) -> None:
            renew(database, files)

    copied = Rotating(files.root, files.seal)
    back_up(database, copied, tmp_path / "backup", keys=tmp_path / "backup", by=BY)
    place.restore(tmp_path / "backup")
    for name in {path.name for path in (place.folder / "pictures").glob("*/*")}:
        assert place.files.get(name)
    done = renew(place.database, place.files)
    assert done.broken == set()


def test_case_erased_while_pictures_are_copied_comes_back_without_them(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path
) -> None:
    class Erasing(Meanwhile):
        def act(self) -> None:
            erase_unasked(database, files, case.id, Why.ASKED, by=BY)

    made = back_up(
        database, Erasing(files.root, files.seal), tmp_path / "b", keys=tmp_path / "b", by=BY
    )
    assert made.missing > 0
    restored = place.restore(tmp_path / "b")
    assert prove(restored).is_whole
    with restored.reading() as records:
        kept = [photo.file for photo in records.photos.list(case.id) if photo.file]
    assert all(place.files.get(file) for file in kept)


def test_what_waits_is_read_where_it_was_put_back(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path
) -> None:
    back_up(database, files, tmp_path / "backup", keys=tmp_path / "backup", by=BY)
    restored = place.restore(tmp_path / "backup")
    desk = Desk(restored, place.files, FilmReader(4))
    later = replace(BY, now=NOW.replace(hour=23)).now
    while read_next(desk, "other", clock=lambda: later):
        pass
    with restored.reading() as records:
        assert records.photos.count(case.id) == {PhotoState.READ: 4, PhotoState.SAME: 1}


def test_number_of_an_erased_case_is_not_given_after_a_restore(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path
) -> None:
    erase_unasked(database, files, case.id, Why.TRIAL, by=BY)
    back_up(database, files, tmp_path / "backup", keys=tmp_path / "backup", by=BY)
    restored = place.restore(tmp_path / "backup")
    again = make_case(restored, place.files, FilmReader(1), [picture(9)], "26-new")
    assert again.id > case.id


def test_that_a_backup_was_made_is_recorded(
    database: Database, files: Files, case: Case, tmp_path: Path
) -> None:
    made = back_up(database, files, tmp_path / "backup", by=BY)
    with database.reading() as records:
        event = records.audit.list()[0]
    assert event.action == "backup.made"
    assert event.details == {
        "sha256": made.sha256,
        "rows": made.rows,
        "pictures": 4,
        "with_keys": False,
    }


def test_whoever_was_signed_in_signs_in_again(
    database: Database, files: Files, case: Case, place: Place, tmp_path: Path
) -> None:
    back_up(database, files, tmp_path / "backup", keys=tmp_path / "backup", by=BY)
    with place.restore(tmp_path / "backup").reading() as records:
        assert records.users.find_sign_in("token") is None
        assert isinstance(records.laboratory, LaboratoryStore)
        assert records.users.find("ines") is not None
