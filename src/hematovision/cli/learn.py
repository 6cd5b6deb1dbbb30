"""`hematovision train` and `folds`: make the model folder, and models without a fold."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hematovision.cli.tools import Tools, failures_in_words, track

if TYPE_CHECKING:
    from hematovision.learning.datasets import Photo

data_option = click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The folder of the sets; docs/data.md says what lies in it.",
)


def _check_weights(context: click.Context, parameter: click.Parameter, weights: str) -> str:
    """Insist on the file of the weights."""
    if weights != "imagenet" and not Path(weights).is_file():
        raise click.UsageError(f"--backbone-weights: there is no file {weights}.", context)
    return weights


backbone_option = click.option(
    "--backbone-weights",
    default="imagenet",
    show_default=True,
    metavar="imagenet|PATH",
    callback=_check_weights,
    help="Where the backbone starts: downloaded, or a .weights.h5 without its top.",
)


@click.command()
@data_option
@backbone_option
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/train"),
    show_default=True,
    help="Keeps histories, plots and what is needed to go on after a stop.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The model folder to make.  [default: the one that reads]",
)
@click.option("--seed", default=7, show_default=True, help="The source of chance.")
@click.option(
    "--locator",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take this finished locator.onnx, and teach the classifier alone. What it has learnt from "
    "is not looked into.",
)
@click.option(
    "--also",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Learn from this laboratory's set too, which “hematovision dataset export” wrote.",
)
@click.pass_context
def train(
    context: click.Context,
    data: Path,
    backbone_weights: str,
    work: Path,
    output: Path | None,
    seed: int,
    locator: Path | None,
    also: Path | None,
) -> None:
    """Make the model folder from the published sets; a stopped run goes on where it was."""
    if also and not output:
        raise click.UsageError("--also needs --output: the model that reads stays.", context)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with failures_in_words():
        from hematovision.learning.making import make_model
        from hematovision.learning.training import Recipe

        make_model(
            data,
            backbone_weights=backbone_weights,
            work=work,
            folder=output or context.ensure_object(Tools).settings.model_folder,
            recipe=Recipe(seed=seed),
            locator=locator,
            also=also,
        )


@click.command()
@data_option
@backbone_option
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/folds"),
    show_default=True,
    help="Keeps the models, and what each said of its fold.",
)
@click.option(
    "--train-work",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("runs/train"),
    show_default=True,
    help="The --work of the model that is to be reported.",
)
@click.option("--seed", default=7, show_default=True, help="The source of chance.")
@click.pass_context
def folds(
    context: click.Context,
    data: Path,
    backbone_weights: str,
    work: Path,
    train_work: Path,
    seed: int,
) -> None:
    """Make a model without each fifth of BCCD and let it read that; a stopped run goes on.

    Then make three networks, each without one of the other cell types, and see how each is refused.
    """
    tools = context.ensure_object(Tools)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with failures_in_words():
        from hematovision.learning.datasets import bccd_photos
        from hematovision.learning.folds import check_trained, run_folds
        from hematovision.learning.left_out import keep_left_out
        from hematovision.learning.training import Recipe

        recipe = Recipe(seed=seed)

        def make(photos: "Sequence[Photo]", folder: Path) -> Path:
            return tools.make_fold(
                data,
                photos,
                folder,
                backbone_weights=backbone_weights,
                work=train_work,
                recipe=recipe,
            )

        check_trained(train_work, recipe)
        run_folds(
            bccd_photos(data),
            make,
            work,
            recipe.sha256,
            seed=seed,
            track=track,
            load=tools.load_reader,
        )
        keep_left_out(
            work,
            recipe.sha256,
            lambda: tools.leave_types_out(
                data, backbone_weights=backbone_weights, work=train_work, recipe=recipe
            ),
        )
