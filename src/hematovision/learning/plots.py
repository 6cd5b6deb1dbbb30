"""Pictures of how training went, and of how the model scored."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.vision.scores import (
    Bin,
    Calibration,
    Covered,
    Disturbance,
    SetScore,
    Share,
    Strangers,
    plain_words,
)

STAGES = {
    "locator": "Locator",
    "head": "Trunk, heads alone",
    "trunk": "Trunk, all of it",
    "fine": "Classifier",
}
HISTORIES = (
    "loss",
    "heat_loss",
    "boxes_loss",
    "predictions_loss",
    "morphology_loss",
    "accuracy",
    "predictions_accuracy",
)
"""What is drawn of a history; networks with two outputs log each by its name."""

INK, FAINT, LINE, BAND = "#171717", "#616161", "#dadada", "#d3d3d3"
SIGNS = {
    str(CellType.NEUTROPHIL): ("#083278", "o"),
    str(CellType.EOSINOPHIL): ("#cb3a0a", "D"),
    str(CellType.LYMPHOCYTE): ("#0f805b", "s"),
    str(CellType.MONOCYTE): ("#4d3407", "h"),
    str(CellType.BASOPHIL): ("#bd2fc4", "p"),
}
"""Colour and shape of each type, as on the pages; anything else is a black dot."""
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": FAINT,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "font.family": "sans-serif",
}
DRAWS = 2000


def svg_of(figure: Figure, name: str) -> str:
    """Write a figure as an SVG element for a page, the same at every run.

    Args:
        figure: Drawn with `drawing`.
        name: Sets the ids of its parts apart from those of the page's other figures.
    """
    buffer = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def plot_accuracies(scores: Iterable[SetScore], leaky: Share | None = None) -> Figure:
    """Draw the share right of every set with its limits; the leaky number hollow, at the bottom."""
    rows = [(score.title, score.accuracy, True) for score in scores]
    rows += [("Leaky split, not a score", leaky, False)] if leaky else []
    axes = _rows([title for title, _, _ in rows])
    for place, (_, share, honest) in enumerate(rows):
        _whisker(axes, share, place, INK, "o", filled=honest)
    axes.set_xlabel("best name right, 95 % limits")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    return _figure_of(axes)


def plot_confusion(score: SetScore) -> Figure:
    """Draw what is taken for what: grey by the share of the true type, counts as numbers."""
    truths = list(score.confusion)
    names = list(next(iter(score.confusion.values())))
    counts = np.asarray([[score.confusion[one][name] for name in names] for one in truths])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(1.6 + 0.75 * len(names), 1.2 + 0.5 * len(truths)), layout="constrained"
        )
        axes = figure.add_subplot(xlabel="named", ylabel="truth")
        axes.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(
            range(len(names)), [plain_words(name) for name in names], rotation=30, ha="right"
        )
        axes.set_yticks(range(len(truths)), [*map(plain_words, truths)])
        axes.grid(visible=False)
        for row, column in np.ndindex(*counts.shape):
            colour = "white" if shares[row, column] > 0.5 else INK
            axes.text(
                column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour
            )
    return figure


def plot_reliability(bins: Sequence[Bin], calibration: Calibration | None = None) -> Figure:
    """Draw stated probability against share right, over the band of a perfectly calibrated model.

    Args:
        bins: From the least sure to the surest.
        calibration: Goes into the title.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.4), layout="constrained")
        counts = sorted({one.cells for one in bins})
        a_dot = " to ".join(f"{number:,}" for number in (counts[:1] + counts[1:][-1:]))
        axes = figure.add_subplot(
            xlabel=f"stated by the system; {a_dot} cells a dot", ylabel="right", aspect="equal"
        )
        stated = np.asarray([one.confidence for one in bins])
        low, high = perfect_band(stated, np.asarray([one.cells for one in bins]))
        axes.fill_between(stated, low, high, color=BAND, linewidth=0, label="perfect, 95 %")
        axes.axline((0, 0), slope=1, color=FAINT, linestyle=(0, (4, 4)), linewidth=1)
        axes.plot(stated, [one.right for one in bins], color=INK, marker="o", label="this model")
        lowest = min([*low, *stated, *(one.right for one in bins)])
        lowest = np.floor(10 * max(lowest - 0.02, 0)) / 10
        axes.set(xlim=(lowest, 1.01), ylim=(lowest, 1.01))
        axes.legend(loc="upper left")
        if calibration:
            title = f"error {calibration.error:.3f}"
            if calibration.perfect is not None and calibration.perfect_95 is not None:
                title += (
                    f"; perfect {calibration.perfect:.3f}, at most {calibration.perfect_95:.3f}"
                )
            axes.set_title(title, fontsize=9, loc="left")
        _percent(axes)
    return figure


