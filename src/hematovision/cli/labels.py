"""`hematovision dataset labels`: published labels that are perhaps wrong."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from hematovision.cells import CellType
from hematovision.cli.learn import data_option
from hematovision.cli.tools import failures_in_words

if TYPE_CHECKING:
    from hematovision.learning.labels import Suspicion


def check_sheet(
    context: click.Context, parameter: click.Parameter, sheet: Path | None
) -> Path | None:
    """Refuse at once what could not be written."""
    if sheet and sheet.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise click.BadParameter(f"{sheet.name} must end in .png or .jpg.", context, parameter)
    if sheet and not sheet.parent.is_dir():
        raise click.BadParameter(f"there is no folder {sheet.parent}.", context, parameter)
    return sheet


@click.command()
@data_option
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/train"),
    show_default=True,
    help="The work folder of the run that made the model.",
)
@click.option(
    "--csv",
    "table",
    type=click.File("w", lazy=False, encoding="utf-8"),
    help="Also write the list here, as CSV.",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=check_sheet,
    help="Also draw the pictures here, as PNG or JPEG.",
)
def labels(data: Path, work: Path, table: TextIO | None, sheet: Path | None) -> None:
    """List published labels that networks taught without them would not give.

    Nothing is changed: labels stay as published.
    """
    with failures_in_words():
        from hematovision.learning.labels import (
            draw_suspicions,
            read_out_of_fold,
            suspicious_labels,
            write_table,
        )

        told = read_out_of_fold(work)
        suspicions = suspicious_labels(told)
        if table:
            write_table(suspicions, table)
        if sheet:
            draw_suspicions(suspicions, data, sheet)
    _print(suspicions, Counter(told.classes[label] for label in told.labels))


def _print(suspicions: "Sequence[Suspicion]", census: Counter[CellType]) -> None:
    """Print the list, then how many of each type are on it."""
    for one in suspicions:
        click.echo(f"{one.quality:.3f}  {one.path}  {one.published}, perhaps {one.suggested}")
    listed = Counter(one.published for one in suspicions)
    click.echo(
        ", ".join(f"{listed[kind]} of {number} {kind}" for kind, number in sorted(census.items()))
        + ". Labels stay as published."
    )
