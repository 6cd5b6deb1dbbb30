import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from hematovision.cells import CellReader, Reading, RgbImage
from hematovision.config import PACKAGED_MODEL
from hematovision.drawing.cells import LOOKS
from hematovision.drawing.smears import (
    CORNER,
    HEIGHT,
    WIDTH,
    DrawnCell,
    Smear,
    draw_film,
    draw_portraits,
    draw_smear,
)
from hematovision.labels import FIVE, LABELS
from hematovision.vision.reader import load_reader

SAME = 0.4


@pytest.fixture(scope="module")
def reader() -> CellReader:
    return load_reader(PACKAGED_MODEL)


def pixels_of(picture: bytes) -> RgbImage:
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert("RGB"))


def reading_at(cell: DrawnCell, said: list[Reading]) -> Reading | None:
    return next((one for one in said if one.box.overlap(cell.box) > SAME), None)


def names_of(smears: list[Smear], reader: CellReader) -> Counter[tuple[str, str | None]]:
    """Count what each kind is named; None where the reader names none, `missed` where not found."""
    counted: Counter[tuple[str, str | None]] = Counter()
    for smear in smears:
        said = list(reader.read(pixels_of(smear.picture)))
        for cell in smear.cells:
            found = reading_at(cell, said)
            counted[cell.label, found.cell_type if found else "missed"] += 1
    return counted


def test_one_seed_draws_one_picture() -> None:
    once = draw_smear(["neutrophil"], seed=3)
    assert once == draw_smear(["neutrophil"], seed=3)
    assert once != draw_smear(["neutrophil"], seed=4)


def test_every_kind_is_called_by_a_label_of_the_table() -> None:
    assert set(LOOKS) <= {label.code for label in LABELS}
    assert set(FIVE) <= set(LOOKS)


def test_cells_lie_whole_in_the_picture_and_apart_from_its_words() -> None:
    smear = draw_smear(list(LOOKS), seed=0)
    assert [cell.label for cell in smear.cells] == list(LOOKS)
    for cell in smear.cells:
        assert cell.box.xmin >= 0
        assert cell.box.ymin >= 0
        assert cell.box.xmax <= WIDTH
        assert cell.box.ymax <= HEIGHT - CORNER[1]
    boxes = [cell.box for cell in smear.cells]
    assert all(one.overlap(other) < 0.2 for one in boxes for other in boxes if one is not other)


@pytest.mark.parametrize("seed", range(3))
def test_corner_says_in_black_on_white_that_it_is_drawn(seed: int) -> None:
    corner = pixels_of(draw_smear(["monocyte"], seed=seed).picture)[-CORNER[1] :, -CORNER[0] :]
    light = corner.mean(axis=2)
    assert np.median(light) > 250
    assert 0.05 < (light < 80).mean() < 0.25
    columns = (light < 80).any(axis=0)
    assert columns[16 : CORNER[0] - 16].mean() > 0.6


def test_film_has_what_its_mix_says() -> None:
    film = draw_film({"lymphocyte": 0.75, "monocyte": 0.25}, fields=4, seed=1)
    counted = Counter(cell.label for smear in film for cell in smear.cells)
    assert counted.total() == 32
    assert 18 <= counted["lymphocyte"] <= 30
    assert counted["monocyte"] == 32 - counted["lymphocyte"]
    assert len({smear.picture for smear in film}) == 4


def test_portraits_show_one_cell_each() -> None:
    portraits = [pixels_of(one) for one in draw_portraits(["basophil", "lymphocyte"], seed=0)]
    assert len(portraits) == 2
    for picture in portraits:
        side = picture.shape[0]
        assert side == picture.shape[1] > 80
        middle = slice(side // 2 - 15, side // 2 + 15)
        assert picture[middle, middle].mean() < 160 < picture[:4].mean()


def test_model_finds_and_names_most(reader: CellReader) -> None:
    smears = [draw_smear(FIVE, seed=seed) for seed in range(4)]
    counted = names_of(smears, reader)
    for kind in FIVE:
        assert counted[kind, kind] >= 3, counted
    right = sum(counted[kind, kind] for kind in FIVE)
    assert right >= 0.8 * counted.total()


def test_model_names_no_erythroblast(reader: CellReader) -> None:
    counted = names_of([draw_smear(["erythroblast"] * 4, seed=seed) for seed in range(3)], reader)
    assert counted["erythroblast", None] >= 6
    assert not any(counted["erythroblast", kind] for kind in FIVE)


def test_reader_takes_the_words_for_no_cell(reader: CellReader) -> None:
    for seed in range(4):
        smear = draw_smear(["lymphocyte"], seed=seed)
        for one in reader.read(pixels_of(smear.picture)):
            assert one.box.ymin < HEIGHT - CORNER[1] or one.box.xmax < WIDTH - CORNER[0]
