"""The report of a case in a real Chromium: from the differential to the event of the record."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.exchange.codes import read_codes
from tests.films import FilmReader, make_case, picture
from tests.services.cases import say
from tests.services.signatures import add_person, sign

from hematovision.config import Settings
from hematovision.people import Role
from hematovision.storage.cases import Case

from .browsing import SIZES, THEMES, Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser
READER = FilmReader(20)
REASONS = {
    "target": "No more cells on the film.",
    "unidentified": "They are smeared.",
    "unconfirmed": "They are clear.",
}


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    with open_site(settings, READER, role=Role.PATHOLOGIST) as site:
        yield site


@pytest.fixture
def case(site: Site) -> Case:
    case = make_case(site.database, site.files, READER, [picture(0), picture(1)])
    say(site.database, case, "neutrophil", 1, 2, 3)
    return case


def test_code_on_paper_leads_to_the_event_that_says_so(
    open_page: Callable[..., Page], site: Site, case: Case, tmp_path: Path
) -> None:
    signature = sign(site.database, case, add_person(site.database, "rosa"), reasons=REASONS)
    page = open_page()
    page.goto(f"{site.address}cases/{case.id}/differential")
    page.get_by_role("link", name="Report, tables and pictures of this case").click()
    expect(page.locator(".case")).to_contain_text("Version 1, final")
    assert_no_violations(page)
    with page.expect_download() as download:
        page.keyboard.press("Control+Enter")
    paper = tmp_path / download.value.suggested_filename
    download.value.save_as(paper)
    assert paper.name == "case-1-version-1-report.pdf"
    (address,) = read_codes(paper.read_bytes())
    assert address.startswith(site.address)
    page.goto(address)
    expect(page.locator("#main")).to_contain_text("case.signed")
    expect(page.locator("#main")).to_contain_text(f"signature {signature.id}")
    expect(page.locator("[data-paper=same]")).to_be_visible()
    assert_no_violations(page)
    with page.expect_download() as download:
        page.evaluate("location = '/cases/1/report.fhir.json'")
    bundle = json.loads(Path(download.value.path()).read_text())
    assert bundle["entry"][0]["resource"]["status"] == "final"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_page_fits_and_is_open_to_all(
    open_page: Callable[..., Page], site: Site, case: Case, size: Size, theme: str
) -> None:
    page = open_page(size=size, color_scheme=theme)
    page.goto(f"{site.address}cases/{case.id}/report")
    expect(page.get_by_text("Nobody has signed this.")).to_be_visible()
    assert_fits(page)
    assert_no_violations(page)
