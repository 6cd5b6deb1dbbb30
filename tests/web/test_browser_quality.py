"""The quality page and the check of the locator in a real Chromium."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect
from tests.films import SIDE, FilmReader, make_case, picture
from tests.services.cases import say

from hematovision.config import Settings
from hematovision.people import Role

from .browsing import SIZES, Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser
FILM = FilmReader(8)


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    """Serve a laboratory with three photos, read just now, and names that two people gave."""
    with open_site(settings, FILM, role=Role.TECHNOLOGIST) as site:
        photos = [picture(number) for number in range(3)]
        case = make_case(site.database, site.files, FILM, photos, at=datetime.now(UTC))
        say(site.database, case, "neutrophil", 1, 2, 3)
        say(site.database, case, "neutrophil", 1, 3, by="omar")
        say(site.database, case, "band", 2, by="omar")
        yield site


def test_locator_is_checked_by_keyboard_and_the_page_keeps_the_share(
    open_page: Callable[..., Page], site: Site
) -> None:
    page = open_page()
    page.goto(f"{site.address}quality?from=")
    expect(page.locator("#main")).to_contain_text("Nobody checked the locator in this time.")
    page.keyboard.press("Control+Enter")
    for number in (1, 2, 3):
        expect(page.locator("form.count")).to_contain_text(f"Photo {number} of 3")
        expect(page.locator(".found .edge")).to_have_count(8)
        page.get_by_label("White cells without a box").fill("2" if number == 1 else "0")
        page.get_by_label("Boxes without a white cell").fill("9" if number == 3 else "0")
        page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("a number of 0 to 8")
    page.get_by_label("Boxes without a white cell").fill("4")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("All 3 photos of"))).to_be_visible()
    page.keyboard.press("Control+Enter")
    panel = page.get_by_role("region", name="Does the locator find the cells?")
    expect(panel).to_contain_text("9.1 % of 22 white cells were missed")
    with page.expect_download() as download:
        panel.get_by_role("link", name="Numbers as CSV").click()
    assert download.value.suggested_filename == "quality-locator.csv"


@pytest.mark.parametrize("size", SIZES)
def test_pages_hold_at_both_sizes(open_page: Callable[..., Page], site: Site, size: Size) -> None:
    page = open_page(size=size, color_scheme="dark" if size[0] < 1000 else "light")
    for address in ("quality?from=", "quality/locator"):
        page.goto(site.address + address)
        assert_no_violations(page)
        assert_fits(page)


def test_boxes_lie_on_the_photo_as_it_is_shown(open_page: Callable[..., Page], site: Site) -> None:
    page = open_page(size=(390, 844))
    page.goto(f"{site.address}quality/locator")
    box = page.locator(".found .edge").nth(1).bounding_box()
    photo = page.locator(".frame img").bounding_box()
    assert box
    assert photo
    assert box["x"] == pytest.approx(photo["x"] + photo["width"] * SIDE / 480, abs=2)
    assert box["y"] == pytest.approx(photo["y"], abs=2)
