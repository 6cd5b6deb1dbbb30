import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from openpyxl import load_workbook
from PIL import Image
from tests.films import NOW, SIDE, FilmReader, cells_of, make_case, picture

from hematovision.cells import Box
from hematovision.errors import CaseUnknownError
from hematovision.services.crops import Album
from hematovision.services.exports import CASES, Counter, Export, Format, export_case, export_cases
from hematovision.services.hands import Hand
from hematovision.services.review import box_cell
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.overviews import Pile, Search
from hematovision.storage.sealing import Seal
from hematovision.vision.decoding import decode_image

from . import cases
from .cases import say
from .signatures import add_person, sign

BY = Hand(None, "page", NOW)
EVERYTHING = Search()
PHOTOS = [picture(0), picture(1)]


@pytest.fixture
def counter(database: Database, tmp_path: Path) -> Counter:
    album = Album(database, Files(str(tmp_path / "pictures"), Seal(bytes(32))))
    folder = tmp_path / "uploads"
    folder.mkdir()
    return Counter(album, folder)


@pytest.fixture
def case(counter: Counter) -> Case:
    """Make a case of two photos with ten cells each."""
    return make_case(counter.album.database, counter.album.files, FilmReader(10), PHOTOS)


def read(export: Export) -> bytes:
    with export.stream:
        return export.stream.read()


@pytest.mark.parametrize(
    ("kind", "start", "name"),
    [
        pytest.param(Format.PDF, b"%PDF-", "case-1-unsigned-report.pdf", id="pdf"),
        pytest.param(Format.FHIR, b"{", "case-1-unsigned-report.fhir.json", id="fhir"),
        pytest.param(Format.CSV, b"case_id,", "case-1-unsigned-cells.csv", id="csv"),
        pytest.param(Format.XLSX, b"PK", "case-1-unsigned-cells.xlsx", id="xlsx"),
        pytest.param(Format.ZIP, b"PK", "case-1-unsigned-pictures.zip", id="zip"),
    ],
)
def test_what_goes_out_is_on_record_with_its_digest(
    counter: Counter, case: Case, kind: Format, start: bytes, name: str
) -> None:
    export = export_case(counter, case.id, kind, by=BY)
    content = read(export)
    assert (export.name, content[: len(start)]) == (name, start)
    assert export.sha256 == hashlib.sha256(content).hexdigest()
    with counter.album.database.reading() as records:
        event = records.audit.find(action="case.exported", subject=f"case {case.id}")
    assert event is not None
    assert event.details == {
        "case": case.id,
        "format": str(kind),
        "sha256": export.sha256,
        "version": 0,
    }
    assert list(counter.folder.iterdir()) == []


def test_signed_version_is_named_by_its_number(database: Database, counter: Counter) -> None:
    case = cases.make_case(database, [cases.CellType.NEUTROPHIL])
    reasons = {"target": "No more cells.", "unconfirmed": "They are clear."}
    sign(database, case, add_person(database, "rosa"), reasons=reasons)
    export = export_case(counter, case.id, Format.FHIR, by=BY)
    assert export.name == f"case-{case.id}-version-1-report.fhir.json"
    assert json.loads(read(export))["entry"][0]["resource"]["status"] == "final"
    now = export_case(counter, case.id, Format.FHIR, by=BY, version=0)
    assert json.loads(read(now))["entry"][0]["resource"]["status"] == "preliminary"


def test_case_that_is_not_there_is_not_handed_over(counter: Counter) -> None:
    with pytest.raises(CaseUnknownError):
        export_case(counter, 1, Format.PDF, by=BY)
    with counter.album.database.reading() as records:
        assert records.audit.find(action="case.exported", subject="case 1") is None
    assert list(counter.folder.iterdir()) == []


