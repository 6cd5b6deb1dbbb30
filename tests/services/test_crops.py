import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import StubReader
from tests.films import NOW, FilmReader, cells_of, make_case, picture

from hematovision.cells import Box, ModelIdentity
from hematovision.errors import (
    CellUnknownError,
    ModelMissingError,
    PhotoUnknownError,
    PictureNotKeptError,
)
from hematovision.services.batches import add_photo
from hematovision.services.crops import (
    SIDES,
    Album,
    explain_cell,
    get_crop,
    get_picture,
    prepare_crops,
    side_for,
)
from hematovision.services.hands import Hand
from hematovision.services.review import box_cell
from hematovision.services.shelf import Shelf
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.photos import Photo, Sent
from hematovision.storage.sealing import Seal

BY = Hand(None, "page", NOW)


class CountingFiles(Files):
    """Counts how often a photo, and not what was made of it, is fetched."""

    def get(self, name: str) -> bytes:
        if "." not in name:
            FETCHED.append(name)
        return super().get(name)


FETCHED: list[str] = []


@pytest.fixture
def album(database: Database, tmp_path: Path) -> Album:
    return Album(database, CountingFiles(str(tmp_path / "pictures"), Seal(bytes(32))))


@pytest.fixture
def case(album: Album) -> Case:
    case = make_case(album.database, album.files, FilmReader(30), [picture()])
    FETCHED.clear()
    return case


def opened(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)))


def on_disk(album: Album) -> list[Path]:
    return [path for path in Path(album.files.root).rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("longest", "side"),
    [
        pytest.param([100] * 20, 112, id="alike"),
        pytest.param([100] * 19 + [900], 112, id="one that is huge"),
        pytest.param([100] * 10 + [200] * 10, 224, id="half are large"),
        pytest.param([5000], SIDES[-1], id="larger than any"),
        pytest.param([4], SIDES[0], id="tiny"),
        pytest.param([], 240, id="none"),
    ],
)
def test_scale_is_that_of_most_cells(longest: list[int], side: int) -> None:
    assert side_for([Box(0, 0, width, 3) for width in longest]) == side


def test_photo_is_decoded_once_for_all_its_cells(album: Album, case: Case) -> None:
    cells = cells_of(album.database, case)
    with ThreadPoolExecutor(4) as pool:
        crops = list(pool.map(lambda cell: get_crop(album, case.id, cell.id, 64), cells))
    assert len(FETCHED) == 1
    assert {opened(crop).shape for crop in crops} == {(240, 240, 3)}
    assert len({bytes(crop) for crop in crops}) == 30


def test_cells_that_were_cut_before_anybody_looks_are_not_cut_again(
    album: Album, case: Case
) -> None:
    cells = cells_of(album.database, case)
    side = side_for([cell.box for cell in cells])
    prepare_crops(album, case.id, [album_photo(album, case).id])
    assert len(FETCHED) == 1
    prepare_crops(album, case.id, [album_photo(album, case).id])
    for cell in cells:
        assert opened(get_crop(album, case.id, cell.id, side)).shape == (240, 240, 3)
    assert len(FETCHED) == 1


def test_photo_that_is_gone_or_shows_nothing_is_not_cut(album: Album, case: Case) -> None:
    photo = album_photo(album, case)
    prepare_crops(album, case.id + 1, [photo.id])
    album.files.delete(photo.file or "")
    prepare_crops(album, case.id, [photo.id, photo.id + 1])
    assert on_disk(album) == []


def test_nothing_of_a_crop_is_readable_on_disk(album: Album, case: Case) -> None:
    crop = get_crop(album, case.id, cells_of(album.database, case)[0].id, 64)
    kept = on_disk(album)
    assert sorted(path.suffix for path in kept) == ["", ".cells-64"]
    assert not any(crop[:64] in path.read_bytes() for path in kept)


def test_crops_go_with_their_photo(album: Album, case: Case) -> None:
    cell = cells_of(album.database, case)[0]
    get_crop(album, case.id, cell.id, 64)
    get_picture(album, case.id, cell.photo_id, "large")
    with album.database.reading() as records:
        photo = records.photos.find(cell.photo_id)
    assert photo is not None
    album.files.delete(photo.file or "")
    assert on_disk(album) == []
    with pytest.raises(PictureNotKeptError):
        get_crop(album, case.id, cell.id, 64)


