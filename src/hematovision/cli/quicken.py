"""`hematovision model quicken`: a model that looks at every cell fewer times."""

from pathlib import Path

import click

from hematovision.cli.tools import Tools, failures_in_words


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The model folder to make, or to replace.",
)
@click.option(
    "--views",
    type=click.Choice(["1", "2"]),
    default="1",
    show_default=True,
    help="So often it looks at a cell, of four times that the model does.",
)
@click.pass_context
def quicken(context: click.Context, output: Path, views: str) -> None:
    """Write a model that looks at every cell fewer times: a model of its own, and another answer.

    Score it with “hematovision evaluate --beside MODEL”, or on cells of your own, before it reads.
    """
    with failures_in_words():
        from hematovision.learning.quickening import quicken_model

        folder = context.ensure_object(Tools).settings.model_folder
        version = quicken_model(folder, output, views=int(views))
    click.echo(f"Wrote {output}: {version}. To try it: hematovision model install {output}")
