"""Cells of a case as other systems ask for them: one, or so many after another."""

from collections.abc import Sequence

from hematovision.errors import CellUnknownError
from hematovision.services.cases import the_case
from hematovision.services.crops import side_for
from hematovision.storage.cells import Cell
from hematovision.storage.database import Database, Records


def get_cell(database: Database, case_id: int, cell_id: int) -> Cell:
    """Give a cell of a case.

    Raises:
        CaseUnknownError: If there is no such case.
        CellUnknownError: If it has no such cell.
    """
    with database.reading() as records:
        return the_cell(records, case_id, cell_id)


def the_cell(records: Records, case_id: int, cell_id: int) -> Cell:
    """Give a cell of a case within a transaction.

    Raises:
        CaseUnknownError: If there is no such case.
        CellUnknownError: If it has no such cell.
    """
    the_case(records, case_id)
    cell = records.cells.find(case_id, cell_id)
    if cell is None:
        raise CellUnknownError("There is no such cell in this case.")
    return cell


def list_cells(
    database: Database, case_id: int, *, after: int, limit: int
) -> tuple[Sequence[Cell], int | None]:
    """Give cells of a case by number, those without a cell in their box among them.

    Args:
        database: Has them.
        case_id: The case.
        after: The number of the last cell that was seen.
        limit: How many at most.

    Returns:
        The cells, and the number of the last where there are more.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    with database.reading() as records:
        the_case(records, case_id)
        # One more than is given tells whether there is a next page.
        cells = records.cells.page(case_id, after=after, limit=limit + 1)
    return cells[:limit], cells[limit - 1].number if len(cells) > limit else None


def usual_side(database: Database, case_id: int) -> int:
    """Say how many photo pixels the crops of a case show unless another side is asked for."""
    with database.reading() as records:
        return side_for([box for _, box in records.cells.boxes(case_id)])
