"""The plots of docs/scaling.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

INK, MEASURED, PREDICTED = "#333333", "#1b6ca8", "#d1495b"


class Compared(Protocol):
    """What was measured and predicted of so many clients at so many processes."""

    processes: int
    clients: int
    measured: tuple[float, float, float]
    predicted: tuple[float, float, float]


def draw_check(points: Sequence[Compared], path: Path) -> None:
    """Draw predicted beside measured: requests a second, median and 95th percentile."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    titles = ("requests a second", "median, ms", "95th percentile, ms")
    for place, (axes, title) in enumerate(zip(figure.subplots(1, 3), titles, strict=True)):
        for processes, style in ((1, "-"), (2, "--")):
            some = [point for point in points if point.processes == processes]
            clients = [str(point.clients) for point in some]
            for name, colour, marker in (
                ("measured", MEASURED, "o"),
                ("predicted", PREDICTED, "x"),
            ):
                values = [getattr(point, name)[place] for point in some]
                label = f"{name}, {processes} process{'es' * (processes > 1)}"
                axes.plot(clients, values, style, color=colour, marker=marker, label=label)
        axes.set(title=title, xlabel="clients", ylim=(0, None))
        if place:
            axes.set_yscale("log")
            axes.set_ylim(10, None)
        _plain(axes)
    figure.axes[0].legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=110)


def draw_plan(levels: Sequence[Any], path: Path) -> None:
    """Draw what is needed by how many photos come a second, and where one chain ends."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    needs, chain = figure.subplots(1, 2)
    photos = [level.photos for level in levels]
    lines = {
        "cores of web processes": [level.cores(level.known.web_ms) for level in levels],
        "cores for the networks": [level.cores(level.known.network_ms) for level in levels],
        "cores of PostgreSQL": [level.cores(level.known.database_ms) for level in levels],
    }
    if levels[0].known.gpu:
        lines["or GPUs for the networks"] = [level.gpus for level in levels]
    for name, numbers in lines.items():
        needs.plot(photos, numbers, marker="o", label=name)
    needs.set(xscale="log", yscale="log", title="what is needed", xlabel="photos a second")
    known, assumed = levels[0].known, levels[0].assumed
    batches = (1, 2, 4, 8, 16, 32)
    bounds = [known.chain(batch, assumed) for batch in batches]
    chain.plot(batches, bounds, marker="o", color=PREDICTED, label="bound of one chain")
    for level in (100, 1_000, 10_000):
        chain.axhline(level, color=INK, linewidth=0.7, linestyle=":")
        chain.text(1, level * 1.08, f"{level:,} photos a second", fontsize=7, color=INK)
    chain.set(xscale="log", yscale="log", ylim=(50, 20_000), xlabel="readings in a transaction")
    chain.set(title="readings a second on one audit chain", xticks=batches)
    chain.set_xticklabels([str(batch) for batch in batches])
    for axes in (needs, chain):
        axes.legend(fontsize=7, frameon=False, loc="upper left")
        _plain(axes)
    chain.legend(fontsize=7, frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.3)
