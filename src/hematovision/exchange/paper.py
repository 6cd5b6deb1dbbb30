"""The paper of a report: its fonts, what stands on every page, and how text is set on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fpdf import FPDF

from hematovision.exchange.marks import INK, Colour, Mark, draw_mark

FONTS = Path(__file__).parent / "fonts"
FAMILY = "report"
MARGIN = 18.0
FOOT = 24.0
WIDTH = 210 - 2 * MARGIN
FAINT: Colour = (97, 97, 97)
LINE: Colour = (218, 218, 218)
BAND: Colour = (211, 211, 211)
PAGES = "\ue000"
"""Stands for the number of pages; a sign for private use, which nobody can type into a text."""
LEAST, SMALL, USUAL, HEADING = 6.0, 7.5, 9.0, 10.5


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands on every page.

    Attributes:
        head: At the top, from the second page on.
        notice: At the foot, in bold.
        foot: Below the notice.
        page: The number of the page, with `{page}` and `{pages}` in it.
        warning: Large at the top of every page; empty for none.
    """

    head: str
    notice: str
    foot: str
    page: str
    warning: str = ""


class Paper(FPDF):
    """Sheets of A4 with a frame; texts have all letters of Latin, Greek and Cyrillic."""

    def __init__(self, frame: Frame, *, title: str, language: str, made_at: datetime) -> None:
        """Begin with the first page."""
        super().__init__(format="A4")
        self._frame = frame
        self.alias_nb_pages(PAGES)
        self.add_font(FAMILY, "", FONTS / "DejaVuSansCondensed.ttf")
        self.add_font(FAMILY, "B", FONTS / "DejaVuSansCondensed-Bold.ttf")
        self.set_margins(MARGIN, MARGIN)
        self.set_auto_page_break(auto=True, margin=FOOT + 4)
        self.c_margin = 0
        self.set_title(title)
        self.set_lang(language)
        self.set_creator("HematoVision")
        self.set_creation_date(made_at)
        self.add_page()
        self.usual()

    def header(self) -> None:
        """Say on every page but the first whose it is, and on every page what must be seen."""
        if self.page_no() > 1:
            self.usual(SMALL, colour=FAINT)
            self.fitted(WIDTH, 4, self._frame.head)
            self.ln(4)
        if self._frame.warning:
            self.set_y(MARGIN - 8 if self.page_no() == 1 else self.get_y() + 1)
            self.usual(17, bold=True)
            self.set_draw_color(*INK)
            self.set_line_width(0.5)
            self.cell(
                WIDTH, 11, self._frame.warning, border=1, align="C", new_x="LMARGIN", new_y="NEXT"
            )
        if self.page_no() > 1 or self._frame.warning:
            self.ln(4)
        self.usual()

    def footer(self) -> None:
        """Say on every page what it is not for, which model spoke, and which page it is."""
        self.set_y(-FOOT)
        self.rule(0.2, FAINT)
        self.ln(2)
        self.usual(SMALL, bold=True)
        self.cell(WIDTH, 4, self._frame.notice, new_x="LMARGIN", new_y="NEXT")
        page = self._frame.page.format(page=self.page_no(), pages=PAGES)
        self.usual(6.5, colour=FAINT)
        self.multi_cell(WIDTH, 3.2, f"{self._frame.foot} · {page}", align="L")
        self.usual()

    def usual(self, size: float = USUAL, *, bold: bool = False, colour: Colour = INK) -> None:
        """Go on with text of such a size and colour."""
        self.set_font(FAMILY, "B" if bold else "", size)
        self.set_text_color(*colour)

    def rule(self, width: float, colour: Colour = INK) -> None:
        """Draw a line across the paper."""
        self.set_draw_color(*colour)
        self.set_line_width(width)
        self.line(MARGIN, self.get_y(), MARGIN + WIDTH, self.get_y())

    def keep(self, height: float) -> bool:
        """Begin another page where so much does not fit on this one; say whether it began."""
        if not self.will_page_break(height):
            return False
        self.add_page()
        return True

    def heading(self, text: str, follows: float = 14) -> None:
        """Begin a section, on a page where so much of it has room too."""
        self.keep(8 + follows)
        self.ln(3)
        self.usual(HEADING, bold=True)
        self.cell(WIDTH, 5, text, new_x="LMARGIN", new_y="NEXT")
        self.ln(1)
        self.usual()

    def fitted(self, width: float, height: float, text: str, *, align: str = "L") -> None:
        """Set a text on one line, smaller where it is too long, and cut where it still is."""
        size = self.font_size_pt
        while self.get_string_width(text) > width and self.font_size_pt > LEAST:
            self.set_font_size(self.font_size_pt - 0.5)
        while self.get_string_width(text) > width:
            text = text.removesuffix("…")[:-1] + "…"
        self.cell(width, height, text, align=align)
        self.set_font_size(size)

    def paragraph(self, text: str, *, faint: bool = False, width: float = WIDTH) -> None:
        """Set a paragraph."""
        self.usual(SMALL if faint else USUAL, colour=FAINT if faint else INK)
        height = 3.6 if faint else 4.4
        self.multi_cell(width, height, text, align="L", new_x="LMARGIN", new_y="NEXT")
        self.usual()

    def facts(self, rows: Sequence[tuple[str, str]], *, columns: int = 2) -> None:
        """Set names and what they have, side by side."""
        width = WIDTH / columns
        for start in range(0, len(rows), columns):
            top = lowest = self.get_y()
            for place, (name, value) in enumerate(rows[start : start + columns]):
                self.set_xy(MARGIN + place * width, top)
                self.usual(colour=FAINT)
                self.cell(21, 5, name)
                self.usual()
                self.multi_cell(width - 24, 5, value, align="L", new_x="LMARGIN", new_y="NEXT")
                lowest = max(lowest, self.get_y())
            self.set_y(lowest)

    def mark(self, mark: Mark, x: float, y: float, side: float = 4.2) -> None:
        """Draw what stands for a label."""
        self.set_font(FAMILY, "B", 1.75 * side)
        draw_mark(self, mark, x, y, side)
        self.usual()
