"""What the gallery shows of a case: rows of cells, the most uncertain first."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hematovision.cells import Box, CellType, Decision, Doubt, Reading
from hematovision.labels import (
    FIVE,
    LABELS,
    NO_CELL,
    NOT_CLASSED,
    UNIDENTIFIED,
    Count,
    Label,
)
from hematovision.storage.cells import Cell
from hematovision.web.cards import sentence, words_of
from hematovision.web.language import name_of
from hematovision.web.signs import sign_of

SURE = 0.95
"""Cells that are more certain fold into one tile."""
ALWAYS = (UNIDENTIFIED, *FIVE, NOT_CLASSED)
"""Rows that stand there without cells, too."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A cell in its row.

    Attributes:
        cell: The cell.
        code: Of its row: what people call it, else what the model does.
        chance: How probable the model finds that; of unidentified cells the highest probability.
        kept: Whether its photo is there to be looked at.
    """

    cell: Cell
    code: str
    chance: float
    kept: bool

    @property
    def was(self) -> str:
        """What the model called it."""
        return self.cell.cell_type or UNIDENTIFIED

    @property
    def is_sure(self) -> bool:
        """Whether it folds into one tile."""
        return self.code != UNIDENTIFIED and self.chance > SURE

    @property
    def possible(self) -> Sequence[str]:
        """What it could be, as far as the model knows."""
        return tuple(self.cell.answer.get("prediction_set", ()))


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one name.

    Attributes:
        code: Of the name.
        tiles: The most uncertain first.
    """

    code: str
    tiles: Sequence[Tile]

    @property
    def sure(self) -> Sequence[Tile]:
        """Those that fold into one tile."""
        return [tile for tile in self.tiles if tile.is_sure]

    @property
    def is_shown(self) -> bool:
        """Whether the row stands there."""
        return bool(self.tiles) or self.code in ALWAYS


def rows_of(cells: Sequence[Cell], own: Sequence[Label], gone: Collection[int]) -> list[Row]:
    """Lay out the cells of a case.

    Args:
        cells: All of them.
        own: The laboratory's own labels, retired ones among them.
        gone: Photos that are not kept, by id.
    """
    order = [UNIDENTIFIED, *(label.code for label in (*LABELS, *own)), NO_CELL]
    tiles = [_tile(cell, cell.photo_id not in gone) for cell in cells]
    return [
        Row(
            code,
            sorted(
                (tile for tile in tiles if tile.code == code),
                key=lambda tile: (tile.chance, tile.cell.number),
            ),
        )
        for code in order
    ]


def _tile(cell: Cell, kept: bool) -> Tile:
    code = cell.label or cell.cell_type or UNIDENTIFIED
    if code == UNIDENTIFIED:
        return Tile(cell, code, cell.confidence or 0.0, kept)
    return Tile(cell, code, cell.answer.get("probabilities", {}).get(code, 0.0), kept)


def tile_document(tile: Tile) -> dict[str, Any]:
    """Give what the script knows of a cell."""
    cell = tile.cell
    found = reading_of(cell)
    finding, meaning = words_of(found) if found else ("", "")
    return {
        **state_document(cell),
        "was": tile.was,
        "photo": cell.photo_number,
        "odds": cell.answer.get("probabilities", {}),
        "possible": tile.possible,
        "finding": finding,
        "meaning": meaning,
        "morphology": sentence(cell.morphology or ""),
        "model": cell.model_version,
        "confidence": cell.confidence or 0.0,
        "kept": tile.kept,
        "size": max(cell.box.width, cell.box.height),
    }


def state_document(cell: Cell) -> dict[str, Any]:
    """Give what people said of a cell: what may change."""
    return {
        "id": cell.id,
        "number": cell.number,
        "label": cell.label,
        "version": cell.version,
        "by": cell.reviewed_by,
    }


def says_of(tile: Tile, names: Mapping[str, str]) -> str:
    """Say of a cell what a listener hears after its number."""
    name = names[tile.code]
    if tile.code == UNIDENTIFIED and tile.possible:
        return f"{name}: {', '.join(names[code] for code in tile.possible)}"
    return name


def label_document(label: Label, own: Sequence[Label], key: str) -> dict[str, Any]:
    """Give what the script knows of a label."""
    sign = sign_of(label.code, own)
    return {
        "name": name_of(label.code, own=own),
        "many": name_of(label.code, 2, own=own),
        "shape": sign.shape,
        "letter": sign.letter,
        "key": key,
        "white": label.count is Count.WHITE,
    }


def reading_of(cell: Cell) -> Reading | None:
    """Give what the model said of a cell, as it said it; None where a person boxed it."""
    if cell.decision is None:
        return None
    return Reading(
        box=cell.box,
        decision=Decision(cell.decision),
        cell_type=CellType(cell.cell_type) if cell.cell_type else None,
        confidence=cell.confidence or 0.0,
        probabilities=_typed(cell.answer["probabilities"]),
        prediction_set=tuple(CellType(kind) for kind in cell.answer["prediction_set"]),
        doubts=tuple(Doubt(doubt) for doubt in cell.answer["doubts"]),
        known=cell.known,
        morphology=cell.morphology,
    )


def _typed(probabilities: Mapping[str, float]) -> dict[CellType, float]:
    return {CellType(kind): share for kind, share in probabilities.items()}


def box_of(numbers: Any) -> Box | None:
    """Read a box that a script sent; None where it is none."""
    if not isinstance(numbers, list) or len(numbers) != 4:
        return None
    if not all(type(number) is int and abs(number) < 2**31 for number in numbers):
        return None
    return Box(*numbers)
