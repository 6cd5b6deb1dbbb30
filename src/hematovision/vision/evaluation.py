"""How the model scored: `evaluation.json` of the model folder, read into values."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hematovision.cells import CellType, ModelIdentity
from hematovision.vision.bundle import Bundle, damaged_by
from hematovision.vision.scores import (
    Bin,
    Calibration,
    Covered,
    Curve,
    Described,
    Disturbance,
    Evaluation,
    HeatScore,
    Inside,
    Known,
    Leaky,
    Located,
    Point,
    SetScore,
    Share,
    Strangers,
)

EVALUATION_FILE = "evaluation.json"
TITLES = {
    "official_photos": ("Photos never seen", "Official test photos of BCCD, one answer a photo"),
    "official_photos_without_shared": (
        "The same, without shared fields",
        "Without the test photos that show a cell of a train photo",
    ),
    "official_test_images": (
        "Official test images",
        "Turned and stretched copies of those photos, each counted singly",
    ),
    "official_test_photos": ("Copies, by photo", "The same images, the mean over a photo's copies"),
    "folds": ("Five folds by photo", "All labelled photos of BCCD, copies and fields together"),
    "pbc_test": ("Second microscope, at home", "The test part of PBC, a set it was made from"),
    "jtsc": (
        "A microscope it never saw",
        "JTSC, another stain; design choices have seen its score",
    ),
}
"""A title and a note for documents that have none, as those of version 1.0."""


def find_evaluation(bundle: Bundle) -> Evaluation | None:
    """Read the scores that lie beside a model, if they are there and of this very model.

    Raises:
        ModelDamagedError: If they are there and cannot be understood.
    """
    path = bundle.folder / EVALUATION_FILE
    if not path.is_file():
        return None
    evaluation = read_evaluation(path)
    return evaluation if evaluation.model.sha256 == bundle.identity.sha256 else None


def read_evaluation(path: Path) -> Evaluation:
    """Read what `hematovision evaluate --output` wrote, of this version or of 1.0.

    Raises:
        ModelDamagedError: If it cannot be understood.
    """
    try:
        return as_evaluation(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged_by(path, error) from error


def as_evaluation(document: Mapping[str, Any]) -> Evaluation:
    """Turn the JSON document of an evaluation into values.

    Raises:
        KeyError: If something that every version has is missing; TypeError, ValueError and
            AttributeError where it is of another kind.
    """
    known, leaky = document.get("known"), document.get("leaky")
    heat = document.get("explanations")
    return Evaluation(
        model=ModelIdentity(**document["model"]),
        recipe_hash=document.get("recipe_hash"),
        sets={name: _set_score(name, score) for name, score in document["sets"].items()},
        locator={name: _located(score) for name, score in document["locator"].items()},
        known=_known(known) if known else None,
        leaky=_leaky(leaky) if leaky else None,
        robustness={
            name: Disturbance(one["unit"], tuple(_point(point) for point in one["points"]))
            for name, one in (document.get("robustness") or {}).items()
        },
        morphology={
            name: Described(
                one["cells"], one["accuracy"], one.get("balanced_accuracy"), one.get("majority")
            )
            for name, one in (document.get("morphology") or {}).items()
        },
        heat=_heat(heat) if heat else None,
    )


def _set_score(name: str, score: Mapping[str, Any]) -> SetScore:
    title, note = TITLES.get(name, (name, "A set that was added"))
    calibration, curve = score.get("calibration"), score.get("risk_coverage")
    return SetScore(
        title=score.get("title", title),
        note=score.get("note", note),
        pictures=int(score["pictures"]),
        right=int(score["right"]),
        accuracy=_share(score["accuracy"]),
        refusal_is_wrong=_find_share(score.get("refusal_is_wrong")),
        refused=_find_share(score.get("refused")),
        balanced_accuracy=_find_share(score.get("balanced_accuracy")),
        macro_f1=_find_share(score.get("macro_f1")),
        recall=_shares(score.get("recall")),
        precision=_shares(score.get("precision")),
        calibration=Calibration(**calibration) if calibration else None,
        reliability=tuple(Bin(**one) for one in score.get("reliability") or ()),
        curve=_curve(curve) if curve else None,
        prediction_sets={
            kind: Covered(one["cells"], _share(one["coverage"]), one.get("size_one"))
            for kind, one in (score.get("prediction_sets") or {}).items()
            if one and one["cells"]
        },
        confusion=_in_order(score.get("confusion") or {}),
    )


def _in_order(confusion: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Put types in the order of the pages, and what else was said after them."""
    order = {str(kind): place for place, kind in enumerate(CellType)}

    def placed(counts: Mapping[str, Any]) -> dict[str, Any]:
        return dict(sorted(counts.items(), key=lambda item: order.get(item[0], len(order))))

    return {truth: placed(named) for truth, named in placed(confusion).items()}


def _curve(curve: Mapping[str, Any]) -> Curve:
    operating = curve.get("operating")
    return Curve(
        coverage=tuple(float(one) for one in curve["coverage"]),
        risk=tuple(float(one) for one in curve["risk"]),
        operating=(float(operating["coverage"]), float(operating["risk"])) if operating else None,
    )


def _located(score: Mapping[str, Any]) -> Located:
    return Located(score["annotated"], score["located"], score["recall"], score["precision"])


def _known(known: Mapping[str, Any]) -> Known:
    return Known(
        other_types={kind: _strangers(one) for kind, one in known["other_types"].items()},
        not_blood={kind: _strangers(one) for kind, one in known["not_blood"].items()},
        leave_one_type_out=bool(known.get("leave_one_type_out")),
    )


def _heat(heat: Mapping[str, Any]) -> HeatScore:
    deletion = heat["deletion"]
    return HeatScore(
        cells=int(deletion["cells"]),
        blanked=float(deletion["blanked"]),
        lost=_some_shares(deletion["drop"]),
        inside={
            part: Inside(_share(one["heat"]), _share(one["area"]))
            for part, one in (heat.get("inside") or {}).items()
            if part != "cells"
        },
    )


def _some_shares(shares: Mapping[str, Any]) -> dict[str, Share]:
    return {name: _share(share) for name, share in shares.items()}


def _strangers(one: Mapping[str, Any]) -> Strangers:
    shown = one["cells"] if "cells" in one else one["pictures"]
    return Strangers(int(shown), _find_share(one.get("auroc")), one.get("named"))


def _leaky(leaky: Mapping[str, Any]) -> Leaky:
    return Leaky(
        _share(leaky["random_split"]), _share(leaky["photo_split"]), leaky.get("note") or ""
    )


def _point(point: Mapping[str, Any]) -> Point:
    return Point(
        amount=float(point["amount"]),
        accuracy=_share(point["accuracy"]),
        balanced=_find_share(point.get("balanced")),
        refused=_find_share(point.get("refused")),
    )


def _shares(shares: Mapping[str, Any] | None) -> dict[str, Share | None]:
    return {kind: _find_share(share) for kind, share in (shares or {}).items()}


def _find_share(share: Any) -> Share | None:
    return None if share is None else _share(share)


def _share(share: Any) -> Share:
    """Read `[value, low, high]`, or a number without limits."""
    return Share(*(float(one) for one in share)) if isinstance(share, list) else Share(float(share))
