"""Stories of the gallery in a real Chromium: a film corrected by keys, and by two at once."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.films import FilmReader, cells_of, make_case, picture

from hematovision.config import Settings
from hematovision.people import Role
from hematovision.storage.cases import Case

from .browsing import (
    SIZES,
    THEMES,
    Site,
    Size,
    assert_fits,
    assert_no_violations,
    open_site,
)

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    with open_site(settings, None, role=Role.TECHNOLOGIST) as site:
        yield site


def film(site: Site, cells: int, photos: int = 1) -> Case:
    pictures = [picture(number) for number in range(photos)]
    return make_case(site.database, site.files, FilmReader(cells // photos), pictures)


def open_gallery(page: Page, site: Site, case: Case) -> None:
    page.goto(f"{site.address}cases/{case.id}/review")
    expect(page.locator(".cell.here")).to_be_focused()


def count(page: Page, code: str) -> int:
    return int(page.locator(f'[data-row="{code}"] [data-count]').inner_text())


def here(page: Page) -> int:
    return int(page.locator(".cell.here .by").inner_text())


def tile(page: Page, number: int) -> object:
    return page.locator(".cell").filter(has=page.locator(f'.by:text-is("{number}")'))


def wait_until_stored(page: Page) -> None:
    expect(page.locator("[data-storing]")).to_have_attribute("aria-busy", "false")
    expect(page.locator("[data-unstored]")).to_be_hidden()


def stored(site: Site, case: Case) -> dict[int, str | None]:
    return {cell.number: cell.label for cell in cells_of(site.database, case)}


def test_two_hundred_cells_are_corrected_by_keyboard_only(open_page: OpenPage, site: Site) -> None:
    case = film(site, 200, 4)
    page = open_page()
    open_gallery(page, site, case)
    expect(page.locator("[data-next]")).to_have_text("48 unidentified left")
    # Each is named by one key, and the next comes by itself.
    for key in "NELMBDATPIRSKFX" * 4:
        if page.locator('[data-row="unidentified"] .cell.here').count() == 0:
            break
        page.keyboard.press(key)
    expect(page.locator("[data-next]")).to_have_text("Go to the differential")
    # What is named right is confirmed by Enter, row by row; what is sure was folded away.
    for folded in range(5, 0, -1):
        expect(page.locator("[data-unfold]:visible")).to_have_count(folded)
        page.locator("[data-unfold]:visible").first.focus()
        page.keyboard.press("Enter")
    # A few fall on cells that have a name already.
    for _ in range(160):
        page.keyboard.press("Enter")
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile(r"/differential$"))
    labels = stored(site, case)
    assert len(labels) == 200
    assert None not in labels.values()
    assert {"band", "blast", "smudge", "not_classed"} <= set(labels.values())


def test_later_of_two_people_is_told_and_nothing_is_lost(open_page: OpenPage, site: Site) -> None:
    case = film(site, 8)
    ines, marc = open_page(), open_page(cookie=site.cookie(Role.PATHOLOGIST))
    for page in (ines, marc):
        open_gallery(page, site, case)
    number = here(ines)
    assert here(marc) == number
    ines.keyboard.press("T")
    expect(ines.locator("[data-last]")).to_contain_text("→ blast")
    expect(ines.locator('[data-row="blast"] .cell')).to_have_count(1)
    wait_until_stored(ines)
    marc.keyboard.press("D")
    told = f"technologist said meanwhile that cell {number} is blast."
    expect(marc.locator("[data-last]")).to_contain_text(told)
    expect(marc.locator('[data-row="blast"] .cell')).to_have_count(1)
    expect(marc.locator("[data-undo]")).to_be_hidden()
    assert stored(site, case)[number] == "blast"
    # Told once, they may still say otherwise; then it is the first who is told, at the undo.
    tile(marc, number).click()
    marc.keyboard.press("D")
    expect(marc.locator("[data-last]")).to_contain_text("blast → band neutrophil")
    wait_until_stored(marc)
    ines.keyboard.press("z")
    expect(ines.locator("[data-last]")).to_contain_text(
        f"pathologist said meanwhile that cell {number} is band neutrophil."
    )
    expect(ines.locator('[data-row="band"] .cell')).to_have_count(1)
    assert stored(site, case)[number] == "band"


def test_cells_are_dragged_selected_undone_and_done_again(open_page: OpenPage, site: Site) -> None:
    case = film(site, 40)
    # So high that nothing has to be scrolled while something is dragged.
    page = open_page(size=(1440, 1700))
    open_gallery(page, site, case)
    first = here(page)
    target = page.locator('[data-row="monocyte"] header')
    before = count(page, "monocyte")
    tile(page, first).drag_to(target)
    expect(page.locator('[data-row="monocyte"] [data-count]')).to_have_text(str(before + 1))
    expect(page.locator("[data-last]")).to_have_text(f"Cell {first}: unidentified → monocyte")
    # Several at once, by Space and by Ctrl and click, on a name that has no row yet.
    page.keyboard.press("Space")
    page.locator('[data-row="unidentified"] .cell').nth(2).click(modifiers=["Control"])
    expect(page.locator('.cell[aria-pressed="true"]')).to_have_count(2)
    page.locator('[data-row="unidentified"] .cell').nth(2).drag_to(
        page.locator('.drop-on[data-name="erythroblast"]')
    )
    expect(page.locator("[data-last]")).to_have_text("2 cells → erythroblast")
    expect(page.locator('[data-row="erythroblast"]')).to_be_visible()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator('.cell[aria-pressed="true"]')).to_have_count(2)
    page.keyboard.press("Escape")
    page.keyboard.press("z")
    expect(page.locator("[data-last]")).to_have_text("Taken back: 2 cells")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator('[data-row="monocyte"] [data-count]')).to_have_text(str(before))
    assert here(page) == first
    page.keyboard.press("Shift+Z")
    expect(page.locator("[data-last]")).to_have_text(f"Done again: cell {first} is monocyte")
    page.get_by_role("button", name="Redo").click()
    expect(page.locator("[data-last]")).to_have_text("Done again: 2 cells")
    wait_until_stored(page)
    page.reload()
    assert count(page, "erythroblast") == 2
    assert stored(site, case)[first] == "monocyte"


def test_nobody_confirms_what_was_not_on_the_screen(open_page: OpenPage, site: Site) -> None:
    case = film(site, 300)
    page = open_page(size=(1440, 700))
    open_gallery(page, site, case)
    row = page.locator('[data-row="neutrophil"]')
    button = row.locator("[data-confirm]")
    expect(button).to_have_text("Show all 45 neutrophils")
    button.click()
    expect(button).to_have_text(re.compile(r"Confirm \d+ of 45 neutrophils"))
    assert not any(stored(site, case).values())
    for cell in row.locator(".cell").all():
        cell.scroll_into_view_if_needed()
        page.wait_for_timeout(15)
    expect(button).to_have_text("Confirm all 45 neutrophils")
    button.click()
    expect(button).to_have_text("✓ confirmed neutrophils")
    expect(page.locator("[data-last]")).to_have_text("45 cells confirmed")
    wait_until_stored(page)
    assert list(stored(site, case).values()).count("neutrophil") == 45


def test_correction_that_cannot_be_stored_is_kept_and_tried_again(
    open_page: OpenPage, site: Site
) -> None:
    case = film(site, 8)
    page = open_page()
    open_gallery(page, site, case)
    first = here(page)
    page.context.set_offline(True)
    page.keyboard.press("T")
    page.keyboard.press("S")
    warning = page.locator("[data-unstored]")
    expect(warning).to_contain_text("2 corrections are not stored: the server cannot be reached.")
    expect(page.locator(".cell.unstored")).to_have_count(2)
    assert not any(stored(site, case).values())
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.close(run_before_unload=True)
    page.wait_for_timeout(200)
    assert asked == ["beforeunload"]
    # It is tried again by itself once the network is back, and at the button.
    page.route("**/reviews", lambda route: route.fulfill(status=500, json={"detail": "Full disk."}))
    page.context.set_offline(False)
    expect(warning).to_contain_text("2 corrections are not stored: Full disk.")
    page.unroute("**/reviews")
    page.get_by_role("button", name="Try again").click()
    expect(warning).to_be_hidden()
    expect(page.locator(".cell.unstored")).to_have_count(0)
    assert stored(site, case)[first] == "blast"


def test_missed_cell_is_boxed_named_and_a_wrong_box_removed(
    open_page: OpenPage, site: Site
) -> None:
    case = film(site, 6, 2)
    page = open_page()
    open_gallery(page, site, case)
    number = here(page)
    page.keyboard.press("g")
    expect(page.locator(".one.here .no")).to_have_text(str(number))
    # By keyboard: a box of the usual size, moved, made larger, and kept.
    page.keyboard.press("+")
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator("[data-draw-says]")).to_contain_text("Box from 236, 176 to 268, 208")
    page.keyboard.press("Enter")
    expect(page.locator(".one.here .no")).to_have_text("7")
    page.keyboard.press("P")
    expect(page.locator(".one.here h2")).to_contain_text("Plasma cell")
    # By mouse.
    page.get_by_role("button", name="Box a missed cell").click()
    photo = page.locator("[data-found]").bounding_box()
    assert photo
    x, y = photo["x"] + photo["width"] * 0.4, photo["y"] + photo["height"] * 0.7
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y + 80)
    page.mouse.up()
    page.get_by_role("button", name="Keep this box").click()
    expect(page.locator(".one.here .no")).to_have_text("8")
    expect(page.locator("[data-box]")).to_have_count(5)
    page.locator(".one.here [data-remove]").click()
    expect(page.locator(".one.here h2")).to_contain_text("No cell")
    expect(page.locator("[data-box].none")).to_have_count(1)
    page.keyboard.press("z")
    expect(page.locator("[data-box].none")).to_have_count(0)
    page.keyboard.press("Delete")
    expect(page.locator("[data-box].none")).to_have_count(1)
    page.keyboard.press(".")
    expect(page.get_by_role("heading", level=1)).to_contain_text("photo 2 of 2")
    expect(page.locator(".one.here")).to_have_count(1)
    page.keyboard.press(",")
    page.locator("[data-card] h2", has_text="Plasma cell").click()
    page.keyboard.press("g")
    expect(page.locator('[data-row="plasma_cell"] .cell.here')).to_be_focused()
    wait_until_stored(page)
    cells = {cell.number: cell for cell in cells_of(site.database, case)}
    assert (cells[7].label, cells[7].box.as_list()) == ("plasma_cell", [236, 176, 268, 208])
    assert cells[8].label == "no_cell"


def test_keys_are_ones_own(open_page: OpenPage, site: Site) -> None:
    case = film(site, 8)
    page = open_page()
    page.goto(f"{site.address}account/keys")
    page.get_by_label("Band neutrophil").fill("Q")
    page.get_by_role("button", name="Keep these keys").click()
    expect(page.get_by_text("Your keys are changed.")).to_be_visible()
    assert_no_violations(page)
    open_gallery(page, site, case)
    page.keyboard.press("d")
    page.keyboard.press("q")
    expect(page.locator('[data-row="band"] [data-count]')).to_have_text("1")
    wait_until_stored(page)
    page.goto(f"{site.address}account/keys")
    page.get_by_label("Single letters name cells").uncheck()
    page.get_by_role("button", name="Keep these keys").click()
    open_gallery(page, site, case)
    page.keyboard.press("q")
    page.keyboard.press("z")
    expect(page.locator("[data-last]")).to_have_text("Nothing changed yet")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_pages_are_accessible_and_fit(
    open_page: OpenPage, site: Site, size: Size, theme: str
) -> None:
    case = film(site, 40)
    page = open_page(size=size, color_scheme=theme)
    page.goto(f"{site.address}cases/{case.id}/review")
    page.keyboard.press("D")
    page.keyboard.press("A")
    page.keyboard.press("Space")
    page.locator(".look [data-more-names] summary").click()
    expect(page.locator("[data-last]")).to_contain_text("→")
    assert_no_violations(page)
    assert_fits(page)
    page.goto(f"{site.address}cases/{case.id}/photos/1")
    expect(page.locator("[data-box]")).to_have_count(40)
    assert_no_violations(page)
    assert_fits(page)


def test_viewer_looks_and_changes_nothing(open_page: OpenPage, site: Site) -> None:
    case = film(site, 8)
    page = open_page(cookie=site.cookie(Role.VIEWER))
    open_gallery(page, site, case)
    page.keyboard.press("T")
    expect(page.locator("[data-last]")).to_have_text(
        "You may look at this case, but not change it."
    )
    page.keyboard.press("ArrowRight")
    assert not any(stored(site, case).values())
    assert_no_violations(page)
    page.goto(f"{site.address}cases/{case.id}/photos/1")
    page.keyboard.press("T")
    expect(page.locator("[data-draw]")).to_have_count(0)
    assert not any(stored(site, case).values())
