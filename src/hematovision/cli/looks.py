"""`hematovision model looks`: how the pictures look that the model is to be compared with."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from hematovision.cli.photos import find_photos
from hematovision.cli.tools import Tools, failures_in_words, track


@click.command()
@click.argument("photos", nargs=-1, type=click.Path(exists=True))
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of the published sets, for the model that was made from them.",
)
@click.option("--name", default="site", show_default=True, help="What PHOTOS are called.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="The file to write.  [default: looks.json of the model folder]",
)
@click.pass_context
def looks(
    context: click.Context, photos: Sequence[str], data: Path | None, name: str, output: Path | None
) -> None:
    """Measure how pictures look that the model was made from: stain, focus, and to the network.

    The quality page holds the laboratory's photos against them. A model that was fitted to a site
    is measured with the PHOTOS of that site, files or folders.
    """
    if bool(photos) == (data is not None):
        raise click.UsageError("Give either PHOTOS or --data.")
    tools = context.ensure_object(Tools)
    folder = tools.settings.model_folder
    with failures_in_words():
        from hematovision.learning.keeping import write_whole
        from hematovision.learning.looks import measure_looks
        from hematovision.vision.looks import LOOKS_FILE

        reader = tools.load_reader(folder, threads=tools.settings.threads)
        document = measure_looks(reader, _sets(photos, data, name), track=track)
        written = output or folder / LOOKS_FILE
        write_whole(written, json.dumps(document, indent=1) + "\n")
    for one, found in document["sets"].items():
        click.echo(f"{one}: {found['photos']} photos")
    click.echo(f"Wrote {written}")


def _sets(photos: Sequence[str], data: Path | None, name: str) -> Mapping[str, Sequence[Path]]:
    """Name the photos to measure, by set."""
    from hematovision.learning.looks import learnt_pictures

    if data is not None:
        return learnt_pictures(data)
    found = find_photos(photos, recursive=True)
    return {name: [Path(path) for path in found if isinstance(path, str)]}
