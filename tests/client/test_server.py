"""The client against the real server: every method, as a program of another system goes its way."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.installations import field_pictures
from tests.serving import Serving, serving

from hematovision.client import ApiError, Client, ConflictError, Reading, Review

SECONDS = 120.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture
def client(server: Serving) -> Iterator[Client]:
    with server.client() as client:
        yield client


def test_photos_are_read_at_once_and_later_and_found_again(client: Client) -> None:
    picture = field_pictures(1)[0]
    reading = client.read(picture)
    assert reading.sha256 == hashlib.sha256(picture).hexdigest()
    assert len(reading.cells) == 2
    assert client.reading(reading.id) == reading
    assert client.read(picture, explain=True).cells[0].box == reading.cells[0].box
    with pytest.raises(ApiError) as refused:
        client.read(b"no photo")
    assert (refused.value.status, refused.value.code) == (415, "unsupported_format")
    assert refused.value.advice
    job = client.wait(client.submit(picture, b"no photo"), timeout=SECONDS)
    read, failed = job.readings
    assert isinstance(read, Reading)
    assert read.cells == reading.cells
    assert isinstance(failed, ApiError)
    assert failed.code == "unsupported_format"
    newest = next(client.readings(quick=True, limit=1))
    assert newest.id == read.id


def test_folder_is_read(client: Client, tmp_path: Path) -> None:
    for number, picture in enumerate(field_pictures(3)):
        (tmp_path / f"{number}.png").write_bytes(picture)
    (tmp_path / "bad.png").write_bytes(b"no photo")
    summary = client.read_folder(tmp_path)
    assert (summary.read, list(summary.failed)) == (3, [tmp_path / "bad.png"])
    assert client.read_folder(tmp_path).skipped == 3


def test_case_goes_its_way(client: Client, tmp_path: Path) -> None:
    case = client.make_case("26-0837", "a note")
    with pytest.raises(ApiError) as taken:
        client.make_case("26-0837")
    assert taken.value.status == 409
    (tmp_path / "a.png").write_bytes(field_pictures(2)[1])
    kept, refused = client.add_photos(case, tmp_path / "a.png", b"no photo")
    assert (kept.number, refused.error and refused.error.code) == (1, "unsupported_format")
    case = client.wait_for_case(case, timeout=SECONDS)
    assert (case.photos, case.cells) == ({"read": 1}, 2)
    assert client.find_case("26-0837") == case
    (photo,) = client.photos(case)
    assert client.image(case, photo.number).startswith(b"\xff\xd8")
    first, second = client.cells(case)
    assert client.crop(case, first.id).startswith(b"\xff\xd8")
    (outcome,) = client.review(case, Review.of(first, "band"))
    assert (outcome.stored, outcome.cell.called) == (True, "band")
    with pytest.raises(ConflictError) as conflict:
        client.review(case, Review.of(first, "blast"), Review.of(second, "band"))
    assert [one.stored for one in conflict.value.outcomes] == [False, True]
    assert client.cell(case, second.id).label == "band"
    differential = client.differential(case)
    assert differential.counted == differential.confirmed == 2
    assert sum(part.number for part in differential.parts if part.code == "band") == 2
    assert list(client.signatures(case)) == []
    report = client.report(case, tmp_path / "report.pdf", version=0)
    assert report.read_bytes().startswith(b"%PDF")
    assert client.save(case, "cells.csv", tmp_path / "cells.csv", version=0).stat().st_size
    assert client.fhir(case, version=0)["resourceType"] == "Bundle"


def test_webhooks_come_and_go(client: Client) -> None:
    webhook = client.add_webhook("https://lis.example.org/told", description="LIS")
    assert webhook.secret
    assert [one.id for one in client.webhooks()] == [webhook.id]
    client.test_webhook(webhook)
    client.remove_webhook(webhook)
    assert list(client.webhooks()) == []


def test_server_says_which_model_reads(client: Client) -> None:
    assert client.health()
    assert client.model().version


def test_stranger_is_refused(server: Serving) -> None:
    with Client(server.url) as stranger, pytest.raises(ApiError) as refused:
        stranger.model()
    assert refused.value.status == 401
