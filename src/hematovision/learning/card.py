"""The model card (Mitchell et al., 2019), generated from what lies in the model folder."""

from pathlib import Path

from hematovision.cells import CellType
from hematovision.learning.targets import judge_all
from hematovision.learning.writing import fill
from hematovision.vision.bundle import Bundle
from hematovision.vision.evaluation import find_evaluation
from hematovision.vision.origins import BACKBONE, learnt_from

CARD_FILE = "card.md"


def card_of(bundle: Bundle) -> str:
    """Write the card of a model folder as Markdown, from `bundle.json` and `evaluation.json`.

    Raises:
        ModelDamagedError: If the evaluation cannot be understood.
    """
    evaluation = find_evaluation(bundle)
    return fill(
        "card.md",
        bundle=bundle,
        types=[kind for kind in CellType if kind in bundle.classes and kind is not CellType.OTHER],
        site=bundle.document.get("site"),
        origins=learnt_from(bundle.document),
        backbone=BACKBONE,
        recipe=bundle.document.get("recipe") or {},
        evaluation=evaluation,
        targets=judge_all(evaluation) if evaluation else (),
    )


def write_card(bundle: Bundle, path: Path | None = None) -> Path:
    """Write the card of a model folder, into the folder unless a path is given."""
    path = path or bundle.folder / CARD_FILE
    path.write_text(card_of(bundle), encoding="utf-8")
    return path
