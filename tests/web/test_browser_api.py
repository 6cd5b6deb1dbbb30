"""The page that documents the API: narrowed by typing, opened by an address, at any size."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.people import Role

from .browsing import SIZES, THEMES, Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser


@pytest.fixture
def site(settings: Settings, reader: CellReader) -> Iterator[Site]:
    with open_site(settings, reader, role=Role.TECHNOLOGIST) as site:
        yield site


@pytest.mark.parametrize("size", SIZES)
def test_document_can_be_read_by_everybody(
    open_page: Callable[..., Page], site: Site, size: Size
) -> None:
    for theme in THEMES:
        page = open_page(size=size, color_scheme=theme)
        page.goto(f"{site.address}api/docs#readings_read")
        expect(page.locator("#readings_read")).to_have_attribute("open", "")
        shown = page.locator("#readings_read").get_by_text("Sent as multipart/form-data")
        expect(shown).to_be_visible()
        assert_fits(page)
        assert_no_violations(page)


def test_typing_narrows_and_the_keyboard_opens(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page()
    page.goto(f"{site.address}api/docs")
    shown = page.locator("[data-operation]:visible")
    # Shown by the script, which listens then.
    expect(page.locator("#find")).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("JOBS far")
    expect(shown).to_have_count(1)
    expect(page.get_by_text("1 operation", exact=True)).to_be_visible()
    page.locator("#jobs_show summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#jobs_show")).to_have_attribute("open", "")
    expect(page).to_have_url(f"{site.address}api/docs#jobs_show")
    page.locator("#find").fill("parasites")
    expect(page.get_by_text("Nothing here is called so.")).to_be_visible()
    page.locator("#find").press("Escape")
    expect(page.locator("#health_show")).to_be_visible()
