import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.conftest import StubReader

from hematovision.config import Settings
from hematovision.people import Role

from .browsing import SIZES, THEMES, Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    with open_site(settings, StubReader(), role=Role.TECHNOLOGIST) as site:
        yield site


@pytest.fixture
def picture(tmp_path: Path, jpeg: bytes) -> Path:
    path = tmp_path / "patient-doe.jpg"
    path.write_bytes(jpeg)
    return path


def test_picture_is_read_filed_and_found_again_by_class_and_date(
    site: Site, open_page: OpenPage, picture: Path
) -> None:
    page = open_page()
    page.goto(f"{site.address}history")
    expect(page.get_by_role("heading", name="Nothing was read here yet")).to_be_visible()
    assert_no_violations(page)
    page.get_by_role("link", name="New reading").last.click()
    page.locator("#pick").set_input_files(picture)
    expect(page.get_by_text("1 picture · 1 read")).to_be_visible()
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Open picture 1").first.click()
    result = opened.value
    result.get_by_label("Case number").fill("26-0837")
    result.get_by_role("button", name="File").click()
    expect(result.get_by_text("There is no case with this number")).to_be_visible()
    expect(result.get_by_label("Case number")).to_be_focused()
    result.get_by_label("It is a new case").check()
    result.get_by_label("Case number").press("Enter")
    expect(result).to_have_url(re.compile(r"/cases/1"))

    today = f"{datetime.now(UTC).astimezone():%Y-%m-%d}"
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_label("Class", exact=True).select_option("neutrophil")
    page.get_by_label("From", exact=True).fill(today)
    page.get_by_label("To", exact=True).fill(today)
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile(f"from={today}&to={today}&class=neutrophil"))
    row = page.get_by_role("row").nth(1)
    expect(row).to_contain_text("26-0837")
    expect(row).to_contain_text("1 neutrophil")
    page.get_by_label("Class", exact=True).select_option("unidentified")
    page.get_by_label("From", exact=True).fill("2020-01-01")
    page.get_by_label("To", exact=True).fill("2020-01-01")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.go_back()
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(page.get_by_role("link", name="26-0837")).to_be_visible()
    expect(page.locator("article")).to_have_count(2)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_pages_of_the_history_have_no_violations(
    site: Site, open_page: OpenPage, picture: Path, size: Size, theme: str
) -> None:
    page = open_page(size=size, color_scheme=theme)
    page.goto(site.address)
    page.locator("#pick").set_input_files(picture)
    expect(page.get_by_text("1 picture · 1 read")).to_be_visible()
    for address in ("history", "history?class=band", "history?before=1-1", "history?state=quick"):
        page.goto(site.address + address)
        assert_no_violations(page)
        assert_fits(page)
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(page.get_by_label("File into a case")).to_be_visible()
    assert_no_violations(page)
    assert_fits(page)