def perfect_band(
    stated: NDArray[np.float64], cells: NDArray[np.int64], *, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw by chance between which shares 95 of 100 perfectly calibrated models lie, a bin.

    Args:
        stated: Mean probability of each bin, shape (B,).
        cells: How many each bin holds, shape (B,).
        seed: Of the draws.

    Returns:
        Lower and upper shares, each of shape (B,).
    """
    number = np.maximum(cells, 1)
    drawn = np.random.default_rng(seed).binomial(number, np.clip(stated, 0, 1), (DRAWS, len(cells)))
    low, high = np.percentile(drawn / number, [2.5, 97.5], axis=0)
    return low, high


def plot_risks(scores: Iterable[SetScore]) -> Figure:
    """Draw the share wrong among the cells named, surest first, with the point of operation."""
    styles = ("-", "--", "-.", ":", (0, (1, 2)), (0, (6, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 4)))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4), layout="constrained")
        axes = figure.add_subplot(xlabel="named, surest first", ylabel="wrong among them")
        curves = [(score.title, score.curve) for score in scores if score.curve]
        for place, (title, curve) in enumerate(curves):
            shade = str(0.65 * place / max(len(curves) - 1, 1))
            axes.plot(
                curve.coverage,
                curve.risk,
                color=shade,
                linewidth=1.5,
                linestyle=styles[place % len(styles)],
                label=title,
            )
            if curve.operating:
                axes.plot(*curve.operating, marker="o", color=shade, markeredgecolor="white")
        axes.set(xlim=(0, 1.01), ylim=(0, None))
        axes.legend(loc="upper left", fontsize=8)
        _percent(axes)
    return figure


def plot_coverage(sets: Mapping[str, Covered], nominal: float) -> Figure:
    """Draw how often prediction sets hold the true type, with exact limits, by type."""
    axes = _rows([f"{plain_words(kind)}, {one.cells:,}" for kind, one in sets.items()])
    axes.axvline(nominal, color=FAINT, linestyle=(0, (4, 4)), linewidth=1)
    for place, (kind, one) in enumerate(sets.items()):
        colour, marker = SIGNS.get(kind, (INK, "o"))
        _whisker(axes, one.coverage, place, colour, marker)
    axes.set_xlabel(f"true type held, exact 95 % limits; dashed: {100 * nominal:.0f} % promised")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    return _figure_of(axes)


def plot_strangers(kinds: Mapping[str, Strangers]) -> Figure:
    """Draw how well known-or-not tells each kind of thing from the cells it knows."""
    shown = {kind: one for kind, one in kinds.items() if one.auroc}
    axes = _rows([f"{plain_words(kind)}, {one.shown:,}" for kind, one in shown.items()])
    for place, one in enumerate(shown.values()):
        if one.auroc:
            _whisker(axes, one.auroc, place, INK, "o")
    axes.set_xlabel("told apart from cells that it knows, AUROC, 95 % limits")
    return _figure_of(axes)


def plot_robustness(disturbances: Mapping[str, Disturbance]) -> Figure:
    """Draw the shares right and refused against the amount of every disturbance."""
    columns = 4
    rows = -(-len(disturbances) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 0.4 + 2.1 * rows), layout="constrained")
        for number, (name, one) in enumerate(disturbances.items(), start=1):
            axes = figure.add_subplot(rows, columns, number, ylim=(0, 1.02), xlabel=one.unit)
            axes.set_title(plain_words(name), fontsize=9, loc="left")
            _lines(axes, one)
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        if figure.axes:
            figure.legend(
                *figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=3
            )
    return figure


def _lines(axes: Axes, disturbance: Disturbance) -> None:
    """Draw the three shares of one disturbance."""
    amounts = [point.amount for point in disturbance.points]
    looks = (
        ("accuracy", "right", "-", INK),
        ("balanced", "balanced", "--", INK),
        ("refused", "refused", ":", FAINT),
    )
    for field, label, style, colour in looks:
        shares = [getattr(point, field) for point in disturbance.points]
        values = [np.nan if share is None else share.value for share in shares]
        if not np.isnan(values).all():
            axes.plot(amounts, values, style, color=colour, marker=".", markersize=4, label=label)


def _rows(labels: Sequence[str]) -> Axes:
    """Make a figure with a row a label, from the top."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 0.8 + 0.32 * len(labels)), layout="constrained")
        axes = figure.add_subplot()
        axes.set_yticks(range(len(labels)), labels)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="y", labelcolor=INK, length=0)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
    return axes


