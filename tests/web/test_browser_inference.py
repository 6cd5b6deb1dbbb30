"""A reading that was made here, for the inference server was away, says so where people look."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from hematovision.config import PACKAGED_MODEL, Settings
from hematovision.people import Role

from .browsing import SIZES, Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = [pytest.mark.browser, pytest.mark.real_data]

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    given = {"inference_url": NOBODY, "inference_seconds": 1, "inference_fallback": True}
    away = replace(settings, model_folder=PACKAGED_MODEL, **given)
    with open_site(away, None, role=Role.TECHNOLOGIST) as site:
        yield site


@pytest.mark.parametrize("size", SIZES)
def test_reading_that_was_made_here_says_so(
    open_page: Callable[..., Page], site: Site, size: Size, data_folder: Path
) -> None:
    page = open_page(size=size)
    page.goto(site.address)
    page.set_input_files("#pick", data_folder / "bccd" / "photos" / "BloodImage_00001.jpg")
    with page.expect_popup() as opened:
        page.locator(".file").get_by_role("button", name="Open picture 1", exact=True).click()
    result = opened.value
    note = "Read on this server, for the one that does the inference did not answer."
    expect(result.get_by_text(note)).to_be_visible()
    expect(result.locator("article")).to_have_count(1)
    assert_fits(result)
    assert_no_violations(result)
