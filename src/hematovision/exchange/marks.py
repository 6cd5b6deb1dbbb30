"""What stands for a label on paper and on photos: a shape, a colour, a letter.

They are those of the style sheet, on white: a reader who knows the gallery knows the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hematovision.labels import NO_CELL, NOT_CLASSED, UNIDENTIFIED, Label, find_label

if TYPE_CHECKING:
    from fpdf import FPDF

Colour = tuple[int, int, int]
Corners = Sequence[tuple[float, float]]

WHITE, INK, GREY = (255, 255, 255), (23, 23, 23), (97, 97, 97)
FILLED: dict[str, Colour] = {
    "neutrophil": (8, 50, 120),
    "eosinophil": (203, 58, 10),
    "lymphocyte": (15, 128, 91),
    "monocyte": (77, 52, 7),
    "basophil": (189, 47, 196),
}
RINGED: dict[str, Colour] = {
    "band": FILLED["neutrophil"],
    "atypical_lymphocyte": FILLED["lymphocyte"],
}
CORNERS: dict[str, Corners] = {
    "eosinophil": ((0.5, -0.04), (1.04, 0.5), (0.5, 1.04), (-0.04, 0.5)),
    "monocyte": ((0.24, 0.04), (0.76, 0.04), (1, 0.5), (0.76, 0.96), (0.24, 0.96), (0, 0.5)),
    "basophil": ((0.5, 0), (1, 0.38), (0.84, 1), (0.16, 1), (0, 0.38)),
}
ROUND = frozenset({"neutrophil", "band", UNIDENTIFIED})
LETTERS = {UNIDENTIFIED: "?", NOT_CLASSED: "X", NO_CELL: "-"}


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands for a label.

    Attributes:
        code: Of the label.
        letter: On it.
        colour: Of its ground, or of its rim where it is not filled.
        is_filled: Whether its ground has the colour.
    """

    code: str
    letter: str
    colour: Colour
    is_filled: bool

    @property
    def ink(self) -> Colour:
        """The colour of its letter."""
        return WHITE if self.is_filled else INK


def mark_of(code: str, own: Sequence[Label] = ()) -> Mark:
    """Say what stands for a label, be it of the table or of the laboratory's own."""
    label = find_label(code, own)
    letter = LETTERS.get(code) or (label.key if label else "") or "·"
    if code in FILLED:
        return Mark(code, letter, FILLED[code], is_filled=True)
    return Mark(code, letter, RINGED.get(code, GREY), is_filled=False)


def draw_mark(paper: "FPDF", mark: Mark, x: float, y: float, side: float) -> None:
    """Draw a mark on paper.

    Args:
        paper: Its font is set to that of the letter.
        mark: What to draw.
        x: Where its left side lies, in mm.
        y: Where its upper side lies.
        side: Of the square that it fills.
    """
    with paper.local_context(draw_color=mark.colour, fill_color=mark.colour, line_width=0.3):
        _draw_shape(paper, mark, x, y, side)
    paper.set_text_color(*mark.ink)
    width = paper.get_string_width(mark.letter)
    drop = 0.08 * side if mark.code == "basophil" else 0
    paper.text(x + (side - width) / 2, y + side / 2 + 0.12 * paper.font_size_pt + drop, mark.letter)
    paper.set_text_color(*INK)


def _draw_shape(paper: "FPDF", mark: Mark, x: float, y: float, side: float) -> None:
    style = "F" if mark.is_filled else "D"
    if mark.code in ROUND:
        paper.circle(x + side / 2, y + side / 2, side / 2, style=style)
    elif mark.code in CORNERS:
        corners = CORNERS[mark.code]
        paper.polygon([(x + side * right, y + side * down) for right, down in corners], style=style)
    else:
        paper.rect(x, y, side, side, style=style, round_corners=True, corner_radius=0.12 * side)
