"""How photos come into a case, in a real Chromium, while somebody reads in the background."""

import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select
from tests.conftest import StubReader

from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.cases import open_case
from hematovision.services.hands import Hand
from hematovision.storage.photos import PhotoState
from hematovision.storage.tables import CellRow, ReadingRow

from .browsing import SIZES, THEMES, Site, Size, assert_fits, assert_no_violations, open_site
from .conftest import encode
from .test_browser import drop

pytestmark = pytest.mark.browser

MANY = 300
BY = Hand(None, "page", datetime.now(UTC))


@pytest.fixture
def site(settings: Settings, reader: StubReader) -> Iterator[Site]:
    with open_site(replace(settings, max_files=32), reader, role=Role.TECHNOLOGIST) as site:
        yield site


class Worker:
    """Reads in the background as far as it is let."""

    def __init__(self, site: Site, reader: StubReader) -> None:
        self.desk = Desk(site.database, site.files, reader)
        self._allowed, self._ends = threading.Semaphore(0), False
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def allow(self, photos: int) -> None:
        """Let so many more be read, whenever they come."""
        for _ in range(photos):
            self._allowed.release()

    def end(self) -> None:
        self._ends = True
        self._allowed.release()
        self._thread.join(30)

    def _work(self) -> None:
        while self._allowed.acquire() and not self._ends:
            while not self._ends and not read_next(
                self.desk, "worker", clock=lambda: datetime.now(UTC)
            ):
                threading.Event().wait(0.02)


@pytest.fixture
def worker(site: Site, reader: StubReader) -> Iterator[Worker]:
    worker = Worker(site, reader)
    yield worker
    worker.end()


def write(folder: Path, number: int, *, start: int = 0) -> Path:
    """Write different small photos, and give their folder."""
    folder.mkdir(parents=True)
    for at in range(start, start + number):
        photo = np.random.default_rng(at).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        (folder / f"Ann Example {at}.jpg").write_bytes(encode(photo, "JPEG"))
    return folder


def tile(number: int, words: str) -> re.Pattern[str]:
    """Say what stands under a picture."""
    return re.compile(rf"^\s*{number}\s*{words}\s*$")


def wait_for_script(page: Page) -> None:
    """Wait until a dropped file is taken: the page is there before its script is."""
    expect(page.locator("strong[data-with-script]")).to_be_visible()


def states(site: Site) -> dict[PhotoState, int]:
    with site.database.reading() as records:
        return records.photos.count(1)


def make_case(page: Page, site: Site) -> None:
    page.goto(f"{site.address}cases")
    page.keyboard.press("c")
    page.keyboard.type("26-0837")
    page.keyboard.press("Enter")
    wait_for_script(page)


def test_300_photos_come_in_and_are_read_while_the_tab_is_closed_and_opened_again(
    open_page: Callable[..., Page], site: Site, worker: Worker, tmp_path: Path
) -> None:
    folder = write(tmp_path / "film", MANY)
    page = open_page()
    make_case(page, site)
    expect(page.locator(".case .next")).to_have_text("Waits for photos")
    # The tab is closed in the middle of sending.
    drop(page, str(folder))
    expect(page.locator("[data-sent-words]")).to_contain_text(re.compile(r"^[1-9]\d of 300"))
    page.close()
    assert 0 < sum(states(site).values()) < MANY
    # Nothing but the folder is needed to go on.
    page = open_page()
    page.goto(f"{site.address}cases/1")
    drop(page, str(folder))
    done = page.locator("[data-sent-words]")
    expect(done).to_have_text(
        re.compile(r"^\d+ new photos · \d+ were here already$"), timeout=60_000
    )
    assert states(site) == {PhotoState.WAITING: MANY}
    # The tab is closed in the middle of reading.
    worker.allow(40)
    expect(page.locator("[data-live=bar]")).to_contain_text(
        "40 of 300 photos · 80 cells", timeout=30_000
    )
    page.close()
    worker.allow(160)
    page = open_page()
    page.goto(f"{site.address}cases/1")
    expect(page.locator("[data-live=bar]")).to_contain_text("200 of 300 photos", timeout=60_000)
    expect(page.locator(".tile", has_text="Waiting")).to_have_count(100)
    worker.allow(100)
    expect(page.locator("[data-live=title]")).to_have_text("300 photos, 600 cells", timeout=60_000)
    expect(page.locator(".case .next")).to_contain_text("Review 600 cells, 300 unidentified")
    expect(page.locator(".tile")).to_have_count(MANY)
    expect(page.locator(".tile").nth(41)).to_have_text(tile(42, "2 cells"))
    with site.database.reading() as records:
        readings = select(func.count(ReadingRow.id), func.count(ReadingRow.photo_id.distinct()))
        assert records.session.execute(readings).one() == (MANY, MANY)
        assert records.session.scalar(select(func.count()).select_from(CellRow)) == 2 * MANY
        assert "Ann" not in repr([*records.audit.list(limit=1000), *records.photos.list(1)])
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(f"{site.address}cases/1/review")


