import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hematovision.config import PACKAGED_MODEL
from hematovision.errors import ModelDamagedError
from hematovision.vision.bundle import read_bundle
from hematovision.vision.evaluation import (
    TITLES,
    as_evaluation,
    find_evaluation,
    read_evaluation,
)
from hematovision.vision.scores import Share

from .evaluations import evaluation_document, old_evaluation_document, write_evaluation
from .model_folder import bundle_document, write_model_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model_folder(tmp_path / "model")


def test_every_part_is_read(folder: Path) -> None:
    document = write_evaluation(folder)
    evaluation = find_evaluation(read_bundle(folder))
    assert evaluation
    assert list(evaluation.sets) == list(document["sets"])
    photos = evaluation.sets["official_photos"]
    assert photos.title == "Set official_photos"
    assert photos.accuracy == Share(*document["sets"]["official_photos"]["accuracy"])
    assert photos.precision["monocyte"] is None
    assert len(photos.reliability) == 10
    assert photos.curve
    assert photos.curve.operating
    assert photos.curve.operating[0] == 0.9
    assert photos.prediction_sets["all"].size_one == 0.93
    assert evaluation.known
    assert evaluation.known.not_blood["noise"].shown == 40
    assert evaluation.leaky
    assert evaluation.leaky.random_split == Share(0.981)
    assert evaluation.robustness["jpeg"].points[0].amount == 95
    assert evaluation.morphology["granularity"].majority == 0.55


def test_types_stand_in_the_order_of_the_pages_and_none_found_last(folder: Path) -> None:
    document = evaluation_document()
    score = document["sets"]["official_photos"]
    score["confusion"] = {
        truth: dict(reversed(row.items())) for truth, row in reversed(score["confusion"].items())
    }
    confusion = as_evaluation(document).sets["official_photos"].confusion
    assert list(confusion) == ["neutrophil", "eosinophil", "lymphocyte", "monocyte"]
    assert list(confusion["monocyte"]) == [*confusion, "none found"]


def test_document_of_version_1_is_read_with_titles_of_our_own() -> None:
    evaluation = as_evaluation(old_evaluation_document())
    assert evaluation.sets["jtsc"].title == TITLES["jtsc"][0]
    assert evaluation.sets["jtsc"].reliability == ()
    assert evaluation.known is evaluation.leaky is evaluation.recipe_hash is None
    assert evaluation.robustness == evaluation.morphology == {}


@pytest.mark.parametrize("part", ["known", "leaky", "robustness", "explanations", "morphology"])
def test_part_that_was_not_measured_may_be_null(part: str) -> None:
    assert not getattr(as_evaluation(evaluation_document() | {part: None}), part, None)


def test_types_without_a_cell_have_no_coverage() -> None:
    document = evaluation_document()
    document["sets"]["jtsc"]["prediction_sets"]["basophil"] = {"cells": 0, "coverage": None}
    assert "basophil" not in as_evaluation(document).sets["jtsc"].prediction_sets


def test_missing_evaluation_is_none(folder: Path) -> None:
    assert find_evaluation(read_bundle(folder)) is None


def test_scores_of_another_model_are_not_this_models(folder: Path) -> None:
    write_evaluation(folder)
    write_model_folder(folder, bundle_document() | {"version": "2.0.0"})
    assert find_evaluation(read_bundle(folder)) is None


def without_sets(document: dict[str, Any]) -> None:
    del document["sets"]


def with_words(document: dict[str, Any]) -> None:
    document["sets"]["jtsc"]["accuracy"] = "good"


def with_a_list(document: dict[str, Any]) -> None:
    document["sets"] = ["jtsc"]


@pytest.mark.parametrize("spoil", [without_sets, with_words, with_a_list])
def test_damaged_evaluation_is_refused(
    folder: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    document = evaluation_document()
    spoil(document)
    (folder / "evaluation.json").write_text(json.dumps(document))
    with pytest.raises(ModelDamagedError, match=r"evaluation\.json"):
        find_evaluation(read_bundle(folder))


def test_shipped_evaluation_is_read() -> None:
    evaluation = read_evaluation(PACKAGED_MODEL / "evaluation.json")
    assert evaluation.sets["official_photos"].pictures == 71
