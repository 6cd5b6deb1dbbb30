"""What the people of a demonstration do with a film: read, review, sign, amend it as anybody would.

Of drawn cells they say what was drawn. Of photos they confirm what the model names, and take out of
the count what it does not: a demonstration knows no better.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hematovision.cells import Box
from hematovision.drawing.smears import DrawnCell
from hematovision.labels import NO_CELL, NOT_CLASSED
from hematovision.services.amending import amend_case
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.cases import open_case
from hematovision.services.demonstrations import Cast, Person
from hematovision.services.differential import Wanted, change_counting
from hematovision.services.films import NOTES, READ_AT_ONCE, Film, Stage
from hematovision.services.hands import Hand
from hematovision.services.ranges import ADULTS
from hematovision.services.review import Said, box_cell, name_cells
from hematovision.services.second_readings import (
    ask_second,
    finish_second,
    name_second,
    take_second,
)
from hematovision.services.signing import MEANINGS, Signing, open_desk, sign_case
from hematovision.storage.cases import Case
from hematovision.storage.cells import Cell
from hematovision.storage.database import Database

WORKER = "demonstration"
SAME = 0.4
"""The overlap from which on a box is that of a drawn cell."""
OTHERWISE = {
    "neutrophil": "band",
    "band": "neutrophil",
    "lymphocyte": "atypical_lymphocyte",
    "atypical_lymphocyte": "monocyte",
}
"""What a second reader calls a cell instead, now and then."""
NOW_AND_THEN = 9
WHY_AMENDED = "A cell was miscounted."
WHY_LEFT = "A demonstration has few photos."

Clock = Callable[[], datetime]
Known = Mapping[int, tuple[DrawnCell, ...] | None]
"""The cells of each photo by its number; None where nobody knows them."""


def add_film(desk: Desk, film: Film, cast: Cast, *, clock: Clock) -> Case:
    """Make a case of a film, and bring it as far as its stage says.

    Args:
        desk: Where its photos are read.
        film: What it shows.
        cast: Who does it.
        clock: Tells the time, UTC.
    """
    by = Hand(cast.technologist.user.id, "terminal", clock())
    case = open_case(desk.database, film.accession, NOTES[film.stage], by=by)
    wanted = Wanted(case.version, str(film.target), ADULTS.code, film.white_count)
    change_counting(desk.database, case.id, wanted, by=by)
    known = {}
    for field in film.fields():
        photo = add_photo(desk.database, desk.files, case, field.picture, by=by)
        known[photo.number or 0] = field.cells
    if film.stage in READ_AT_ONCE:
        while read_next(desk, WORKER, clock=clock):
            pass
        _Play(desk.database, case.id, known, cast, clock).act(film.stage)
    return case


@dataclass(frozen=True, slots=True)
class _Play:
    """What is done with one case."""

    database: Database
    case_id: int
    known: Known
    cast: Cast
    clock: Clock

    def act(self, stage: Stage) -> None:
        """Bring the case as far as a stage says."""
        {
            Stage.REVIEWED: self._review,
            Stage.BEGUN: self._begin,
            Stage.SIGNED: self._review_and_sign,
            Stage.SECOND: self._read_twice,
            Stage.AMENDED: self._sign_and_amend,
        }.get(stage, lambda: None)()

    def _begin(self) -> None:
        cells = self._cells()
        self._name([(cell, self._label(cell)) for cell in cells[: len(cells) // 2]])

    def _review(self) -> None:
        self._name([(cell, self._label(cell)) for cell in self._cells()])
        self._box_missed()

    def _review_and_sign(self) -> None:
        self._review()
        self._sign()

    def _sign_and_amend(self) -> None:
        """Miscount a cell, sign, notice it, and sign again."""
        self._review()
        cells = self._cells()
        cell = next((one for one in cells if one.label == "band"), cells[0] if cells else None)
        if cell is None:
            return
        right = cell.label
        self._name([(cell, "neutrophil" if right == "band" else NOT_CLASSED)])
        if self._sign():
            by = self._hand(self.cast.pathologist)
            amend_case(self.database, self.case_id, WHY_AMENDED, by=by)
            self._name([(one, right) for one in self._cells() if one.id == cell.id])
            self._sign()

    def _read_twice(self) -> None:
        """Let a second reader differ now and then."""
        self._review()
        by = self._hand(self.cast.second)
        ask_second(self.database, self.case_id, by=self._hand(self.cast.technologist))
        take_second(self.database, self.case_id, by=by)
        cells = self._cells()
        said = [
            Said(cell.id, self._second_label(place, cell.label), 0)
            for place, cell in enumerate(cells)
        ]
        name_second(self.database, self.case_id, said, by=by)
        finish_second(self.database, self.case_id, by=by)

    def _second_label(self, place: int, label: str | None) -> str | None:
        if place % NOW_AND_THEN:
            return label
        return OTHERWISE.get(label or "", label)

    def _sign(self) -> bool:
        """Sign the case, unless it cannot be."""
        pathologist = self.cast.pathologist
        desk = open_desk(self.database, self.case_id, pathologist.user)
        if not all(check.is_leavable for check in desk.sheet.open_checks):
            return False
        signing = Signing(
            seen=desk.seen,
            password=pathologist.password,
            meaning=MEANINGS[0],
            printed_name=desk.printed_name,
            reasons={check.code: WHY_LEFT for check in desk.sheet.open_checks},
        )
        by = self._hand(pathologist)
        sign_case(self.database, pathologist.user, self.case_id, signing, by=by)
        return True

    def _box_missed(self) -> None:
        """Box drawn cells that were not found, and name them."""
        cells = self._cells()
        for number, drawn in self.known.items():
            found = [cell.box for cell in cells if cell.photo_number == number]
            for one in drawn or ():
                if not any(box.overlap(one.box) > SAME for box in found):
                    self._box(number, one.box, one.label)

    def _box(self, number: int, box: Box, label: str) -> None:
        by = self._hand(self.cast.technologist)
        self._name([(box_cell(self.database, self.case_id, number, box, by=by), label)])

    def _name(self, labels: Sequence[tuple[Cell, str | None]]) -> None:
        said = [Said(cell.id, label, cell.version) for cell, label in labels]
        by = self._hand(self.cast.technologist)
        name_cells(self.database, self.case_id, said, by=by)

    def _cells(self) -> Sequence[Cell]:
        with self.database.reading() as records:
            return records.cells.list(self.case_id)

    def _label(self, cell: Cell) -> str:
        drawn = self.known.get(cell.photo_number)
        if drawn is None:
            return cell.cell_type or NOT_CLASSED
        return next((one.label for one in drawn if one.box.overlap(cell.box) > SAME), NO_CELL)

    def _hand(self, person: Person) -> Hand:
        return Hand(person.user.id, "terminal", self.clock())
