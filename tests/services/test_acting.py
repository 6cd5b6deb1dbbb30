from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.databases import open_copy
from tests.films import NOW, FilmReader, cells_of, picture

from hematovision.cells import CellReader
from hematovision.config import PACKAGED_MODEL
from hematovision.labels import NO_CELL, NOT_CLASSED
from hematovision.people import Role
from hematovision.services.accounts import add_user, get_user, set_password
from hematovision.services.acting import WHY_AMENDED, WHY_LEFT, add_film
from hematovision.services.amending import get_versions
from hematovision.services.batches import Desk
from hematovision.services.deciding import compare_readings
from hematovision.services.demonstrations import Cast, Person, new_password
from hematovision.services.differential import open_sheet
from hematovision.services.films import READ_AT_ONCE, Field, Film, Stage, drawn_films
from hematovision.services.hands import Hand
from hematovision.services.printed_names import set_printed_name
from hematovision.services.review import history_of
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database
from hematovision.storage.files import Files, open_files
from hematovision.storage.sealing import Seal
from hematovision.vision.reader import load_reader

BY = Hand(None, "terminal", NOW)
EACH = 30


@pytest.fixture
def database(tmp_path: Path, empty_file: Path) -> Iterator[Database]:
    """Give a SQLite database: the services that act here have their tests on both."""
    database = open_copy(empty_file, tmp_path / "alone")
    yield database
    database.close()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return open_files("", tmp_path, Seal(bytes(32)))


@pytest.fixture
def desk(database: Database, files: Files) -> Desk:
    return Desk(database, files, FilmReader(EACH))


@pytest.fixture
def cast(database: Database) -> Cast:
    return cast_in(database)


def cast_in(database: Database) -> Cast:
    """Let three people in, of whom the pathologist database needs a password and a name."""
    people = [
        add_user(database, name, Role.PATHOLOGIST, by=BY) for name in ("tom", "paula", "pedro")
    ]
    password = new_password()
    set_password(database, people[1], password, by=BY)
    set_printed_name(database, people[1], "Paula Sample", by=BY)
    users = [get_user(database, user.name) for user in people]
    return Cast(*(Person(user, password) for user in users))


def film(stage: Stage, number: int = 2, target: int = 50) -> Film:
    return Film("DEMO-1", stage, lambda: (Field(picture(one)) for one in range(number)), target)


def add(desk: Desk, film: Film, cast: Cast) -> Case:
    return add_film(desk, film, cast, clock=lambda: NOW)


@pytest.mark.parametrize(
    ("stage", "state", "named"),
    [
        pytest.param(Stage.REVIEWED, CaseState.IN_REVIEW, 60, id="every cell"),
        pytest.param(Stage.BEGUN, CaseState.IN_REVIEW, 30, id="half of the cells"),
        pytest.param(Stage.UNSEEN, CaseState.OPEN, 0, id="no cell"),
        pytest.param(Stage.SIGNED, CaseState.SIGNED, 60, id="signed"),
        pytest.param(Stage.SECOND, CaseState.IN_REVIEW, 60, id="read twice"),
        pytest.param(Stage.AMENDED, CaseState.AMENDED, 60, id="amended"),
    ],
)
def test_film_is_brought_as_far_as_its_stage_says(
    database: Database, desk: Desk, cast: Cast, stage: Stage, state: CaseState, named: int
) -> None:
    case = add(desk, film(stage), cast)
    cells = cells_of(database, case)
    assert open_sheet(database, case.id).case.state is state
    assert len(cells) == 60
    said = [cell for cell in cells if cell.label is not None]
    assert len(said) == named
    assert {cell.reviewed_by for cell in said} <= {"tom"}


@pytest.mark.parametrize("stage", [Stage.ARRIVING, Stage.EMPTY])
def test_film_that_is_not_read_is_left_to_the_worker(
    database: Database, desk: Desk, cast: Cast, stage: Stage
) -> None:
    number = 2 if stage is Stage.ARRIVING else 0
    case = add(desk, film(stage, number), cast)
    assert cells_of(database, case) == []
    with database.reading() as records:
        assert sum(records.photos.count(case.id).values()) == number


def test_signed_case_bears_its_pathologists_name(
    database: Database, desk: Desk, cast: Cast
) -> None:
    _, versions = get_versions(database, add(desk, film(Stage.SIGNED, 3), cast).id)
    (signature,) = versions
    assert (signature.version, signature.printed_name) == (1, "Paula Sample")
    assert signature.overrides == {}


def test_check_that_is_left_open_says_why(database: Database, desk: Desk, cast: Cast) -> None:
    short = film(Stage.SIGNED, target=100)
    (signature,) = get_versions(database, add(desk, short, cast).id)[1]
    assert signature.overrides == {"target": WHY_LEFT}


def test_amended_case_differs_in_one_cell(database: Database, desk: Desk, cast: Cast) -> None:
    _, (first, second) = get_versions(database, add(desk, film(Stage.AMENDED), cast).id)
    assert second.reason == WHY_AMENDED
    pairs = zip(first.content["cells"], second.content["cells"], strict=True)
    assert sum(before != after for before, after in pairs) == 1


def test_second_reader_differs_in_a_few_cells(database: Database, desk: Desk, cast: Cast) -> None:
    comparison = compare_readings(database, add(desk, film(Stage.SECOND), cast).id)
    assert 1 <= len(comparison.apart) <= 6
    assert comparison.unread == 0


@pytest.mark.parametrize("stage", READ_AT_ONCE)
def test_film_without_a_cell_stays_open(
    database: Database, files: Files, cast: Cast, stage: Stage
) -> None:
    case = add(Desk(database, files, FilmReader(0)), film(stage), cast)
    assert open_sheet(database, case.id).case.state is CaseState.OPEN


def test_nobody_names_cells_of_photos_that_the_model_does_not(
    database: Database, desk: Desk, cast: Cast
) -> None:
    cells = cells_of(database, add(desk, film(Stage.REVIEWED), cast))
    assert {cell.label for cell in cells if cell.cell_type is None} == {NOT_CLASSED}
    assert all(cell.label == cell.cell_type for cell in cells if cell.cell_type)


def test_photo_that_cannot_be_read_stops_nothing(
    database: Database, desk: Desk, cast: Cast
) -> None:
    pictures = [Field(b"none"), Field(picture(1))]
    broken = Film("DEMO-1", Stage.REVIEWED, lambda: iter(pictures))
    assert len(cells_of(database, add(desk, broken, cast))) == EACH


@pytest.fixture(scope="module")
def real() -> CellReader:
    return load_reader(PACKAGED_MODEL)


def labels_of(labels: Sequence[str | None]) -> list[str]:
    return sorted(label for label in labels if label not in (None, NO_CELL))


def test_drawn_cells_are_called_what_they_were_drawn_as(
    database: Database, files: Files, real: CellReader
) -> None:
    drawn = drawn_films(seed=5, fields={100: 3, 50: 3})[0]
    case = add(Desk(database, files, real), drawn, cast_in(database))
    cells = cells_of(database, case)
    wanted = [cell.label for field in drawn.fields() for cell in field.cells or ()]
    assert labels_of([cell.label for cell in cells]) == labels_of(wanted)
    corrected = [cell for cell in cells if cell.cell_type == "neutrophil" and cell.label == "band"]
    assert corrected
    assert [one.by for one in history_of(database, case.id, corrected[0].id)] == ["tom"]
    assert open_sheet(database, case.id).case.white_count == 11.4
