"""The report of an evaluation: one HTML file with every number and its plot."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from hematovision.learning import plots
from hematovision.learning.targets import NOMINAL, judge_all
from hematovision.learning.writing import fill
from hematovision.vision.evaluation import as_evaluation
from hematovision.vision.scores import Evaluation, SetScore


def write_report(document: Mapping[str, Any], path: Path) -> Path:
    """Write an evaluation as one self-contained page, without scripts and outside parts.

    Args:
        document: What `evaluate` gives, of this version or of 1.0.
        path: The HTML file to write.

    Returns:
        The same path.
    """
    path.write_text(report_of(document), encoding="utf-8")
    return path


def report_of(document: Mapping[str, Any]) -> str:
    """Give the page of an evaluation; see `write_report`."""
    evaluation = as_evaluation(document)
    drawn = {
        name: Markup(plots.svg_of(figure, name))  # noqa: S704 - Matplotlib escapes its text
        for name, figure in figures(evaluation)
    }
    return fill(
        "report.html",
        evaluation=evaluation,
        explanations=document.get("explanations") or {},
        targets=judge_all(evaluation),
        nominal=NOMINAL,
        plots=drawn,
    )


def figures(evaluation: Evaluation) -> Iterator[tuple[str, Figure]]:
    """Draw what an evaluation holds; the plots of a set are named `confusion jtsc` and so on."""
    scores = evaluation.sets
    if scores:
        leaky = evaluation.leaky.random_split if evaluation.leaky else None
        yield "accuracies", plots.plot_accuracies(scores.values(), leaky)
    for name, score in scores.items():
        yield from _figures_of_set(name, score)
    if any(score.curve for score in scores.values()):
        yield "risks", plots.plot_risks(scores.values())
    if evaluation.known:
        kinds = {**evaluation.known.other_types, **evaluation.known.not_blood}
        yield "strangers", plots.plot_strangers(kinds)
    if evaluation.robustness:
        yield "robustness", plots.plot_robustness(evaluation.robustness)


def _figures_of_set(name: str, score: SetScore) -> Iterator[tuple[str, Figure]]:
    if score.confusion:
        yield f"confusion {name}", plots.plot_confusion(score)
    if score.reliability:
        yield f"reliability {name}", plots.plot_reliability(score.reliability, score.calibration)
    if score.prediction_sets:
        yield f"coverage {name}", plots.plot_coverage(score.prediction_sets, NOMINAL)
