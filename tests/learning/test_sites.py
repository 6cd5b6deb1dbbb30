from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.vision.networks import write_tiny_model

from hematovision.learning.sites import (
    FEWEST_PHOTOS,
    Home,
    SiteLabelsError,
    SiteTooSmallError,
    mixed_as,
    read_labelled,
    read_site,
)
from hematovision.vision.bundle import Bundle, read_bundle
from hematovision.vision.runtime import Network

from .sets import save

pytestmark = pytest.mark.train


def quietly(items: Iterable[Any], what: str) -> Iterable[Any]:
    return items


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_tiny_model(tmp_path / "model"))


@pytest.fixture
def locator(bundle: Bundle) -> Network:
    return Network(bundle.folder / "locator.onnx")


def draw_photos(folder: Path, number: int, *, cells: int = 1) -> list[Path]:
    """Draw photos with dark spots of 8 pixels where the tiny locator sees them."""
    for i in range(number):
        photo = np.full((64, 256, 3), 240, np.uint8)
        for cell in range(cells):
            photo[24:32, 40 * cell + 8 : 40 * cell + 16] = (20, 40, 120 + i)
        save(photo, folder / f"{i:03}.png")
    return sorted(folder.iterdir())


def test_every_cell_of_a_site_is_cut_out(bundle: Bundle, locator: Network, tmp_path: Path) -> None:
    paths = draw_photos(tmp_path / "photos", FEWEST_PHOTOS, cells=2)
    broken = tmp_path / "photos" / "broken.png"
    broken.write_bytes(b"no picture")
    site = read_site([*paths, broken], bundle, locator=locator, track=quietly)
    assert (site.photos, site.unread, site.empty) == (FEWEST_PHOTOS, 1, 0)
    assert site.crops.shape == (2 * FEWEST_PHOTOS, 32, 32, 3)


@pytest.mark.parametrize(
    ("photos", "cells", "says"),
    [
        pytest.param(49, 2, "49 photos could be read", id="too few photos"),
        pytest.param(50, 0, "show 0 white cells", id="too few cells"),
    ],
)
def test_too_small_a_site_is_refused(
    photos: int, cells: int, says: str, bundle: Bundle, locator: Network, tmp_path: Path
) -> None:
    paths = draw_photos(tmp_path / "photos", photos, cells=cells)
    with pytest.raises(SiteTooSmallError, match=says):
        read_site(paths, bundle, locator=locator, track=quietly)


def test_labelled_cells_are_cut_out_with_their_types(
    bundle: Bundle, locator: Network, tmp_path: Path
) -> None:
    for kind in ("neutrophil", "Monocyte"):
        draw_photos(tmp_path / "cells" / kind, 5)
    crops, labels, *_ = read_labelled(tmp_path / "cells", bundle, locator=locator)
    assert crops.shape == (10, 32, 32, 3)
    assert [str(bundle.classes[i]) for i in labels] == ["monocyte"] * 5 + ["neutrophil"] * 5


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        pytest.param({"neutrophil": 5, "neutrophile": 5}, "no type's name", id="unknown type"),
        pytest.param({"neutrophil": 60, "monocyte": 41}, "101 labelled cells", id="too many"),
        pytest.param({"neutrophil": 9}, "fewer than two types", id="one type"),
        pytest.param({"neutrophil": 9, "monocyte": 4}, "4 cells of type monocyte", id="too few"),
    ],
)
def test_labelled_cells_that_teach_nothing_are_refused(
    cells: dict[str, int], says: str, bundle: Bundle, locator: Network, tmp_path: Path
) -> None:
    for kind, number in cells.items():
        draw_photos(tmp_path / "cells" / kind, number)
    with pytest.raises(SiteLabelsError, match=says):
        read_labelled(tmp_path / "cells", bundle, locator=locator)


def test_unreadable_labelled_cell_is_refused(
    bundle: Bundle, locator: Network, tmp_path: Path
) -> None:
    for kind in ("neutrophil", "monocyte"):
        draw_photos(tmp_path / "cells" / kind, 5)
    (tmp_path / "cells" / "monocyte" / "list.txt").write_text("no picture")
    with pytest.raises(SiteLabelsError, match="cannot be read"):
        read_labelled(tmp_path / "cells", bundle, locator=locator)


def test_home_cells_are_drawn_in_the_mixture_of_the_site() -> None:
    labels = np.asarray([0] * 3 + [1] * 40)
    crops = np.broadcast_to(labels[:, None, None, None], (43, 4, 4, 3)).astype(np.uint8)
    home = Home(crops, labels, crops, labels, ("pbc",) * 43)
    drawn = mixed_as(home, np.asarray([0.75, 0.25, 0.0]), number=40)
    assert np.bincount(drawn[:, 0, 0, 0]).tolist() == [30, 10]
