"""`hematovision model quantize`: the twin of a model in whole numbers."""

import logging
from pathlib import Path

import click

from hematovision.cli.learn import data_option
from hematovision.cli.tools import Tools, failures_in_words, track


@click.command()
@data_option
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The model folder to make, or to replace.",
)
@click.option("--seed", default=7, show_default=True, help="The source of chance.")
@click.pass_context
def quantize(context: click.Context, data: Path, output: Path, seed: int) -> None:
    """Write the twin of the model in whole numbers of 8 bits: quicker, a model of its own.

    Photos of the train parts say what its layers usually see; no test photo is looked at. Score it
    with “hematovision evaluate” before it reads.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with failures_in_words():
        from hematovision.learning.quantising import quantise_model

        folder = context.ensure_object(Tools).settings.model_folder
        record = quantise_model(folder, data, output, seed=seed, track=track)
    mean, most = record["probability_apart"]
    click.echo(
        f"Of {record['compared']['crops']} validation cells {record['same_name']:.1%} get the same "
        f"name; probabilities lie {mean:.4f} apart on average, {most:.4f} at most."
    )
    click.echo(f"Wrote {output}. To try it: hematovision model install {output}")
