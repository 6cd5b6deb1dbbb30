from pathlib import Path

import keras
import pytest

from hematovision.learning.datasets import Photo, bccd_photos

from .networks import small_classifier


@pytest.fixture(scope="session")
def photos(data_folder: Path) -> list[Photo]:
    """List all photos of BCCD; their fields are searched once, for about a minute."""
    return bccd_photos(data_folder)


@pytest.fixture(scope="session")
def classifier() -> keras.Model:
    """Give a classifier to look at, not to change."""
    return small_classifier()
