"""A real WSGI server with somebody signed in, and what every page must hold in a browser."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import waitress
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Page
from waitress import wasyncore

from hematovision.cells import CellReader, Queue
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.storage.database import Database, open_database
from hematovision.storage.files import Files
from hematovision.web import create_app

from .conftest import COOKIES, signed_in

SIZES = [pytest.param((1440, 900), id="desk"), pytest.param((390, 844), id="phone")]
THEMES = ["light", "dark"]
Size = tuple[int, int]
SETTLED = """() => Promise.all(document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().endTime !== Infinity)
  .map((one) => one.finished.catch(() => {})))"""
"""Waits until what moves or fades, and does not do so for ever, has come to its end."""


@dataclass(frozen=True, slots=True)
class Site:
    """A server that runs.

    Attributes:
        address: Of its first page, with a slash at the end.
        app: The application.
        database: Its database.
        files: Its pictures.
    """

    address: str
    app: Flask
    database: Database
    files: Files

    def cookie(self, role: Role) -> str:
        """Sign somebody of a role in; give what their browser shows."""
        cookie = signed_in(self.app, self.database, role).get_cookie("hematovision")
        assert cookie is not None
        return cookie.value


@contextlib.contextmanager
def open_site(
    settings: Settings,
    reader: CellReader | None,
    queue: Queue | None = None,
    role: Role = Role.ADMINISTRATOR,
) -> Iterator[Site]:
    """Run a server whose browser pages are those of somebody of a role."""
    database = open_database(settings.database_url, settings.data_folder)
    app = create_app(settings, reader, database, queue)
    server = waitress.create_server(app, host="127.0.0.1", port=0)
    files = app.extensions["hematovision"].files
    site = Site(f"http://127.0.0.1:{server.effective_port}/", app, database, files)
    COOKIES[:] = [site.cookie(role)]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield site
    finally:
        # In the server's own thread, so that no connection is closed while it is being served.
        # Woken by a browser at that very moment it closes the trigger before this has pulled it.
        with contextlib.suppress(OSError):
            server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))
        thread.join(10)
        server.task_dispatcher.shutdown()
        database.close()
        COOKIES.clear()


@contextlib.contextmanager
def serve(settings: Settings, reader: CellReader | None) -> Iterator[str]:
    """Run a server; give its address."""
    with open_site(settings, reader) as site:
        yield site.address


def assert_no_violations(page: Page) -> None:
    page.wait_for_load_state()  # A page that is still arriving has no landmarks yet.
    page.evaluate(SETTLED)  # Half faded, a colour has no contrast yet.
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def assert_fits(page: Page) -> None:
    page.wait_for_load_state()  # One that has just begun to arrive has no element at all.
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(width) == 0
