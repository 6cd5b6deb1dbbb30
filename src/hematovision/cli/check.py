"""`hematovision dataset check`: whether one cell is on both sides of a split."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from hematovision.cli.labels import check_sheet
from hematovision.cli.tools import failures_in_words, track, visible

if TYPE_CHECKING:
    from hematovision.learning.checks import Check

folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=folder, metavar="DIR...")
@click.option(
    "--splits",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV that names the split of each picture (columns photo or image, and split).",
)
@click.option("--photos", type=folder, help="Also find from which of these photos each was made.")
@click.option(
    "--csv",
    "table",
    type=click.File("w", lazy=False, encoding="utf-8"),
    help="Write every picture with its group here, as CSV.",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=check_sheet,
    help="Draw examples here, as PNG or JPEG.",
)
def check(
    folders: tuple[Path, ...],
    splits: Path | None,
    photos: Path | None,
    table: TextIO | None,
    sheet: Path | None,
) -> None:
    """Find pictures that show the same, and say whether they cross a split.

    A split is a folder called train, test and the like, or each DIR where several are named.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with failures_in_words():
        from hematovision.learning import checks

        pictures = checks.list_pictures(folders, splits)
        sources = [one.path for one in checks.list_pictures([photos])] if photos else []
        found = checks.check_pictures(pictures, sources, track=track)
        if table:
            checks.write_groups(found, table)
        if sheet:
            checks.draw_examples(found, sheet)
    _print(found, with_sources=bool(photos))
    if found.shared:
        raise click.ClickException("These splits leak: what is learnt from one shows in another.")


@click.command()
@click.option("--photos", type=folder, required=True, help="From which the copies are made.")
@click.option(
    "--each", default=12, show_default=True, type=click.IntRange(1), help="Copies of each."
)
@click.option("--seed", default=0, show_default=True, help="The source of chance.")
def check_trial(photos: Path, each: int, seed: int) -> None:
    """Measure how often the check is right, on copies whose photos are known."""
    import json
    from tempfile import TemporaryDirectory

    with failures_in_words():
        from hematovision.learning.checks import list_pictures
        from hematovision.learning.copies import try_lens

        paths = [one.path for one in list_pictures([photos])]
        with TemporaryDirectory() as copies:
            found = try_lens(paths, each, Path(copies), seed=seed, track=track)
    click.echo(json.dumps(found))


def _print(found: "Check", *, with_sources: bool) -> None:
    """Print what was found."""
    number = len(found.pictures)
    joined = sum(map(len, found.members.values()))
    sizes = ", ".join(f"{visible(name)} {size:,}" for name, size in found.sizes.items())
    click.echo(f"{number:,} pictures: {sizes}")
    click.echo(f"{len(found.members):,} groups that show the same, with {joined:,} pictures")
    if with_sources:
        known = [source for source in found.sources if source]
        click.echo(f"{len(known):,} were made from {len(set(known)):,} of the photos")
    for (split, other), twins in sorted(found.shared.items()):
        size = found.sizes[split]
        click.echo(
            f"{visible(split)}: {twins:,} of {size:,} ({twins / size:.1%}) "
            f"have a twin in {visible(other)}"
        )
    if not found.shared and len(found.sizes) > 1:
        click.echo("No picture has a twin in another split.")
