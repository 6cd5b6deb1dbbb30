import fcntl
import os
import pickle
from pathlib import Path

import keras
import pytest

from hematovision.learning.datasets import Photo, bccd_photos

from .networks import small_classifier
from .sets import field, save


@pytest.fixture(scope="session")
def photos(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    """List all photos of BCCD; their fields are searched once in a run, for about a minute."""
    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent
    with (folder / "photos.lock").open("w") as lock:
        # Whoever comes second waits, and searches nothing.
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = folder / "photos.pickle"
        if not found.exists():
            found.write_bytes(pickle.dumps(bccd_photos(data_folder)))
    photos: list[Photo] = pickle.loads(found.read_bytes())  # noqa: S301 - of this very run
    return photos


@pytest.fixture(scope="session")
def classifier() -> keras.Model:
    """Give a classifier to look at, not to change."""
    return small_classifier()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Draw a photo of 100x80."""
    save(field(0, 100, 80), tmp_path / "photo.png")
    return tmp_path / "photo.png"
