"""The figures of an evaluation as tables on a terminal."""

from collections.abc import Mapping
from typing import Any

import click


def print_scores(report: Mapping[str, Any]) -> None:
    """Print the figures that a person asks for first."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    tables = (_names, _chances, _strangers, _located, _beside)
    for headings, rows in (table(report) for table in tables):
        if not rows:
            continue
        table = Table()
        for place, heading in enumerate(headings):
            table.add_column(heading, overflow="fold", no_wrap=place > 0)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for line in (*_misses(report), *_leak(report)):
        click.echo(line)
    click.echo(
        "Shares in %, with 95 % limits: of names by bootstrap over fields that overlap, of "
        "prediction sets exact; perfect, 95th: the calibration error that one in twenty perfectly "
        "calibrated models would exceed. No set tells patients apart, so no split is by patient."
    )
    click.echo(report["notice"])


Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""The headings of a table, and its rows."""


def _names(report: Mapping[str, Any]) -> Rows:
    """Say how many answers are right."""
    return (
        ("set", "right", "accuracy", "balanced", "refusal\nis wrong", "refused"),
        [
            (
                name,
                f"{score['right']:,} of {score['pictures']:,}",
                *(
                    _limits(score[key])
                    for key in ("accuracy", "balanced_accuracy", "refusal_is_wrong")
                ),
                f"{100 * score['refused'][0]:.1f}",
            )
            for name, score in report["sets"].items()
        ],
    )


def _chances(report: Mapping[str, Any]) -> Rows:
    """Say what the probabilities are worth."""
    return (
        (
            "set",
            "macro-F1",
            "calibr.\nerror",
            "perfect,\n95th",
            "wrong of\nnamed",
            "sets hold\ntruth",
            "sets\nof one",
        ),
        [
            (
                name,
                _limits(score["macro_f1"]),
                f"{score['calibration']['error']:.3f}",
                _chance_of_perfect(score["calibration"].get("perfect_95")),
                f"{100 * score['risk_coverage']['operating']['risk']:.1f}",
                *_covered(score["prediction_sets"].get("all")),
            )
            for name, score in report["sets"].items()
        ],
    )


def _chance_of_perfect(error: float | None) -> str:
    """Write the error of a perfectly calibrated model; copies of few photos have none."""
    return "" if error is None else f"{error:.3f}"


def _covered(one: Mapping[str, Any] | None) -> tuple[str, str]:
    """Say how often prediction sets hold the true type; nothing where no cell was found."""
    return (_limits(one["coverage"]), f"{100 * one['size_one']:.1f}") if one else ("", "")


def _strangers(report: Mapping[str, Any]) -> Rows:
    """Say how well the unknown is told from the known."""
    known = report["known"] or {"other_types": {}, "not_blood": {}}
    return (
        ("known or not", "shown", "AUROC", "named all the same"),
        [
            (
                kind,
                str(one.get("cells", one.get("pictures", ""))),
                _chance(one.get("auroc")),
                str(one.get("named", "")),
            )
            for part in ("other_types", "not_blood")
            for kind, one in known[part].items()
        ],
    )


def _located(report: Mapping[str, Any]) -> Rows:
    """Say what was located."""
    return (
        ("located, IoU 0.5", "annotated", "located", "recall", "precision"),
        [
            (
                name,
                str(score["annotated"]),
                str(score["located"]),
                f"{score['recall']:.3f}",
                f"{score['precision']:.3f}",
            )
            for name, score in report["locator"].items()
        ],
    )


def _beside(report: Mapping[str, Any]) -> Rows:
    """Say how far the scores of another model lie apart, on the same pictures."""
    found = report.get("beside") or {"sets": {}, "locator": {}}
    rows: list[tuple[str, ...]] = [
        (f"{kind}{name}", measure.replace("_", " "), *_paired(one))
        for kind, sets in (("", found["sets"]), ("locator ", found["locator"]))
        for name, measured in sets.items()
        for measure, one in measured.items()
        if isinstance(one, Mapping)
    ]
    return ("set", "measure", "other model", "this model", "difference"), rows


def _paired(one: Mapping[str, Any]) -> tuple[str, str, str]:
    """Write two shares and their difference with its limits."""
    apart, low, high = (100 * number for number in one["difference"])
    return (
        f"{100 * one['before']:.1f}",
        f"{100 * one['after']:.1f}",
        f"{apart:+.1f} ({low:+.1f} to {high:+.1f})",
    )


def _misses(report: Mapping[str, Any]) -> list[str]:
    """Name every cell that was missed and every box too many."""
    return [
        f"{name}: {kind} {case['photo']} {case['box']}"
        for name, score in report["locator"].items()
        for kind in ("missed", "extra")
        for case in score[kind]
    ]


def _leak(report: Mapping[str, Any]) -> list[str]:
    """Say what a leaking split would have claimed."""
    leaky = report["leaky"]
    if not leaky:
        return []
    return [
        f"A split that leaks would claim {100 * leaky['random_split']:.1f} %; the same recipe has "
        f"{100 * leaky['photo_split']:.1f} % on photos it has not seen. {leaky['note']}"
    ]


def _limits(number: list[float]) -> str:
    """Write a share, and its limits, where it has them, in a line below, in per cent."""
    value, *limits = (f"{100 * one:.1f}" for one in number)
    return "\n".join([value, "-".join(limits)]).rstrip()


def _chance(number: list[float] | float | None) -> str:
    """Write an area under the curve, with limits where it has them."""
    if isinstance(number, list):
        value, low, high = number
        return f"{value:.3f} ({low:.3f} to {high:.3f})"
    return "" if number is None else f"{number:.3f}"
