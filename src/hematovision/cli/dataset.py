"""`hematovision dataset`: look at sets of pictures before learning from them, or make one."""

import click

from hematovision.cli.check import check, check_trial
from hematovision.cli.labels import labels
from hematovision.cli.teaching import export


@click.group()
def dataset() -> None:
    """Look at sets of pictures before learning from them, or make one."""


dataset.add_command(check)
dataset.add_command(check_trial)
dataset.add_command(labels)
dataset.add_command(export)
