"""`hematovision classify --output`: read an archive into Parquet."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hematovision.cli.archive_progress import shown
from hematovision.cli.photos import STANDARD_INPUT
from hematovision.cli.tools import Refusal, visible
from hematovision.config import Settings
from hematovision.errors import ExtraMissingError, HematoVisionError
from hematovision.machine import cores

if TYPE_CHECKING:
    from hematovision.services.archive_parts import Job, Totals
    from hematovision.services.archives import Engine

INTERRUPTED = 130
"""The exit code of what Ctrl+C ended."""

Command = TypeVar("Command", bound=Callable[..., Any])


def _least_and_most(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, int]:
    """Take `2` or `1:8`; two zeros where nothing is said."""
    if value is None:
        return 0, 0
    least, _, most = value.partition(":")
    try:
        found = int(least), int(most or least)
    except ValueError:
        raise click.BadParameter("It is a number, or two, such as 1:8.") from None
    if not 1 <= found[0] <= found[1]:
        raise click.BadParameter("There must be one at least, and the second be no smaller.")
    return found


OPTIONS = (
    click.option(
        "--output",
        metavar="FOLDER",
        help="Write Parquet into this folder or s3:// address; nothing is recorded or printed.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        help="With --output: read on all cores of this machine, or with Ray.  [default: local]",
    ),
    click.option(
        "--readers",
        metavar="MIN[:MAX]",
        callback=_least_and_most,
        help="With --output: so many read at once.  [default: as many as there are cores]",
    ),
    click.option(
        "--cpus-per-reader", type=click.FloatRange(0.0), help="With --engine ray: cores of each."
    ),
    click.option(
        "--gpus-per-reader", type=click.FloatRange(0.0), help="With --engine ray: GPUs of each."
    ),
    click.option(
        "--part-photos",
        type=click.IntRange(1, 100_000),
        help="With --output: about so many photos a file.  [default: 64]",
    ),
    click.option(
        "--retry-failed", is_flag=True, help="With --output: read what failed before once more."
    ),
)


def archive_options(command: Command) -> Command:
    """Add the options of archives to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def insist_on_output(archive: dict[str, Any]) -> None:
    """Refuse options that say nothing without --output.

    Raises:
        click.UsageError: If there is one.
    """
    for name, value in archive.items():
        if value not in (None, False, (0, 0)):
            raise click.UsageError(f"--{name.replace('_', '-')} needs --output.")


def read_into(
    settings: Settings, paths: Sequence[str], *, recursive: bool, archive: dict[str, Any]
) -> int:
    """Read an archive into its dataset; give the exit code.

    Raises:
        Refusal: If it cannot be begun or gone on with.
    """
    if STANDARD_INPUT in paths:
        raise click.UsageError("Standard input is no archive; name folders, files or buckets.")
    try:
        return _read(settings, paths, recursive=recursive, archive=archive)
    except ModuleNotFoundError as error:
        raise Refusal(ExtraMissingError("This needs %(package)s.", package=error.name)) from error
    except HematoVisionError as error:
        raise Refusal(error) from error


def _read(
    settings: Settings, paths: Sequence[str], *, recursive: bool, archive: dict[str, Any]
) -> int:
    from hematovision.exchange.places import Place
    from hematovision.exchange.sources import settle_sources
    from hematovision.services.archive_parts import PART_PHOTOS, Job, Totals, find_done
    from hematovision.services.archives import Census, begin, read_archive, write_summary
    from hematovision.vision.bundle import read_bundle

    job = Job(
        tuple(settle_sources(paths)),
        recursive,
        archive["output"],
        settings.model_folder.absolute(),
        read_bundle(settings.model_folder).identity,
        settings.max_file_bytes,
        settings.max_pixels,
        archive["part_photos"] or PART_PHOTOS,
    )
    engine = _engine(archive)
    start = monotonic()
    begin(job, now=datetime.now(UTC))
    done = find_done(Place(job.output), forget_failed=archive["retry_failed"])
    run, census = Totals(), Census()
    try:
        with shown(run, census):
            for part in read_archive(job, engine, done, census):
                run.add(part)
    except KeyboardInterrupt:
        click.echo(f"Stopped. {_said(run)} The same command goes on.", err=True)
        return INTERRUPTED
    totals = Totals()
    totals.add(done.totals)
    totals.add(run)
    summary = write_summary(job, totals, run, monotonic() - start)
    _print(job, summary)
    return 1 if totals.failed else 0


def _engine(archive: dict[str, Any]) -> "Engine":
    """Make the engine that was asked for.

    Raises:
        ModuleNotFoundError: If Ray is asked for and not installed.
    """
    least, most = archive["readers"]
    if archive["engine"] == "ray":
        from hematovision.services.archive_ray import RayEngine

        cpus, gpus = archive["cpus_per_reader"], archive["gpus_per_reader"]
        return RayEngine(least or 1, most, 1.0 if cpus is None else cpus, gpus or 0.0)
    from hematovision.services.archive_local import LocalEngine

    for name in ("cpus_per_reader", "gpus_per_reader"):
        if archive[name] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --engine ray.")
    return LocalEngine(most or cores())


def _print(job: "Job", summary: dict[str, Any]) -> None:
    """Say what the dataset holds and how fast this run was."""
    run = summary["this_run"]
    failed = ", ".join(f"{number:,} {code}" for code, number in summary["failed"].items())
    click.echo(
        f"{visible(job.output)}: {summary['photos']:,} photos, {summary['cells']:,} cells."
        + (f" Failed: {failed}." if failed else "")
    )
    click.echo(
        f"This run: {run['photos']:,} photos in {run['seconds']:,} s, "
        f"{run['photos_a_second']:,} photos a second."
    )


def _said(run: "Totals") -> str:
    return f"What is written stays: {run.photos:,} photos, {run.cells:,} cells in this run."
