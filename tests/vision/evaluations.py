"""Writes the evaluation of a model that was never measured: plausible numbers, drawn by chance."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hematovision.vision.bundle import read_bundle

FOUR = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
FIVE = (*FOUR, "basophil")
SETS = {
    "official_photos": (FOUR, (48, 13, 6, 4), 0.94),
    "official_photos_without_shared": (FOUR, (44, 12, 6, 4), 0.93),
    "official_test_images": (FOUR, (624, 623, 620, 620), 0.93),
    "official_test_photos": (FOUR, (48, 13, 6, 4), 0.95),
    "folds": (FOUR, (204, 86, 33, 21), 0.92),
    "pbc_test": (FIVE, (160, 160, 160, 160, 158), 0.985),
    "jtsc": (FOUR, (176, 22, 52, 48), 0.83),
    "elsewhere": (FOUR, (100, 20, 40, 20), 0.86),
}
DISTURBANCES = {
    "defocus": ("sigma, pixels", (0, 1, 2, 3, 4)),
    "noise": ("standard deviation, levels", (0, 5, 10, 20, 40)),
    "jpeg": ("quality", (95, 80, 60, 40, 20)),
    "brightness": ("factor", (0.5, 0.75, 1, 1.25, 1.5)),
    "white_balance": ("shift of red against blue", (-0.2, -0.1, 0, 0.1, 0.2)),
    "rotation": ("degrees", (0, 15, 45, 90, 180)),
    "scale": ("factor", (0.5, 0.75, 1, 1.5, 2)),
}
ATTRIBUTES = ("nucleus_shape", "granularity", "granule_colour", "cell_size")


def evaluation_document(sha256: str = "0" * 64, *, seed: int = 1) -> dict[str, Any]:
    """Give the document of an evaluation with every part."""
    chance = np.random.default_rng(seed)
    return {
        "model": {"name": "blood_cell", "version": "1.1.0", "sha256": sha256},
        "recipe_hash": "3f" * 32,
        "notice": "For research use only. Not for use in diagnostic procedures.",
        "sets": {
            name: {"title": f"Set {name}", "note": f"A note on {name}"}
            | _score(types, counts, right, chance)
            for name, (types, counts, right) in SETS.items()
        },
        "locator": {
            "bccd_test": _located(71, 71, 71),
            "txl_test": _located(126, 124, 123),
        },
        "known": {
            "other_types": {
                "immature_granulocyte": {"cells": 30, "auroc": [0.93, 0.89, 0.96], "named": 5},
                "erythroblast": {"cells": 30, "auroc": [0.97, 0.94, 0.99], "named": 1},
                "platelet": {"cells": 30, "auroc": [0.99, 0.98, 1.0], "named": 0},
            },
            "not_blood": {
                "noise": {"pictures": 40, "auroc": [1.0, 1.0, 1.0], "named": 0},
                "natural": {"pictures": 40, "auroc": [0.991, 0.98, 0.999], "named": 2},
                "all": {"pictures": 80, "auroc": [0.995, 0.99, 1.0], "named": 2},
            },
            "leave_one_type_out": True,
        },
        "leaky": {"random_split": 0.981, "photo_split": 0.632, "note": "The plain recipe."},
        "robustness": {
            name: {"unit": unit, "points": [_point(place) for place in _places(amounts)]}
            for name, (unit, amounts) in DISTURBANCES.items()
        },
        "explanations": {
            "deletion": {
                "cells": 200,
                "blanked": 0.1,
                "drop": {"hottest": [0.61, 0.56, 0.66], "middle": [0.65, 0.6, 0.7]},
            },
            "inside": {"cells": 298, "nucleus": {"heat": [0.47, 0.45, 0.48], "area": 0.14}},
        },
        "morphology": {
            name: {"cells": 798, "accuracy": 0.9, "balanced_accuracy": 0.82, "majority": 0.55}
            for name in ATTRIBUTES
        },
    }


def old_evaluation_document(sha256: str = "0" * 64) -> dict[str, Any]:
    """Give the document as version 1.0 wrote it."""
    document = evaluation_document(sha256)
    new = ("title", "note", "reliability", "risk_coverage", "prediction_sets", "types")
    sets = ("official_photos", "official_test_images", "pbc_test", "jtsc")
    return {
        "model": document["model"],
        "sets": {
            name: {key: value for key, value in document["sets"][name].items() if key not in new}
            for name in sets
        },
        "locator": document["locator"],
    }


def write_evaluation(folder: Path, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """Put an evaluation of a model folder's own model beside it."""
    document = document or evaluation_document()
    document["model"]["sha256"] = read_bundle(folder).identity.sha256
    (folder / "evaluation.json").write_text(json.dumps(document))
    return document


