"""`hematovision retention`: deletes what was kept for long enough."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from hematovision.cli.stores import open_pictures, open_records, terminal
from hematovision.cli.tools import Refusal, Tools
from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    from hematovision.services.retention import Due


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what is over, and delete nothing.")
@click.option("--strays", is_flag=True, help="Look for pictures that nothing speaks of instead.")
@click.pass_context
def retention(context: click.Context, dry_run: bool, strays: bool) -> None:
    """Delete what was kept for as long as the settings say; workers do so once a day."""
    from hematovision.services import retention as keeping

    settings = context.ensure_object(Tools).settings
    policy = keeping.Policy(settings.keep_days, settings.keep_case_days)
    database, now = open_records(settings), datetime.now(UTC)
    try:
        files = open_pictures(settings)
        due = (
            keeping.find_strays(database, files, now=now)
            if strays
            else keeping.find_due(database, policy, now=now)
        )
        if dry_run:
            _list(due)
        else:
            keeping.delete_due(database, files, due, policy, by=terminal())
    except HematoVisionError as error:
        raise Refusal(error) from error
    finally:
        database.close()
    click.echo(_summary(due, "would be deleted" if dry_run else "deleted"))


def _list(due: "Due") -> None:
    """Print each thing that is over, by its number: names are not for the terminal's log."""
    for case_id in due.cases:
        click.echo(f"case\t{case_id}")
    for photo_id in due.readings:
        click.echo(f"reading\t{photo_id}")
    for one in due.pictures:
        click.echo(f"picture\t{one.photo_id}\t{one.sent_at:%Y-%m-%d}")
    for name in due.strays:
        click.echo(f"stray\t{name}")


def _summary(due: "Due", done: str) -> str:
    return (
        f"{done}: {len(due.cases)} cases, {len(due.readings)} readings of no case, "
        f"{len(due.pictures)} pictures, {len(due.strays)} strays."
    )
