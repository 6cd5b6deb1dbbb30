"""The command line: the outermost door. Each command imports what it needs when it runs."""

import click

from hematovision import __version__
from hematovision.cells import NOTICE
from hematovision.cli.classify import classify
from hematovision.cli.dataset import dataset
from hematovision.cli.learn import folds, train
from hematovision.cli.measure import evaluate
from hematovision.cli.model import model
from hematovision.cli.serve import serve
from hematovision.cli.tools import Tools
from hematovision.config import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=NOTICE)
@click.version_option(__version__, prog_name="hematovision")
@click.pass_context
def main(context: click.Context) -> None:
    """Find and name the white cells in microscope photos of blood."""
    if context.obj is None:
        try:
            context.obj = Tools(Settings.from_environment())
        except ValueError as error:
            raise click.UsageError(str(error)) from error


for command in (classify, model, serve, dataset, train, folds, evaluate):
    main.add_command(command)
