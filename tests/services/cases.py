"""A case with cells, as workers leave them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hematovision.cells import Box, CellType, Decision, ModelIdentity, PhotoReading, Reading
from hematovision.people import Role
from hematovision.storage.cases import Case
from hematovision.storage.cells import Cell
from hematovision.storage.database import Database
from hematovision.storage.photos import Sent

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
MODEL = ModelIdentity("stub", "0.0.0", "0" * 64)


def reading(kind: CellType | None) -> Reading:
    """Say that a cell is of a kind, or unidentified."""
    decision = Decision.NAMED if kind else Decision.UNIDENTIFIED
    return Reading(Box(0, 0, 40, 40), decision, kind, 0.9, {}, (kind,) if kind else ())


def make_case(database: Database, *photos: Sequence[CellType | None], number: str = "26-1") -> Case:
    """Make a case with photos of such cells."""
    with database.transaction() as records:
        case = records.cases.add(number, "", by=None, now=NOW)
    for kinds in photos:
        add_read_photo(database, case, kinds)
    return case


def add_read_photo(
    database: Database, case: Case, kinds: Sequence[CellType | None], model: ModelIdentity = MODEL
) -> None:
    """Add a photo to a case, and what a model says of it."""
    with database.transaction() as records:
        sha256 = f"{case.id}-{len(records.photos.list(case.id))}".rjust(64, "0")
        sent = Sent(sha256, 9, "name", "page", None, NOW)
        records.photos.add(sent, case_id=case.id)
        photo = records.photos.take("worker", now=NOW, until=NOW)
        assert photo is not None
        said = PhotoReading(sha256, 128, 96, model, tuple(map(reading, kinds)))
        assert records.photos.finish(photo, "worker", said, now=NOW)


def cells_of(database: Database, case: Case) -> Sequence[Cell]:
    """List the cells of a case."""
    with database.reading() as records:
        return records.cells.list(case.id)


def say(database: Database, case: Case, label: str, *numbers: int, by: str = "ines") -> None:
    """Let somebody call cells so."""
    with database.transaction() as records:
        user = records.users.find(by) or records.users.add(by, Role.TECHNOLOGIST, now=NOW)
        for cell in records.cells.list(case.id):
            if cell.number in numbers:
                assert records.cells.review(
                    case.id, cell.id, label, seen=cell.version, by=user.id, now=NOW
                )
