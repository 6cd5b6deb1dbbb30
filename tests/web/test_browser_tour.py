"""The five minutes of docs/tour.md, on a real demonstration."""

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Page, expect

from .browsing import assert_fits, assert_no_violations

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/tour.md").read_text()


@pytest.fixture(scope="module")
def tour() -> Iterator[ModuleType]:
    """Load what takes the pictures of the guide."""
    spec = importlib.util.spec_from_file_location("tour", ROOT / "docs/images/tour.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tour"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["tour"]


@pytest.mark.browser
def test_guide_can_be_walked(open_page: Callable[..., Page], tour: ModuleType) -> None:
    seen: list[str] = []

    def look(page: Page, name: str) -> None:
        seen.append(name)
        expect(page.locator("aside.demo")).to_be_visible()
        assert_no_violations(page)
        assert_fits(page)

    with tour.demonstration() as laboratory:
        tour.walk(open_page(signed_in=False), laboratory, look)
        folder = laboratory.drop.parent
        assert folder.is_dir()
    assert not folder.exists()
    assert seen == re.findall(r"images/tour-(\w+)\.jpg", GUIDE)


def test_pictures_of_the_guide_are_there_and_small() -> None:
    names = re.findall(r"images/(tour-\w+\.jpg)", GUIDE)
    assert sorted(names) == sorted(path.name for path in (ROOT / "docs/images").glob("tour-*.jpg"))
    sizes = [(ROOT / "docs/images" / name).stat().st_size for name in names]
    assert max(sizes) < 160_000


def test_guide_names_everybody_and_every_case() -> None:
    from hematovision.services.demonstrations import NAMES
    from hematovision.services.films import drawn_films

    assert set(re.findall(r"^\| `(\w+)`", GUIDE, re.MULTILINE)) == set(NAMES)
    cases = set(re.findall(r"\| (DEMO-\d+) \|", GUIDE))
    assert cases == {film.accession for film in drawn_films(seed=0)}
