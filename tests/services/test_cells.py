import pytest

from hematovision.cells import CellType
from hematovision.errors import CaseUnknownError, CellUnknownError
from hematovision.services.cells import get_cell, list_cells, usual_side
from hematovision.storage.database import Database

from .cases import cells_of, make_case

NEUTROPHIL = CellType.NEUTROPHIL


def test_pages_give_every_cell_of_the_case_once(each_database: Database) -> None:
    case = make_case(each_database, [NEUTROPHIL] * 3, [NEUTROPHIL, None])
    make_case(each_database, [NEUTROPHIL], number="26-2")
    pages, after = [], 0
    while after is not None:
        cells, after = list_cells(each_database, case.id, after=after or 0, limit=2)
        pages.append([cell.number for cell in cells])
    assert pages == [[1, 2], [3, 4], [5]]
    assert list_cells(each_database, case.id, after=0, limit=5)[1] is None


def test_cell_is_given_in_its_own_case_only(database: Database) -> None:
    case, other = (make_case(database, [NEUTROPHIL], number=number) for number in ("1", "2"))
    (cell,) = cells_of(database, case)
    assert get_cell(database, case.id, cell.id) == cell
    with pytest.raises(CellUnknownError):
        get_cell(database, other.id, cell.id)
    with pytest.raises(CaseUnknownError):
        get_cell(database, 99, cell.id)
    with pytest.raises(CaseUnknownError):
        list_cells(database, 99, after=0, limit=1)


def test_crops_of_a_case_have_one_usual_side(database: Database) -> None:
    assert usual_side(database, make_case(database, [NEUTROPHIL]).id) == 64
