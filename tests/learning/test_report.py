import re
from pathlib import Path
from typing import Any

import pytest
from tests.vision.evaluations import evaluation_document, old_evaluation_document

from hematovision.cells import NOTICE
from hematovision.learning.report import report_of, write_report
from hematovision.learning.targets import TARGETS


def few_sets(document: dict[str, Any]) -> dict[str, Any]:
    """Keep what is enough for every plot, for drawing takes its time."""
    names = ("official_photos", "pbc_test")
    few = {"sets": {name: document["sets"][name] for name in names}}
    if document.get("robustness"):
        few["robustness"] = {name: document["robustness"][name] for name in ("noise", "scale")}
    return document | few


@pytest.fixture(scope="module")
def page() -> str:
    return report_of(few_sets(evaluation_document()))


def test_every_number_stands_beside_its_plot(page: str) -> None:
    score = evaluation_document()["sets"]["pbc_test"]
    for words in (
        score["note"],
        f"{100 * score['accuracy'][0]:.1f} %",
        f"{100 * score['reliability'][0]['confidence']:.1f} %",
        "34.9 points are an illusion.",
        "Immature granulocyte",
        "standard deviation, levels",
        "Txl test",
        "Granule colour",
    ):
        assert words in page
    # Accuracies, risks, strangers, robustness, and three of each set.
    assert page.count("<svg") == 4 + 3 * 2


def test_every_target_has_its_row(page: str) -> None:
    for target in TARGETS:
        assert target.asked in page
    assert "floor met, aim not" in page
    assert "not measured here" in page


def test_page_needs_nothing_from_outside(page: str) -> None:
    assert "<script" not in page
    assert "<link" not in page
    assert not re.findall(r"(?:src|href)=\"(?!#|data:image/png;)", page)
    assert not re.findall(r"url\((?!#)", page)
    assert "@import" not in page


def test_notice_stands_at_top_and_bottom(page: str) -> None:
    before, _, after = page.partition("<h1>")
    assert NOTICE in before
    assert after.rstrip().endswith(f"{NOTICE}</p>\n</main></body>\n</html>")


def test_parts_of_two_plots_have_ids_of_their_own(page: str) -> None:
    clips = re.findall(r'<clipPath id="([^"]+)"', page)
    assert clips
    assert len(clips) == len(set(clips))


def test_text_of_the_evaluation_is_escaped() -> None:
    document = few_sets(evaluation_document())
    document["sets"]["pbc_test"]["title"] = "<script>alert(1)</script>"
    assert "<script" not in report_of(document)


def test_report_of_version_1_shows_what_is_there(tmp_path: Path) -> None:
    document = few_sets(old_evaluation_document())
    page = write_report(document, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Photos never seen" in page
    assert "illusion" not in page
    assert "What do bad pictures do?" not in page


def test_tests_of_explanations_are_listed() -> None:
    nothing = {"sets": {}, "locator": {}, "known": None, "robustness": None, "leaky": None}
    page = report_of(evaluation_document() | nothing)
    assert "Blanked 0.1" in page
    assert "Nucleus" in page
