from pathlib import Path

from hematovision.learning.left_out import keep_left_out, read_left_out

SCORES = {"platelet": {"cells": 70, "auroc": [0.99, 0.98, 1.0], "named": 1}}


def test_scores_are_measured_once_a_recipe(tmp_path: Path) -> None:
    asked = []

    def measure() -> dict[str, object]:
        asked.append(1)
        return SCORES

    for _ in range(2):
        assert keep_left_out(tmp_path, "one", measure) == SCORES
    assert len(asked) == 1
    keep_left_out(tmp_path, "two", measure)
    assert len(asked) == 2


def test_scores_of_another_recipe_are_none(tmp_path: Path) -> None:
    assert read_left_out(tmp_path, "one") == {}
    keep_left_out(tmp_path, "one", lambda: SCORES)
    assert read_left_out(tmp_path, "one") == SCORES
    assert read_left_out(tmp_path, "two") == read_left_out(tmp_path, None) == {}
