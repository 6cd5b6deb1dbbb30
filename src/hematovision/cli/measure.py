"""`hematovision evaluate`: measure the model by the protocol of the sets."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hematovision.cli.learn import backbone_option, data_option
from hematovision.cli.scores import print_scores
from hematovision.cli.tools import Tools, failures_in_words, track

PARTS = (
    "official",
    "folds",
    "pbc",
    "jtsc",
    "external",
    "locator",
    "known",
    "explanations",
    "morphology",
    "robustness",
    "leaky",
    "beside",
)
"""What `--only` takes; a test compares it with the protocol's."""

OFFICIAL = ("official_photos", "official_test_images", "official_test_photos")


def _writable(kinds: Iterable[str]) -> Any:
    """Give a check that refuses at once what could not be written after minutes of work."""

    def check(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path and path.suffix.lower() not in kinds:
            said = " or ".join(kinds)
            raise click.BadParameter(f"{path.name} must end in {said}.", context, parameter)
        if path and not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}.", context, parameter)
        return path

    return check


def _name_externals(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, Path]:
    """Take NAME=DIR apart."""
    externals: dict[str, Path] = {}
    for one in given:
        name, _, folder = one.partition("=")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not folder:
            raise click.BadParameter(
                f"{one} is not NAME=DIR with a name of letters, digits, _ and -.",
                context,
                parameter,
            )
        if name in externals or name.startswith(("official", "folds", "pbc_test", "jtsc")):
            raise click.BadParameter(f"the name {name} is taken.", context, parameter)
        if not Path(folder).is_dir():
            raise click.BadParameter(f"there is no folder {folder}.", context, parameter)
        externals[name] = Path(folder)
    return externals


@click.command()
@data_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=_writable((".json",)),
    help="Keep every figure here, as JSON; a stopped run goes on in it.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=_writable((".html", ".htm")),
    help="Also write the report as a page with plots.",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=_writable((".png", ".jpg", ".jpeg")),
    help="Also draw here, as PNG or JPEG, what locator and annotators disagree on.",
)
@click.option(
    "--external",
    "externals",
    multiple=True,
    metavar="NAME=DIR",
    callback=_name_externals,
    help="Also measure a set of your own: a folder that holds a folder for each type.",
)
@click.option(
    "--folds",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Also score the answers that hematovision folds left here.",
)
@click.option("--robustness", is_flag=True, help="Also measure on spoilt pictures.")
@click.option("--leaky", is_flag=True, help="Also train and score what leaks; needs [train].")
@click.option(
    "--beside",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also compare with the model of another folder, picture by picture.",
)
@backbone_option
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(PARTS),
    help="Measure only this part, and keep the others of --output.",
)
@click.option(
    "--run-log",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=_writable((".csv",)),
    help="Gets a line for every run of the official part.  "
    "[default: official_runs.csv beside --output]",
)
@click.pass_context
def evaluate(context: click.Context, /, **options: Any) -> None:
    """Measure the model end to end on sets that it was not made from."""
    _check(options)
    write_html = _open_report() if options["html"] else None
    with failures_in_words():
        report = _run(context.ensure_object(Tools), options)
        if write_html:
            write_html(report, options["html"])
    print_scores(report)


def _check(options: Mapping[str, Any]) -> None:
    """Refuse options that mean nothing without another."""
    for part, option in (("folds", "folds"), ("external", "externals"), ("beside", "beside")):
        if part in options["only"] and not options[option]:
            raise click.UsageError(f"--only {part} needs --{part}.")


def _open_report() -> Any:
    """Open the room that writes the page, before anything is measured."""
    try:
        from hematovision.learning.report import write_report
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"The page needs {error.name}: pip install 'hematovision[train]'"
        ) from error
    return write_report


def _run(tools: Tools, options: Mapping[str, Any]) -> dict[str, Any]:
    """Measure what was asked for."""
    from hematovision.learning.evaluation import evaluate as run
    from hematovision.learning.parts import Bench
    from hematovision.learning.sheets import draw_disagreements

    output, log = options["output"], options["run_log"]
    if output and not log:
        log = output.with_name("official_runs.csv")
    bench = Bench(
        options["data"],
        tools.load_reader(tools.settings.model_folder, threads=tools.settings.threads),
        track=track,
        externals=options["externals"],
        folds=options["folds"],
        backbone_weights=options["backbone_weights"],
        beside=_beside(tools, options["beside"]),
    )

    def save(part: str, report: Mapping[str, Any]) -> None:
        if output:
            _write(output, report)
        if part == "official":
            _log_official(report, log)

    report = run(
        bench,
        wanted=_wanted(options),
        document=_find_document(output),
        renew=bool(options["only"]),
        save=save,
        tell=_tell,
    )
    if options["sheet"]:
        boxed = [photo for photos in bench.boxed.values() for photo in photos]
        draw_disagreements(boxed, report["locator"], options["sheet"])
    return report


def _beside(tools: Tools, folder: Path | None) -> Any:
    """Open the model to compare with."""
    return tools.load_reader(folder, threads=tools.settings.threads) if folder else None


def _wanted(options: Mapping[str, Any]) -> list[str]:
    """Name the parts to run: those asked for by name, or all but those nobody asked for."""
    from hematovision.learning.parts import PARTS as KNOWN

    if options["only"]:
        return [name for name in KNOWN if name in options["only"]]
    asked = {"external": options["externals"], **options}
    return [name for name, part in KNOWN.items() if part.always or asked[name]]


def _find_document(output: Path | None) -> dict[str, Any] | None:
    """Read an earlier report, if there is one."""
    if not output or not output.is_file() or not output.stat().st_size:
        return None
    try:
        document: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        return dict(document)
    except (ValueError, TypeError) as error:
        raise click.ClickException(
            f"{output} is there and is no report; choose another --output, or delete it."
        ) from error


def _write(output: Path, report: Mapping[str, Any]) -> None:
    """Write the report; the file is there whole, or as it was."""
    from hematovision.learning.keeping import write_whole

    write_whole(output, json.dumps(report, indent=2) + "\n")


def _log_official(report: Mapping[str, Any], log: Path | None) -> None:
    """Write down that the official sets were scored, and of which model."""
    row = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        **report["model"],
        "recipe_hash": report["recipe_hash"] or "",
        **{name: f"{one['right']} of {one['pictures']}" for name, one in _official(report)},
    }
    if log:
        new = not log.exists()
        with log.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
    else:
        line = " | ".join(row.values())
        _tell(f"The official sets were scored; add to docs/experiments.md: | {line} |")


def _official(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Give the official sets that were scored."""
    return [(name, report["sets"][name]) for name in OFFICIAL if name in report["sets"]]


def _tell(sentence: str) -> None:
    """Say something beside the figures."""
    click.echo(sentence, err=True)
