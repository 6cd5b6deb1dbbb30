"""`hematovision model`: what a model folder holds, whether it is whole, and which one reads."""

import json
from pathlib import Path
from typing import Any

import click

from hematovision.cli.adapt import adapt, adapt_trial
from hematovision.cli.looks import looks
from hematovision.cli.model_export import export_model
from hematovision.cli.quantize import quantize
from hematovision.cli.quicken import quicken
from hematovision.cli.registry import compare, install, list_installed, promote, rollback, shadow
from hematovision.cli.tools import Refusal, Tools, failures_in_words
from hematovision.errors import HematoVisionError
from hematovision.vision.bundle import Bundle, damaged_files, read_bundle


@click.group()
def model() -> None:
    """Look at models, install others, choose which reads, or fit one to another microscope."""


for command in (
    *(adapt, adapt_trial, export_model, looks, quantize, quicken),
    *(install, list_installed, shadow, compare, promote, rollback),
):
    model.add_command(command)


@model.command()
@click.pass_context
def show(context: click.Context) -> None:
    """Print the model's name, version, hash, classes, thresholds and metrics."""
    bundle = _read(context)
    for label, value in _facts(bundle).items():
        click.echo(f"{label:<14}{value}")
    click.echo("metrics")
    click.echo(json.dumps(bundle.document.get("metrics", {}), indent=2, ensure_ascii=False))


@model.command()
@click.pass_context
def verify(context: click.Context) -> None:
    """Compare every file of the model with the hash it was shipped with.

    The exit code is 1 if one is missing or is another.
    """
    bundle = _read(context)
    damaged = damaged_files(bundle)
    for name in bundle.files:
        click.echo(f"{'DAMAGED' if name in damaged else 'ok':<9}{name}")
    if damaged:
        raise click.ClickException(f"Damaged or missing in {bundle.folder}: {', '.join(damaged)}.")


@model.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write it to a file instead, such as card.md of the model folder.",
)
@click.pass_context
def card(context: click.Context, output: Path | None) -> None:
    """Print the model card: what the model is for, what it learnt from, how it scored."""
    from hematovision.learning.card import card_of, write_card

    bundle = _read(context)
    with failures_in_words():
        if output:
            click.echo(f"Wrote {write_card(bundle, output)}")
        else:
            click.echo(card_of(bundle), nl=False)


def _read(context: click.Context) -> Bundle:
    try:
        return read_bundle(context.ensure_object(Tools).settings.model_folder)
    except HematoVisionError as error:
        raise Refusal(error) from error


def _facts(bundle: Bundle) -> dict[str, Any]:
    """Name what tells one model from another."""
    known = bundle.known_threshold
    return {
        "name": bundle.identity.name,
        "version": bundle.identity.version,
        "sha256": bundle.identity.sha256,
        "folder": bundle.folder,
        "classes": ", ".join(bundle.classes),
        "input": f"{bundle.crop.size} x {bundle.crop.size} pixels",
        "locator": f"score {bundle.locator.score}, overlap {bundle.locator.overlap}",
        "set": f"coverage {bundle.coverage}, from {_thresholds(bundle)}",
        "known": "no score" if known is None else f"named from {known:.3g}",
        "morphology": ", ".join(bundle.morphology) or "no words",
        "files": ", ".join(bundle.files),
    }


def _thresholds(bundle: Bundle) -> str:
    """List the least probability that keeps each type in a prediction set."""
    return ", ".join(f"{kind} {bundle.set_thresholds[kind]:.3g}" for kind in bundle.classes)
