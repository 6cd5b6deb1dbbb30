"""`hematovision dataset export`: cells that people have named, as a set to teach a model with."""

from pathlib import Path

import click

from hematovision.cli.stores import open_album, open_records, terminal
from hematovision.cli.tools import Refusal, Tools, track, visible
from hematovision.errors import HematoVisionError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--all-confirmed",
    is_flag=True,
    help="Also cells of cases that are not signed yet.",
)
@click.pass_context
def export(context: click.Context, folder: Path, all_confirmed: bool) -> None:
    """Write the cells that people have named to FOLDER, which must not be there yet.

    Only of signed cases whose page says that they may be used to improve the model.
    """
    from hematovision.services.teaching import export_cells

    tools = context.ensure_object(Tools)
    database = open_records(tools.settings)
    try:
        album = open_album(tools, database)
        done = export_cells(album, folder, unsigned=all_confirmed, by=terminal(), track=track)
    except HematoVisionError as error:
        raise Refusal(error) from error
    except OSError as error:
        raise click.ClickException(f"Nothing was written: {error.strerror}.") from error
    finally:
        database.close()
    click.echo(f"{done.cells} cells on {done.photos} photos of {done.films} cases")
    if done.lost:
        click.echo(f"Left out: {done.lost} photos that are not kept any more.")
    click.echo(f"Wrote {visible(str(folder))}. It holds pictures of patients: keep it as such.")
