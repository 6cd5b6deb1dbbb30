"""Signing in a real Chromium: a case from its review to an amendment, and a second reading."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.films import FilmReader, cells_of, make_case, picture
from tests.services.cases import say
from tests.services.signatures import PASSWORD, add_person, hand_of, ready_case, sign

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.amending import amend_case, send_back
from hematovision.services.second_readings import ask_second, take_second
from hematovision.storage.cases import Case

from .browsing import Site, Size, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser


@pytest.fixture
def site(settings: Settings, reader: CellReader) -> Iterator[Site]:
    with open_site(settings, reader, role=Role.PATHOLOGIST) as site:
        add_person(site.database, Role.PATHOLOGIST)
        yield site


def film(site: Site) -> Case:
    """Make a case of a neutrophil, an eosinophil, a monocyte and an unidentified cell."""
    return make_case(site.database, site.files, FilmReader(4), [picture()])


def test_case_is_reviewed_signed_and_amended(open_page: Callable[..., Page], site: Site) -> None:
    case = film(site)
    named = [cell for cell in cells_of(site.database, case) if cell.cell_type]
    (open_cell,) = (cell for cell in cells_of(site.database, case) if not cell.cell_type)
    for cell in named:
        say(site.database, case, str(cell.cell_type), cell.number)
    page = open_page()
    page.goto(f"{site.address}cases/{case.id}/differential")
    button = page.locator(".case .next")
    expect(button).to_have_text("2 checks left before you sign Ctrl ↵")

    # The black button leads to what is open: the cell that nobody has named.
    button.click()
    expect(page.locator(".cell.here")).to_be_focused()
    page.keyboard.press("B")
    expect(page.locator('[data-row="basophil"] [data-count]')).to_have_text("1")
    expect(page.locator("[data-storing]")).to_have_attribute("aria-busy", "false")
    page.goto(f"{site.address}cases/{case.id}/differential")
    expect(button).to_have_text("1 check left before you sign Ctrl ↵")

    # Too few cells: it is signed with a reason, and not with another's password.
    page.get_by_role("link", name="Sign, and say why a check is left open").click()
    page.get_by_label("Or say why it stays open").fill("There is no more film.")
    page.get_by_label("Your full name").fill("Rosa Okafor, MD")
    page.get_by_label("Password, once more").fill("plum orbit")
    page.get_by_role("button", name="Sign and lock").click()
    expect(page.get_by_role("alert")).to_contain_text("The present password is another.")
    expect(page.get_by_label("Password, once more")).to_be_focused()
    assert_no_violations(page)
    expect(page.get_by_label("Or say why it stays open")).to_have_value("There is no more film.")
    page.get_by_label("Password, once more").fill(PASSWORD)
    page.get_by_label("Password, once more").press("Enter")
    expect(page).to_have_url(f"{site.address}cases/{case.id}/versions/1")
    expect(page.locator("aside")).to_contain_text("Rosa Okafor, MD")
    expect(page.locator("aside")).to_contain_text("There is no more film.")

    # Nothing can be named any more, neither by a key nor by a button.
    page.goto(f"{site.address}cases/{case.id}/review")
    expect(page.locator("main .note")).to_contain_text("This case is signed.")
    expect(page.locator(".cell.here")).to_be_focused()
    page.keyboard.press("L")
    expect(page.get_by_role("button", name="Lymphocyte", exact=True)).to_have_count(0)
    expect(page.locator('[data-row="lymphocyte"] [data-count]')).to_have_text("0")

    page.goto(f"{site.address}cases/{case.id}/differential")
    page.get_by_text("Amend this case").click()
    page.get_by_label("Why it must be changed").fill("One cell is a lymphocyte.")
    page.get_by_role("button", name="Open it again").click()
    expect(page.locator("main .note")).to_contain_text("One cell is a lymphocyte.")
    say(site.database, case, "lymphocyte", open_cell.number)
    page.goto(f"{site.address}cases/{case.id}/sign")
    expect(page.get_by_label("Your full name")).to_have_value("Rosa Okafor, MD")
    page.get_by_label("Or say why it stays open").fill("There is no more film.")
    page.get_by_label("Password, once more").fill(PASSWORD)
    page.get_by_role("button", name="Sign and lock").click()
    expect(page.locator("aside")).to_contain_text("One cell is a lymphocyte.")

    page.locator("aside").get_by_role("link", name="Version 1").click()
    expect(page.get_by_role("heading", name="Version 1 beside version 2")).to_be_visible()
    changed = page.locator(f'[data-cell="{open_cell.number}"]')
    expect(changed).to_contain_text("Basophil")
    expect(changed).to_contain_text("Lymphocyte")
    expect(page.locator('[data-part="lymphocyte"].changed')).to_have_count(1)


def test_second_reader_names_cells_by_keys_and_a_signer_decides(
    open_page: Callable[..., Page], site: Site
) -> None:
    case = film(site)
    (open_cell,) = (cell for cell in cells_of(site.database, case) if not cell.cell_type)
    for cell in cells_of(site.database, case):
        say(site.database, case, cell.cell_type or "blast", cell.number)
    page = open_page(cookie=site.cookie(Role.TECHNOLOGIST))
    page.goto(f"{site.address}cases/{case.id}/second")
    page.get_by_role("button", name="Ask for a second reading").click()
    page.get_by_role("button", name="Read it as the second reader").click()
    expect(page.locator('[data-row="unidentified"] [data-count]')).to_have_text("1")
    expect(page.locator(".cell.here")).to_be_focused()
    for key in ("L", "Enter", "Enter", "Z", "Enter"):
        page.keyboard.press(key)
    # The sure one is folded away: nobody confirms what was not on the screen.
    page.locator('[data-row="neutrophil"] [data-unfold]').click()
    page.locator('[data-row="neutrophil"] [data-id]').click()
    page.keyboard.press("Enter")
    expect(page.locator("[data-storing]")).to_have_attribute("aria-busy", "false")
    expect(page.locator(".case .next")).to_have_text("Go on to finish")
    page.locator(".case .next").click()
    page.get_by_role("button", name="Finish the second reading").click()
    expect(page.get_by_role("heading", name="They differ on 1 cell")).to_be_visible()

    chief = open_page()
    chief.goto(f"{site.address}cases/{case.id}/second/agreement")
    chief.get_by_label(f"Cell {open_cell.number} is").select_option("Lymphocyte")
    chief.get_by_role("button", name=f"Decide cell {open_cell.number}").click()
    expect(chief.locator(f'[data-cell="{open_cell.number}"]')).to_contain_text("Decided")
    chief.goto(f"{site.address}cases/{case.id}/review")
    expect(chief.locator('[data-row="lymphocyte"] [data-count]')).to_have_text("1")


@pytest.fixture
def laboratory(site: Site) -> dict[str, Case]:
    """Make a case being amended, one being read a second time, and one that was."""
    database = site.database
    chief = add_person(database, Role.PATHOLOGIST)
    amended, blind, sent = (ready_case(database, f"26-{number}") for number in (1, 2, 3))
    sign(database, amended, chief)
    amend_case(database, amended.id, "one more look", by=hand_of(chief))
    say(database, amended, "band", 1, 2)
    send_back(database, sent.id, "look at cell 14 again", by=hand_of(chief))
    ask_second(database, blind.id, by=hand_of(chief))
    take_second(database, blind.id, by=hand_of(chief))
    ask_second(database, amended.id, by=hand_of(chief))
    other = hand_of(add_person(database, "omar"))
    take_second(database, amended.id, by=other)
    with database.transaction() as records:
        (reading,) = records.seconds.list(amended.id)
        for cell in records.cells.list(amended.id):
            label = "band" if cell.number % 30 == 0 else cell.label
            assert records.seconds.say(reading.id, cell.id, label, seen=0, now=other.now)
        records.seconds.finish(reading.id, now=other.now)
    return {"amended": amended, "blind": blind, "sent": sent}


@pytest.mark.parametrize(
    ("size", "theme"),
    [
        pytest.param((1440, 900), "light", id="desk"),
        pytest.param((390, 844), "dark", id="phone"),
    ],
)
def test_pages_hold_at_both_sizes(
    open_page: Callable[..., Page],
    site: Site,
    laboratory: dict[str, Case],
    size: Size,
    theme: str,
) -> None:
    amended, blind, sent = (laboratory[name].id for name in ("amended", "blind", "sent"))
    page = open_page(size=size, color_scheme=theme)
    for address in (
        f"cases/{amended}/sign",
        f"cases/{amended}/versions/1?with=now",
        f"cases/{amended}/second/agreement",
        f"cases/{amended}/differential",
        f"cases/{blind}/second",
        f"cases/{blind}/second/cells",
        f"cases/{sent}/review",
        f"cases/{sent}/second",
        "cases?state=back",
        "laboratory/signing",
        "account",
    ):
        page.goto(site.address + address)
        assert_no_violations(page)
        assert_fits(page)
