"""The differential in a real Chromium: what it says, and that it stays right by itself."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.services.cases import make_case, say

from hematovision.cells import CellReader, CellType
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.storage.cases import Case

from .browsing import SIZES, THEMES, Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser
FILM = [CellType.NEUTROPHIL] * 60 + [CellType.LYMPHOCYTE] * 28 + [CellType.BASOPHIL, None, None]


@pytest.fixture
def site(settings: Settings, reader: CellReader) -> Iterator[Site]:
    with open_site(settings, reader, role=Role.PATHOLOGIST) as site:
        yield site


@pytest.fixture
def case(site: Site) -> Case:
    case = make_case(site.database, FILM)
    say(site.database, case, "neutrophil", *range(1, 30))
    say(site.database, case, "band", 30)
    say(site.database, case, "erythroblast", 90)
    say(site.database, case, "monocyte", 61, 62)
    return case


def test_numbers_stay_right_while_the_page_is_open(
    open_page: Callable[..., Page], site: Site, case: Case
) -> None:
    page = open_page()
    page.goto(f"{site.address}cases/{case.id}/differential")
    neutrophils = page.locator('[data-part="neutrophil"]')
    expect(neutrophils.locator(".count .big")).to_have_text("60")
    expect(neutrophils.locator(".limits")).to_have_text("56.7 \N{EN DASH} 77.0")
    expect(page.locator(".case .next")).to_have_text("3 checks left before you sign Ctrl ↵")

    page.get_by_label("White cells to count").fill("200")
    page.get_by_label("White cells in blood").fill("9,1")
    page.get_by_label("White cells in blood").press("Enter")
    expect(neutrophils.locator(".absolute")).to_contain_text("6.07")
    expect(page.locator('[data-check="target"]')).to_contain_text("111 more cells to count")

    page.get_by_label("White cells in blood").fill("12")
    link = page.get_by_role("link", name="Change the ranges")
    link.focus()
    say(site.database, case, "neutrophil", 91)
    expect(neutrophils.locator(".count .big")).to_have_text("61", timeout=15_000)
    expect(page.locator("[data-status]")).to_have_text(
        "The numbers have changed. 90 cells counted."
    )
    expect(page.locator(".case .next")).to_have_text("2 checks left before you sign Ctrl ↵")
    expect(link).to_be_focused()
    expect(page.get_by_label("White cells in blood")).to_have_value("12")

    page.context.clear_cookies()
    expect(page.locator("[data-old]")).to_contain_text("You are signed out", timeout=15_000)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", THEMES)
def test_pages_hold_in_both_themes_at_both_sizes(
    open_page: Callable[..., Page], site: Site, case: Case, size: Size, theme: str
) -> None:
    page = open_page(size=size, color_scheme=theme)
    for address in (f"cases/{case.id}/differential", "laboratory/ranges"):
        page.goto(site.address + address)
        assert_no_violations(page)
        assert_fits(page)


def test_counting_is_set_without_a_script(
    open_page: Callable[..., Page], site: Site, case: Case
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{site.address}cases/{case.id}/differential")
    page.get_by_label("White cells in blood").fill("8.9")
    page.get_by_role("button", name="Save").click()
    expect(page.locator('[data-part="neutrophil"] .absolute')).to_be_visible()


def test_age_band_is_added_by_keyboard_and_picked(
    open_page: Callable[..., Page], site: Site, case: Case
) -> None:
    page = open_page()
    page.goto(f"{site.address}laboratory/ranges")
    page.get_by_text("Enter its ranges").focus()
    page.keyboard.press("Enter")
    page.locator("#name-new").fill("Children, 2 to 6")
    page.locator("#source-new").fill("Our study of 2025")
    page.locator("#low-neutrophil-new").fill("70")
    page.locator("#high-neutrophil-new").fill("99,5")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Children, 2 to 6")).to_be_visible()
    page.goto(f"{site.address}cases/{case.id}/differential")
    page.get_by_label("Reference ranges").select_option("Children, 2 to 6")
    page.get_by_role("button", name="Save").click()
    expect(page.locator('[data-part="neutrophil"]')).to_contain_text("May be below")
    expect(page.locator("#main")).to_contain_text("Source: Our study of 2025.")
