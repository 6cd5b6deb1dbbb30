"""A model is tried, promoted and rolled back; pages and a worker take it up as they run."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.installations import field_pictures
from tests.models import BY, Rack
from tests.services.cases import say

from hematovision.config import Settings
from hematovision.jobs import Worker, open_queue
from hematovision.services.batches import Desk, add_photo
from hematovision.services.cases import open_case
from hematovision.storage.cases import Case

from .browsing import SIZES, Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Run a server and a worker beside it, which look at one database."""
    shipped = Rack(tmp_path, None).shipped  # type: ignore[arg-type]
    settings = Settings(model_folder=shipped, data_folder=tmp_path / "data")
    queue = open_queue(settings)
    with open_site(settings, None, queue) as site:
        shelf = Rack(tmp_path, site.database).shelf()
        worker = Worker(Desk(site.database, site.files, shelf.reader()), queue, shelf=shelf)
        thread = threading.Thread(target=worker.run)
        thread.start()
        yield site
        worker.stop()
        thread.join(20)


def send(site: Site, accession: str) -> Case:
    """Send a photo with two blue cells; the worker reads it."""
    case = open_case(site.database, accession, by=BY)
    (drawn,) = field_pictures(1)
    add_photo(site.database, site.files, case, drawn + accession.encode(), by=BY)
    site.app.extensions["hematovision"].queue.wake()
    return case


def open_gallery(page: Page, site: Site, case: Case) -> None:
    page.goto(f"{site.address}cases/{case.id}")
    expect(page.locator(".case .next")).to_have_text(re.compile("^Review 2 cells"))
    page.locator(".case .next").click()


def test_model_is_tried_promoted_and_rolled_back(
    open_page: Callable[..., Page], site: Site, tmp_path: Path
) -> None:
    page = open_page()
    model = Rack(tmp_path, site.database).install()
    page.goto(f"{site.address}models")
    page.get_by_role("button", name="Read in the shadow 2.0.0").click()
    expect(page.get_by_text("Reads in the shadow", exact=True)).to_be_visible()
    first = send(site, "26-1")
    open_gallery(page, site, first)
    expect(page.locator('[data-row="neutrophil"] .cell')).to_have_count(2)
    say(site.database, first, "neutrophil", 1, 2)
    page.goto(f"{site.address}models")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("1.0.0 alone has 2 right and 2.0.0 alone 0")).to_be_visible()
    assert_no_violations(page)

    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile(rf"/models/{model}/promote$"))
    expect(page.get_by_role("heading", name="Promote 2.0.0?")).to_be_visible()
    assert_no_violations(page)
    page.get_by_role("button", name=re.compile("^Promote")).click()
    expect(page.locator("footer")).to_contain_text("tiny 2.0.0")
    second = send(site, "26-2")
    open_gallery(page, site, second)
    expect(page.locator('[data-row="lymphocyte"] .cell')).to_have_count(2)
    open_gallery(page, site, first)
    expect(page.locator('[data-row="neutrophil"] .cell')).to_have_count(2)

    page.goto(f"{site.address}models")
    page.get_by_role("link", name="Roll back").click()
    expect(page.get_by_role("heading", name="Roll back to 1.0.0?")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Roll back")).click()
    expect(page.locator("footer")).to_contain_text("tiny 1.0.0")
    open_gallery(page, site, send(site, "26-3"))
    expect(page.locator('[data-row="neutrophil"] .cell')).to_have_count(2)
    actions = [action for action, _ in Rack(tmp_path, site.database).events()]
    assert actions == [
        f"model.{verb}" for verb in ("rolled_back", "promoted", "shadowed", "installed")
    ]


@pytest.mark.parametrize("size", SIZES)
def test_pages_fit_and_are_accessible(
    open_page: Callable[..., Page], site: Site, tmp_path: Path, size: Size
) -> None:
    rack = Rack(tmp_path, site.database)
    page = open_page(size=size)
    page.goto(f"{site.address}models")
    assert_no_violations(page)
    model = rack.install()
    for address in ("models", f"models/{model}/promote", f"cases/{send(site, '26-9').id}"):
        page.goto(f"{site.address}{address}")
        assert_fits(page)
        assert_no_violations(page)
