"""Pictures of how training went."""

import csv
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

STAGES = {"locator": "Locator", "head": "Classifier, head alone", "fine": "Classifier, all of it"}


def plot_history(work: Path) -> Path:
    """Draw the loss of every stage that a work folder has a history of.

    Args:
        work: Holds `locator.csv`, `head.csv`, `fine.csv`, or some of them.

    Returns:
        The picture, `history.png` in the work folder.
    """
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for number, (name, title) in enumerate(STAGES.items(), start=1):
        axes = figure.add_subplot(1, len(STAGES), number, title=title, xlabel="epoch of 100 steps")
        for column, values in _read(work / f"{name}.csv").items():
            axes.plot(range(1, len(values) + 1), values, label=column.replace("_", " "))
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False)
    path = work / "history.png"
    figure.savefig(path, dpi=120)
    return path


def _read(history: Path) -> dict[str, list[float]]:
    """Read what a stage logged an epoch: losses, and the share that was right."""
    if not history.is_file():
        return {}
    with history.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = ("loss", "heat_loss", "boxes_loss", "accuracy")
    return {key: [float(row[key]) for row in rows] for key in wanted if rows and key in rows[0]}
