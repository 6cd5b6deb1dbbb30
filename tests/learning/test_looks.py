import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import EmptyReader, StubReader

from hematovision.cells import Box, Decision, Measured, Reading, RgbImage
from hematovision.learning.looks import (
    FEWEST,
    MOST,
    TooFewPhotosError,
    learnt_pictures,
    measure_looks,
)

from .sets import write_sets


class GreyReader(StubReader):
    """Measures the grey of a photo as its focus, and twice that of a second cell."""

    def read(self, photo: RgbImage, *, explain: bool = False) -> list[Reading]:
        grey = float(photo.mean())
        return [
            Reading(
                Box(0, 0, 9, 9),
                Decision.UNIDENTIFIED,
                None,
                0.5,
                {},
                (),
                measured=Measured(focus=factor * grey),
            )
            for factor in (1, 2)
        ]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("grey")
    paths = []
    for grey in range(100, 201):
        buffer = io.BytesIO()
        Image.fromarray(np.full((40, 40, 3), grey, np.uint8)).save(buffer, "PNG")
        paths.append(folder / f"{grey}.png")
        paths[-1].write_bytes(buffer.getvalue())
    return paths


def test_range_holds_95_of_100_photos_by_the_mean_of_their_cells(photos: list[Path]) -> None:
    document = measure_looks(GreyReader(), {"grey": photos})
    assert document["model"] == {"name": "stub", "version": "0.0.0", "sha256": "0" * 64}
    measured = {"photos": 101, "measures": {"focus": [153.75, 225.0, 296.25]}}
    assert document["sets"] == {"grey": measured}


def test_large_set_is_read_in_parts_and_evenly(photos: list[Path]) -> None:
    seen: list[Path] = []

    def track(items, what):
        seen.extend(items)
        return seen

    many = [photos[place % len(photos)] for place in range(2 * MOST + 1)]
    measure_looks(GreyReader(), {"grey": many}, track=track)
    assert seen == many[::3]


def test_too_few_photos_say_nothing(photos: list[Path]) -> None:
    with pytest.raises(TooFewPhotosError, match=f"found in {FEWEST - 1} photos"):
        measure_looks(GreyReader(), {"grey": photos[: FEWEST - 1]})
    with pytest.raises(TooFewPhotosError, match="found in 0 photos"):
        measure_looks(EmptyReader(), {"grey": photos})


def test_pictures_are_those_that_named_types_were_learnt_from(tmp_path: Path) -> None:
    sets = learnt_pictures(write_sets(tmp_path))
    assert {name: sorted(path.stem for path in paths) for name, paths in sets.items()} == {
        "bccd": ["BloodImage_00000", "BloodImage_00002"],
        "pbc": ["BA_1", "SNE_1"],
    }
