"""Many files handed over as one: a new folder or a ZIP, with the hash of each; whole, or not there.

Its list, `manifest.json`, is written last and names every other file with its length and sha256.
"""

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

MANIFEST = "manifest.json"
BLOCK = 2**20
PACKED = {".json", ".jsonl"}
"""What becomes smaller when it is packed; pictures do not."""


class ParcelDamagedError(Exception):
    """A parcel is not what was written: a file lacks, is another, or is named by no list."""


@dataclass(slots=True)
class Parcel:
    """A folder or a ZIP that is being written.

    Attributes:
        place: Where it grows.
        files: Length and sha256 of each file that was written.
        sha256: Of the list, once it is written.
    """

    place: "Path | zipfile.ZipFile"
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    sha256: str = ""

    def write(self, name: str, content: Iterable[bytes]) -> None:
        """Write a file, part by part."""
        digest, length = hashlib.sha256(), 0
        with self._create(name) as stream:
            for part in content:
                stream.write(part)
                digest.update(part)
                length += len(part)
        self.files[name] = {"bytes": length, "sha256": digest.hexdigest()}

    def close(self, about: Mapping[str, Any]) -> None:
        """Write the list.

        Args:
            about: What else it says, such as the format of the parcel.
        """
        document = dict(about) | {"files": dict(sorted(self.files.items()))}
        text = json.dumps(document, indent=1, ensure_ascii=False).encode()
        with self._create(MANIFEST) as stream:
            stream.write(text)
        self.sha256 = hashlib.sha256(text).hexdigest()

    def _create(self, name: str) -> IO[bytes]:
        if isinstance(self.place, Path):
            path = self.place / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Keys may be among them, and whoever copies the folder may open it to others.
            return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        info = zipfile.ZipInfo(name)
        info.compress_type = (
            zipfile.ZIP_DEFLATED if Path(name).suffix in PACKED else zipfile.ZIP_STORED
        )
        return self.place.open(info, "w", force_zip64=True)


@contextmanager
def new_parcel(target: Path) -> Iterator[Parcel]:
    """Make a new folder, or a ZIP where the name ends so; where it fails nothing is left.

    Args:
        target: Readable to nobody else; it grows beside, under another name.

    Raises:
        FileExistsError: If something is there.
        OSError: If it cannot be written.
    """
    if target.exists():
        raise FileExistsError(17, "is there already", str(target))
    draft = Path(tempfile.mkdtemp(dir=target.absolute().parent, prefix=f".{target.name}-"))
    try:
        if target.suffix.lower() != ".zip":
            yield Parcel(draft)
            draft.rename(target)
            return
        file = draft / target.name
        with file.open("xb") as stream:
            file.chmod(0o600)
            with zipfile.ZipFile(stream, "w") as packed:
                yield Parcel(packed)
            stream.flush()
            os.fsync(stream.fileno())
        file.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Received:
    """A folder or a ZIP that somebody wrote.

    Attributes:
        place: Where it lies.
        about: What its list says.
    """

    place: "Path | zipfile.ZipFile"
    about: Mapping[str, Any]

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        """Give length and sha256 of each file."""
        found: Mapping[str, Mapping[str, Any]] = self.about["files"]
        return found

    def open(self, name: str) -> IO[bytes]:
        """Open a file that the list names.

        Raises:
            ParcelDamagedError: If it is not there.
        """
        try:
            if isinstance(self.place, Path):
                return (self.place / name).open("rb")
            return self.place.open(name)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise ParcelDamagedError(f"{name} is not there.") from error

    def read(self, name: str) -> bytes:
        """Read a file."""
        with self.open(name) as stream:
            return stream.read()

    def check(self) -> None:
        """Compare every file with the list.

        Raises:
            ParcelDamagedError: If one lacks or is another.
        """
        for name, said in self.files.items():
            try:
                with self.open(name) as stream:
                    found = _digest(stream)
            except (OSError, zipfile.BadZipFile) as error:
                raise ParcelDamagedError(f"{name} cannot be read: {error}.") from error
            if found != said["sha256"]:
                raise ParcelDamagedError(f"{name} is not the file that was written.")


def _digest(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


@contextmanager
def open_parcel(source: Path) -> Iterator[Received]:
    """Open a folder or a ZIP that `new_parcel` has written.

    Raises:
        ParcelDamagedError: If it is none, or has no list.
    """
    if source.is_dir():
        yield Received(source, _list_of(Received(source, {})))
        return
    try:
        with zipfile.ZipFile(source) as packed:
            yield Received(packed, _list_of(Received(packed, {})))
    except (OSError, zipfile.BadZipFile) as error:
        raise ParcelDamagedError(f"{source.name} cannot be read: {error}.") from error


def _list_of(received: Received) -> Mapping[str, Any]:
    try:
        document = json.loads(received.read(MANIFEST))
    except ValueError as error:
        raise ParcelDamagedError(f"{MANIFEST} is no list of files.") from error
    names = document.get("files") if isinstance(document, dict) else None
    if not isinstance(names, dict) or not all(map(_stays_inside, names)):
        raise ParcelDamagedError(f"{MANIFEST} is no list of files.")
    return dict(document)


def _stays_inside(name: str) -> bool:
    parts = name.split("/")
    return all(part not in {"", ".", ".."} for part in parts) and "\\" not in name
