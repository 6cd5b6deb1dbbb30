"""`hematovision audit`: whether the record of who did what is whole, and a copy for others."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hematovision.cli.stores import open_records, terminal
from hematovision.cli.tools import Tools, visible

if TYPE_CHECKING:
    from hematovision.services.proving import Finding, Proof
    from hematovision.storage.checkpoints import Checkpoint
    from hematovision.storage.database import Database

FILE = click.Path(dir_okay=False, path_type=Path)
WORDS = {
    "altered": "is not what was written there, was put there, or stands at a wrong place",
    "missing": "removed",
    "unchained": "stands in no chain: it was put there",
    "beginning": "the beginning of the chain, or what was written before it, is another",
    "cut": "removed at the end: a checkpoint has seen them",
    "rewritten": "written anew, in whole or in part: a checkpoint has seen others",
    "checkpoint": "was changed, added, or stands behind one that was removed",
    "values": "what was there before and after was changed or removed, and not by erasing a case",
    "signed": "what was signed then is not what is kept, or is kept no more",
    "untold": "no event says that it was signed",
    "triggers": "The database no longer refuses to change events: its triggers are gone.",
}

PLACES = {"checkpoint": ("Line", " of the checkpoints"), "untold": ("Signature", "")}
"""Where a finding is that is about no event."""


@click.group()
def audit() -> None:
    """Prove, export and checkpoint the record of who did what."""


@audit.command()
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Checkpoints that were kept elsewhere; may be given again.",
)
@click.pass_context
def verify(context: click.Context, against: tuple[Path, ...]) -> None:
    """Read the whole record and say whether, and where, it is not as it was written."""
    from hematovision.services.proving import prove

    # Even where the record does not fit the key: that is to be found out.
    with _record(context, with_key=False) as database:
        proof = prove(database, [one for file in against for one in _read(file)])
    for finding in proof.findings:
        click.echo(_said(finding))
    if proof.wrong > len(proof.findings):
        click.echo(f"... and {proof.wrong - len(proof.findings)} more.")
    click.echo(f"{proof.events} events, the newest {proof.last}: {proof.digest or 'no digest'}")
    if not proof.is_whole:
        raise click.ClickException("The audit record is not as it was written.")
    for words in _limits_of(proof):
        click.echo(words)


@audit.command()
@click.argument("file", type=FILE)
@click.pass_context
def export(context: click.Context, file: Path) -> None:
    """Write every event as a line of JSON, and a checkpoint, which is printed as well."""
    from hematovision.services.handing_out import export_record
    from hematovision.storage.chain import encode

    with _record(context) as database:
        exported = export_record(database, by=terminal())
        with file.open("wb") as stream:
            stream.writelines(exported.lines())
    click.echo(encode(exported.checkpoint))
    click.echo("Keep this line elsewhere: docs/audit_verifier.py checks by it.", err=True)


@audit.command()
@click.pass_context
def checkpoint(context: click.Context) -> None:
    """Write down outside of the database how far the record has come, and print it."""
    with _record(context) as database:
        written = database.checkpoint()
    if written is None:
        click.echo("There is no event yet.", err=True)
    else:
        click.echo(written.line)


@contextmanager
def _record(context: click.Context, *, with_key: bool = True) -> Iterator["Database"]:
    """Open the database; end with exit code 1 where a file or the key cannot be used."""
    from hematovision.storage.custody import AuditKeyError

    database = open_records(context.ensure_object(Tools).settings, with_key=with_key)
    try:
        yield database
    except (AuditKeyError, OSError, ValueError) as error:
        raise click.ClickException(visible(str(error))) from error
    finally:
        database.close()


def _read(file: Path) -> Sequence["Checkpoint"]:
    """Read checkpoints that were kept elsewhere.

    Raises:
        click.ClickException: If the file holds none.
    """
    from hematovision.storage.checkpoints import read_checkpoints

    found = [one for one in read_checkpoints(file) if one]
    if not found:
        raise click.ClickException(f"{visible(str(file))} holds no checkpoint.")
    return found


def _limits_of(proof: "Proof") -> Iterator[str]:
    """Say what a record that is whole proves, and what it cannot."""
    if not proof.begun:
        yield "No event stands in a chain yet: it begins with the next one."
        return
    yield "Every event is as it was written, and stands where it was written."
    if proof.begun > 1:
        yield f"Those before {proof.begun} are as they were when the chain began with it."
    if proof.proved < proof.last:
        yield (
            f"After event {proof.proved} there is no checkpoint: it cannot be proved that no event "
            f"was removed behind {proof.last}, or that those since were not written anew by "
            "somebody with the key."
        )


def _said(finding: "Finding") -> str:
    """Say in words what is wrong, and where."""
    words = WORDS[finding.fault]
    if not finding.first:
        return words
    what, where = PLACES.get(finding.fault, ("Event", ""))
    if finding.first == finding.last:
        return f"{what} {finding.first}{where}: {words}."
    return f"{what}s {finding.first} to {finding.last}{where}: {words}."
