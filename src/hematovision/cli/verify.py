"""`hematovision verify`: whether the recorded model still says what it said."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hematovision.cells import CellReader
from hematovision.cli.stores import open_pictures, open_records, open_shared_models, terminal
from hematovision.cli.tools import Refusal, Tools, visible
from hematovision.config import Settings
from hematovision.errors import CaseUnknownError, HematoVisionError

if TYPE_CHECKING:
    from hematovision.services.replay import Bench, Replayed


@click.command()
@click.argument("readings", nargs=-1, type=click.IntRange(min=1), metavar="READING...")
@click.option("--case", "accession", help="Verify the readings of this case.")
@click.option("--all", "everything", is_flag=True, help="Verify every reading.")
@click.option(
    "--model",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A model folder to look in first; can be given several times.",
)
@click.pass_context
def verify(
    context: click.Context,
    readings: tuple[int, ...],
    accession: str | None,
    everything: bool,
    folders: tuple[Path, ...],
) -> None:
    """Read kept pictures again, and say whether the answers are those on record.

    READING is the number that the history shows. The exit code is 1 unless all are the same.
    """
    if bool(readings) + bool(accession) + everything != 1:
        raise click.UsageError("Give numbers of readings, --case or --all.")
    from hematovision.services.replay import Verdict, replay_photo

    found: dict[Verdict, int] = {}
    with _open_bench(context, folders) as bench:
        for photo_id in readings or _choose(bench, accession):
            for replayed in replay_photo(bench, photo_id, by=terminal()):
                _print(replayed)
                found[replayed.verdict] = found.get(replayed.verdict, 0) + 1
    click.echo(", ".join(f"{number} {verdict}" for verdict, number in sorted(found.items())))
    if set(found) - {Verdict.SAME}:
        context.exit(1)


def _choose(bench: "Bench", accession: str | None) -> Sequence[int]:
    from hematovision.services.cases import find_case
    from hematovision.services.replay import list_read

    if accession is None:
        return list_read(bench.database, None)
    case = find_case(bench.database, accession)
    if case is None:
        raise CaseUnknownError("There is no such case.")
    return list_read(bench.database, case.id)


def _print(replayed: "Replayed") -> None:
    """Print what came of one reading, with tabs between, and where it differs below."""
    model = replayed.kept.reading.model
    click.echo(
        f"{replayed.kept.photo_id}\t{replayed.verdict}\t"
        f"{visible(model.name)} {visible(model.version)} ({model.sha256[:8]})"
    )
    for difference in replayed.differences:
        click.echo(f"\t{difference}")


@contextmanager
def _open_bench(context: click.Context, folders: Sequence[Path]) -> Iterator["Bench"]:
    from hematovision.services.carrying import bring_models
    from hematovision.services.replay import Bench, ModelFolders

    tools = context.ensure_object(Tools)
    settings = tools.settings

    def load(folder: Path) -> CellReader:
        return tools.load_reader(folder, threads=settings.threads)

    database = open_records(settings)
    try:
        bring_models(database, open_shared_models(settings), settings.data_folder)
        models = ModelFolders([*folders, *_installed(settings)], load)
        decoder = tools.open_decoders(settings)
        yield Bench(database, open_pictures(settings), models, settings.max_pixels, decoder)
    except HematoVisionError as error:
        raise Refusal(error) from error
    finally:
        database.close()


def _installed(settings: Settings) -> Sequence[Path]:
    """List every model folder of this installation, the one that reads first."""
    own = sorted((settings.data_folder / "models").glob("*/"))
    return [settings.model_folder, *own]
