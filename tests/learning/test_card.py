from pathlib import Path

import pytest
from tests.vision.evaluations import evaluation_document, old_evaluation_document, write_evaluation
from tests.vision.model_folder import bundle_document, write_model_folder

from hematovision.cells import NOTICE
from hematovision.learning.card import card_of, write_card
from hematovision.vision.bundle import read_bundle

SECTIONS = (
    "Details",
    "Intended use",
    "Not intended",
    "Training data",
    "Metrics",
    "Calibration",
    "Known or not",
    "Heat maps",
    "Limits",
    "How to make it again",
    "How to print the numbers",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cells = {"train": {"pbc basophil": 400}, "val": {"pbc basophil": 79}}
    document = {"data": {"cells": cells}, "recipe": {"seed": 7}, "recipe_hash": "ab" * 32}
    return write_model_folder(tmp_path / "model", bundle_document() | document)


def test_card_has_its_sections_and_every_score(folder: Path) -> None:
    document = write_evaluation(folder)
    card = card_of(read_bundle(folder))
    assert [line[3:] for line in card.splitlines() if line.startswith("## ")] == list(SECTIONS)
    assert card.count(NOTICE) == 2
    for score in document["sets"].values():
        value, low, high = (f"{100 * share:.1f}" for share in score["accuracy"])
        assert f"| {score['title']} | {score['pictures']:,} | {score['right']:,} | " in card
        assert f"{value} % ({low} to {high})" in card
    for words in (
        "basophil 400 | 400 | 79 | CC BY 4.0 |",
        "--seed 7",
        "ab" * 32,
        "| a disc in the middle | 0.65 (0.60 to 0.70) |",
        "Inside the drawn nucleus lies 47.0 % of the heat, on 14.0 % of the area",
        "claims 98.1 %",
        "| Immature granulocyte | 30 | 5 | 0.930 (0.890 to 0.960) |",
        "| Official test photos, 71 | right, end to end | 66 | 70 |",
    ):
        assert words in card


def test_rows_of_a_table_are_not_torn(folder: Path) -> None:
    write_evaluation(folder)
    lines = card_of(read_bundle(folder)).splitlines()
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if line.startswith("|"):
            begins = before == "" and after.startswith("|---")
            assert begins or before.count("|") == line.count("|"), line


def test_card_of_version_1_says_what_was_not_measured(folder: Path) -> None:
    write_evaluation(folder, old_evaluation_document())
    card = card_of(read_bundle(folder))
    assert "## Known or not\n\nNot measured." in card
    assert (
        "| Grouped 5 folds | balanced accuracy | 90.0 % | 95.0 % | \N{EN DASH} | not measured |"
        in card
    )


def test_card_of_another_models_scores_has_none(folder: Path) -> None:
    write_evaluation(folder, evaluation_document())
    (folder / "bundle.json").write_text((folder / "bundle.json").read_text() + " ")
    card = card_of(read_bundle(folder))
    assert "**This model has not been evaluated.**" in card
    assert "%" not in card.partition("## Metrics")[2].partition("## Limits")[0]


def test_card_goes_into_the_model_folder(folder: Path) -> None:
    path = write_card(read_bundle(folder))
    assert path == folder / "card.md"
    assert path.read_text() == card_of(read_bundle(folder))
