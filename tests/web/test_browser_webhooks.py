"""An administrator adds a webhook, tests it, and reads what it was told."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from standardwebhooks import Webhook as Verifier
from tests.receivers import LOOPBACK, Receiver, receiver

from hematovision import jobs
from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.exchange.posting import Poster
from hematovision.jobs import Worker, open_queue
from hematovision.services.batches import Desk
from hematovision.services.delivering import Courier

from .browsing import SIZES, Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser


@pytest.fixture
def site(tmp_path: Path, reader: CellReader, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run a server and a worker beside it that may speak to this machine."""
    monkeypatch.setattr(jobs, "SWEEP_SECONDS", 0.2)
    settings = Settings(
        model_folder=tmp_path / "none", data_folder=tmp_path / "data", webhook_networks=LOOPBACK
    )
    queue = open_queue(settings)
    with open_site(settings, reader, queue) as site:
        courier = Courier(site.database, site.files.seal, Poster(LOOPBACK))
        worker = Worker(Desk(site.database, site.files, reader), queue, courier=courier)
        thread = threading.Thread(target=worker.run)
        thread.start()
        yield site
        worker.stop()
        thread.join(30)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as there:
        yield there


@pytest.mark.parametrize("size", SIZES)
def test_webhook_is_added_tested_and_read(
    open_page: Callable[..., Page], site: Site, there: Receiver, size: Size
) -> None:
    page = open_page(size=size)
    page.goto(f"{site.address}users")
    page.get_by_role("link", name="Other systems: webhooks").click()
    assert_fits(page)
    assert_no_violations(page)
    page.get_by_label("Address").fill(there.url)
    page.get_by_label("What it is").fill("The laboratory information system")
    page.get_by_role("button", name="Add, and show its secret").click()
    secret = page.locator("code.secret").inner_text()
    assert_fits(page)
    assert_no_violations(page)
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("Control+Enter")

    def is_told() -> bool:
        page.get_by_role("link", name="Look again").click()
        return page.get_by_text("Delivered", exact=True).is_visible()

    expect(page.get_by_text(re.compile("^(Waits|Delivered)$"))).to_be_visible()
    for _ in range(600):
        if is_told():
            break
        page.wait_for_timeout(100)
    expect(page.get_by_text("Delivered", exact=True)).to_be_visible()
    assert_fits(page)
    assert_no_violations(page)
    heard = there.heard[0]
    assert Verifier(secret).verify(heard.body, dict(heard.headers))["type"] == "webhook.test"
    page.get_by_text("Delete this webhook").click()
    page.get_by_role("button", name="Delete it for good").click()
    expect(page.get_by_text("None yet. Add one below.")).to_be_visible()
