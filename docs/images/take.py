"""Take the pictures of the README: a laboratory made for it, with public photos of BCCD.

Run by `make pictures`; needs Chromium and ../shared/data.
"""

import argparse
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import waitress
from flask import Flask
from playwright.sync_api import Page, sync_playwright

from hematovision.config import Settings
from hematovision.labels import find_label
from hematovision.people import Role
from hematovision.services.accounts import add_user, reset_password
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.cases import open_case
from hematovision.services.hands import Hand
from hematovision.storage.database import Database
from hematovision.web import create_app

FOLDER = Path(__file__).parent
SIZE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
CASES = {"26-0837": (0, 120), "26-0838": (120, 160), "26-0839": (160, 180)}
"""Accession numbers, and which photos of the set each case has."""


def fill(app: Flask, photos: list[Path]) -> None:
    """Make the cases and read their photos."""
    wiring = app.extensions["hematovision"]
    by = Hand(None, "terminal", datetime.now(UTC))
    for accession, (first, last) in CASES.items():
        case = open_case(wiring.database, accession, by=by)
        for photo in photos[first:last]:
            add_photo(wiring.database, wiring.files, case, photo.read_bytes(), by=by)
    desk = Desk(wiring.database, wiring.files, wiring.get_reader())
    while read_next(desk, "pictures", clock=lambda: datetime.now(UTC)):
        pass


def confirm_some(database: Database, reader: str) -> None:
    """Let somebody confirm most cells of the first case, and call one neutrophil a band."""
    with database.transaction() as records:
        user = records.users.find(reader)
        case = records.cases.find(next(iter(CASES)))
        if user is None or case is None:
            raise LookupError("The laboratory is not filled yet.")
        named = [cell for cell in records.cells.list(case.id) if find_label(cell.cell_type or "")]
        for cell in named[: len(named) * 3 // 4]:
            label = "band" if cell is named[3] else cell.cell_type
            records.cells.review(
                case.id, cell.id, label, seen=cell.version, by=user.id, now=datetime.now(UTC)
            )
        records.cases.begin_review(case.id)


@contextmanager
def laboratory(photos: list[Path]) -> Iterator[tuple[str, str]]:
    """Serve a laboratory; give its address, and the link that lets its technologist in."""
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(Settings(), data_folder=Path(folder), threads=1)
        app = create_app(settings)
        database = app.extensions["hematovision"].database
        by = Hand(None, "terminal", datetime.now(UTC))
        user = add_user(database, "ines.marin", Role.TECHNOLOGIST, by=by)
        fill(app, photos)
        confirm_some(database, user.name)
        server = waitress.create_server(app, host="127.0.0.1", port=0)
        threading.Thread(target=server.run, daemon=True).start()
        address = f"http://127.0.0.1:{server.effective_port}"
        yield address, f"{address}/link/{reset_password(database, user, by=by)}"
        server.close()
        database.close()


def take(page: Page, name: str) -> None:
    """Take a picture of what is on the screen."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=FOLDER / f"{name}.jpg", type="jpeg", quality=80)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    photos = sorted((parser.parse_args().data / "bccd/photos").glob("*.jpg"))
    with laboratory(photos) as (address, link), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(viewport=SIZE, color_scheme="light", locale="en")
        page = context.new_page()
        page.goto(link)
        page.click("button.next")
        page.goto(f"{address}/cases")
        take(page, "cases")
        page.goto(f"{address}/cases/1/review")
        take(page, "gallery")
        page.goto(f"{address}/cases/1/differential")
        take(page, "differential")
        page.goto(address)
        page.set_input_files("#pick", photos[10])
        with page.expect_popup() as opened:
            page.locator("[data-do=open]:visible").click()
        take(opened.value, "result")
        page.set_viewport_size(PHONE)
        page.goto(f"{address}/cases/1/review")
        take(page, "gallery-phone")
        browser.close()


if __name__ == "__main__":
    main()
