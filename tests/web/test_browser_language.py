"""A technologist whose browser asks for Spanish, on a phone."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.accounts import add_user, set_password
from hematovision.services.hands import Hand

from .browsing import assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser

DETAIL = re.compile(r"128 . 96 · leída en \d+,\d\d s")
PASSWORD = "plum orbit walnut canyon"  # noqa: S105 - of a test


def assert_holds(page: Page) -> None:
    assert_fits(page)
    assert_no_violations(page)


def test_menu_of_an_administrator_stays_in_place(
    open_page: Callable[..., Page], settings: Settings, reader: CellReader
) -> None:
    with open_site(settings, reader) as site:
        page = open_page(locale="es-ES")
        for width in (1024, 1280, 1300, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(f"{site.address}cases")
            assert len(rows_of_menu(page)) == 1, width
            sign = page.locator(".word svg").bounding_box()
            assert sign
            assert sign["width"] == 20, width
        page.set_viewport_size({"width": 390, "height": 844})
        for name in ("cases", "model", "users"):
            page.goto(f"{site.address}{name}")
            assert rows_of_menu(page) == [4, 3], name
            middles = [middle_of(page, part) for part in (".word", ".who")]
            assert middles[0] == pytest.approx(middles[1], abs=4), name
            assert_holds(page)


def middle_of(page: Page, part: str) -> float:
    """Say how far down the middle of a part lies."""
    box = page.locator(part).bounding_box()
    assert box
    return box["y"] + box["height"] / 2


def rows_of_menu(page: Page) -> list[int]:
    """Count the entries of each row of the menu."""
    boxes = [entry.bounding_box() for entry in page.locator(".top nav a").all()]
    places = [round(box["y"]) for box in boxes if box]
    assert len(places) == 7
    return [places.count(place) for place in sorted(set(places))]


def test_photo_is_read_in_spanish_and_the_language_is_changed_for_good(
    open_page: Callable[..., Page],
    settings: Settings,
    reader: CellReader,
    jpeg: bytes,
    tmp_path: Path,
) -> None:
    (tmp_path / "film.jpg").write_bytes(jpeg)
    by = Hand(None, "terminal", datetime.now(UTC))
    with open_site(settings, reader) as site:
        user = add_user(site.database, "ines", Role.TECHNOLOGIST, by=by)
        set_password(site.database, user, PASSWORD, by=by)
        page = open_page(size=(390, 844), signed_in=False, locale="es-ES")

        page.goto(site.address)
        expect(page.locator("html")).to_have_attribute("lang", "es")
        assert_holds(page)
        page.get_by_label("Nombre de usuario").fill("ines")
        page.get_by_label("Contraseña").fill("no es esta")
        page.get_by_role("button", name="Iniciar sesión").click()
        expect(page.get_by_role("alert")).to_contain_text("Quedan 4 intentos.")
        page.get_by_label("Contraseña").fill(PASSWORD)
        page.get_by_role("button", name="Iniciar sesión").click()

        page.get_by_role("link", name="Nueva lectura").click()
        page.set_input_files("#pick", tmp_path / "film.jpg")
        row = page.locator(".file")
        expect(row.locator(".say")).to_have_text("N1 neutrófilo?1 sin identificar")
        expect(row.locator("[data-detail]")).to_have_text(DETAIL)
        expect(page.locator("[data-summary]")).to_have_text("1 imagen · 1 leída")
        expect(page.get_by_role("button", name="Tema: como el sistema")).to_be_visible()
        assert_holds(page)

        with page.expect_popup() as opened:
            row.get_by_role("button", name="Abrir la imagen 1", exact=True).click()
        result = opened.value
        expect(result.get_by_role("heading", level=1)).to_contain_text("2 leucocitos")
        expect(result.locator("article").nth(1)).to_contain_text("Monocito o linfocito.")
        assert_holds(result)

        result.get_by_role("link", name="ines").click()
        assert_holds(result)
        result.get_by_role("button", name="English").click()
        expect(result.get_by_role("heading", name="Language")).to_be_visible()
        expect(result.locator("html")).to_have_attribute("lang", "en")
        result.get_by_role("button", name="Sign out").click()

        elsewhere = open_page(signed_in=False, locale="es-ES")
        elsewhere.goto(site.address)
        elsewhere.get_by_label("Nombre de usuario").fill("ines")
        elsewhere.get_by_label("Contraseña").fill(PASSWORD)
        elsewhere.get_by_role("button", name="Iniciar sesión").click()
        expect(elsewhere.get_by_role("button", name="Sign out")).to_be_visible()
