import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.films import NOW, FilmReader, cells_of, make_case, picture

from hematovision.exchange.parcels import open_parcel
from hematovision.people import Role
from hematovision.services.case_copies import DOCUMENT, export_case
from hematovision.services.hands import Hand
from hematovision.services.review import Said, name_cells
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.sealing import Seal

BY = Hand(None, "terminal", NOW)
PHOTOS = [picture(1), picture(2)]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(str(tmp_path / "pictures"), Seal(bytes(32)))


@pytest.fixture
def case(database: Database, files: Files) -> Case:
    case = make_case(database, files, FilmReader(3), PHOTOS)
    make_case(database, files, FilmReader(3), [picture(3)], "26-other")
    with database.transaction() as records:
        ines = records.users.add("ines", Role.PATHOLOGIST, now=NOW)
        records.users.add("bob", Role.VIEWER, now=NOW)
    first = cells_of(database, case)[0]
    said = [Said(first.id, "blast", first.version)]
    name_cells(database, case.id, said, by=Hand(ines.id, "page", NOW))
    return case


def read(target: Path) -> dict[str, Any]:
    with open_parcel(target) as received:
        received.check()
        document: dict[str, Any] = json.loads(received.read(DOCUMENT))
    return document


def test_case_is_written_whole_and_nothing_of_another(
    database: Database, files: Files, case: Case, tmp_path: Path
) -> None:
    copied = export_case(database, files, case, tmp_path / "copy", by=BY)
    document = read(tmp_path / "copy")
    assert (copied.pictures, copied.missing) == (2, 0)
    assert [row["accession"] for row in document["cases"]] == ["26-0837"]
    assert {row["case_id"] for row in document["photos"] + document["cells"]} == {case.id}
    assert len(document["cells"]) == 6
    assert document["cells"][0]["answer"]["probabilities"]["neutrophil"] == 0.99
    assert [row["label"] for row in document["reviews"]] == ["blast"]
    assert document["people"] == {str(document["reviews"][0]["reviewed_by"]): "ines"}
    assert document["cases"][0]["created_at"] == NOW.isoformat()
    actions = [event["action"] for event in document["audit_events"]]
    assert actions.count("photo.read") == 2
    assert actions[-1] == "cell.named"


def test_pictures_are_written_as_they_were_read(
    database: Database, files: Files, case: Case, tmp_path: Path
) -> None:
    export_case(database, files, case, tmp_path / "copy.zip", by=BY)
    names = list(read(tmp_path / "copy.zip")["pictures"].values())
    assert names == ["photos/0001.jpeg", "photos/0002.jpeg"]
    with zipfile.ZipFile(tmp_path / "copy.zip") as packed:
        assert [packed.read(name) for name in names] == PHOTOS


def test_picture_that_is_not_kept_is_counted(
    database: Database, files: Files, case: Case, tmp_path: Path
) -> None:
    with database.reading() as records:
        files.delete(records.photos.list(case.id)[0].file or "")
    copied = export_case(database, files, case, tmp_path / "copy", by=BY)
    assert (copied.pictures, copied.missing) == (1, 1)
    with database.transaction() as records:
        records.photos.forget_picture(records.photos.list(case.id)[1].id)
    copied = export_case(database, files, case, tmp_path / "again", by=BY)
    assert (copied.pictures, copied.missing) == (0, 2)


def test_that_a_case_went_out_is_recorded_with_its_hash(
    database: Database, files: Files, case: Case, tmp_path: Path
) -> None:
    copied = export_case(database, files, case, tmp_path / "copy", by=BY)
    with database.reading() as records:
        event = records.audit.list()[0]
    assert (event.action, event.subject) == ("case.exported", f"case {case.id}")
    assert event.details == {"case": case.id, "format": "copy", "sha256": copied.sha256}


def test_what_cannot_be_written_is_not_recorded(
    database: Database, files: Files, case: Case, tmp_path: Path
) -> None:
    (tmp_path / "copy").write_text("here already")
    with pytest.raises(FileExistsError):
        export_case(database, files, case, tmp_path / "copy", by=BY)
    with database.reading() as records:
        assert records.audit.list()[0].action != "case.exported"