def test_what_cannot_be_read_is_said_at_its_place_and_mended(
    open_page: Callable[..., Page], site: Site, worker: Worker, tmp_path: Path
) -> None:
    folder = write(tmp_path / "film", 3)
    good = sorted(folder.iterdir())
    torn, none, large = (tmp_path / name for name in ("torn.jpg", "none.jpg", "large.jpg"))
    torn.write_bytes(good[0].read_bytes()[:900])
    none.write_bytes(b"no picture")
    large.write_bytes(bytes(2**17 + 1))
    film = tmp_path / "film.zip"
    with zipfile.ZipFile(film, "w") as archive:
        archive.write(good[0], "film/1.jpg")
        archive.write(good[1], "film/2.jpg")
        archive.writestr("film/notes.txt", "no picture")
        archive.writestr("../3.jpg", "hostile")
    worker.allow(99)
    page = open_page()
    make_case(page, site)
    drop(page, str(film), str(torn), str(none), str(large), str(good[1]))
    expect(page.locator("[data-sent-words]")).to_have_text(
        "3 new photos · 1 is the same as another · 1 file that is no picture was left out · "
        "3 were refused"
    )
    refused = page.locator("[data-refused] .file")
    expect(refused).to_have_text(
        [
            re.compile("large.jpg.*larger than 0.125 MB"),
            re.compile(r"\.\./3.jpg.*name leads out of the archive"),
            re.compile("none.jpg.*not a JPEG, PNG, TIFF, BMP or WebP picture"),
        ]
    )
    failed = page.locator("[data-live^=failed-]")
    expect(failed).to_contain_text("The picture is damaged.")
    expect(page.locator(".tile").nth(3)).to_have_text(tile(4, "Same as 2"))
    assert_no_violations(page)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Replace photo 3").click()
    chooser.value.set_files(good[2])
    expect(failed).to_have_count(0)
    expect(page.locator("[data-live=title]")).to_have_text("4 photos, 6 cells")
    expect(page.locator(".tile").nth(2)).to_have_text(tile(3, "Left out"))


def test_reading_is_paused_goes_on_and_is_cancelled_by_clicking(
    open_page: Callable[..., Page], site: Site, worker: Worker, tmp_path: Path
) -> None:
    case = open_case(site.database, "26-0837", by=BY)
    for path in sorted(write(tmp_path / "film", 6).iterdir()):
        add_photo(site.database, site.files, case, path.read_bytes(), by=BY)
    torn = sorted((tmp_path / "film").iterdir())[0].read_bytes()[:900]
    add_photo(site.database, site.files, case, torn, by=BY)
    worker.allow(2)
    page = open_page()
    page.goto(f"{site.address}cases")
    run = page.locator(".run")
    expect(run).to_contain_text("2 of 7 photos · 4 cells")
    page.get_by_role("button", name="Pause 26-0837").click()
    expect(run).to_contain_text("26-0837 is paused")
    assert states(site) == {PhotoState.READ: 2, PhotoState.PAUSED: 5}
    worker.allow(1)
    page.get_by_role("button", name="Go on with 26-0837").click()
    expect(run).to_contain_text("3 of 7 photos · 6 cells")
    run.get_by_text("Reading 26-0837").wait_for()
    worker.allow(4)
    expect(run).to_have_count(0)
    row = page.get_by_role("row", name="26-0837")
    expect(row).to_contain_text("1 photo could not be read")
    page.goto(f"{site.address}cases/1")
    page.get_by_role("button", name="Try the one that failed again").click()
    expect(page.locator(".tile").nth(6)).to_have_text(tile(7, "Waiting"))
    page.get_by_role("button", name="Cancel the rest of 26-0837").click()
    expect(page.locator(".tile").nth(6)).to_have_text(tile(7, "Left out"))
    assert states(site) == {PhotoState.READ: 6, PhotoState.CANCELLED: 1}


def test_sending_stops_where_the_server_is_gone_and_goes_on(
    open_page: Callable[..., Page], site: Site, tmp_path: Path
) -> None:
    folder = write(tmp_path / "film", 20)
    page = open_page()
    make_case(page, site)
    page.route("**/photos", lambda route: route.abort())
    page.set_input_files("#pick-folder", folder)
    title = page.locator("[data-sent-title]")
    expect(title).to_contain_text("Sending stopped. The server did not answer.")
    page.unroute("**/photos")
    page.get_by_role("button", name="Go on sending").click()
    expect(title).to_have_text("20 files sent")
    expect(page.locator("[data-sent-words]")).to_have_text("20 new photos")
    expect(page.locator(".tile b")).to_have_text([str(number) for number in range(1, 21)])


def test_without_scripts_photos_come_in_by_the_form(
    open_page: Callable[..., Page], site: Site, tmp_path: Path
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{site.address}cases")
    page.get_by_label("New case").fill("26-0837")
    page.get_by_role("button", name="Add photos").click()
    paths = sorted(write(tmp_path / "film", 2).iterdir())
    page.set_input_files("#pick", paths)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".tile")).to_have_count(2)
    (tmp_path / "none.jpg").write_bytes(b"no picture")
    page.set_input_files("#pick", tmp_path / "none.jpg")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("[data-refused]")).to_contain_text("none.jpg")
    expect(page.get_by_role("button", name="Replace")).to_have_count(0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", THEMES)
def test_pages_of_cases_fit_and_are_open_to_everybody(
    open_page: Callable[..., Page],
    site: Site,
    reader: StubReader,
    tmp_path: Path,
    size: Size,
    theme: str,
) -> None:
    page = open_page(size=size, color_scheme=theme)
    page.goto(f"{site.address}cases")
    assert_no_violations(page)
    case = open_case(site.database, "26-0837/" + "LONG-" * 11 + "X", by=BY)
    pictures = [path.read_bytes() for path in sorted(write(tmp_path / "film", 4).iterdir())]
    for picture in (*pictures, pictures[0], pictures[0][:900], pictures[1] + b"7"):
        add_photo(site.database, site.files, case, picture, by=BY)
    desk = Desk(site.database, site.files, reader)
    for _ in range(5):
        read_next(desk, "worker", clock=lambda: datetime.now(UTC))
    for address in ("cases", "cases?q=nothing", "cases/1"):
        page.goto(f"{site.address}{address}")
        assert_fits(page)
        assert_no_violations(page)
