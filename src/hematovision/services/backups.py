"""A backup of everything, made while everything runs, and put back where there is nothing.

The rows come first, all as they were at one moment; then the pictures that they speak of. So a
picture that comes later is of a row that is not in the backup, and is left out with it; one that
was deleted meanwhile lacks, and its row says so once it is put back.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hematovision import __version__
from hematovision.errors import BackupUnusableError, TargetNotEmptyError
from hematovision.exchange.parcels import (
    Parcel,
    ParcelDamagedError,
    Received,
    new_parcel,
    open_parcel,
)
from hematovision.services.hands import Hand
from hematovision.services.key_checks import forget_secret
from hematovision.storage.checkpoints import FILE as CHECKPOINTS
from hematovision.storage.connections import DatabaseUnusableError
from hematovision.storage.copies import (
    Load,
    NotEmptyError,
    Row,
    Snapshot,
    insist_on_empty,
    load,
    take_snapshot,
)
from hematovision.storage.custody import AuditKeyError
from hematovision.storage.database import Database
from hematovision.storage.files import Files, PictureGoneError
from hematovision.storage.keys import KEY_FILES, NEEDED_KEYS, place_private, read_key_files
from hematovision.storage.sealing import mark_of
from hematovision.storage.versions import newest_version

FORMAT = "hematovision-backup"
VERSION = 1
SAYS = {
    "tables_version": str,
    "made_at": str,
    "rows": dict,
    "numbers": dict,
    "missing": list,
    "keys": dict,
}
"""What the list of a backup says besides, and as what."""
NONSENSE = (PictureGoneError, ValueError, TypeError)
"""What comes of a list, a name or a key that no backup has."""
KEYS, TABLES, PICTURES, MODELS = "keys", "tables", "pictures", "models"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup that was made.

    Attributes:
        rows: How many.
        pictures: How many.
        missing: How many pictures that rows speak of are not there.
        sha256: Of its list, which names the hash of each file.
    """

    rows: int
    pictures: int
    missing: int
    sha256: str


def back_up(
    database: Database, files: Files, target: Path, *, keys: Path | None = None, by: Hand
) -> BackedUp:
    """Make a backup.

    Args:
        database: Keeps the rows.
        files: Keeps the pictures; they are copied as they are, sealed.
        target: A folder that is not there yet, or a ZIP where its name ends so.
        keys: Where the keys go: a folder that is not there yet; `target` itself puts them into the
            backup, which then opens by itself; None leaves them out.
        by: Who makes it.

    Raises:
        OSError: If something is there, or cannot be written.
    """
    folder = database.custody.folder
    before = read_key_files(database.custody.keys)
    # Before the rows: a checkpoint of what is not in the backup would say that something was cut.
    checkpoints = database.custody.checkpoints.lines()
    with new_parcel(target) as parcel:
        if checkpoints:
            parcel.write(CHECKPOINTS, [checkpoints])
        with take_snapshot(database) as snapshot:
            rows = _write_rows(parcel, snapshot)
            numbers, names = snapshot.numbers(), snapshot.files()
        missing = [name for name in names if not _write_picture(parcel, files, name)]
        _write_models(parcel, folder / MODELS)
        held = _both(before, read_key_files(database.custody.keys))
        if keys == target:
            for name, text in held.items():
                parcel.write(f"{KEYS}/{name}", [text.encode()])
        parcel.close(
            {
                "format": FORMAT,
                "version": VERSION,
                "program": __version__,
                "tables_version": newest_version(),
                "made_at": by.now.isoformat(),
                "rows": rows,
                "numbers": numbers,
                "missing": missing,
                "keys": {name: _marks(text) for name, text in held.items()},
            }
        )
    if keys is not None and keys != target:
        place_private(keys, held)
    made = BackedUp(sum(rows.values()), len(names) - len(missing), len(missing), parcel.sha256)
    details = {"sha256": made.sha256, "rows": made.rows, "pictures": made.pictures}
    with database.transaction() as records:
        records.audit.add(by.did("backup.made", "backup", {**details, "with_keys": keys == target}))
    return made


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that was put back.

    Attributes:
        made_at: When it was made.
        rows: How many rows it had.
        pictures: How many pictures.
        missing: How many pictures lacked already when it was made.
    """

    made_at: datetime
    rows: int
    pictures: int
    missing: int


def restore(
    database: Database, files: Files, source: Path, *, keys: Path | None = None, by: Hand
) -> Restored:
    """Put a backup back, where there is nothing; every hash is checked before.

    The keys come first and the rows last: whoever is killed meanwhile begins anew.

    Args:
        database: As `connect` opens it: empty, or without tables.
        files: Where no picture is.
        source: The backup.
        keys: Where the keys are, if neither in the backup nor in the data folder.
        by: Who puts it back.

    Raises:
        BackupUnusableError: If it is damaged, of a newer version, or its keys are not at hand.
        TargetNotEmptyError: If there is something already.
        OSError: If something cannot be written.
    """
    try:
        with open_parcel(source) as received:
            _check(received)
            _insist_on_nothing(database, files)
            _place_keys(database.custody.keys, received, keys)
            _put_pictures(received, files)
            _put_models(received, database.custody.folder)
            if CHECKPOINTS in received.files:
                database.custody.checkpoints.bring(received.read(CHECKPOINTS))
            load(database, _load_of(received))
            database.check_key()
            about = received.about
    except (ParcelDamagedError, DatabaseUnusableError, AuditKeyError, *NONSENSE) as error:
        raise BackupUnusableError(
            "The backup cannot be used: %(reason)s", reason=str(error)
        ) from error
    except NotEmptyError as error:
        raise TargetNotEmptyError(
            "There is something already: %(reason)s", reason=str(error)
        ) from error
    details = {"made_at": about["made_at"], "missing": len(about["missing"])}
    with database.transaction() as records:
        # It need not be among the keys of a backup.
        forget_secret(records, by=by)
        records.audit.add(by.did("backup.restored", "backup", details))
    pictures = sum(name.startswith(f"{PICTURES}/") for name in about["files"])
    made_at = datetime.fromisoformat(about["made_at"])
    return Restored(made_at, sum(about["rows"].values()), pictures, len(about["missing"]))


def _write_rows(parcel: Parcel, snapshot: Snapshot) -> Mapping[str, int]:
    """Write every table; give how many rows each has."""
    numbers = {}
    for name in snapshot.tables:
        counted = _Counted(snapshot.rows(name))
        parcel.write(f"{TABLES}/{name}.jsonl", counted)
        numbers[name] = counted.number
    return numbers


@dataclass(slots=True)
class _Counted:
    """Lines of rows, and how many there were."""

    rows: Iterator[Row]
    number: int = 0

    def __iter__(self) -> Iterator[bytes]:
        for row in self.rows:
            self.number += 1
            yield json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _write_picture(parcel: Parcel, files: Files, name: str) -> bool:
    """Write a picture as it is kept; False where it is not there."""
    try:
        parcel.write(f"{PICTURES}/{name}", [files.get_sealed(name)])
    except PictureGoneError:
        return False
    return True


def _write_models(parcel: Parcel, folder: Path) -> None:
    """Write the models that were installed here; one that is just being installed is none yet."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            parcel.write(f"{MODELS}/{name}", [path.read_bytes()])


