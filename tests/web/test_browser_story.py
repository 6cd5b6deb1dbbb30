"""A laboratory's first evening: from the link of the terminal to a reviewed case."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from hematovision.config import PACKAGED_MODEL, Settings
from hematovision.services.accounts import open_first_door
from hematovision.services.batches import Desk, read_next
from hematovision.services.hands import Hand
from hematovision.vision.reader import load_reader

from .browsing import Site, assert_no_violations, open_site
from .test_browser import drop
from .test_browser_intake import wait_for_script

pytestmark = [pytest.mark.browser, pytest.mark.real_data]

PHOTOS = 6


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    reader = load_reader(PACKAGED_MODEL)
    with open_site(settings, reader) as site:
        desk, ends = Desk(site.database, site.files, reader), threading.Event()

        def work() -> None:
            while not ends.is_set():
                if not read_next(desk, "worker", clock=lambda: datetime.now(UTC)):
                    ends.wait(0.1)

        worker = threading.Thread(target=work)
        worker.start()
        yield site
        ends.set()
        worker.join(30)


def test_first_start_leads_to_a_reviewed_case(
    open_page: Callable[..., Page], site: Site, data_folder: Path
) -> None:
    by = Hand(None, "terminal", datetime.now(UTC))
    token = open_first_door(site.database, by=by)
    page = open_page(signed_in=False)
    page.goto(f"{site.address}link/{token}")
    page.locator(".btn.next").click()
    page.wait_for_url(site.address)
    page.goto(f"{site.address}cases")
    page.keyboard.press("c")
    page.keyboard.type("26-0837")
    page.keyboard.press("Enter")
    wait_for_script(page)
    photos = sorted((data_folder / "bccd/photos").glob("*.jpg"))[:PHOTOS]
    drop(page, *map(str, photos))
    black = page.locator(".case .next")
    expect(black).to_have_text(re.compile(r"^Review \d+ cells"), timeout=60_000)
    expect(page.locator("[data-live=bar]")).to_be_hidden()
    black.click()
    expect(page.locator(".cell.here")).to_be_visible()
    # Everything is looked at and named, by keyboard: the doubtful ones first.
    while page.locator('[data-row="unidentified"] .cell.here').count():
        page.keyboard.press("N")
    for button in page.locator("[data-unfold]:visible").element_handles():
        button.focus()
        page.keyboard.press("Enter")
        # The row is painted with the next frame.
        button.wait_for_element_state("hidden")
    page.locator(".cell").first.focus()
    for _ in range(2 * page.locator(".cell").count()):
        page.keyboard.press("Enter")
    expect(page.locator("[data-next]")).to_have_text("Go to the differential")
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile(r"/differential$"))
    checks = page.get_by_role("region", name="Before you sign")
    expect(checks).to_contain_text("No unidentified cell is left")
    expect(checks).not_to_contain_text("not looked at")
    assert_no_violations(page)
    with site.database.reading() as records:
        cells = records.cells.list(1)
        case = records.cases.find("26-0837")
    assert case is not None
    assert case.state == "in_review"
    assert len(cells) >= PHOTOS
    assert all(cell.label and cell.reviewed_by == "administrator" for cell in cells)