def _figure_of(axes: Axes) -> Figure:
    figure = axes.get_figure()
    if not isinstance(figure, Figure):
        raise TypeError("the axes have lost their figure")
    return figure


def _whisker(
    axes: Axes, share: Share, place: int, colour: str, marker: str, *, filled: bool = True
) -> None:
    """Draw a share and its limits in a row."""
    if share.low is not None and share.high is not None:
        axes.plot([share.low, share.high], [place, place], color=INK, linewidth=1.5, marker="|")
    face = colour if filled else "white"
    axes.plot(share.value, place, marker=marker, color=colour, markerfacecolor=face, markersize=7)


def _percent(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))


def plot_history(work: Path) -> Path:
    """Draw the histories of a work folder as `draw_history` does.

    Returns:
        The picture, `history.png` in the work folder.
    """
    path = work / "history.png"
    draw_history(work).savefig(path, dpi=120)
    return path


def draw_history(work: Path) -> Figure:
    """Draw losses and accuracy of every stage that a work folder has a history of.

    Args:
        work: Holds `<stage>.csv` of the `STAGES`, or of some of them.

    Returns:
        A panel a stage; a figure without panels where there is no history.
    """
    histories = {name: _read(work / f"{name}.csv") for name in STAGES}
    told = {name: columns for name, columns in histories.items() if columns}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * max(len(told), 1), 3.2), layout="constrained")
        for number, (name, columns) in enumerate(told.items(), start=1):
            axes = figure.add_subplot(1, len(told), number, xlabel="epoch of 100 steps")
            axes.set_title(STAGES[name], fontsize=9, loc="left")
            _curves(axes, columns)
    return figure


def _curves(axes: Axes, columns: Mapping[str, Sequence[float]]) -> None:
    """Draw what one stage logged, an epoch a point."""
    for column, values in columns.items():
        style = "--" if column.endswith("accuracy") else "-"
        label = column.replace("_", " ")
        axes.plot(range(1, len(values) + 1), values, style, marker=".", markersize=4, label=label)
    axes.set(xlim=(0.5, 0.5 + max(map(len, columns.values()))), ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend(fontsize=8)


def _read(history: Path) -> dict[str, list[float]]:
    """Read what a stage logged an epoch: losses, and the share that was right."""
    if not history.is_file():
        return {}
    with history.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {key: [float(row[key]) for row in rows] for key in HISTORIES if rows and key in rows[0]}
