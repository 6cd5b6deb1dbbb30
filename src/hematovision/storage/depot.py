"""Installed models where every machine finds them: sealed, whole or not at all."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hematovision.storage.places import Place, open_place
from hematovision.storage.sealing import Seal, SealBrokenError

FOLDER = "models"
WHOLE = "whole"
"""Names all files of a model, and is written last."""


class ModelNotSharedError(Exception):
    """A model is not in the depot, not whole, or not as it was put there."""


@dataclass(frozen=True, slots=True)
class Depot:
    """Keeps the files of models for all machines.

    Attributes:
        place: Where.
        seal: Seals every file, for its model and its name alone.
    """

    place: Place
    seal: Seal

    def has(self, sha256: str) -> bool:
        """Tell whether a model is here, whole.

        Raises:
            PicturesAwayError: If the place does not answer.
        """
        return self.place.has(f"{sha256}/{WHOLE}")

    def put(self, sha256: str, folder: Path) -> None:
        """Keep the files of a model.

        Args:
            sha256: Of the model.
            folder: Holds plain files alone.

        Raises:
            PicturesAwayError: If the place does not answer.
            StorageFullError: If there is no room.
        """
        files = sorted(path for path in folder.iterdir() if path.is_file())
        for path in files:
            self._put(sha256, path.name, path.read_bytes())
        self._put(sha256, WHOLE, json.dumps([path.name for path in files]).encode())

    def fetch(self, sha256: str, folder: Path) -> None:
        """Write the files of a model into a folder that is empty.

        Raises:
            ModelNotSharedError: If it is not here whole, or was changed.
            PicturesAwayError: If the place does not answer.
            OSError: If a file cannot be written.
        """
        for name in json.loads(self._get(sha256, WHOLE)):
            (folder / name).write_bytes(self._get(sha256, name))

    def renew(self) -> Iterator[bool]:
        """Seal every file with the newest key; say of each whether an older one had sealed it.

        What no key opens is left: it is put here anew by a machine that has the model.

        Raises:
            PicturesAwayError: If the place does not answer.
        """
        for path, _ in list(self.place.walk()):
            sha256, _, name = path.partition("/")
            try:
                renewed = self.seal.renew(self.place.read(path), _purpose(sha256, name))
            except (SealBrokenError, FileNotFoundError):
                continue
            if renewed is not None:
                self.place.write(path, renewed)
            yield renewed is not None

    def _put(self, sha256: str, name: str, content: bytes) -> None:
        self.place.write(f"{sha256}/{name}", self.seal.seal(content, _purpose(sha256, name)))

    def _get(self, sha256: str, name: str) -> bytes:
        try:
            return self.seal.open(self.place.read(f"{sha256}/{name}"), _purpose(sha256, name))
        except (FileNotFoundError, SealBrokenError) as error:
            raise ModelNotSharedError(f"{name} of model {sha256} is not shared whole.") from error


def open_depot(shared: str, seal: Seal) -> Depot | None:
    """Open what all machines share; None where they share no place.

    Args:
        shared: Its address.
        seal: Seals every file.

    Raises:
        PlaceUnusableError: If the address cannot be understood, or its package is missing.
    """
    return Depot(open_place(f"{shared}/{FOLDER}"), seal) if shared else None


def _purpose(sha256: str, name: str) -> str:
    return f"model {sha256} {name}"
