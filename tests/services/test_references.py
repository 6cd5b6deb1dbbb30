from datetime import timedelta
from pathlib import Path

import pytest
from tests.databases import counted_queries
from tests.films import NOW, FilmReader, cells_of, make_case, picture

from hematovision.errors import LabelInvalidError, LabelUnknownError, PictureNotKeptError
from hematovision.people import Role
from hematovision.services.crops import Album
from hematovision.services.hands import Hand
from hematovision.services.references import (
    SHOWN,
    add_reference,
    count_references,
    get_reference,
    references_for,
    remove_references,
)
from hematovision.services.review import Said, name_cells
from hematovision.storage.cells import Place
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.references import Reference
from hematovision.storage.sealing import Seal

BY = Hand(None, "terminal", NOW)


@pytest.fixture
def album(database: Database, tmp_path: Path) -> Album:
    return Album(database, Files(str(tmp_path / "pictures"), Seal(bytes(32))))


def shown(database: Database, *labels: str) -> dict[str, list[Reference | Place]]:
    with database.reading() as records, counted_queries(database) as queries:
        found = references_for(records, labels)
    assert len(queries) <= 3
    return {label: list(cells) for label, cells in found.items()}


def test_loaded_cell_is_shown_counted_and_removed(album: Album) -> None:
    assert add_reference(album, "monocyte", "PBC 2020", picture(1), by=BY)
    assert not add_reference(album, "monocyte", "again", picture(1), by=BY)
    assert count_references(album.database) == [("PBC 2020", "monocyte", 1)]
    (cell,) = shown(album.database, "monocyte", "blast")["monocyte"]
    assert isinstance(cell, Reference)
    assert get_reference(album, cell.id)[:2] == b"\xff\xd8"
    assert remove_references(album.database, album.files, "PBC 2020", by=BY) == 1
    assert not [path for path in Path(album.files.root).rglob("*") if path.is_file()]
    with album.database.reading() as records:
        # A worker deletes it once more: the place of pictures may have been away.
        assert records.discards.list(before=NOW + timedelta(1), limit=9) == [cell.file]
    with pytest.raises(PictureNotKeptError):
        get_reference(album, cell.id)


def test_cell_of_no_name_or_of_a_set_without_one_is_refused(album: Album) -> None:
    with pytest.raises(LabelUnknownError):
        add_reference(album, "unicorn", "PBC", picture(1), by=BY)
    with pytest.raises(LabelInvalidError):
        add_reference(album, "monocyte", "", picture(1), by=BY)
    assert count_references(album.database) == []


def test_cells_that_model_and_person_call_the_same_are_shown_newest_first(album: Album) -> None:
    case = make_case(album.database, album.files, FilmReader(30), [picture()])
    with album.database.transaction() as records:
        ines = records.users.add("ines", Role.TECHNOLOGIST, now=NOW)
    cells = [cell for cell in cells_of(album.database, case) if cell.cell_type == "neutrophil"]
    others = [cell for cell in cells_of(album.database, case) if cell.cell_type == "monocyte"]
    said = [Said(cell.id, "neutrophil", 0) for cell in (*cells, others[0])]
    name_cells(album.database, case.id, said, by=Hand(ines.id, "page", NOW))
    found = shown(album.database, "neutrophil", "monocyte")
    newest = [Place(case.id, cell.id) for cell in reversed(cells)][: SHOWN + 1]
    assert found == {"neutrophil": newest, "monocyte": []}
