"""`hematovision export`: hand a case over as a report, a table or pictures."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hematovision.cli.stores import open_album, open_records, terminal
from hematovision.cli.tools import Refusal, Tools, visible
from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    from hematovision.services.crops import Album
    from hematovision.services.exports import Counter, Export

FORMATS = ("pdf", "csv", "xlsx", "fhir", "zip")


@click.command()
@click.argument("case", metavar="CASE")
@click.option("--format", "kind", type=click.Choice(FORMATS), required=True, help="As what.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file to write.",
)
@click.option("--signed", type=click.IntRange(min=0), help="A version; 0 for what stands now.")
@click.option("--address", default="", help="Under which people reach the server, for the QR code.")
@click.pass_context
def export(
    context: click.Context, case: str, kind: str, output: Path, signed: int | None, address: str
) -> None:
    """Hand a case over.

    CASE is its accession number. Without --signed it is the newest version that somebody signed,
    unless the case is open. That it was handed over is recorded.
    """
    tools = context.ensure_object(Tools)
    database = open_records(tools.settings)
    try:
        counter = _counter(open_album(tools, database), tools, address)
        made = _export(counter, case, kind, signed)
        with made.stream, output.open("wb") as file:
            shutil.copyfileobj(made.stream, file)
    except HematoVisionError as error:
        raise Refusal(error) from error
    except OSError as error:
        raise click.ClickException(f"{visible(str(output))}: {error.strerror}.") from error
    finally:
        database.close()
    click.echo(f"{visible(str(output))}: sha256 {made.sha256}")


def _export(counter: "Counter", accession: str, kind: str, signed: int | None) -> "Export":
    from hematovision.errors import CaseUnknownError
    from hematovision.services.cases import find_case
    from hematovision.services.exports import Format, export_case

    case = find_case(counter.album.database, accession)
    if case is None:
        raise CaseUnknownError("There is no case %(case)s.", case=visible(accession))
    return export_case(counter, case.id, Format(kind), by=terminal(), version=signed)


def _counter(album: "Album", tools: Tools, address: str) -> "Counter":
    from hematovision.services.exports import Counter
    from hematovision.services.reports import address_under
    from hematovision.storage.private import keep_uploads_folder

    folder = keep_uploads_folder(tools.settings.data_folder)
    return Counter(album, folder, address_of=address_under(address))
