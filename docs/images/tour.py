"""Walk the tour of docs/tour.md through `hematovision demo`, and take its pictures.

Run by `make pictures`; needs Chromium. A test walks it as well.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

FOLDER = Path(__file__).parent
SIZE = {"width": 1440, "height": 900}
QUALITY = 70
WAIT = 90_000
"""Milliseconds that a few photos may take on a busy machine."""
PERSON = re.compile(r"^  (\w+) +([a-z-]+)  \w+$", re.MULTILINE)
ADDRESS = re.compile(r"is at (http\S+)")
DROP = re.compile(r"Photos to drop into a case: (.+)")


Look = Callable[[Page, str], None]
"""Does something at each step."""


@dataclass(frozen=True, slots=True)
class Laboratory:
    """A demonstration that runs.

    Attributes:
        address: Of its pages.
        passwords: By name.
        drop: The folder of photos to drop.
    """

    address: str
    passwords: dict[str, str]
    drop: Path


@contextmanager
def demonstration(*arguments: str) -> Iterator[Laboratory]:
    """Run a demonstration, and end it."""
    command = [sys.executable, "-m", "hematovision", "demo", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    try:
        yield _introduced(process.stdout or ())
    finally:
        process.terminate()
        process.communicate()


def _introduced(lines: Iterable[str]) -> Laboratory:
    """Read what a demonstration prints, up to its address."""
    said = ""
    for line in lines:
        said += line
        address, drop = ADDRESS.search(line), DROP.search(said)
        if address and drop:
            return Laboratory(address[1], dict(PERSON.findall(said)), Path(drop[1]))
    raise ValueError("The demonstration ended before it was served.")


def enter(page: Page, laboratory: Laboratory, name: str) -> None:
    """Sign somebody in, and whoever was there out."""
    page.context.clear_cookies()
    page.goto(f"{laboratory.address}/sign-in")
    page.fill("[name=name]", name)
    page.fill("[name=password]", laboratory.passwords[name])
    page.click("button.next")
    page.wait_for_url("**/cases")


def open_case(page: Page, laboratory: Laboratory, accession: str, step: str = "") -> None:
    """Go to a case from the list of all, and to a step of it."""
    page.goto(f"{laboratory.address}/cases")
    page.get_by_role("link", name="All", exact=True).click()
    page.get_by_role("link", name=accession).first.click()
    if step:
        page.get_by_role("link", name=step).first.click()


def walk(page: Page, laboratory: Laboratory, look: Look) -> None:
    """Take the steps of the tour; look around at each."""
    enter(page, laboratory, "tom")
    page.goto(f"{laboratory.address}/cases/7")
    expect(page.get_by_text("13 photos, ")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text("Review ").first).to_be_visible(timeout=WAIT)
    review(page, laboratory, look)
    bring(page, laboratory, look)
    open_case(page, laboratory, "DEMO-1", "Differential")
    expect(page.locator("tr[data-part=eosinophil]")).to_contain_text("Above")
    expect(page.locator("tr[data-part=band]")).to_contain_text("among the neutrophils")
    look(page, "differential")
    enter(page, laboratory, "paula")
    sign(page, laboratory, look)
    compare(page, laboratory, look)
    hand_over(page, laboratory, look)
    page.get_by_role("link", name="Quality").click()
    expect(page.get_by_text("look unlike those")).to_be_visible()
    look(page, "quality")
    enter(page, laboratory, "ada")
    page.get_by_role("link", name="Audit").click()
    expect(page.locator("tbody").get_by_text("case.exported").first).to_be_visible()
    look(page, "audit")


def review(page: Page, laboratory: Laboratory, look: Look) -> None:
    """Name a cell by its key, and take it back."""
    page.goto(f"{laboratory.address}/cases")
    expect(page.get_by_role("link", name="DEMO-7")).to_be_visible()
    look(page, "cases")
    page.get_by_role("link", name="Review DEMO-2").click()
    expect(page.locator("[data-title]").first).not_to_be_empty()
    left = page.locator("[data-next]")
    number = int(left.inner_text().split()[0])
    look(page, "review")
    page.keyboard.press("a")
    expect(left).to_contain_text(f"{number - 1} unidentified")
    page.keyboard.press("z")
    expect(left).to_contain_text(f"{number} unidentified")


def bring(page: Page, laboratory: Laboratory, look: Look) -> None:
    """Put photos into the empty case."""
    open_case(page, laboratory, "DEMO-8")
    # The script is at work once its words are shown.
    expect(page.get_by_text("anywhere on this page")).to_be_visible()
    page.set_input_files("#pick", sorted(laboratory.drop.glob("*.jpg")))
    expect(page.get_by_text(re.compile(r"4 photos, \d+ cells"))).to_be_visible(timeout=WAIT)
    look(page, "drop")


def sign(page: Page, laboratory: Laboratory, look: Look) -> None:
    """Sign a case, with the password once more."""
    open_case(page, laboratory, "DEMO-1", "Differential")
    page.get_by_role("link", name="Sign", exact=False).and_(page.locator(".next")).click()
    look(page, "sign")
    page.fill("[name=password]", laboratory.passwords["paula"])
    page.get_by_role("button", name="Sign and lock").click()
    expect(page.get_by_role("heading", name="As it was signed")).to_be_visible()


def compare(page: Page, laboratory: Laboratory, look: Look) -> None:
    """Lay two versions, and two readers, beside each other."""
    open_case(page, laboratory, "DEMO-6", "Differential")
    page.get_by_role("link", name="Version 1").click()
    page.get_by_role("link", name="Version 2").click()
    expect(page.get_by_text("1 cell is called otherwise")).to_be_visible()
    look(page, "versions")
    open_case(page, laboratory, "DEMO-5", "Differential")
    page.get_by_role("link", name="Second reading").click()
    page.click("a.next")
    expect(page.get_by_role("heading", name="How far both readers agree")).to_be_visible()
    look(page, "agreement")


def hand_over(page: Page, laboratory: Laboratory, look: Look) -> None:
    """Take the report of a signed case along."""
    open_case(page, laboratory, "DEMO-4", "Differential")
    page.get_by_role("link", name="Report, tables and pictures").click()
    with page.expect_download() as report:
        page.get_by_role("link", name="Report as PDF").click()
    if not Path(report.value.path()).read_bytes().startswith(b"%PDF"):
        raise ValueError("The report is no PDF.")
    look(page, "report")


def take(page: Page, name: str) -> None:
    """Take a picture of what is on the screen."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=FOLDER / f"tour-{name}.jpg", type="jpeg", quality=QUALITY)


def main() -> None:
    """Take all pictures."""
    with demonstration() as laboratory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(viewport=SIZE, color_scheme="light", locale="en")
        walk(context.new_page(), laboratory, take)
        browser.close()


if __name__ == "__main__":
    main()
