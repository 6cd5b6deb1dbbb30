"""Scores of types whose cells neither network nor score had seen, kept beside the folds."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hematovision.learning.keeping import write_whole

LEFT_OUT_FILE = "left_out.json"


def keep_left_out(
    work: Path, recipe_hash: str, measure: Callable[[], Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Measure what networks without a type say of it, unless the folder has it of this recipe.

    Args:
        work: Of `hematovision folds`.
        recipe_hash: Of the recipe by which `measure` works.
        measure: Gives scores by type.
    """
    kept = read_left_out(work, recipe_hash)
    if not kept:
        kept = measure()
        document = {"recipe_hash": recipe_hash, "types": dict(kept)}
        write_whole(work / LEFT_OUT_FILE, json.dumps(document, indent=2) + "\n")
    return kept


def read_left_out(work: Path, recipe_hash: str | None) -> Mapping[str, Any]:
    """Read the scores by type; empty where there are none of this recipe."""
    written = work / LEFT_OUT_FILE
    document = json.loads(written.read_text(encoding="utf-8")) if written.is_file() else {}
    same = recipe_hash is not None and document.get("recipe_hash") == recipe_hash
    types: Mapping[str, Any] = document["types"] if same else {}
    return types
