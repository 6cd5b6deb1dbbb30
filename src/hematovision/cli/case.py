"""`hematovision case`: takes a whole case out of the system, or erases it for good."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hematovision.cli.stores import open_pictures, open_records, terminal
from hematovision.cli.tools import Refusal, Tools, failures_in_words, visible
from hematovision.errors import CaseUnknownError, HematoVisionError

if TYPE_CHECKING:
    from hematovision.services.recording import Record
    from hematovision.storage.cases import Case

REASONS = ("asked", "mistake", "trial", "over")


@click.group()
def case() -> None:
    """Take a case out of the system whole, or erase it for good."""


@case.command()
@click.argument("accession")
@click.argument("target", type=click.Path(path_type=Path))
@click.pass_context
def export(context: click.Context, accession: str, target: Path) -> None:
    """Write all that is kept of a case to a new folder TARGET, or to a ZIP of that name."""
    from hematovision.services.case_copies import export_case

    with _opened(context) as record, failures_in_words():
        found = _find(record, accession)
        copied = export_case(record.database, record.files, found, target, by=terminal())
    click.echo(f"{visible(str(target))}: {copied.pictures} pictures, sha256 {copied.sha256}")
    if copied.missing:
        click.echo(f"{copied.missing} pictures are not kept, or cannot be opened.", err=True)


@case.command()
@click.argument("accession")
@click.option(
    "--why",
    type=click.Choice(REASONS),
    prompt="Why",
    help="asked: by the patient; mistake: it should not be here; trial; over: kept long enough.",
)
@click.option(
    "--confirm",
    prompt="This cannot be undone. Type the case's number again",
    help="The case's number again; otherwise it is asked for.",
)
@click.pass_context
def erase(context: click.Context, accession: str, why: str, confirm: str) -> None:
    """Erase a case: its pictures, its cells, and all that was said of them."""
    from hematovision.services.erasing import Confirmation, erase_case

    with _opened(context) as record:
        found = _find(record, accession)
        confirmed = Confirmation(confirm, why)
        erased = erase_case(record.database, record.files, found.id, confirmed, by=terminal())
    click.echo(
        f"Case {found.id} is erased: {erased.rows.get('photos', 0)} photos, "
        f"{erased.rows.get('cells', 0)} cells. Backups and exported files still hold it."
    )


def _find(record: "Record", accession: str) -> "Case":
    from hematovision.services.cases import find_case

    found = find_case(record.database, accession)
    if found is None:
        raise CaseUnknownError("There is no such case.")
    return found


@contextmanager
def _opened(context: click.Context) -> Iterator["Record"]:
    """Open database and pictures; end with exit code 1 where something is refused."""
    from hematovision.services.recording import Record

    settings = context.ensure_object(Tools).settings
    database = open_records(settings)
    try:
        yield Record(database, open_pictures(settings), settings.keep_pictures)
    except HematoVisionError as error:
        raise Refusal(error) from error
    finally:
        database.close()
