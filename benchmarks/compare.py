"""`make bench-compare`: HematoVision beside the Flask program that people usually write.

The same clients send the same photos to both, in one run on this machine, and to HematoVision with
one and two web processes and one and two replicas of its engine elsewhere. What is found goes into
docs/performance.json, its plots and its page.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from benchmarks.cases import Case, Ours, Stage, all_cases
from benchmarks.claims import claims_of
from benchmarks.installed import databases, home, memory_of_database
from benchmarks.loads import chosen, measure_all
from benchmarks.parts import measure_parts
from benchmarks.performance import JSON_FILE, write_page
from benchmarks.plots import draw_all
from benchmarks.servers import ROOT
from rich.console import Console
from tests.databases import Postgres

from hematovision.config import PACKAGED_MODEL
from hematovision.machine import cores

PRICE = 0.05
PRICE_SOURCE = (
    "an assumption of November 2026, not a measurement: a round figure for a core of a general "
    "machine on demand, as large providers list them"
)
PACKAGES = ("onnxruntime", "tensorflow-cpu", "keras", "flask", "gunicorn", "pillow", "numpy", "ray")
CONSOLE = Console(soft_wrap=True)


def machine() -> dict[str, Any]:
    """Say what this machine is."""
    return {
        "cpu": _cpu_model(),
        "cores": cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {"python": platform.python_version()} | _versions(),
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def commit() -> str:
    """Name the commit that is measured, and say whether anything has changed since."""
    command = ["git", "describe", "--always", "--abbrev=8", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def cost_of_million(photos_a_second: float, *, price: float) -> float:
    """Say what a million photos cost on all cores of this machine.

    Args:
        photos_a_second: As measured, on all of them.
        price: Of a core for an hour.
    """
    hours = 1e6 / photos_a_second / 3600
    return hours * cores() * price


def models_of(given: Sequence[str]) -> Mapping[str, Path]:
    """Read the models that are to stand side by side: folders, or names and folders.

    Raises:
        SystemExit: If one is no model folder.
    """
    models = {}
    for text in given:
        name, _, folder = text.rpartition("=")
        path = Path(folder).resolve()
        if not (path / "bundle.json").exists():
            raise SystemExit(f"{folder} is no model folder.")
        models[name or path.name] = path
    return models or {"float32": PACKAGED_MODEL}


def describe(case: Case) -> dict[str, Any]:
    """Say what a case is."""
    what: dict[str, Any] = {"name": case.name, "title": case.title, "model": None}
    if isinstance(case, Ours):
        what |= {
            "model": case.label,
            "processes": case.processes,
            "replicas": case.replicas,
            "settings": dict(case.settings),
        }
    return what


def measure(options: argparse.Namespace, folder: Path, database: Postgres | None) -> dict[str, Any]:
    """Measure the pipeline and every case; give all that goes into the JSON."""
    models = models_of(options.model)
    paths = sorted((options.data / "bccd" / "photos").glob("*.jpg"))
    photos = [path.read_bytes() for path in paths]
    document = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": machine(),
        "seconds": options.seconds,
        "rounds": options.rounds,
        "photos": len(photos),
        "database": "PostgreSQL" if database else "SQLite",
        "price": options.price,
        "price_source": PRICE_SOURCE if options.price == PRICE else "given with --price",
    }
    document["pipeline"] = {}
    for label, model in models.items():
        CONSOLE.print(f"the pipeline, part by part: {label}")
        with home(database) as place:
            parts = measure_parts(model, photos[: options.parts], place)
        document["pipeline"][label] = _rounded(parts.document())
    cases = chosen(all_cases(models), options.only)
    stage = Stage(photos[0], paths[0].parent, folder, database)
    found, missing = measure_all(
        cases, stage, seconds=options.seconds, rounds=options.rounds, say=CONSOLE.print
    )
    document["cases"] = [
        describe(case) | found[case.name].document() for case in cases if case.name in found
    ]
    document["missing"] = dict(missing)
    weighed = memory_of_database(database)
    document["database_mb"] = round(weighed.pss_mb, 1) if weighed else None
    _add_costs(document)
    return document


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


def _add_costs(document: dict[str, Any]) -> None:
    """Add to each case what a million photos cost at the best of its rates."""
    for case in document["cases"]:
        best = max(load["requests_a_second"] for load in case["loads"].values())
        price = document["price"]
        case["cost_of_million"] = round(cost_of_million(best, price=price), 2) if best else None


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read what is asked for."""
    parser = argparse.ArgumentParser(prog="make bench-compare", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seconds", type=float, default=6, help="for each number of clients")
    parser.add_argument("--rounds", type=int, default=2, help="how often all are measured")
    parser.add_argument("--parts", type=int, default=100, help="photos for the pipeline's parts")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="[NAME=]FOLDER",
        help="a model folder; more than one stand side by side; the package's when left out",
    )
    parser.add_argument("--only", default="", help="a regular expression: cases of that name alone")
    parser.add_argument("--price", type=float, default=PRICE, help="US dollars a core and hour")
    parser.add_argument("--sqlite", action="store_true", help="keep readings in SQLite")
    parser.add_argument("--json", type=Path, default=JSON_FILE, help="where figures are written")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the figures, and say what they show; page and plots follow docs' own JSON."""
    options = parse(arguments)
    if not (options.data / "bccd" / "photos").is_dir():
        raise SystemExit(f"{options.data}/bccd is missing; docs/data.md says where to get it.")
    begin = time.monotonic()
    with (
        TemporaryDirectory(prefix="hematovision-compare-") as folder,
        databases(wanted=not options.sqlite) as database,
    ):
        document = measure(options, Path(folder), database)
    document["minutes"] = round((time.monotonic() - begin) / 60, 1)
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.json == JSON_FILE:
        write_page(document)
        draw_all(document)
    for claim in claims_of(document):
        CONSOLE.print(f"{claim.what}: {claim.found} (asked: {claim.asked})")
    for name, reason in document["missing"].items():
        CONSOLE.print(f"{name}: not measured, {reason}")
    CONSOLE.print(f"{options.json} is written, after {document['minutes']} minutes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