def test_cell_is_in_the_middle_of_its_crop(album: Album, case: Case) -> None:
    cell = box_cell(album.database, case.id, 1, Box(0, 0, 40, 40), by=BY)
    crop = opened(get_crop(album, case.id, cell.id, 80))
    # Beyond the photo lies one colour; the cell begins where the photo does.
    assert crop[:50, :50].std(axis=(0, 1)).max() < 3
    assert crop[70:, 70:].std() > 10


def test_cell_boxed_later_gets_its_crop(album: Album, case: Case) -> None:
    get_crop(album, case.id, cells_of(album.database, case)[0].id, 64)
    cell = box_cell(album.database, case.id, 1, Box(200, 200, 240, 240), by=BY)
    assert opened(get_crop(album, case.id, cell.id, 64)).shape == (240, 240, 3)


def test_photo_for_the_screen_is_made_once_and_no_larger_than_needed(
    album: Album, database: Database
) -> None:
    case = make_case(database, album.files, FilmReader(1), [picture(1, 2400, 1600)])
    cell = cells_of(database, case)[0]
    FETCHED.clear()
    for _ in range(2):
        assert opened(get_picture(album, case.id, cell.photo_id, "large")).shape == (1067, 1600, 3)
    assert len(FETCHED) == 1


def test_pictures_of_another_case_are_not_given(album: Album, case: Case) -> None:
    other = make_case(album.database, album.files, FilmReader(1), [picture(1)], "26-0838")
    cell = cells_of(album.database, case)[0]
    with pytest.raises(CellUnknownError):
        get_crop(album, other.id, cell.id, 64)
    with pytest.raises(PhotoUnknownError):
        get_picture(album, other.id, cell.photo_id, "large")


def test_what_mattered_is_read_again(album: Album, database: Database, tmp_path: Path) -> None:
    case = make_case(database, album.files, StubReader(), [picture()])
    first, second = cells_of(database, case)
    shelf = Shelf(database, tmp_path, tmp_path, lambda folder, threads=0: StubReader())
    found = explain_cell(album, shelf.reader_of, case.id, second.id, 256)
    assert found is not None
    assert (found.heat.cell_type, found.crop.shape) == ("monocyte", (240, 240, 3))
    assert (found.area.width, found.box) == (256, second.box)
    boxed = box_cell(database, case.id, 1, Box(200, 20, 240, 60), by=BY)
    assert explain_cell(album, shelf.reader_of, case.id, boxed.id, 256) is None
    other = StubReader()
    other.model = ModelIdentity("stub", "9.9.9", "9" * 64)
    shelf.put(other)
    with pytest.raises(ModelMissingError, match=r"0\.0\.0"):
        explain_cell(album, shelf.reader_of, case.id, first.id, 256)


def test_picture_of_the_same_content_is_the_first_ones(album: Album, case: Case) -> None:
    sent = album.files.get(album_photo(album, case).file or "")
    same = add_photo(album.database, album.files, case, sent, by=BY)
    assert same.file is None
    first = get_picture(album, case.id, album_photo(album, case).id, "small")
    assert get_picture(album, case.id, same.id, "small") == first
    other = make_case(album.database, album.files, FilmReader(1), [picture(1)], "26-0838")
    with pytest.raises(PhotoUnknownError):
        get_picture(album, other.id, same.id, "small")


def test_picture_that_is_gone_is_named(album: Album, case: Case) -> None:
    photo = album_photo(album, case)
    album.files.delete(photo.file or "")
    with pytest.raises(PictureNotKeptError):
        get_picture(album, case.id, photo.id, "large")
    with album.database.transaction() as records:
        none = records.photos.add(Sent("b", 9, None, "page", None, NOW), case_id=case.id)
    with pytest.raises(PictureNotKeptError):
        get_picture(album, case.id, none.id, "large")


def test_photo_is_decoded_once_however_many_ask_at_once(album: Album, case: Case) -> None:
    photo = album_photo(album, case)
    FETCHED.clear()
    with ThreadPoolExecutor(4) as pool:
        ask = lambda _: get_picture(album, case.id, photo.id, "small")  # noqa: E731
        assert len(set(pool.map(ask, range(8)))) == 1
    assert len(FETCHED) == 1


def test_what_is_made_of_a_picture_goes_though_it_was_thrown_away_meanwhile(
    album: Album, case: Case
) -> None:
    photo = album_photo(album, case)
    album.files.delete(photo.file or "")
    album.files.put_beside(photo.file or "", "small", b"late")
    assert on_disk(album) == []


def album_photo(album: Album, case: Case) -> Photo:
    """Give the first photo of a case."""
    with album.database.reading() as records:
        return records.photos.list(case.id)[0]
