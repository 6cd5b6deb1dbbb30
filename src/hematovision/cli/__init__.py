"""The command line: the outermost door. Each command imports what it needs when it runs."""

import click

from hematovision import __version__
from hematovision.cells import NOTICE
from hematovision.cli.audit import audit
from hematovision.cli.backup import backup, restore
from hematovision.cli.case import case
from hematovision.cli.classify import classify
from hematovision.cli.dataset import dataset
from hematovision.cli.demo import demo
from hematovision.cli.export import export
from hematovision.cli.keys import keys
from hematovision.cli.learn import folds, train
from hematovision.cli.measure import evaluate
from hematovision.cli.model import model
from hematovision.cli.prepare import prepare
from hematovision.cli.references import references
from hematovision.cli.retention import retention
from hematovision.cli.serve import serve
from hematovision.cli.tools import Tools
from hematovision.cli.users import users
from hematovision.cli.verify import verify
from hematovision.cli.watch import watch
from hematovision.cli.worker import worker
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


for command in (
    classify,
    watch,
    export,
    model,
    serve,
    worker,
    prepare,
    demo,
    users,
    audit,
    verify,
    case,
    retention,
    keys,
    backup,
    restore,
    references,
    dataset,
    train,
    folds,
    evaluate,
):
    main.add_command(command)
