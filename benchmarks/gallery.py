"""How fast the gallery is, in a real browser, with real pictures."""

import contextlib
import secrets
import shutil
import statistics
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import waitress
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from waitress import wasyncore

from hematovision.cells import CellReader, Reading, RgbImage
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.crops import Album, prepare_crops
from hematovision.services.hands import Hand
from hematovision.storage.cases import Case
from hematovision.storage.database import Database, open_database
from hematovision.vision.decoders import open_decoders
from hematovision.web import create_app
from hematovision.web.access import SIGN_IN

SIZES = (200, 1000)
KEYS = "NELMB" * 4

# All pictures within the window are there.
SHOWN = """() => [...document.querySelectorAll('.cell img')].every((one) => {
  const box = one.getBoundingClientRect();
  const outside = box.top > innerHeight || box.bottom < 0 || !box.width;
  return outside || (one.complete && one.naturalWidth);
}) && document.querySelector('.cell.here') !== null"""
NOW = "performance.now()"
# From the key to the second frame after it: by then the first is painted.
ON_SCREEN = """(key) => new Promise((done) => {
  const start = performance.now();
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
  document.querySelector('.cell.here').dispatchEvent(event);
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
})"""
STORED = """() => performance.getEntriesByType('resource')
  .filter(({ name }) => name.endsWith('/reviews')).map(({ duration }) => duration)"""
SCROLL = """() => new Promise((done) => {
  for (const more of document.querySelectorAll('[data-unfold]')) more.click();
  const list = document.querySelector('[data-sorted]');
  const frames = [];
  let last = performance.now();
  const step = (now) => {
    frames.push(now - last);
    last = now;
    list.scrollTop += 60;
    if (frames.length < 90) requestAnimationFrame(step);
    else done(frames.slice(5));
  };
  requestAnimationFrame(step);
})"""


class Remembering:
    """Reads every photo once, so that a large case is made in reasonable time."""

    def __init__(self, reader: CellReader) -> None:
        """Take the reader that is asked the first time."""
        self.model = reader.model
        self._reader = reader
        self._said: dict[bytes, Sequence[Reading]] = {}

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        """Give what was said of the very photo before, else ask."""
        key = photo[::16, ::16].tobytes()
        if key not in self._said:
            self._said[key] = self._reader.read(photo, explain=explain)
        return self._said[key]


def measure_gallery(reader: CellReader, photos: Sequence[bytes]) -> dict[str, float]:
    """Open cases of 200 and of 1,000 cells, and correct some of them.

    Returns:
        Milliseconds; nothing where there is no Chromium.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        return {}
    found: dict[str, float] = {}
    remembering = Remembering(reader)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        settings = Settings(data_folder=Path(folder))
        with _site(settings, remembering) as (address, app, database):
            for cells in SIZES:
                case = _make_case(app, database, remembering, photos, cells)
                page = _open(browser, app, database)
                # People come from the list of cases.
                page.goto(f"{address}/cases")
                url = f"{address}/cases/{case.id}/review"
                found |= {f"{name}_{cells}_ms": ms for name, ms in _time(page, url).items()}
                page.context.close()
        browser.close()
    return found


def _time(page: Page, url: str) -> dict[str, float]:
    """Open a case twice, correct some cells, scroll through all of them."""
    first = _open_time(page, url)
    again = _open_time(page, url)
    on_screen = [page.evaluate(ON_SCREEN, key) for key in KEYS]
    page.wait_for_selector('[data-storing][aria-busy="false"]')
    stored = page.evaluate(STORED)
    frames = sorted(page.evaluate(SCROLL))
    return {
        "g_open_first": first,
        "g_open": again,
        "g_on_screen": statistics.median(on_screen),
        "g_stored": statistics.median(stored),
        "g_frame": frames[int(0.95 * len(frames))],
    }


def _open_time(page: Page, url: str) -> float:
    page.goto(url, wait_until="commit")
    page.wait_for_function(SHOWN, polling=5)
    return float(page.evaluate(NOW))


def _open(browser: Browser, app: Flask, database: Database) -> Page:
    """Open a browser at which a technologist is signed in."""
    now, token = datetime.now(UTC), secrets.token_urlsafe()
    with database.transaction() as records:
        user = records.users.find("bench") or records.users.add("bench", Role.TECHNOLOGIST, now=now)
        records.users.add_sign_in(token, user.id, now=now, expires_at=now + timedelta(hours=1))
    client = app.test_client()
    with client.session_transaction() as session:
        session[SIGN_IN] = token
    cookie = client.get_cookie("hematovision")
    if cookie is None:
        raise SystemExit("Nobody could be signed in.")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    shown = {"name": "hematovision", "value": cookie.value, "url": "http://127.0.0.1"}
    context.add_cookies([shown])  # type: ignore[list-item]
    return context.new_page()


def _make_case(
    app: Flask, database: Database, reader: CellReader, photos: Sequence[bytes], cells: int
) -> Case:
    """Make a case of at least so many cells; a photo comes again with another end."""
    now = datetime.now(UTC)
    with database.transaction() as records:
        case = records.cases.add(f"bench {cells}", "", by=None, now=now)
    wiring = app.extensions["hematovision"]
    files, decoder = wiring.files, wiring.decoder
    desk = Desk(database, files, reader, decoder=decoder)
    place = 0
    while _count(database, case) < cells:
        photo = photos[place % len(photos)] + str(place // len(photos)).encode()
        add_photo(database, files, case, photo, by=Hand(None, "terminal", now))
        read_next(desk, "bench", clock=lambda: now)
        place += 1
    with database.reading() as records:
        read = [photo.id for photo in records.photos.list(case.id)]
    # As a worker does when nothing more waits.
    prepare_crops(Album(database, files, decoder=decoder), case.id, read)
    return case


def _count(database: Database, case: Case) -> int:
    with database.reading() as records:
        return sum(tally.number for tally in records.cells.count([case.id])[case.id])


@contextlib.contextmanager
def _site(settings: Settings, reader: CellReader) -> Iterator[tuple[str, Flask, Database]]:
    database = open_database(settings.database_url, settings.data_folder)
    app = create_app(settings, reader, database, decoder=open_decoders())
    server: Any = waitress.create_server(app, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}", app, database
    finally:
        # Woken by a browser at that very moment it closes the trigger before this has pulled it.
        with contextlib.suppress(OSError):
            server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))
        thread.join(10)
        database.close()
