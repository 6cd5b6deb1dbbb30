import numpy as np
import pytest
from tests.vision.evaluations import evaluation_document

from hematovision.learning.plots import (
    perfect_band,
    plot_accuracies,
    plot_confusion,
    plot_coverage,
    plot_reliability,
    plot_risks,
    plot_robustness,
    svg_of,
)
from hematovision.vision.evaluation import as_evaluation
from hematovision.vision.scores import Bin, Evaluation, SetScore


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return as_evaluation(evaluation_document())


@pytest.fixture(scope="module")
def score(evaluation: Evaluation) -> SetScore:
    return evaluation.sets["pbc_test"]


def test_perfect_band_narrows_with_cells_and_holds_what_was_stated() -> None:
    stated = np.asarray([0.7, 0.7, 1.0])
    low, high = perfect_band(stated, np.asarray([10, 1000, 50]))
    assert (low <= stated).all()
    assert (stated <= high).all()
    assert high[1] - low[1] < 0.1 < high[0] - low[0]
    assert low[2] == high[2] == 1


def test_confusion_shows_every_count(score: SetScore) -> None:
    (axes,) = plot_confusion(score).axes
    shown = [text.get_text() for text in axes.texts]
    assert shown == [str(n) for row in score.confusion.values() for n in row.values()]


def test_reliability_shows_every_bin_and_how_many_cells_it_holds(score: SetScore) -> None:
    (axes,) = plot_reliability(score.reliability, score.calibration).axes
    assert list(axes.lines[-1].get_xdata()) == [one.confidence for one in score.reliability]
    assert axes.get_xlabel().endswith("79 cells a dot")
    (axes,) = plot_reliability([Bin(0.5, 0.5, 7), Bin(0.9, 1.0, 8)]).axes
    assert axes.get_xlabel().endswith("7 to 8 cells a dot")
    assert axes.get_ylim()[0] < 0.5


def test_types_are_told_apart_by_shape_as_well_as_colour(score: SetScore) -> None:
    (axes,) = plot_coverage(score.prediction_sets, 0.95).axes
    marks = {line.get_marker() for line in axes.lines if line.get_marker() not in ("|", "None")}
    assert marks == {"o", "D", "s", "h", "p"}


def test_leaky_number_is_hollow_and_last(evaluation: Evaluation) -> None:
    assert evaluation.leaky
    (axes,) = plot_accuracies(evaluation.sets.values(), evaluation.leaky.random_split).axes
    assert axes.get_yticklabels()[-1].get_text() == "Leaky split, not a score"
    assert axes.lines[-1].get_markerfacecolor() == "white"


def test_curves_are_told_apart_without_colour(evaluation: Evaluation) -> None:
    (axes,) = plot_risks(evaluation.sets.values()).axes
    lines = [line for line in axes.lines if not line.get_label().startswith("_")]
    assert len(lines) == len(evaluation.sets)
    assert len({str(line._dash_pattern) for line in lines}) == len(lines)


def test_every_disturbance_has_its_axes(evaluation: Evaluation) -> None:
    figure = plot_robustness(evaluation.robustness)
    assert [axes.get_title(loc="left") for axes in figure.axes][:3] == ["Defocus", "Noise", "Jpeg"]
    assert len(figure.axes) == len(evaluation.robustness)


def test_svg_is_the_same_at_every_run(score: SetScore) -> None:
    first, second = (svg_of(plot_confusion(score), "one") for _ in range(2))
    assert first == second
    assert first.startswith("<svg")