def _both(before: Mapping[str, str], after: Mapping[str, str]) -> Mapping[str, str]:
    """Give the keys of both moments: while they are rotated a picture may need either."""
    return {
        name: "\n".join(dict.fromkeys((text + "\n" + before.get(name, "")).split())) + "\n"
        for name, text in after.items()
    }


def _marks(text: str) -> Sequence[str]:
    """Give the mark of every key of a file, by which it is known again."""
    return [mark_of(line.encode()) for line in text.split()]


def _check(received: Received) -> None:
    about = received.about
    if about.get("format") != FORMAT or about.get("version") != VERSION:
        raise ParcelDamagedError("This is no backup that this version can read.")
    if any(not isinstance(about.get(name), kind) for name, kind in SAYS.items()) or not (
        {f"{TABLES}/{name}.jsonl" for name in about["rows"]} <= set(received.files)
    ):
        raise ParcelDamagedError("Its list does not say what a backup's does.")
    if not all(isinstance(name, str) for name in about["missing"]):
        raise ParcelDamagedError("Its list does not say what a backup's does.")
    datetime.fromisoformat(about["made_at"])
    received.check()


def _insist_on_nothing(database: Database, files: Files) -> None:
    insist_on_empty(database)
    if not files.is_empty():
        raise NotEmptyError("There are pictures already.")
    if not database.custody.checkpoints.is_empty():
        raise NotEmptyError(f"There are {CHECKPOINTS} already, of another record.")


def _place_keys(folder: Path, received: Received, keys: Path | None) -> None:
    """Put the keys into the data folder, unless they are there.

    Raises:
        BackupUnusableError: If they are not at hand, or others are there.
    """
    inside = {
        name: received.read(f"{KEYS}/{name}").decode()
        for name in KEY_FILES
        if f"{KEYS}/{name}" in received.files
    }
    there = read_key_files(folder)
    held = {**inside, **(read_key_files(keys) if keys else {}), **there}
    for name in NEEDED_KEYS:
        marks = received.about["keys"].get(name, ())
        if not {*marks} <= {*_marks(held.get(name, ""))}:
            raise BackupUnusableError("The %(name)s of this backup is not at hand.", name=name)
    place_private(folder, {name: text for name, text in held.items() if name not in there})


def _put_pictures(received: Received, files: Files) -> None:
    for name in received.files:
        if name.startswith(f"{PICTURES}/"):
            files.put_sealed(name.removeprefix(f"{PICTURES}/"), received.read(name))


def _put_models(received: Received, folder: Path) -> None:
    for name in received.files:
        if name.startswith(f"{MODELS}/"):
            (folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / name).write_bytes(received.read(name))


def _load_of(received: Received) -> Load:
    about = received.about
    tables = ((name, _rows_of(received, name)) for name in about["rows"])
    return Load(about["tables_version"], tables, about["numbers"], about["missing"])


def _rows_of(received: Received, name: str) -> Iterator[Row]:
    with received.open(f"{TABLES}/{name}.jsonl") as lines:
        yield from map(_row, lines)


def _row(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    return row
