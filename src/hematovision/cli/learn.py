"""`hematovision train` and `hematovision evaluate`: make the model folder, and measure it."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import click

from hematovision.cli.tools import Refusal, Tools
from hematovision.errors import HematoVisionError
from hematovision.learning import LearningError

data_option = click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The folder of the sets; docs/data.md says what lies in it.",
)


@click.command()
@data_option
@click.option(
    "--backbone-weights",
    default="imagenet",
    show_default=True,
    metavar="imagenet|PATH",
    help="Where the backbone starts: downloaded, or a .weights.h5 without its top.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/train"),
    show_default=True,
    help="Keeps histories, plots and what is needed to go on after a stop.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The model folder to make.  [default: the one that reads]",
)
@click.option("--seed", default=7, show_default=True, help="The source of chance.")
@click.option(
    "--locator",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take this finished locator.onnx, and teach the classifier alone.",
)
@click.pass_context
def train(
    context: click.Context,
    data: Path,
    backbone_weights: str,
    work: Path,
    output: Path | None,
    seed: int,
    locator: Path | None,
) -> None:
    """Make the model folder from the published sets; a stopped run goes on where it was."""
    if backbone_weights != "imagenet" and not Path(backbone_weights).is_file():
        raise click.UsageError(f"--backbone-weights: there is no file {backbone_weights}.")
    try:
        from hematovision.learning.making import make_model
        from hematovision.learning.training import Recipe
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"Training needs {error.name}: pip install 'hematovision[train]'"
        ) from error
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        make_model(
            data,
            backbone_weights=backbone_weights,
            work=work,
            folder=output or context.ensure_object(Tools).settings.model_folder,
            recipe=Recipe(seed=seed),
            locator=locator,
        )
    except LearningError as error:
        raise click.ClickException(str(error)) from error


def _check_sheet(
    context: click.Context, parameter: click.Parameter, sheet: Path | None
) -> Path | None:
    """Refuse at once what could not be written after minutes of work."""
    if sheet and sheet.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise click.BadParameter(f"{sheet.name} must end in .png or .jpg.", context, parameter)
    if sheet and not sheet.parent.is_dir():
        raise click.BadParameter(f"there is no folder {sheet.parent}.", context, parameter)
    return sheet


@click.command()
@data_option
@click.option(
    "--output",
    type=click.File("w", lazy=False, encoding="utf-8"),
    help="Also write every figure here, as JSON.",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=_check_sheet,
    help="Also draw here, as PNG or JPEG, what locator and annotators disagree on.",
)
@click.pass_context
def evaluate(context: click.Context, data: Path, output: TextIO | None, sheet: Path | None) -> None:
    """Measure the model end to end on sets that it was not made from."""
    from hematovision.learning.evaluation import evaluate as run

    tools = context.ensure_object(Tools)
    try:
        reader = tools.load_reader(tools.settings.model_folder, threads=tools.settings.threads)
        report = run(data, reader, track=_track, sheet=sheet)
    except HematoVisionError as error:
        raise Refusal(error) from error
    except LearningError as error:
        raise click.ClickException(str(error)) from error
    if output:
        output.write(json.dumps(report, indent=2) + "\n")
    _print(report)


def _track(items: Iterable[Any], what: str) -> Iterable[Any]:
    """Show how far a set is read, on standard error."""
    from rich.console import Console
    from rich.progress import track

    return track(list(items), description=what, console=Console(stderr=True), transient=True)


def _print(report: dict[str, Any]) -> None:
    """Print the figures that a person asks for first."""
    from rich.console import Console
    from rich.table import Table

    scores = Table()
    scores.add_column("set", overflow="fold", min_width=20)
    for title in ("right", "accuracy", "balanced", "refusal is wrong", "refused", "ECE"):
        scores.add_column(title)
    for name, score in report["sets"].items():
        scores.add_row(
            name,
            f"{score['right']} of {score['pictures']}",
            _limits(score["accuracy"]),
            _limits(score["balanced_accuracy"]),
            _limits(score["refusal_is_wrong"]),
            f"{score['refused'][0]:.1%}",
            f"{score['calibration']['error']:.3f} (perfect {score['calibration']['perfect']:.3f})",
        )
    found = Table("located, IoU 0.5", "annotated", "located", "recall", "precision")
    for name, score in report["locator"].items():
        found.add_row(
            name,
            str(score["annotated"]),
            str(score["located"]),
            f"{score['recall']:.3f}",
            f"{score['precision']:.3f}",
        )
    console = Console()
    console.print(scores)
    console.print(found)
    for name, score in report["locator"].items():
        for kind in ("missed", "extra"):
            for case in score[kind]:
                click.echo(f"{name}: {kind} {case['photo']} {case['box']}")
    click.echo(
        "95 % limits by bootstrap over fields that overlap; the copies of official_test_images "
        "count singly, so its limits are too narrow. No set tells patients apart, so no split is "
        "by patient."
    )


def _limits(number: list[float]) -> str:
    """Write a share with its limits."""
    value, low, high = number
    return f"{value:.1%} ({low:.1%} to {high:.1%})"