def test_pictures_are_unchanged_pixels_around_each_cell(counter: Counter, case: Case) -> None:
    database = counter.album.database
    say(database, case, "blast", 3)
    archive = zipfile.ZipFile(io.BytesIO(read(export_case(counter, case.id, Format.ZIP, by=BY))))
    assert len([name for name in archive.namelist() if name.endswith(".png")]) == 20
    name = "cells/confirmed/blast/photo-0001-cell-00003.png"
    cut = np.asarray(Image.open(archive.open(name)))
    box = cells_of(database, case)[2].box
    photo = decode_image(PHOTOS[0])
    assert cut.shape == (2 * SIDE, 2 * SIDE, 3)
    inside = cut[SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2]
    assert np.array_equal(inside, photo[box.ymin : box.ymax, box.xmin : box.xmax])
    marked = np.asarray(Image.open(archive.open("photos/photo-0001.jpg")))
    assert marked.shape == photo.shape


def test_cell_that_a_person_boxed_goes_out_as_well(counter: Counter, case: Case) -> None:
    database = counter.album.database
    box_cell(database, case.id, 1, Box(200, 200, 260, 240), by=BY)
    say(database, case, "blast", 21)
    archive = zipfile.ZipFile(io.BytesIO(read(export_case(counter, case.id, Format.ZIP, by=BY))))
    name = "cells/confirmed/blast/photo-0001-cell-00021.png"
    assert Image.open(archive.open(name)).size == (120, 120)


def test_case_without_pictures_goes_out_without_them(counter: Counter, database: Database) -> None:
    case = cases.make_case(database, [cases.CellType.NEUTROPHIL])
    archive = zipfile.ZipFile(io.BytesIO(read(export_case(counter, case.id, Format.ZIP, by=BY))))
    assert archive.namelist() == ["cells.csv", "README.txt"]
    assert read(export_case(counter, case.id, Format.PDF, by=BY)).startswith(b"%PDF-")


def test_list_has_a_row_a_case_and_is_on_record(database: Database, counter: Counter) -> None:
    first = cases.make_case(database, [cases.CellType.NEUTROPHIL] * 3)
    cases.make_case(database, [cases.CellType.MONOCYTE, None], [], number="26-2")
    say(database, first, "band", 1)
    export = export_cases(counter, EVERYTHING, Format.CSV, by=BY)
    rows = {row["accession"]: row for row in csv.DictReader(io.StringIO(read(export).decode()))}
    assert (rows["26-1"]["neutrophil"], rows["26-1"]["band"]) == ("3", "1")
    assert rows["26-1"]["reviewed_by"] == "ines"
    assert (rows["26-2"]["monocyte_percent"], rows["26-2"]["unidentified"]) == ("100.0", "1")
    assert rows["26-2"]["photos"] == "2"
    with database.reading() as records:
        event = records.audit.find(action="case.exported", subject="cases")
    assert event is not None
    assert event.details == {
        "format": "csv",
        "sha256": export.sha256,
        "pile": "all",
        "cases": 2,
    }


def test_list_is_that_of_the_search_however_long(database: Database, counter: Counter) -> None:
    with database.transaction() as records:
        for number in range(CASES + 3):
            records.cases.add(f"26-{number:04}", "", by=None, now=NOW)
        records.cases.add("27-1", "", by=None, now=NOW)
    for wanted, number in ((EVERYTHING, CASES + 4), (Search(Pile.REVIEW, "26-"), CASES + 3)):
        book = load_workbook(
            io.BytesIO(read(export_cases(counter, wanted, Format.XLSX, by=BY))), read_only=True
        )
        numbers = [row[1] for row in book["table"].iter_rows(min_row=2, values_only=True)]
        book.close()
        assert len(numbers) == len(set(numbers)) == number


def test_what_was_searched_for_is_not_kept(database: Database, counter: Counter) -> None:
    cases.make_case(database, number="26-0837")
    read(export_cases(counter, Search(text="26-0837"), Format.CSV, by=BY))
    with database.reading() as records:
        event = records.audit.find(action="case.exported", subject="cases")
    assert event is not None
    assert "26-0837" not in repr(event)
