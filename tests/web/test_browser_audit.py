import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.conftest import StubReader
from tests.records import event, keep

from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.cases import open_case
from hematovision.services.hands import Hand

from .browsing import SIZES, Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    with open_site(settings, StubReader(), role=Role.PATHOLOGIST) as site:
        yield site


def test_look_is_found_by_its_digest_and_what_was_erased_is_gone(
    site: Site, open_page: OpenPage
) -> None:
    case = open_case(site.database, "26-0837", by=Hand(None, "terminal", event().at))
    page = open_page()
    page.goto(f"{site.address}cases/{case.id}")
    page.get_by_role("link", name="Audit").click()
    page.get_by_label("Action").fill("case.opened")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile("action=case.opened"))
    row = page.get_by_role("row").nth(1)
    digest = row.locator("td").last.inner_text()
    page.get_by_label("Action").fill("")
    page.get_by_label("Digest").fill(digest)
    page.get_by_label("Digest").press("Enter")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.get_by_role("region", name="After", exact=True)).to_contain_text("26-0837")
    assert_no_violations(page)
    with site.database.transaction() as records:
        records.audit.forget(case.id)
    page.reload()
    expect(page.get_by_text("Erased with the case")).to_be_visible()
    expect(page.get_by_text("26-0837")).to_have_count(0)
    page.get_by_role("link", name="all events of this case").click()
    expect(page.get_by_role("row", name=re.compile("case.seen"))).to_have_count(1)


@pytest.mark.parametrize("size", SIZES)
def test_record_and_event_fit_and_can_be_used_by_everybody(
    site: Site, open_page: OpenPage, size: Size
) -> None:
    said = {"label": "reactive_lymphocyte"}
    long = event(
        2, action="laboratory.ranges_changed", subject="ranges", after={"bands": [said] * 9}
    )
    keep(site.database, event(1, address="2001:db8:85a3:8d3:1319:8a2e:370:7348"), long)
    page = open_page(size=size)
    for url in ("audit", "audit/3", "audit?subject=none"):
        page.goto(f"{site.address}{url}")
        assert_fits(page)
        assert_no_violations(page)
