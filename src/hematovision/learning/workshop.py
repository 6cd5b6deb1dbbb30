"""What every run of training shares: the locator, the cells it cuts out, and the trunk."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import copyfile

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import Box, CellType
from hematovision.learning.attributes import attribute_targets, read_attributes, vocabulary_of
from hematovision.learning.crops import (
    MARGIN,
    as_located,
    locate_middle,
    red_and_platelet_cells,
    reference_stain,
    wide_squares,
)
from hematovision.learning.datasets import (
    SAME_CELL,
    Cell,
    Photo,
    bccd_cells,
    load_picture,
    pbc_cells,
    txl_photos,
)
from hematovision.learning.export import export_locator
from hematovision.learning.keeping import save_arrays, write_whole
from hematovision.learning.locator import SIDE
from hematovision.learning.network import CLASSIFIER_SIZE
from hematovision.learning.no_blood import pictures_to_refuse, stranger_crops
from hematovision.learning.training import Lesson, Recipe, train_locator, train_trunk
from hematovision.vision.bundle import LOCATOR_FILE, CropRule, LocatorRule
from hematovision.vision.locating import Locator, locate_cells
from hematovision.vision.runtime import Network
from hematovision.vision.staining import measure_glass

CLASSES = (
    CellType.EOSINOPHIL,
    CellType.LYMPHOCYTE,
    CellType.MONOCYTE,
    CellType.NEUTROPHIL,
    CellType.BASOPHIL,
    CellType.OTHER,
)
LOCATOR_OVERLAP = 0.6
SCORES = tuple(round(0.2 + 0.05 * step, 2) for step in range(10))
OTHER_THINGS = 250
BOXES_FILE = "boxes.json"
STRANGERS_FILE = "strangers.npz"
LOOK_FILE = "locator.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What is made once and serves every classifier.

    Attributes:
        data: The folder of the sets.
        work: Keeps everything that is needed to go on after a stop.
        recipe: How to learn.
        locator: Finds cells.
        look: How it looks.
        boxes: Of each picture with one labelled cell in its middle, by path in the data folder.
        words: What experts said of cells, by picture.
        rule: How a crop is made.
        strangers: Squares of what is no cell, by split: shape (N, side, side, 3), as wide as those
            of `crops.wide_squares`.
        trunk: The weights that every classifier begins with; they have seen no photo of BCCD.
    """

    data: Path
    work: Path
    recipe: Recipe
    locator: Locator
    look: LocatorRule
    boxes: dict[str, Box]
    words: dict[str, dict[str, str]]
    rule: CropRule
    strangers: dict[str, NDArray[np.uint8]]
    trunk: Path

    @property
    def vocabulary(self) -> dict[str, tuple[str, ...]]:
        """The values of every attribute, in the order of the network's outputs."""
        return vocabulary_of(self.words)

    def cells(self, photos: Sequence[Photo]) -> list[Cell]:
        """List the labelled cells of BCCD photos and of PBC, all with boxes."""
        return [*bccd_cells(photos), *_with_boxes(pbc_cells(self.data), self.boxes, self.data)]

    def located(self, cells: Iterable[Cell]) -> list[Cell]:
        """Give cells the boxes that serving will give them; those not found are left out."""
        return as_located(list(cells), locator=self.locator, rule=self.look)

    def lesson(self, cells: Sequence[Cell]) -> Lesson:
        """Make of cells, and of what is no cell, what a classifier learns from."""
        lesson = _lesson(cells, self.rule, self.words)
        squares = self.strangers["train"]
        stranger = Cell(
            path=Path(STRANGERS_FILE),
            source="drawn",
            split="train",
            cell_type=CellType.OTHER,
            published_type="stranger",
            box=None,
            group="drawn",
        )
        silence = np.zeros((len(squares), lesson.words.shape[1]), np.float32)
        return replace(
            lesson,
            cells=[*lesson.cells, *[stranger] * len(squares)],
            squares=np.concatenate([lesson.squares, squares]),
            words=np.concatenate([lesson.words, silence]),
        )


def open_workshop(
    data: Path,
    photos: Sequence[Photo],
    *,
    backbone_weights: str | Path,
    work: Path,
    recipe: Recipe,
    locator: Path | None = None,
) -> Workshop:
    """Make locator and trunk, or take what an earlier run left in the work folder.

    Args:
        data: The folder of the sets.
        photos: Of BCCD and txl, with boxes; the locator learns from those of split `train`.
        backbone_weights: `imagenet`, or the path of a `.weights.h5`.
        work: Keeps everything that is needed to go on after a stop.
        recipe: How to learn.
        locator: A finished `locator.onnx` to take in the place of teaching one.
    """
    network, look = _locator(photos, backbone_weights, work, recipe, locator)
    cells = pbc_cells(data)
    boxes = _boxes(cells, data, network, look, work)
    words = read_attributes(data)
    learnt = [
        cell
        for cell in _with_boxes(cells, boxes, data)
        if cell.split == "train" and cell.cell_type is not CellType.OTHER
    ]
    # The photos of BCCD are dealt to folds, so nothing that the folds share may have seen them.
    fields = txl_photos(data)
    learnt += [
        cell
        for cell in red_and_platelet_cells(fields, number=OTHER_THINGS, seed=recipe.seed)
        if cell.published_type == "red"
    ]
    plain = CropRule(CLASSIFIER_SIZE, recipe.context, recipe.stain_strength, (0.0,) * 3, (1.0,) * 3)
    lesson = _lesson(learnt, plain, words)
    mean, spread = reference_stain(lesson.squares, plain)
    rule = replace(plain, stain_mean=mean, stain_spread=spread)
    trunk = train_trunk(
        replace(lesson, rule=rule), backbone_weights=backbone_weights, work=work, recipe=recipe
    )
    strangers = _strangers(fields, cells, network, look, rule, work, recipe)
    return Workshop(data, work, recipe, network, look, boxes, words, rule, strangers, trunk)


