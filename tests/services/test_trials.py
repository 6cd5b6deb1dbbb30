from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.films import NOW, cells_of
from tests.installations import field_pictures
from tests.models import BY, Rack

from hematovision.cells import Box, CellReader, CellType
from hematovision.errors import ModelUnknownError, NothingConfirmedError
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.cases import open_case
from hematovision.services.choosing import SHIPPED
from hematovision.services.crops import Album
from hematovision.services.models import cast_shadow
from hematovision.services.trials import find_learnt, read_again, try_on_shelf
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.sealing import Seal

from .cases import say


class Lab:
    """A laboratory with two models, and cases whose cells people have named."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.rack = Rack(folder, database)
        self.shelf = self.rack.shelf()
        self.files = Files(str(folder / "pictures"), Seal(bytes(32)))
        self.album = Album(database, self.files)
        self.number = 0

    def read(self, pictures: int = 1, shadow: CellReader | None = None) -> Case:
        """Make a case of photos with two blue cells each, and let the shipped model read it."""
        database = self.rack.database
        self.number += 1
        case = open_case(database, f"26-{self.number}", by=BY)
        drawn = field_pictures(100 * self.number + pictures)[-pictures:]
        for picture in drawn:
            add_photo(database, self.files, case, picture, by=BY)
        desk = Desk(database, self.files, self.shelf.get(SHIPPED), shadow=shadow)
        while read_next(desk, "worker", clock=lambda: NOW):
            pass
        return case

    def again(self, model: str, learnt: Sequence[str] = ()) -> int:
        return read_again(
            self.album,
            self.shelf.get(model),
            learnt=learnt,
            clock=lambda: NOW,
            track=lambda items, what: items,
        )

    def shadowed(self) -> int:
        with self.rack.database.reading() as records:
            return sum(event.action == "photo.shadowed" for event in records.audit.list())


@pytest.fixture
def lab(tmp_path: Path, database: Database) -> Lab:
    return Lab(tmp_path, database)


def test_two_models_are_compared_on_what_people_say(lab: Lab) -> None:
    case, other = lab.read(2), lab.rack.install()
    say(lab.rack.database, case, "neutrophil", 1, 2, 3)
    say(lab.rack.database, case, "lymphocyte", 4)
    assert lab.again(other) == 0
    trial = try_on_shelf(lab.shelf, SHIPPED, other)
    assert (trial.unread, trial.left_out) == (0, 0)
    found = trial.comparison
    assert found is not None
    assert (found.cells, found.photos, found.only_one, found.only_other) == (4, 2, 3, 1)
    assert (found.one.right.value, found.other.right.value) == (0.75, 0.25)
    assert lab.shadowed() == 2


def test_what_is_kept_in_the_shadow_is_read_once_and_shown_to_nobody(lab: Lab) -> None:
    other = lab.rack.install()
    cast_shadow(lab.shelf, other, by=BY)
    case = lab.read(2, shadow=lab.shelf.find_shadow())
    cells = cells_of(lab.rack.database, case)
    assert [(cell.cell_type, cell.model_version) for cell in cells] == [("neutrophil", "1.0.0")] * 4
    say(lab.rack.database, case, "lymphocyte", 1)
    assert lab.shadowed() == 2
    lab.again(other)
    assert lab.shadowed() == 2
    found = try_on_shelf(lab.shelf, SHIPPED, other).comparison
    assert found is not None
    assert (found.cells, found.only_other) == (1, 1)


def test_shadow_that_fails_leaves_the_reading_as_it_is(lab: Lab) -> None:
    class Broken:
        model = replace(lab.shelf.reader().model, sha256="b" * 64)

        def read(self, photo: object, *, explain: bool = False) -> None:
            raise RuntimeError

    case = lab.read(1, shadow=Broken())  # type: ignore[arg-type]
    assert len(cells_of(lab.rack.database, case)) == 2
    assert lab.shadowed() == 0


def test_photos_that_one_has_not_read_are_counted(lab: Lab) -> None:
    other = lab.rack.install()
    case = lab.read(2)
    say(lab.rack.database, case, "neutrophil", 1, 3)
    trial = try_on_shelf(lab.shelf, SHIPPED, other)
    assert (trial.comparison, trial.unread) == (None, 2)


def test_films_that_a_model_was_taught_with_do_not_judge_it(lab: Lab) -> None:
    first, second = lab.read(2), lab.read(1)
    for case in (first, second):
        say(lab.rack.database, case, "neutrophil", 1, 2, 3, 4)
    with lab.rack.database.reading() as records:
        taught = records.photos.list(first.id)[0].image_sha256
    other = lab.rack.install(learnt_photos=[taught])
    learnt = find_learnt(lab.shelf, SHIPPED, other)
    assert learnt == {taught}
    lab.again(other, sorted(learnt))
    assert lab.shadowed() == 1
    trial = try_on_shelf(lab.shelf, SHIPPED, other)
    assert trial.left_out == 4
    assert trial.comparison is not None
    assert trial.comparison.cells == 2


def test_cell_that_a_model_does_not_find_is_missed(lab: Lab) -> None:
    from hematovision.services.review import box_cell

    case, other = lab.read(1), lab.rack.install()
    box_cell(lab.rack.database, case.id, 1, Box(180, 180, 200, 200), by=BY)
    say(lab.rack.database, case, "neutrophil", 1, 2, 3)
    lab.again(other)
    found = try_on_shelf(lab.shelf, SHIPPED, other).comparison
    assert found is not None
    assert (found.one.missed, found.one.unidentified.value) == (1, pytest.approx(1 / 3))
    assert found.one.right.value == pytest.approx(2 / 3)


def test_names_that_no_model_must_say_do_not_judge(lab: Lab) -> None:
    case = lab.read(1)
    say(lab.rack.database, case, "atypical_lymphocyte", 1)
    say(lab.rack.database, case, "not_classed", 2)
    with pytest.raises(NothingConfirmedError):
        lab.again(SHIPPED)


def test_photo_that_is_gone_is_counted(lab: Lab) -> None:
    case, other = lab.read(1), lab.rack.install()
    say(lab.rack.database, case, "band", 1)
    with lab.rack.database.reading() as records:
        (photo,) = records.photos.list(case.id)
    lab.files.delete(photo.file or "")
    assert lab.again(other) == 1
    assert try_on_shelf(lab.shelf, SHIPPED, other).unread == 1


def test_model_that_is_not_installed_is_not_compared(lab: Lab) -> None:
    with pytest.raises(ModelUnknownError):
        try_on_shelf(lab.shelf, SHIPPED, "f" * 64)


def test_other_types_are_other(lab: Lab) -> None:
    case = lab.read(1)
    other = lab.rack.install("4.0.0", blue=CellType.OTHER)
    say(lab.rack.database, case, "blast", 1, 2)
    lab.again(other)
    found = try_on_shelf(lab.shelf, SHIPPED, other).comparison
    assert found is not None
    assert (found.one.right.value, found.other.right.value) == (0, 1)
    assert found.other.unidentified.value == 1
