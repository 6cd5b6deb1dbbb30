from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.films import NOW, FilmReader, make_case, picture
from tests.vision.networks import write_tiny_model

from hematovision.cells import Box, CellType, Decision, ModelIdentity, Reading, RgbImage
from hematovision.errors import PhotoUnknownError
from hematovision.services.hands import Hand
from hematovision.services.replay import (
    Bench,
    ModelFolders,
    Replayed,
    Verdict,
    list_read,
    replay_photo,
)
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.sealing import Seal
from hematovision.vision.bundle import read_bundle

BY = Hand(None, "terminal", NOW)


class Changed(FilmReader):
    """Says something else of the first cell, or of the number of cells."""

    def __init__(self, model: ModelIdentity, number: int = 4, **changes: object) -> None:
        super().__init__(number)
        self.model = model
        self._changes = changes

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        first, *others = super().read(photo)
        return [replace(first, **self._changes), *others]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


@pytest.fixture
def model(folder: Path) -> ModelIdentity:
    return read_bundle(folder).identity


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(str(tmp_path / "pictures"), Seal(bytes(32)))


@pytest.fixture
def case(database: Database, files: Files, model: ModelIdentity) -> Case:
    return make_case(database, files, Changed(model), [picture(1) + b"behind its end"])


def photo_of(database: Database, case: Case) -> int:
    (photo_id,) = list_read(database, case.id)
    return photo_id


def replay(
    database: Database, files: Files, folder: Path, case: Case, reader: FilmReader
) -> Replayed:
    bench = Bench(database, files, ModelFolders([folder], lambda _: reader))
    (replayed,) = replay_photo(bench, photo_of(database, case), by=BY)
    return replayed


def test_same_answer_is_the_same_to_a_ten_thousandth(
    database: Database, files: Files, folder: Path, case: Case, model: ModelIdentity
) -> None:
    for reader in (Changed(model), Changed(model, confidence=0.99 + 0.9e-4, known=None)):
        replayed = replay(database, files, folder, case, reader)
        assert (replayed.verdict, list(replayed.differences)) == (Verdict.SAME, [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"number": 3}, "4 cells before, 3 now", id="fewer cells"),
        pytest.param({"box": Box(0, 0, 24, 25)}, "cell 1: another box", id="box"),
        pytest.param({"decision": Decision.UNIDENTIFIED}, "cell 1: another decision", id="named"),
        pytest.param({"cell_type": CellType.BASOPHIL}, "cell 1: another decision", id="type"),
        pytest.param({"prediction_set": ()}, "cell 1: another prediction set", id="set"),
        pytest.param({"confidence": 0.9902}, "cell 1: another confidence", id="confidence"),
        pytest.param(
            {"probabilities": dict.fromkeys(CellType, 0.1)},
            "cell 1: another probability",
            id="probabilities",
        ),
        pytest.param({"probabilities": {}}, "cell 1: another probability", id="no probabilities"),
        pytest.param({"known": 0.5}, "cell 1: another known-or-not score", id="known"),
        pytest.param({"morphology": None}, "cell 1: another word of morphology", id="words"),
    ],
)
def test_other_answer_is_named(
    database: Database,
    files: Files,
    folder: Path,
    case: Case,
    model: ModelIdentity,
    changes: dict[str, object],
    said: str,
) -> None:
    replayed = replay(database, files, folder, case, Changed(model, **changes))
    assert (replayed.verdict, list(replayed.differences)) == (Verdict.DIFFERENT, [said])


def test_picture_of_another_size_is_named(
    database: Database, files: Files, folder: Path, case: Case, model: ModelIdentity
) -> None:
    with database.reading() as records:
        name = records.photos.list(case.id)[0].file or ""
    files.put_again(name, picture(1, 640, 360))
    replayed = replay(database, files, folder, case, Changed(model))
    assert replayed.differences[0] == "480 x 360 pixels before, 640 x 360 now"


def test_model_that_is_another_is_not_asked(
    database: Database, files: Files, folder: Path, case: Case, tmp_path: Path
) -> None:
    (folder / "bundle.json").write_text((folder / "bundle.json").read_text() + " ")

    def load(_: Path) -> FilmReader:
        raise AssertionError

    bench = Bench(database, files, ModelFolders([tmp_path / "none", folder], load))
    (replayed,) = replay_photo(bench, photo_of(database, case), by=BY)
    assert replayed.verdict is Verdict.NO_MODEL


@pytest.mark.parametrize("what", ["gone", "torn", "no picture"])
def test_picture_that_is_not_to_be_had_is_said(
    database: Database, files: Files, folder: Path, case: Case, model: ModelIdentity, what: str
) -> None:
    with database.reading() as records:
        name = records.photos.list(case.id)[0].file or ""
    if what == "gone":
        files.delete(name)
    elif what == "torn":
        (Path(files.root) / name[:2] / name).write_bytes(b"torn")
    else:
        files.put_again(name, b"no picture")
    replayed = replay(database, files, folder, case, Changed(model))
    assert replayed.verdict is Verdict.NO_PICTURE


def test_each_model_that_read_a_photo_is_asked_once(
    database: Database, files: Files, folder: Path, case: Case, model: ModelIdentity
) -> None:
    loaded: list[Path] = []

    def load(one: Path) -> FilmReader:
        loaded.append(one)
        return Changed(model)

    bench = Bench(database, files, ModelFolders([folder, folder], load))
    for _ in range(2):
        replay_photo(bench, photo_of(database, case), by=BY)
    assert loaded == [folder]


def test_what_came_of_it_is_recorded(
    database: Database, files: Files, folder: Path, case: Case, model: ModelIdentity
) -> None:
    replay(database, files, folder, case, Changed(model, 3))
    with database.reading() as records:
        event = records.audit.list()[0]
    assert (event.action, event.subject) == (
        "reading.verified",
        f"photo {photo_of(database, case)}",
    )
    assert event.details == {"case": case.id, "model": model.sha256, "verdict": "different"}


def test_reading_that_is_not_there_is_named(database: Database, files: Files) -> None:
    bench = Bench(database, files, ModelFolders([], lambda _: FilmReader(1)))
    for number in (1, 10**19):
        with pytest.raises(PhotoUnknownError):
            replay_photo(bench, number, by=BY)


def test_photos_of_a_case_are_told_from_all(
    database: Database, files: Files, case: Case, model: ModelIdentity
) -> None:
    other = make_case(database, files, Changed(model), [picture(2)], "26-other")
    assert list_read(database, None) == [photo_of(database, case), photo_of(database, other)]
