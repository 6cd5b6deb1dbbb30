"""Draws what was measured, for docs/performance.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from benchmarks.claims import GROWING, growths
from benchmarks.servers import ROOT
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

IMAGES = ROOT / "docs/images"
INK, FAINT, LINE = "#171717", "#616161", "#dadada"
OURS, OTHERS = "#0072b2", "#9a9a9a"
"""Blue and grey also differ by how light they are, so nobody needs colours to tell them apart."""
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": FAINT,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "xtick.labelsize": 8,
    "ytick.color": INK,
    "ytick.left": False,
    "savefig.dpi": 130,
    "savefig.facecolor": "white",
}
PANELS = ("1", "8", "64")
TICKS_MS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
Cases = Sequence[Mapping[str, Any]]


def draw_all(document: Mapping[str, Any], folder: Path = IMAGES) -> None:
    """Draw every plot into a folder."""
    cases = document["cases"]
    figures = {
        "requests": draw_requests(cases),
        "latencies": draw_latencies(cases),
        "memory": draw_memory(cases),
        "growth": draw_growth(cases),
    }
    for name, figure in figures.items():
        with mpl.rc_context(STYLE):
            figure.savefig(folder / f"performance-{name}.png", metadata={"Software": None})


def draw_requests(cases: Cases) -> Figure:
    """Draw requests a second: a row a case, a panel a number of clients."""
    figure, panels, shown = _panels(cases)
    most = max(load["requests_a_second"] for case in shown for load in case["loads"].values())
    for axes, clients in zip(panels, PANELS, strict=True):
        for place, case in enumerate(shown):
            load = case["loads"].get(clients)
            if load:
                rate = load["requests_a_second"]
                axes.barh(place, rate, color=_colour(case), height=0.62)
                axes.text(rate + most * 0.02, place, f"{rate:.1f}", va="center", fontsize=8)
        axes.set_xlim(0, most * 1.25)
        axes.xaxis.set_major_locator(MaxNLocator(4, prune="upper"))
        axes.set_xlabel("requests a second")
    return figure


def draw_latencies(cases: Cases) -> Figure:
    """Draw how long an answer takes: a dot at p50, a tick at p95, a ring at p99."""
    figure, panels, shown = _panels(cases)
    times = [time for case in shown for load in case["loads"].values() for time in _times(load)]
    for axes, clients in zip(panels, PANELS, strict=True):
        axes.set_xscale("log")
        for place, case in enumerate(shown):
            load = case["loads"].get(clients)
            if load and load["answered"]:
                colour = _colour(case)
                half, most, nearly_all = _times(load)
                axes.plot([half, nearly_all], [place] * 2, color=colour, lw=2)
                axes.plot(half, place, "o", color=colour, ms=6)
                axes.plot(most, place, "|", color=colour, ms=9, mew=2)
                axes.plot(nearly_all, place, "o", mfc="white", mec=colour, ms=6)
        axes.grid(axis="x")
        axes.set_xlim(min(times) / 1.4, max(times) * 1.4)
        axes.xaxis.set_major_locator(FixedLocator(TICKS_MS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("ms: dot p50, tick p95, ring p99")
    return figure


def _times(load: Mapping[str, Any]) -> Sequence[float]:
    return [load[name] for name in ("p50_ms", "p95_ms", "p99_ms") if load[name] is not None]


def draw_memory(cases: Cases) -> Figure:
    """Draw the memory of all processes: a bar of PSS, a ring at RSS."""
    shown = _full(cases)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.9 + 0.34 * len(shown)), layout="constrained")
        axes = figure.add_subplot(xlabel="MB: bar PSS, ring RSS")
        for place, case in enumerate(shown):
            memory = case["memory"]
            axes.barh(place, memory["pss_mb"], color=_colour(case), height=0.62)
            axes.plot(memory["rss_mb"], place, "o", mfc="white", mec=INK, ms=6)
        axes.set_xlim(left=0)
        _rows(axes, shown)
    return figure


def draw_growth(cases: Cases) -> Figure:
    """Draw how the rate grows from one to two, as a multiple; a dashed line at twice."""
    found = growths({case["name"]: case for case in cases})
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 1.0 + 0.34 * max(len(found), 1)), layout="constrained")
        axes = figure.add_subplot(
            xlabel="requests a second with two, as a multiple of those with one"
        )
        for place, growth in enumerate(found):
            axes.barh(place, growth.times, color=OURS, height=0.62)
            axes.text(0.03, place, f"{growth.times:.2f}", va="center", fontsize=8, color="white")
        for times in (1, 2):
            axes.axvline(times, color=FAINT, ls="--", lw=0.8)
        axes.set_xlim(0, 2.3)
        titles = [f"{GROWING[growth.kind]}, {growth.label}" for growth in found]
        axes.set_yticks(range(len(found)), titles)
        axes.invert_yaxis()
    return figure


def _panels(cases: Cases) -> tuple[Figure, Sequence[Axes], Cases]:
    """Lay out a panel a number of clients, with the cases' titles at the first."""
    shown = _full(cases)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 1.1 + 0.34 * len(shown)), layout="constrained")
        panels = figure.subplots(1, len(PANELS), sharey=True)
        for axes, clients in zip(panels, PANELS, strict=True):
            axes.set_title(f"{clients} client{'s'[: int(clients) - 1]}", fontsize=9, color=INK)
        _rows(panels[0], shown)
    return figure, panels, shown


def _rows(axes: Axes, cases: Cases) -> None:
    axes.set_yticks(range(len(cases)), [case["title"] for case in cases])
    axes.set_ylim(len(cases) - 0.5, -0.5)


def _full(cases: Cases) -> Cases:
    """Give the cases that every number of clients has asked."""
    full = [case for case in cases if all(one in case["loads"] for one in PANELS)]
    return full or cases


def _colour(case: Mapping[str, Any]) -> str:
    return OTHERS if case["model"] is None else OURS
