"""`hematovision model install`, `list`, `shadow`, `compare`, `promote` and `rollback`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hematovision.cli.stores import open_album, open_records, open_shelf, terminal
from hematovision.cli.tools import Refusal, Tools, track, visible
from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    from hematovision.cells import ModelIdentity
    from hematovision.services.comparison import Comparison
    from hematovision.services.shelf import Shelf
    from hematovision.vision.scores import Share

OFF = "off"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.pass_context
def install(context: click.Context, folder: Path) -> None:
    """Install the model of FOLDER beside the one that reads, which goes on reading."""
    from hematovision.services.installing import Store, install_model
    from hematovision.vision.bundle import read_bundle

    with _shelf(context) as shelf:
        shipped = read_bundle(shelf.shipped_folder)
        store = Store(shelf.database, shelf.data_folder, shipped, shelf.load, shelf.depot)
        try:
            model = install_model(store, folder, by=terminal())
        except OSError as error:
            raise click.ClickException(f"Nothing was installed: {error.strerror}.") from error
    click.echo(f"Installed {_named(model)}.")
    click.echo(f"To try it beside the one that reads: hematovision model shadow {model.version}")


@click.command("list")
@click.pass_context
def list_installed(context: click.Context) -> None:
    """List every model: which reads, and which in the shadow."""
    from hematovision.services.choosing import SHIPPED
    from hematovision.services.models import list_models

    with _shelf(context) as shelf:
        register = list_models(shelf.database)
        installed = {model.identity.sha256: model.identity for model in register.models}
        shipped = shelf.identity(SHIPPED)
        for key, model in [*installed.items(), (SHIPPED, shipped)]:
            is_shadow = register.choice.shadow == key
            state = "reads" if register.choice.reads == key else "shadow" if is_shadow else ""
            which = "shipped" if key == SHIPPED else "installed"
            click.echo(f"{state:<8}{_named(model) if model else 'cannot be read'}\t{which}")


@click.command()
@click.argument("version")
@click.pass_context
def shadow(context: click.Context, version: str) -> None:
    """Let the model VERSION read every photo of a case too, for nobody to see; “off” ends it."""
    from hematovision.services.models import cast_shadow

    with _shelf(context) as shelf:
        model = None if version == OFF else _find(shelf, version)
        cast_shadow(shelf, model, by=terminal())
    click.echo("No model reads in the shadow." if model is None else f"{version} reads too.")


@click.command()
@click.argument("version")
@click.pass_context
def promote(context: click.Context, version: str) -> None:
    """Let the model VERSION read from now on; what was read before stays as it is."""
    from hematovision.services.models import promote as promote_model

    with _shelf(context) as shelf:
        promote_model(shelf, _find(shelf, version), by=terminal())
        click.echo(f"{_named(shelf.reader().model)} reads. To take it back: model rollback")


@click.command()
@click.pass_context
def rollback(context: click.Context) -> None:
    """Let the model read again that read before the last promotion."""
    from hematovision.services.models import roll_back

    with _shelf(context) as shelf:
        roll_back(shelf, by=terminal())
        click.echo(f"{_named(shelf.reader().model)} reads again.")


@click.command()
@click.argument("one")
@click.argument("other")
@click.option("--stored", is_flag=True, help="Only compare what both have read; read nothing.")
@click.pass_context
def compare(context: click.Context, one: str, other: str, stored: bool) -> None:
    """Compare the models ONE and OTHER on the cells that people have named here.

    Photos that one of them has not read are read now, in the shadow.
    """
    from hematovision.services.trials import find_learnt, read_again, try_on_shelf

    tools = context.ensure_object(Tools)
    with _shelf(context) as shelf:
        keys = [_find(shelf, called) for called in (one, other)]
        models = [shelf.get(key).model for key in keys]
        learnt = find_learnt(shelf, *keys)
        album = open_album(tools, shelf.database)
        for key in () if stored else keys:
            reader = shelf.get(key)
            read_again(album, reader, learnt=learnt, clock=lambda: datetime.now(UTC), track=track)
        trial = try_on_shelf(shelf, *keys)
    if trial.comparison:
        _print(trial.comparison, *models)
    else:
        click.echo("There is no cell that both have read.")
    if trial.unread:
        click.echo(f"Left out: {trial.unread} photos that one of them has not read.")
    if trial.left_out:
        click.echo(f"Left out: {trial.left_out} cells of cases that one of them was taught with.")


def _print(found: "Comparison", one: "ModelIdentity", other: "ModelIdentity") -> None:
    click.echo(f"{found.cells} cells that people have named, on {found.photos} photos")
    for model, score in ((one, found.one), (other, found.other)):
        click.echo(_named(model))
        click.echo(f"  right         {_limits(score.right)}")
        click.echo(f"  mean of types {_limits(score.balanced)}")
        click.echo(f"  unidentified  {_limits(score.unidentified)}")
        click.echo(f"  not found     {score.missed}")
    click.echo(f"difference      {_limits(found.gain)}")
    click.echo(
        f"right in one alone: {found.only_one} and {found.only_other} "
        f"(McNemar, p = {found.chance:.3g})"
    )
    for kind in found.types:
        click.echo(f"  {kind.name:<12}{kind.cells:>6}  {_limits(kind.one)}  {_limits(kind.other)}")


def _limits(share: "Share") -> str:
    """Write a share with its limits, where it has any."""
    if share.low is None or share.high is None:
        return f"{share.value:.1%} (no limits can be given)"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _named(model: "ModelIdentity") -> str:
    return visible(f"{model.name} {model.version} {model.sha256[:16]}")


def _find(shelf: "Shelf", called: str) -> str:
    from hematovision.services.choosing import SHIPPED
    from hematovision.services.models import find_model

    return find_model(shelf.database, called, shelf.identity(SHIPPED))


@contextmanager
def _shelf(context: click.Context) -> Iterator["Shelf"]:
    """Open the models; end with exit code 1 where something is refused."""
    tools = context.ensure_object(Tools)
    database = open_records(tools.settings)
    try:
        yield open_shelf(tools, database)
    except HematoVisionError as error:
        raise Refusal(error) from error
    finally:
        database.close()
