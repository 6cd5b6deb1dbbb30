from pathlib import Path

import keras
import pytest

from hematovision.learning.datasets import Photo, bccd_photos

from .networks import small_classifier
from .sets import field, save


@pytest.fixture(scope="session")
def photos(data_folder: Path) -> list[Photo]:
    """List all photos of BCCD; their fields are searched once, for about a minute."""
    return bccd_photos(data_folder)


@pytest.fixture(scope="session")
def classifier() -> keras.Model:
    """Give a classifier to look at, not to change."""
    return small_classifier()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Draw a photo of 100x80."""
    save(field(0, 100, 80), tmp_path / "photo.png")
    return tmp_path / "photo.png"
