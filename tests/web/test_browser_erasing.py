"""Erasing a case in a real Chromium: from its photos to nothing, at the desk and on a phone."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.films import FilmReader, make_case, picture

from hematovision.cells import CellReader
from hematovision.config import Settings

from .browsing import SIZES, Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser


@pytest.fixture
def site(settings: Settings, reader: CellReader) -> Iterator[Site]:
    with open_site(settings, reader) as site:
        yield site


@pytest.mark.parametrize("size", SIZES)
def test_administrator_erases_a_case_by_typing_its_number_again(
    open_page: Callable[..., Page], site: Site, size: Size
) -> None:
    case = make_case(site.database, site.files, FilmReader(3), [picture(1)])
    page = open_page(size=size)
    page.goto(f"{site.address}cases/{case.id}")
    page.get_by_role("link", name="Erase this case").click()
    assert_fits(page)
    assert_no_violations(page)
    page.get_by_label("Why").select_option("trial")
    page.get_by_label("The case's number, once more").fill("26-9999")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("alert")).to_contain_text("is not the one of this case")
    expect(page.get_by_label("Why")).to_have_value("trial")
    assert_no_violations(page)
    page.get_by_label("The case's number, once more").fill("26-0837")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("heading", name="The case is erased")).to_be_visible()
    assert_fits(page)
    assert_no_violations(page)
    page.get_by_role("link", name="To the cases").click()
    expect(page.get_by_text("26-0837")).to_have_count(0)
