"""`hematovision model adapt` and `adapt-trial`: a model for another microscope."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hematovision.cli.photos import find_photos
from hematovision.cli.tools import Tools, failures_in_words, track

NOTICE = "For research use only. Not for use in diagnostic procedures."
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True))
@click.option(
    "--cells",
    type=FOLDER,
    help="Labelled cells of the same microscope: at most 100, in a folder of pictures a type; or a "
    "set that “hematovision dataset export” wrote.",
)
@click.option(
    "--data",
    type=FOLDER,
    help="The folder of the published sets, on which the home score is checked.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The model folder to make; it must not be there yet.",
)
@click.option("--name", help="Of the site, for the version.  [default: the name of --output]")
@click.pass_context
def adapt(
    context: click.Context,
    photos: Sequence[str],
    cells: Path | None,
    data: Path | None,
    output: Path,
    name: str | None,
) -> None:
    """Fit the model to another microscope from 50 or more of its photos.

    PHOTOS are files or folders. The model that reads stays as it is; the new one is written only
    if it is better.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    paths = [Path(found) for found in find_photos(photos, recursive=True) if isinstance(found, str)]
    with failures_in_words():
        from hematovision.learning.adapting import adapt_site

        record = adapt_site(
            context.ensure_object(Tools).settings.model_folder,
            paths,
            cells=cells,
            data=data,
            output=output,
            name=name or output.name,
            track=track,
        )
    for line in _summary(record):
        click.echo(line)
    click.echo(f"Wrote {output}. To try it: hematovision model install {output}")
    click.echo(NOTICE)


@click.command("adapt-trial")
@click.option("--data", type=FOLDER, required=True, help="The folder of the published sets.")
@click.option("--draws", default=5, show_default=True, help="How often 100 cells are drawn.")
@click.option("--seed", default=0, show_default=True, help="The source of chance.")
@click.pass_context
def adapt_trial(context: click.Context, data: Path, draws: int, seed: int) -> None:
    """Measure the adapter on JTSC with models that are thrown away."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = context.ensure_object(Tools).settings.model_folder
    with failures_in_words():
        from hematovision.learning.site_trials import adapt_trials

        report = adapt_trials(folder, data, draws=draws, seed=seed, track=track)
    click.echo(json.dumps(report, indent=2))


def _summary(record: dict[str, Any]) -> list[str]:
    """Write before and after as lines."""
    lines = [f"{record['photos']} photos, {record['cells']} cells"]
    without, taught = record.get("without_labels"), record.get("with_labels")
    if without:
        before, after = without["before"], without["after"]
        lines.append(
            f"without labels: {'kept' if without['accepted'] else 'not kept'}; home score "
            f"{_limits(before['home']['all'])} before, {_limits(after['home']['all'])} after; "
            f"names that stay {_limits(before['agreement'])} before, "
            f"{_limits(after['agreement'])} after"
        )
    if taught:
        lines.append(
            f"with {taught['labelled']} labelled cells, cross-validated: "
            f"{_limits(taught['before']['right'])} right before, "
            f"{_limits(taught['after']['right'])} after"
        )
    return lines


def _limits(number: Sequence[float]) -> str:
    """Write a share with its limits."""
    value, low, high = number
    return f"{value:.1%} ({low:.1%} to {high:.1%})"
