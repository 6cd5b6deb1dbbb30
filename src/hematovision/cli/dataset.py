"""`hematovision dataset`: look at sets of pictures before learning from them."""

import click

from hematovision.cli.check import check, check_trial
from hematovision.cli.labels import labels


@click.group()
def dataset() -> None:
    """Look at sets of pictures before learning from them."""


dataset.add_command(check)
dataset.add_command(check_trial)
dataset.add_command(labels)
