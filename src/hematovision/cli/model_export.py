"""`hematovision model export`: write a model's networks for servers of others."""

from pathlib import Path

import click

from hematovision.cli.tools import Tools, failures_in_words, visible


@click.command("export")
@click.option(
    "--triton",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="The repository to write, or to add to, for NVIDIA Triton and OpenVINO Model Server.",
)
@click.option(
    "--model",
    type=click.Path(file_okay=False, path_type=Path),
    help="A model folder; the one of HEMATOVISION_MODEL_FOLDER when left out.",
)
@click.option("--gpus", type=click.IntRange(0), default=0, help="GPUs to serve on; 0 for none.")
@click.option(
    "--instances",
    type=click.IntRange(1),
    default=1,
    help="Copies of each network: on every GPU, or one for each core.",
)
@click.pass_context
def export_model(
    context: click.Context, folder: Path, model: Path | None, gpus: int, instances: int
) -> None:
    """Write the networks as a model repository, for a server of the Open Inference Protocol.

    What is written takes bytes, and is compared with what was shipped. Networks of other models
    that lie in the repository stay; whatever else lies there is not touched, and nothing written.
    """
    with failures_in_words("export"):
        from hematovision.vision.bundle import read_bundle
        from hematovision.vision.repositories import write_repository
        from hematovision.vision.triton import Serving

        bundle = read_bundle(model or context.ensure_object(Tools).settings.model_folder)
        written = write_repository(bundle, folder, Serving(gpus, instances))
    for one in written:
        click.echo(f"{one.name}\tdiffers by {one.difference:.1g} at most")
    click.echo(f"tritonserver --model-repository={visible(str(folder))}")
    click.echo(
        f"ovms --config_path {visible(str(folder))}/config.json --rest_port 8000 --port 9000"
    )
