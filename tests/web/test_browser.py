"""The whole way in a real Chromium, against a real WSGI server."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from tests.conftest import EmptyReader, skip_or_fail
from tests.vision.evaluations import old_evaluation_document, write_evaluation
from tests.vision.model_folder import write_model_folder

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.errors import FileTooLargeError, ModelMissingError
from hematovision.services.accounts import open_first_door
from hematovision.services.hands import Hand
from hematovision.storage.database import open_database
from hematovision.vision.reader import load_reader

from .browsing import SIZES, THEMES, Size, assert_fits, assert_no_violations, serve
from .conftest import encode

pytestmark = pytest.mark.browser

PHOTO = np.random.default_rng(3).integers(0, 255, (96, 128, 3), dtype=np.uint8)


@pytest.fixture
def url(settings: Settings, reader: CellReader) -> Iterator[str]:
    with serve(settings, reader) as address:
        yield address


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, str]:
    """Write a good picture, a torn one and a TIFF, and give their paths."""
    jpeg = encode(PHOTO, "JPEG")
    contents = {
        "good.jpg": jpeg,
        "torn.jpg": jpeg[: len(jpeg) // 2],
        "good.tif": encode(PHOTO, "TIFF"),
        "empty.png": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: str(tmp_path / name) for name in contents}


def drop(page: Page, *paths: str) -> None:
    """Drop files and folders on the page, as a file manager does."""
    session = page.context.new_cdp_session(page)
    dragged = {"items": [], "files": list(paths), "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 700, "y": 700, "data": dragged})


def test_chosen_picture_is_read_and_opens_with_boxes_and_cards(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page()
    page.goto(url)
    expect(page.locator("[data-next]")).to_be_hidden()
    page.set_input_files("#pick", photos["good.jpg"])
    row = page.locator(".file")
    expect(row.locator(".say")).to_have_text("N1 neutrophil?1 unidentified")
    expect(row).to_contain_text("128 \N{MULTIPLICATION SIGN} 96 · read in")
    expect(page.locator("[data-summary]")).to_have_text("1 picture · 1 read")
    expect(page.locator("[data-next]")).to_have_text("Open picture 1, 1 unidentified Ctrl ↵")
    with page.expect_popup() as opened:
        row.get_by_role("button", name="Open picture 1", exact=True).click()
    result = opened.value
    expect(result.locator("article")).to_have_count(2)
    expect(result.locator(".found a")).to_have_count(2)
    expect(result.get_by_role("heading", level=1)).to_contain_text("2 white cells")
    expect(result.locator("article").nth(1)).to_contain_text("Monocyte or lymphocyte.")


def test_boxes_lie_on_their_cells(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page()
    page.goto(url)
    page.set_input_files("#pick", photos["good.jpg"])
    expect(page.locator("[data-next]")).to_contain_text("Open picture 1")
    with page.expect_popup() as opened:
        page.keyboard.press("Control+Enter")
    result = opened.value
    photo = result.locator(".frame img").bounding_box()
    box = result.locator(".found .edge").nth(1).bounding_box()
    assert photo
    assert box
    shown = min(photo["width"] / 128, photo["height"] / 96)
    middle = photo["x"] + photo["width"] / 2
    assert box["x"] == pytest.approx(middle, abs=4)
    assert box["width"] == pytest.approx(64 * shown, abs=4)
    assert box["height"] == pytest.approx(48 * shown, abs=4)


def test_dropped_pictures_are_read_and_the_bad_one_says_why_at_its_place(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page()
    page.goto(url)
    drop(page, photos["good.jpg"], photos["torn.jpg"], photos["good.tif"])
    expect(page.locator("[data-summary]")).to_have_text("3 pictures · 2 read, 1 needs you")
    first = page.locator(".file").first
    expect(first).to_contain_text("Picture 2")
    expect(first).to_have_class("file bad")
    expect(first).to_contain_text("Copy it again from the microscope.")
    expect(page.locator(".file .blank", has_text="TIFF")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        first.get_by_role("button", name="Replace picture 2").click()
    chooser.value.set_files(photos["good.jpg"])
    expect(page.locator("[data-summary]")).to_have_text("3 pictures · 3 read")
    page.get_by_role("button", name="Remove picture 1").click()
    expect(page.locator(".file")).to_have_count(2)
    page.get_by_role("button", name="Remove all").click()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()


def test_of_a_dropped_folder_only_pictures_are_read(
    open_page: Callable[..., Page], url: str, tmp_path: Path
) -> None:
    deep = tmp_path / "film" / "deep"
    deep.mkdir(parents=True)
    (deep / "a.tif").write_bytes(encode(PHOTO, "TIFF"))
    (deep.parent / "b.jpg").write_bytes(encode(PHOTO, "JPEG"))
    (deep.parent / "notes.txt").write_text("not a picture")
    page = open_page()
    page.goto(url)
    drop(page, str(deep.parent))
    expect(page.locator("[data-summary]")).to_have_text("2 pictures · 2 read")


def test_pasted_picture_is_read(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page()
    page.goto(url)
    page.evaluate(
        """(bytes) => {
          const file = new File([new Uint8Array(bytes)], "x.jpg", { type: "image/jpeg" });
          const clipboardData = new DataTransfer();
          clipboardData.items.add(file);
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
        }""",
        list(Path(photos["good.jpg"]).read_bytes()),
    )
    expect(page.locator("[data-summary]")).to_have_text("1 picture · 1 read")


def test_picture_under_way_can_be_cancelled_and_read_again(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page()
    page.goto(url)
    page.route("**/predict", lambda route: None)
    page.set_input_files("#pick", [photos["good.jpg"], photos["good.tif"]])
    page.get_by_role("button", name="Cancel picture 1").click()
    expect(page.locator(".file", has_text="Picture 1")).to_contain_text("It was not read.")
    page.get_by_role("button", name="Cancel picture 2").click()
    page.unroute("**/predict")
    page.get_by_role("button", name="Read again picture 1").click()
    expect(page.locator("[data-summary]")).to_have_text("2 pictures · 1 read, 1 cancelled")


def test_file_over_the_limit_is_refused_unsent(
    open_page: Callable[..., Page], url: str, photos: dict[str, str], tmp_path: Path
) -> None:
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(2**17 + 1))
    page = open_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.goto(url)
    page.set_input_files("#pick", large)
    row = page.locator(".file")
    expect(row).to_contain_text(FileTooLargeError.over(2**17).message)
    expect(row).to_contain_text(FileTooLargeError.advice)
    assert "POST" not in sent
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Replace picture 1").click()
    chooser.value.set_files(photos["good.jpg"])
    expect(page.locator("[data-summary]")).to_have_text("1 picture · 1 read")


def test_server_that_does_not_answer_is_said_at_the_picture(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page()
    page.goto(url)
    page.route("**/predict", lambda route: route.abort())
    page.set_input_files("#pick", photos["good.jpg"])
    expect(page.locator(".file")).to_contain_text("The server did not answer.")
    page.unroute("**/predict")
    page.get_by_role("button", name="Read again picture 1").click()
    expect(page.locator("[data-summary]")).to_have_text("1 picture · 1 read")


def test_photo_without_a_cell_is_said_in_words(
    open_page: Callable[..., Page], settings: Settings, photos: dict[str, str]
) -> None:
    with serve(settings, EmptyReader()) as url:
        page = open_page()
        page.goto(url)
        page.set_input_files("#pick", photos["good.jpg"])
        expect(page.locator(".file .say")).to_have_text("No white cell found")
        with page.expect_popup() as opened:
            page.get_by_role("button", name="Open picture 1", exact=True).click()
        expect(opened.value.locator("h2", has_text="No white cell found")).to_be_visible()
        assert_no_violations(opened.value)


def test_without_scripts_one_picture_is_read_by_the_form(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(url)
    page.set_input_files("#pick", photos["good.jpg"])
    page.get_by_role("button", name="Read").click()
    expect(page.locator("article")).to_have_count(2)
    expect(page.get_by_role("button")).to_have_text(["Sign out", "File"])
    page.locator("[data-why] summary").first.click()
    expect(page.locator("[data-why] img").first).to_be_visible()
    page.get_by_role("link", name="Read another photo").click()
    page.set_input_files("#pick", photos["torn.jpg"])
    page.get_by_role("button", name="Read").click()
    expect(page.get_by_role("alert")).to_contain_text("Copy it again from the microscope.")


def send_form(page: Page, path: str) -> None:
    """Send a picture by the plain form, past the script."""
    page.set_input_files("[data-open-form] input[type=file]", path)
    page.evaluate(
        "() => { const form = document.querySelector('[data-open-form]');"
        "form.target = '_self'; form.submit(); }"
    )
    page.wait_for_url("**/predict")


def test_key_b_switches_the_boxes(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page()
    page.goto(url)
    send_form(page, photos["good.jpg"])
    button = page.get_by_role("button", name="Boxes")
    boxes = page.locator(".found")
    for shown in (False, True):
        page.keyboard.press("b")
        expect(boxes).to_be_visible(visible=shown)
        expect(button).to_have_attribute("aria-pressed", str(shown).lower())
    page.locator(".found a").nth(1).click()
    expect(page.locator(".found a").nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="New reading")).to_be_visible()


def test_key_h_shows_and_hides_what_mattered(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page()
    page.goto(url)
    send_form(page, photos["good.jpg"])
    button = page.get_by_role("button", name="What mattered")
    crops = page.locator("article .seen > .pic")
    highlights = page.locator("[data-why] img")
    expect(highlights).to_have_count(2)
    for shown in (True, False):
        page.keyboard.press("h")
        expect(button).to_have_attribute("aria-pressed", str(shown).lower())
        for number in range(2):
            expect(highlights.nth(number)).to_be_visible(visible=shown)
    button.click()
    assert highlights.nth(0).bounding_box() == crops.nth(0).bounding_box()


def test_what_mattered_in_one_cell_opens_by_its_own_line(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page()
    page.goto(url)
    send_form(page, photos["good.jpg"])
    button = page.get_by_role("button", name="What mattered")
    highlights = page.locator("[data-why] img")
    for number, all_open in ((1, "false"), (0, "true")):
        page.locator("[data-why] summary").nth(number).focus()
        page.keyboard.press("Enter")
        expect(highlights.nth(number)).to_be_visible()
        expect(button).to_have_attribute("aria-pressed", all_open)
    assert_no_violations(page)


def test_theme_is_remembered_and_keys_are_listed(open_page: Callable[..., Page], url: str) -> None:
    page = open_page(color_scheme="light")
    page.goto(url)
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    page.goto(url + "no-such-page")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert_no_violations(page)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_accessible_and_fits(
    open_page: Callable[..., Page], url: str, photos: dict[str, str], size: Size, theme: str
) -> None:
    page = open_page(size=size, color_scheme=theme)
    page.goto(url)
    assert_no_violations(page)
    page.set_input_files("#pick", [photos["good.jpg"], photos["torn.jpg"], photos["good.tif"]])
    expect(page.locator("[data-summary]")).to_have_text("3 pictures · 2 read, 1 needs you")
    assert_no_violations(page)
    assert_fits(page)
    send_form(page, photos["good.jpg"])
    assert_no_violations(page)
    assert_fits(page)
    page.keyboard.press("h")
    expect(page.locator("[data-why] img").first).to_be_visible()
    assert_no_violations(page)
    assert_fits(page)
    page.goto(url)
    send_form(page, photos["torn.jpg"])
    assert_no_violations(page)
    assert_fits(page)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_page_of_the_model_is_accessible_and_fits(
    open_page: Callable[..., Page], url: str, settings: Settings, size: Size, theme: str
) -> None:
    folder = write_model_folder(settings.model_folder)
    write_evaluation(folder)
    page = open_page(size=size, color_scheme=theme)
    page.goto(url)
    page.get_by_role("link", name="Model", exact=True).click()
    expect(page.get_by_role("heading", name="How often is the name right?")).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert_no_violations(page)
    assert_fits(page)


def test_page_of_a_model_with_few_scores_or_none_is_accessible(
    open_page: Callable[..., Page], url: str, settings: Settings
) -> None:
    folder = write_model_folder(settings.model_folder)
    page = open_page()
    page.goto(url + "model")
    expect(page.get_by_text("This model has not been evaluated.")).to_be_visible()
    assert_no_violations(page)
    write_evaluation(folder, old_evaluation_document())
    page.reload()
    expect(page.get_by_text("A microscope it never saw", exact=True)).to_be_visible()
    assert_no_violations(page)
    assert_fits(page)


def test_page_without_a_model_says_so(
    open_page: Callable[..., Page], settings: Settings, photos: dict[str, str]
) -> None:
    with serve(settings, None) as url:
        page = open_page()
        page.goto(url)
        expect(page.get_by_role("alert")).to_contain_text("No model is loaded")
        assert_no_violations(page)
        page.set_input_files("#pick", photos["good.jpg"])
        expect(page.get_by_role("button", name="Read again picture 1")).to_be_visible()


@pytest.mark.real_data
def test_real_photo_is_read_by_the_shipped_model(
    open_page: Callable[..., Page], settings: Settings, data_folder: Path
) -> None:
    try:
        reader = load_reader(Settings().model_folder)
    except ModelMissingError as error:
        skip_or_fail(error.message)
    wide = dataclasses.replace(settings, max_file_bytes=2**24)
    with serve(wide, reader) as url:
        page = open_page()
        page.goto(url)
        page.set_input_files("#pick", data_folder / "bccd" / "photos" / "BloodImage_00010.jpg")
        expect(page.locator("[data-summary]")).to_have_text("1 picture · 1 read", timeout=30_000)
        with page.expect_popup() as opened:
            page.get_by_role("button", name="Open picture 1", exact=True).click()
        expect(opened.value.locator("article .seen > .pic")).to_have_count(2)


def first_link(settings: Settings, url: str) -> str:
    """Give the link that lets the first administrator in."""
    database = open_database("", settings.data_folder)
    token = open_first_door(database, by=Hand(None, "terminal", datetime.now(UTC)))
    database.close()
    return f"{url}link/{token}"


def test_first_administrator_comes_in_and_a_colleague_after_them(
    open_page: Callable[..., Page], url: str, settings: Settings, photos: dict[str, str]
) -> None:
    page = open_page(signed_in=False)
    page.goto(first_link(settings, url))
    page.get_by_role("button", name="Go in").click()
    page.wait_for_url(url)
    page.wait_for_load_state()
    page.set_input_files("#pick", photos["good.jpg"])
    expect(page.locator("[data-summary]")).to_have_text("1 picture · 1 read")

    page.get_by_role("link", name="administrator").click()
    page.get_by_label("New password").fill("plum orbit walnut canyon")
    page.get_by_role("button", name="Choose the password").click()
    expect(page.get_by_role("status")).to_contain_text("The password is changed.")

    page.get_by_role("link", name="Users").click()
    page.get_by_label("User name").fill("ines.marin")
    page.get_by_role("button", name="Add, and make a link").click()
    link = page.locator("code.secret").inner_text()

    colleague = open_page(signed_in=False)
    colleague.goto(link)
    colleague.get_by_label("New password").fill("password")
    colleague.get_by_role("button", name="Go in").click()
    expect(colleague.get_by_role("alert")).to_contain_text("would be guessed")
    colleague.get_by_label("New password").fill("willow comet basin thirty")
    colleague.keyboard.press("Enter")
    expect(colleague.get_by_role("heading", name="New reading")).to_be_visible()
    expect(colleague.get_by_role("link", name="Users")).to_have_count(0)
    colleague.get_by_role("button", name="Sign out").click()
    colleague.goto(url + "model")
    colleague.get_by_label("User name").fill("Ines.Marin")
    colleague.get_by_label("Password").fill("wrong")
    colleague.keyboard.press("Enter")
    expect(colleague.get_by_role("alert")).to_contain_text("4 tries are left")
    colleague.get_by_label("Password").fill("willow comet basin thirty")
    colleague.keyboard.press("Enter")
    expect(colleague).to_have_url(url + "model")

    page.reload()
    page.get_by_role("button", name="Shut out ines.marin").click()
    colleague.reload()
    expect(colleague.get_by_role("heading", name="Sign in")).to_be_visible()


def test_who_is_out_by_now_is_told_beside_the_picture(
    open_page: Callable[..., Page], url: str, photos: dict[str, str]
) -> None:
    page = open_page()
    page.goto(url)
    page.context.clear_cookies()
    page.set_input_files("#pick", photos["good.jpg"])
    expect(page.locator("[data-files]")).to_contain_text("Nobody is signed in.")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_pages_of_accounts_are_accessible_and_fit(
    open_page: Callable[..., Page], url: str, settings: Settings, size: Size, theme: str
) -> None:
    page = open_page(size=size, color_scheme=theme, signed_in=False)
    for address in (url, first_link(settings, url)):
        page.goto(address)
        assert_no_violations(page)
        assert_fits(page)
    page.get_by_role("button", name="Go in").click()
    page.goto(url + "account")
    page.get_by_role("button", name="Set up an authenticator").click()
    expect(page.get_by_alt_text("QR code of the secret below")).to_be_visible()
    page.get_by_label("What it is for").fill("night script")
    page.get_by_label("See cases and search them").check()
    page.get_by_label("How long it lasts").select_option("30 days")
    page.get_by_role("button", name="Make a token").click()
    expect(page).to_have_url(url + "account/tokens")
    expect(page.get_by_text("Have photos read · See cases and search them")).to_be_visible()
    expect(page.get_by_label("End the tokens of my programs too")).not_to_be_checked()
    assert_no_violations(page)
    assert_fits(page)
    page.goto(url + "users")
    expect(page.get_by_text("administrator: night script")).to_be_visible()
    page.get_by_label("User name").fill("a" * 64)
    page.get_by_role("button", name="Add, and make a link").click()
    expect(page.get_by_text("a" * 64).first).to_be_visible()
    assert_no_violations(page)
    assert_fits(page)
