import numpy as np
import pytest
from tests.conftest import StubReader
from tests.services.cases import MODEL, NOW, cells_of, make_case, say

from hematovision.cells import CellType
from hematovision.storage.database import Database
from hematovision.storage.inserts import AlreadyThereError
from hematovision.storage.models import MANY

NEUTROPHIL, MONOCYTE = CellType.NEUTROPHIL, CellType.MONOCYTE
OTHER = "f" * 64


def test_model_is_kept_once(database: Database) -> None:
    with database.transaction() as records:
        records.models.add(MODEL, by=None, now=NOW)
        with pytest.raises(AlreadyThereError):
            records.models.add(MODEL, by=None, now=NOW)
        (model,) = records.models.list()
        assert records.models.find(MODEL.sha256) == model
        assert records.models.find(OTHER) is None
    assert (model.identity, model.installed_at) == (MODEL, NOW)


def test_answers_are_those_that_are_shown_and_those_of_the_shadow(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL, None], [MONOCYTE])
    first, second = (cell.photo_id for cell in cells_of(database, case)[1:])
    said = StubReader().read(np.zeros((96, 128, 3), np.uint8))
    with database.transaction() as records:
        assert records.models.keep_shadow(first, OTHER, said, now=NOW)
        assert not records.models.keep_shadow(first, OTHER, said[:1], now=NOW)
        assert records.models.keep_shadow(second, OTHER, (), now=NOW)
    with database.reading() as records:
        shown = records.models.answers(MODEL.sha256, {first, second, 99})
        shadow = records.models.answers(OTHER, {first, second})
        for model in (OTHER, MODEL.sha256):
            assert records.models.read_by(model, {first, second, 99}) == {first, second}
    assert {photo: [one.cell_type for one in said] for photo, said in shown.items()} == {
        first: ["neutrophil", None],
        second: ["monocyte"],
    }
    assert [(one.box, one.cell_type, one.best) for one in shadow[first]] == [
        (said[0].box, "neutrophil", "neutrophil"),
        (said[1].box, None, "monocyte"),
    ]
    assert shadow[second] == []


def test_shadow_is_in_no_list_of_cells(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL])
    (cell,) = cells_of(database, case)
    said = StubReader().read(np.zeros((96, 128, 3), np.uint8))
    with database.transaction() as records:
        records.models.keep_shadow(cell.photo_id, OTHER, said, now=NOW)
    assert cells_of(database, case) == [cell]
    with database.reading() as records:
        assert sum(tally.number for tally in records.cells.count([case.id])[case.id]) == 1
        kept = records.readings.find(cell.photo_id)
    assert kept is not None
    assert kept.reading.model == MODEL


def test_confirmed_cells_say_by_how_many_people(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL, MONOCYTE, None])
    say(database, case, "band", 1)
    say(database, case, "neutrophil", 1, 2, by="jon")
    say(database, case, "neutrophil", 1, by="eva")
    say(database, case, "neutrophil", 1, by="eva")
    with database.reading() as records:
        found = records.models.confirmed(["neutrophil"])
        assert records.models.confirmed(["band"]) == []
    assert [(cell.label, cell.people, cell.may_improve) for cell in found] == [
        ("neutrophil", 2, False),
        ("neutrophil", 1, False),
    ]
    assert {cell.case_id for cell in found} == {case.id}


def test_more_photos_than_a_question_holds_are_found(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL])
    (cell,) = cells_of(database, case)
    photos = range(1, 2 * MANY + 10)
    with database.reading() as records:
        assert set(records.models.answers(MODEL.sha256, photos)) == {cell.photo_id}
        photo = records.photos.find(cell.photo_id)
        assert photo is not None
        many = [f"{number:064x}" for number in photos]
        assert records.models.cases_of([*many, photo.image_sha256]) == {case.id}
        assert records.models.cases_of(many) == set()
