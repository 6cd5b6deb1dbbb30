"""`hematovision dataset`: look at sets of pictures before learning from them."""

import click

from hematovision.cli.labels import labels


@click.group()
def dataset() -> None:
    """Look at sets of pictures before learning from them."""


dataset.add_command(labels)