def _score(
    types: Sequence[str], counts: Sequence[int], right: float, chance: np.random.Generator
) -> dict[str, Any]:
    confusion = {
        truth: _row(types, place, number, right, chance)
        for place, (truth, number) in enumerate(zip(types, counts, strict=True))
    }
    total, hits = sum(counts), sum(confusion[kind][kind] for kind in types)
    recalls = {
        kind: confusion[kind][kind] / number for kind, number in zip(types, counts, strict=True)
    }
    confidence = np.sort(1 - 0.5 * chance.random(10) ** 3)
    coverage = np.linspace(0.02, 1, 50)
    return {
        "types": list(types),
        "pictures": total,
        "right": hits,
        "accuracy": _limits(hits / total, total),
        "refusal_is_wrong": _limits(0.96 * hits / total, total),
        "refused": _limits(0.05, total),
        "balanced_accuracy": _limits(float(np.mean(list(recalls.values()))), total),
        "macro_f1": _limits(float(np.mean(list(recalls.values()))), total),
        "recall": {kind: _limits(share, 40) for kind, share in recalls.items()},
        "precision": {kind: _limits(share, 40) for kind, share in recalls.items()}
        | {types[-1]: None},
        "calibration": {"error": 0.031, "perfect": 0.02, "perfect_95": 0.04},
        "reliability": [
            {
                "confidence": round(said, 4),
                "right": round(max(0.0, said - 0.04), 4),
                "cells": total // 10,
            }
            for said in confidence.tolist()
        ],
        "risk_coverage": {
            "coverage": coverage.round(4).tolist(),
            "risk": ((1 - hits / total) * coverage**3).round(4).tolist(),
            "operating": {"coverage": 0.9, "risk": round((1 - hits / total) * 0.9**3, 4)},
        },
        "prediction_sets": {
            kind: _covered(number)
            for kind, number in zip((*types, "all"), (*counts, total), strict=True)
        },
        "confusion": confusion,
        "wrong": [{"picture": "a.jpg", "truth": types[0], "named": types[1]}],
    }


def _row(
    types: Sequence[str], place: int, number: int, right: float, chance: np.random.Generator
) -> dict[str, int]:
    shares = np.full(len(types) + 1, (1 - right) / len(types))
    shares[place] = right
    return dict(
        zip((*types, "none found"), chance.multinomial(number, shares).tolist(), strict=True)
    )


def _covered(number: int) -> dict[str, Any]:
    covered = round(0.96 * number)
    return {
        "cells": number,
        "covered": covered,
        "coverage": _limits(covered / number, number),
        "size_one": 0.93,
    }


def _limits(share: float, number: int) -> list[float]:
    wide = 1.96 * (share * (1 - share) / number) ** 0.5
    return [round(one, 4) for one in (share, max(0.0, share - wide), min(1.0, share + wide))]


def _located(annotated: int, located: int, hits: int) -> dict[str, Any]:
    return {
        "annotated": annotated,
        "located": located,
        "recall": round(hits / annotated, 4),
        "precision": round(hits / located, 4),
        "missed": [],
        "extra": [],
    }


def _places(amounts: Sequence[float]) -> list[tuple[float, float]]:
    """Give each amount and how far it is from doing nothing."""
    return [(amount, step / len(amounts)) for step, amount in enumerate(amounts)]


def _point(place: tuple[float, float]) -> dict[str, float]:
    amount, harm = place
    accuracy = round(0.94 - 0.3 * harm**2, 4)
    return {
        "amount": amount,
        "accuracy": accuracy,
        "balanced": round(accuracy - 0.03, 4),
        "refused": round(0.05 + 0.4 * harm**2, 4),
    }
