import base64
import dataclasses
import gc
import hashlib
import io
import re
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from tests.conftest import EmptyReader, StubReader

from hematovision.cells import NOTICE, CellReader, Reading, RgbImage
from hematovision.config import Settings
from hematovision.errors import (
    AnimatedImageError,
    EmptyFileError,
    FileTooLargeError,
    HematoVisionError,
    ImageTooLargeError,
    ImageTooSmallError,
    NoImageError,
    TooManyImagesError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.errors import STATUS_OF

from .conftest import JSON, File, Sender, announce_png, encode, sender_of

PHOTO = np.random.default_rng(1).integers(0, 255, (96, 128, 3), dtype=np.uint8)
OTHER = np.random.default_rng(2).integers(0, 255, (96, 128, 3), dtype=np.uint8)
JPEG = encode(PHOTO, "JPEG")
MOVING = {"save_all": True, "append_images": [Image.fromarray(OTHER)], "duration": 100}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"

REFUSALS = [
    pytest.param((b"hello, this is a letter", "a.jpg"), UnsupportedFormatError, id="not an image"),
    pytest.param((b"%PDF-1.7 ...", "a.png"), UnsupportedFormatError, id="wrong content"),
    pytest.param((SVG, "a.png"), UnsupportedFormatError, id="svg as png"),
    pytest.param((HTML, "a.png"), UnsupportedFormatError, id="html as png"),
    pytest.param((b"", "a.jpg"), EmptyFileError, id="empty"),
    pytest.param((JPEG[: len(JPEG) // 2], "a.jpg"), UnreadableImageError, id="truncated"),
    pytest.param((JPEG + bytes(2**17), "a.jpg"), FileTooLargeError, id="over the byte limit"),
    pytest.param((announce_png(60000, 60000), "a.png"), ImageTooLargeError, id="pixel bomb"),
    pytest.param((announce_png(1100, 1000), "a.png"), ImageTooLargeError, id="too many pixels"),
    pytest.param((encode(PHOTO, "WEBP", **MOVING), "a.webp"), AnimatedImageError, id="webp moves"),
    pytest.param((encode(PHOTO, "PNG", **MOVING), "a.png"), AnimatedImageError, id="png moves"),
    pytest.param((encode(PHOTO[:9, :9], "PNG"), "a.png"), ImageTooSmallError, id="tiny"),
]
ACCEPTED = [
    pytest.param("JPEG", "a.jpg", id="jpeg"),
    pytest.param("PNG", "a.png", id="png"),
    pytest.param("TIFF", "a.tif", id="tiff"),
    pytest.param("BMP", "a.bmp", id="bmp"),
    pytest.param("WEBP", "a.webp", id="webp"),
    pytest.param("PNG", "a.jpg", id="wrong extension"),
    pytest.param("JPEG", "a.txt", id="not the extension of an image"),
]
HOSTILE_NAMES = [
    pytest.param("../../x", id="climbs"),
    pytest.param("/etc/passwd", id="absolute"),
    pytest.param("C:\\x.jpg", id="windows"),
    pytest.param("a\0b.jpg", id="NUL"),
    pytest.param("x" * 300 + ".jpg", id="300 characters"),
    pytest.param("Ана 🩸 血.jpg", id="unicode"),
    pytest.param('"><script>alert(1)</script>.jpg', id="script"),
]


def files_under(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def assert_nothing_kept(settings: Settings) -> None:
    assert files_under(settings.data_folder) == ["data_key", "secret_key"]


def assert_only_sealed_pictures_kept(settings: Settings) -> None:
    files = files_under(settings.data_folder)
    pictures = [name for name in files if re.fullmatch(r"pictures/[0-9a-f]{2}/[0-9a-f]{32}", name)]
    assert sorted({*files} - {*pictures}) == ["data_key", "secret_key"]
    assert pictures
    for name in pictures:
        sealed = (settings.data_folder / name).read_bytes()
        assert not sealed.startswith((b"\xff\xd8", b"\x89PNG"))


def test_home_states_the_limits_of_the_settings(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "JPEG, PNG, TIFF, BMP or WebP, up to 1 megapixels and 0.125 MB" in page
    assert NOTICE in page
    assert "stub 0.0.0" in page


@pytest.mark.parametrize("method", ["head", "options"])
def test_home_answers_head_and_options(client: FlaskClient, method: str) -> None:
    assert getattr(client, method)("/").status_code == HTTPStatus.OK


@pytest.mark.parametrize(("kind", "name"), ACCEPTED)
def test_content_decides_the_format(
    sender: Sender, settings: Settings, kind: str, name: str
) -> None:
    content = encode(PHOTO, kind)
    assert sender.page((content, name)).status_code == HTTPStatus.OK
    answer = sender.program((content, name))
    assert answer.status_code == HTTPStatus.OK
    assert answer.json["image"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert_only_sealed_pictures_kept(settings)


@pytest.mark.parametrize(("file", "error"), REFUSALS)
def test_bad_file_is_refused_by_name_on_page_and_in_json(
    sender: Sender, settings: Settings, file: File, error: type[HematoVisionError]
) -> None:
    page = sender.page(file)
    assert page.status_code == STATUS_OF[error]
    assert page.mimetype == "text/html"
    assert error.advice in page.text
    answer = sender.program(file)
    assert answer.status_code == STATUS_OF[error]
    assert answer.mimetype == "application/problem+json"
    assert answer.json["code"] == error.code()
    assert answer.json["status"] == STATUS_OF[error]
    assert answer.json["advice"] == error.advice
    assert answer.json["detail"] in page.text.replace("&#39;", "'")
    assert_nothing_kept(settings)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_file_name_is_never_used_kept_or_shown(
    sender: Sender,
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    before = files_under(tmp_path)
    for content in (JPEG, b"not a picture"):
        page, answer = sender.page((content, name)), sender.program((content, name))
        assert page.status_code == answer.status_code
        assert name not in page.text + answer.text + caplog.text
        assert "alert(1)" not in page.text + answer.text
    new = [file for file in files_under(tmp_path) if file not in before]
    of_the_record = {"audit_key", "audit_checkpoints"}
    assert {file.split("/")[1] for file in new} - of_the_record == {"pictures"}
    for file in tmp_path.rglob("hematovision.sqlite*"):
        assert name.encode() not in file.read_bytes()
    assert_only_sealed_pictures_kept(settings)


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({}, id="no field"),
        pytest.param({"image": "text"}, id="text instead of a file"),
        pytest.param({"image": (io.BytesIO(b""), "")}, id="nothing chosen"),
    ],
)
def test_form_without_a_picture_is_refused(sender: Sender, form: dict[str, object]) -> None:
    answer = sender.client.post(
        "/predict", data=form, headers=JSON, content_type="multipart/form-data"
    )
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert answer.json["code"] == NoImageError.code()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(JPEG, "image/jpeg", id="a bare picture"),
        pytest.param(b"\xff=\xfe", "application/x-www-form-urlencoded", id="not a form"),
        pytest.param(b"--x\r\n", "multipart/form-data; boundary=x", id="torn form"),
        pytest.param(b"", "multipart/form-data", id="no boundary"),
        pytest.param(b"", "multipart/form-data; boundary=ü", id="odd boundary"),
    ],
)
def test_body_that_is_no_form_is_refused(client: FlaskClient, body: bytes, kind: str) -> None:
    answer = client.post("/predict", data=body, content_type=kind, headers=JSON)
    assert answer.json["code"] == NoImageError.code()


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_long_body_that_is_no_form_is_refused_unread(client: FlaskClient, accept: str) -> None:
    kind = "application/x-www-form-urlencoded"
    headers = {"Accept": accept}
    answer = client.post("/predict", data=b"a" * 100_000, content_type=kind, headers=headers)
    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "The request is larger than is read: 0.0625 MB." in answer.text


def test_form_of_many_parts_is_refused_without_a_number(client: FlaskClient) -> None:
    form = {f"field {number}": "text" for number in range(20)}
    kind = "multipart/form-data"
    answer = client.post("/predict", data=form, content_type=kind, headers=JSON)
    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert answer.json["detail"] == "The form has more parts, or longer ones, than are read."


def test_fourth_of_three_pictures_is_too_many(sender: Sender, settings: Settings) -> None:
    files = [(JPEG, "a.jpg")] * 4
    for answer in (sender.page(*files), sender.program(*files)):
        assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert TooManyImagesError.advice in answer.text
    assert_nothing_kept(settings)


def test_request_over_the_limit_is_refused(sender: Sender, settings: Settings) -> None:
    files = [(bytes(2**17), "a.jpg")] * 3
    for answer in (sender.page(*files), sender.program(*files)):
        assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert "The request is larger than is read: 0.25 MB." in answer.text
    assert_nothing_kept(settings)


def test_result_shows_every_cell_and_the_model(sender: Sender) -> None:
    page = sender.page((JPEG, "a.jpg")).text
    assert page.count("<article") == 2
    assert "1 N: cell 1, neutrophil" in page
    assert "2 ?: cell 2, unidentified" in page
    assert "<b>Monocyte or lymphocyte.</b> The system cannot rule out either." in page
    assert "<b>Neutrophil only.</b>" in page
    assert "95 %" in page
    assert "128 \N{MULTIPLICATION SIGN} 96 · read in 0." in page
    assert 'Model stub 0.0.0 · <a class="id" href="/model">0000 0000</a>' in page
    assert NOTICE in page
    assert " style=" not in page


def test_json_is_the_document_of_every_door(sender: Sender) -> None:
    answer = sender.program((JPEG, "a.jpg"))
    document = answer.json
    assert list(document) == ["image", "model", "engine", "cells", "counts", "notice"]
    assert document["counts"] == {"neutrophil": 1, "unidentified": 1}
    assert document["cells"][0]["box"] == [0, 0, 64, 48]
    assert re.fullmatch(r"read;dur=\d+\.\d", answer.headers["Server-Timing"])


def test_result_shows_how_a_cell_looks_and_what_mattered(sender: Sender) -> None:
    page = sender.page((JPEG, "a.jpg")).text
    assert "Bilobed nucleus, fine pink granules." in page
    assert page.count("<details data-why>") == 2
    assert '<summary>What mattered<span class="sr"> in cell 1</span></summary>' in page
    assert '<summary>What mattered for monocyte<span class="sr"> in cell 2</span></summary>' in page
    assert "It shows where, not whether the name is right." in page


def test_result_of_a_model_that_does_not_explain_offers_nothing(
    settings: Settings, photo: RgbImage, database: Database
) -> None:
    class SilentReader(StubReader):
        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            return super().read(photo)

    sender = sender_of(create_app(settings, SilentReader(), database), database)
    assert "What mattered" not in sender.page((JPEG, "a.jpg")).text
    answer = sender.client.post(
        "/predict?explain=1", data={"image": (io.BytesIO(JPEG), "a.jpg")}, headers=JSON
    )
    assert {cell["heat"] for cell in answer.json["cells"]} == {None}


@pytest.mark.parametrize(
    ("field", "query", "explained"),
    [
        pytest.param({}, "", False, id="not asked"),
        pytest.param({"explain": "0"}, "", False, id="declined"),
        pytest.param({"explain": "1"}, "", True, id="form"),
        pytest.param({}, "?explain=1", True, id="address"),
    ],
)
def test_document_explains_when_asked(
    client: FlaskClient, field: dict[str, str], query: str, explained: bool
) -> None:
    form = {"image": (io.BytesIO(JPEG), "a.jpg"), **field}
    cells = client.post(f"/predict{query}", data=form, headers=JSON).json["cells"]
    assert ["heat" in cell for cell in cells] == [explained] * 2
    if explained:
        assert cells[1]["heat"] == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
        assert (cells[1]["heat_type"], cells[1]["heat_box"]) == ("monocyte", [56, 34, 136, 114])


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        pytest.param("*/*", "text/html", id="curl"),
        pytest.param("text/html,application/xhtml+xml,*/*;q=0.8", "text/html", id="browser"),
        pytest.param("application/json;q=0.5, text/html", "text/html", id="prefers a page"),
        pytest.param("application/json, */*;q=0.1", "application/json", id="prefers json"),
        pytest.param("application/*", "application/json", id="any application"),
        pytest.param("nonsense", "text/html", id="nonsense"),
    ],
)
def test_accept_header_chooses_page_or_document(sender: Sender, accept: str, kind: str) -> None:
    form = {"image": (io.BytesIO(JPEG), "a.jpg"), "csrf_token": sender.token()}
    answer = sender.client.post("/predict", data=form, headers={"Accept": accept})
    assert answer.mimetype == kind
    assert "Accept" in answer.headers["Vary"]


def test_one_bad_file_stops_no_other(sender: Sender, settings: Settings) -> None:
    files = [(JPEG, "a.jpg"), (b"", "b.jpg"), (encode(OTHER, "PNG"), "c.png")]
    answer = sender.program(*files)
    assert answer.status_code == HTTPStatus.OK
    first, second, third = answer.json
    assert second == {
        "error": {
            "type": "about:blank",
            "title": "Unprocessable Entity",
            "status": 422,
            "code": "empty_file",
            "detail": "The file is empty.",
            "advice": EmptyFileError.advice,
        }
    }
    assert first["image"]["sha256"] != third["image"]["sha256"]
    page = sender.page(*files)
    assert page.status_code == HTTPStatus.OK
    assert "3 pictures · 1 could not be read" in page.text
    assert "Picture 2: The file is empty." in page.text
    assert page.text.count('class="viewer"') == 2
    assert_only_sealed_pictures_kept(settings)


def test_nothing_of_a_refused_picture_outlives_its_turn(sender: Sender) -> None:
    def refusals() -> int:
        return sum(type(thing) is UnreadableImageError for thing in gc.get_objects())

    torn = (JPEG[: len(JPEG) // 2], "a.jpg")
    gc.collect()
    gc.disable()
    try:
        before = refusals()
        assert len(sender.program(torn, torn).json) == 2
        assert refusals() == before
    finally:
        gc.enable()


def test_page_of_bad_files_only_says_that_nothing_was_read(sender: Sender) -> None:
    page = sender.page((b"", "a.jpg"), (b"x", "b.jpg"))
    assert page.status_code == HTTPStatus.OK
    assert "Nothing was read <small>2 pictures · 2 could not be read" in page.text


def test_pictures_are_read_in_the_order_they_came_whatever_their_field(client: FlaskClient) -> None:
    names = ("b", "a", "b")
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n'
        % (name.encode(), encode(PHOTO[: 40 + 10 * place], "PNG"))
        for place, name in enumerate(names)
    )
    answer = client.post(
        "/predict",
        data=body + b"--x--\r\n",
        content_type="multipart/form-data; boundary=x",
        headers=JSON,
    )
    assert [document["image"]["height"] for document in answer.json] == [40, 50, 60]


def test_photo_without_a_cell_is_an_answer(
    settings: Settings, photo: RgbImage, database: Database
) -> None:
    sender = sender_of(create_app(settings, EmptyReader(), database), database)
    content = encode(photo, "PNG")
    assert "<h2>No white cell found</h2>" in sender.page((content, "a.png")).text
    assert sender.program((content, "a.png")).json["cells"] == []


def test_without_a_model_nothing_is_read(
    settings: Settings, caplog: pytest.LogCaptureFixture, database: Database
) -> None:
    sender = sender_of(create_app(settings, None, database), database)
    assert "no-model" in caplog.text
    page = sender.client.get("/")
    assert page.status_code == HTTPStatus.OK
    assert "Nothing can be read, and nothing is guessed." in page.text
    assert "bundle.json is missing" in page.text
    for answer in (sender.page((JPEG, "a.jpg")), sender.program((JPEG, "a.jpg"))):
        assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.json["code"] == "model_missing"


def test_upload_has_no_name_while_it_is_read(settings: Settings, database: Database) -> None:
    class LookingReader(EmptyReader):
        seen: ClassVar[list[list[str]]] = []

        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            self.seen.append(files_under(settings.data_folder))
            return super().read(photo, explain=explain)

    sender_of(create_app(settings, LookingReader(), database), database).page((JPEG, "a.jpg"))
    assert LookingReader.seen == [["data_key", "secret_key"]]


def test_nothing_of_a_picture_is_ever_under_static(app: Flask, sender: Sender) -> None:
    assert app.static_folder
    before = files_under(Path(app.static_folder))
    sender.page((JPEG, "a.jpg"), (b"", "b.jpg"))
    assert files_under(Path(app.static_folder)) == before


def test_page_shows_pixels_without_the_metadata_of_the_file(sender: Sender) -> None:
    exif = Image.Exif()
    exif[0x010E] = "patient Doe"
    page = sender.page((encode(PHOTO, "JPEG", exif=exif), "a.jpg")).text
    carried = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    assert len(carried) == 5
    assert not any(b"Doe" in base64.b64decode(part) for part in carried)


@pytest.mark.real_data
def test_real_photo_is_read_by_the_whole_floor(
    settings: Settings, reader: CellReader, data_folder: Path, database: Database
) -> None:
    wide = dataclasses.replace(settings, max_file_bytes=2**20)
    sender = sender_of(create_app(wide, reader, database), database)
    photo = data_folder / "bccd" / "photos" / "BloodImage_00010.jpg"
    assert "640 \N{MULTIPLICATION SIGN} 480" in sender.page((photo.read_bytes(), photo.name)).text
