import csv
import io
import re
import zipfile
from dataclasses import replace

import numpy as np
from PIL import Image

from hematovision.cells import NOTICE, Box, RgbImage
from hematovision.exchange.marks import FILLED
from hematovision.exchange.pictures import PhotoPictures, mark_cells, write_pictures
from hematovision.exchange.report import Report
from hematovision.labels import Count, Label

from .reports import make_report

GREY = np.full((120, 160, 3), 128, np.uint8)


def pack(report: Report, *photos: PhotoPictures) -> zipfile.ZipFile:
    buffer = io.BytesIO()
    write_pictures(buffer, report, photos)
    return zipfile.ZipFile(buffer)


def picture(side: int) -> RgbImage:
    return np.random.default_rng(side).integers(0, 255, (side, side, 3), np.uint8)


def test_cells_lie_by_class_apart_by_who_named_them() -> None:
    report = make_report(["neutrophil", None, "monocyte"], {1: "band", 3: "monocyte"})
    archive = pack(report, PhotoPictures(1, GREY, {n: picture(30 + n) for n in (1, 2, 3)}))
    assert archive.namelist() == [
        "photos/photo-0001.jpg",
        "cells/confirmed/band/photo-0001-cell-00001.png",
        "cells/suggested/unidentified/photo-0001-cell-00002.png",
        "cells/confirmed/monocyte/photo-0001-cell-00003.png",
        "cells.csv",
        "README.txt",
    ]


def test_pictures_of_cells_keep_every_pixel() -> None:
    archive = pack(make_report(["neutrophil"]), PhotoPictures(1, GREY, {1: picture(41)}))
    (name,) = (one for one in archive.namelist() if one.endswith(".png"))
    assert np.array_equal(np.asarray(Image.open(archive.open(name))), picture(41))


def test_table_says_where_each_picture_lies() -> None:
    report = make_report(["neutrophil"] * 8)
    archive = pack(report, PhotoPictures(2, GREY, {5: picture(30)}))
    rows = list(csv.DictReader(io.TextIOWrapper(archive.open("cells.csv"), "utf-8")))
    assert len(rows) == 8
    assert [row["picture"] for row in rows if row["picture"]] == [
        "cells/suggested/neutrophil/photo-0002-cell-00005.png"
    ]
    assert rows[4]["photo"] == "2"


def test_archive_says_what_it_is_not_for() -> None:
    archive = pack(make_report([]))
    said = archive.read("README.txt").decode()
    assert said.startswith(NOTICE)
    assert "status: preliminary" in said
    assert archive.namelist() == ["cells.csv", "README.txt"]


def test_names_are_made_of_numbers_and_codes_whatever_a_label_is_called() -> None:
    own = (Label("own_../../x", "", Count.WHITE, "../../x"),)
    report = make_report(["neutrophil"], {1: own[0].code}, own=own)
    report = replace(report, accession="../26-1")
    archive = pack(report, PhotoPictures(1, GREY, {1: picture(30)}))
    for name in archive.namelist():
        assert re.fullmatch(r"[\w-]+(?:/[\w-]+)*\.\w+", name)
        assert "26-1" not in name


def test_photos_are_asked_for_one_after_the_other() -> None:
    asked = []

    def photos() -> object:
        for number in (1, 2):
            asked.append((number, len(buffer.getvalue())))
            yield PhotoPictures(number, GREY, {})

    buffer = io.BytesIO()
    write_pictures(buffer, make_report([]), photos())  # type: ignore[arg-type]
    (_, before), (_, after) = asked
    assert (before, after > 0) == (0, True)


def test_box_and_letter_of_its_class_stand_at_a_cell() -> None:
    (cell,) = make_report(["eosinophil"]).cells
    cell = replace(cell, box=Box(40, 30, 120, 100))
    marked = mark_cells(GREY, [cell], ())
    changed = np.argwhere((marked != GREY).any(axis=2))
    assert changed.min(axis=0).tolist() == [29, 39]
    assert changed.max(axis=0).tolist() == [100, 120]
    # The cell itself is left as it is.
    assert np.array_equal(marked[60:95, 70:115], GREY[60:95, 70:115])
    assert (marked[31:45, 41:55] == FILLED["eosinophil"]).all(axis=2).any()
    assert (GREY == 128).all()


def test_cell_at_the_border_is_marked_as_far_as_the_photo_goes() -> None:
    (cell,) = make_report([None]).cells
    marked = mark_cells(GREY, [replace(cell, box=Box(0, 0, 160, 120))], ())
    assert marked.shape == GREY.shape
    assert (marked[-1, -1] != 128).all()