def _lesson(cells: Sequence[Cell], rule: CropRule, words: dict[str, dict[str, str]]) -> Lesson:
    """Cut out cells and look up their words."""
    vocabulary = vocabulary_of(words)
    return Lesson(
        cells=cells,
        squares=wide_squares(cells, rule),
        words=attribute_targets(cells, words, vocabulary),
        classes=CLASSES,
        vocabulary=vocabulary,
        rule=rule,
    )


def _locator(
    photos: Sequence[Photo],
    backbone_weights: str | Path,
    work: Path,
    recipe: Recipe,
    given: Path | None,
) -> tuple[Network, LocatorRule]:
    """Teach the locator, or take a finished one, and choose its score on validation photos."""
    path = work / LOCATOR_FILE
    if given:
        copyfile(given, path)
    elif not path.is_file():
        taught = train_locator(photos, backbone_weights=backbone_weights, work=work, recipe=recipe)
        export_locator(taught, path)
    network = Network(path)
    written = work / LOOK_FILE
    if not written.is_file():
        validation = [photo for photo in photos if photo.split == "val" and photo.white]
        look = choose_score(validation, network, LocatorRule(SIDE, SCORES[0], LOCATOR_OVERLAP))
        write_whole(written, json.dumps(asdict(look)) + "\n")
    return network, LocatorRule(**json.loads(written.read_text()))


def choose_score(photos: Sequence[Photo], locator: Locator, rule: LocatorRule) -> LocatorRule:
    """Choose the score below which boxes are dropped: the best F1 on validation photos.

    Where several scores are as good, the one in their middle is taken.

    Args:
        photos: With boxes of every white cell, not learnt from.
        locator: The trained network.
        rule: Everything but the score.
    """
    pictures = [load_picture(photo.path) for photo in photos]

    def f1(candidate: LocatorRule) -> float:
        hits = located = 0
        for picture, photo in zip(pictures, photos, strict=True):
            found = locate_cells(picture, measure_glass(picture), locator=locator, rule=candidate)
            located += len(found)
            hits += sum(any(box.overlap(one) >= SAME_CELL for one in found) for box in photo.white)
        return 2 * hits / (located + sum(len(photo.white) for photo in photos))

    candidates = [replace(rule, score=score) for score in SCORES]
    reached = [f1(candidate) for candidate in candidates]
    best = [one for one, value in zip(candidates, reached, strict=True) if value == max(reached)]
    return best[len(best) // 2]


def _boxes(
    cells: Sequence[Cell], data: Path, locator: Locator, look: LocatorRule, work: Path
) -> dict[str, Box]:
    """Find the cell in the middle of each picture, or read what an earlier run found."""
    written = work / BOXES_FILE
    if not written.is_file():
        log.info("Looking for the cell in each of %d pictures", len(cells))
        found = locate_middle(cells, locator=locator, rule=look)
        boxes = {_name(cell, data): cell.box.as_list() for cell in found if cell.box}
        write_whole(written, json.dumps(boxes) + "\n")
    return {name: Box(*sides) for name, sides in json.loads(written.read_text()).items()}


def _strangers(
    fields: Sequence[Photo],
    cells: Sequence[Cell],
    locator: Locator,
    look: LocatorRule,
    rule: CropRule,
    work: Path,
    recipe: Recipe,
) -> dict[str, NDArray[np.uint8]]:
    """Cut out what is no cell, or read what an earlier run cut."""
    written = work / STRANGERS_FILE
    if not written.is_file():
        log.info("Drawing what is no cell")
        wide = replace(
            rule,
            size=round(rule.size * MARGIN),
            context=rule.context * MARGIN,
            stain_strength=0.0,
        )
        cut = {}
        # The threshold is chosen on what the reader would take for cells, and on nothing else.
        for number, (split, squares) in enumerate((("train", 1), ("val", 0))):
            seed = recipe.seed + number
            crops = [cell.path for cell in cells if cell.split == split]
            pictures = pictures_to_refuse(fields, crops, split=split, seed=seed)
            cut[split], _ = stranger_crops(
                pictures, locator=locator, look=look, rule=wide, squares=squares, seed=seed
            )
        save_arrays(written, train=cut["train"], val=cut["val"])
    with np.load(written) as kept:
        return {split: kept[split] for split in ("train", "val")}


def _with_boxes(cells: Iterable[Cell], boxes: dict[str, Box], data: Path) -> list[Cell]:
    return [replace(cell, box=boxes[_name(cell, data)]) for cell in cells]


def _name(cell: Cell, data: Path) -> str:
    """Name a picture by its place in the data folder."""
    return cell.path.relative_to(data).as_posix()
