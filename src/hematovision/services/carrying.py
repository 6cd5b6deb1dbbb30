"""Installed models are carried between this machine and the depot that all machines share."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hematovision.errors import ModelMissingError, PicturesAwayError
from hematovision.services.choosing import FOLDERS, folder_of
from hematovision.storage.database import Database
from hematovision.storage.depot import Depot, ModelNotSharedError

log = logging.getLogger(__name__)


@contextmanager
def draft_folder(data_folder: Path) -> Iterator[Path]:
    """Give an empty folder beside those of the models; what is left in it is thrown away."""
    models = data_folder.absolute() / FOLDERS
    models.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=models, prefix=".draft-"))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def bring_model(depot: Depot, data_folder: Path, sha256: str) -> Path:
    """Bring a model to this machine, whole, unless it is here.

    Args:
        depot: Has it.
        data_folder: Where its folder comes.
        sha256: Of the model.

    Returns:
        Its folder; whoever loads it checks the hash of every file.

    Raises:
        ModelMissingError: If it is neither here nor to be had now.
        OSError: If it cannot be written.
    """
    folder = folder_of(data_folder, sha256)
    if folder.exists():
        return folder
    with draft_folder(data_folder) as draft:
        try:
            depot.fetch(sha256, draft)
        except (ModelNotSharedError, PicturesAwayError) as error:
            raise ModelMissingError(
                "No model is loaded: the files of model %(sha256)s cannot be fetched.",
                sha256=sha256[:16],
            ) from error
        # Another process of this machine may have been faster with the same files.
        with suppress(OSError):
            draft.rename(folder)
    return folder


def share_models(database: Database, depot: Depot, data_folder: Path) -> int:
    """Put into the depot what is installed and on this machine alone; give how many models.

    Raises:
        PicturesAwayError: If the depot does not answer.
    """
    with database.reading() as records:
        models = [model.identity.sha256 for model in records.models.list()]
    alone = [
        sha256
        for sha256 in models
        if folder_of(data_folder, sha256).exists() and not depot.has(sha256)
    ]
    for sha256 in alone:
        depot.put(sha256, folder_of(data_folder, sha256))
        log.info("Model %s is shared with all machines", sha256[:16])
    return len(alone)


def bring_models(database: Database, depot: Depot | None, data_folder: Path) -> None:
    """Bring every installed model to this machine, as far as it is to be had."""
    if depot is None:
        return
    with database.reading() as records:
        models = [model.identity.sha256 for model in records.models.list()]
    for sha256 in models:
        try:
            bring_model(depot, data_folder, sha256)
        except ModelMissingError as error:
            log.warning("%s", error.message)
