"""Writes the bill of materials of what a plain installation holds (CycloneDX), for `make sbom`."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "sbom.json"


def runtime_packages() -> set[str]:
    """Give what an installation without extras pulls in here, by normalised name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: set[str] = set()
    waiting = [Requirement(line) for line in project["dependencies"]]
    while waiting:
        wanted = waiting.pop()
        name = normalised(wanted.name)
        if name in found or not _is_here(name):
            continue
        found.add(name)
        needed = [Requirement(line) for line in requires(name) or []]
        waiting += [one for one in needed if _holds(one, wanted.extras)]
    return found


def normalised(name: str) -> str:
    """Give the one spelling of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _holds(needed: Requirement, extras: Collection[str]) -> bool:
    marker = needed.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def _is_here(name: str) -> bool:
    try:
        requires(name)
    except PackageNotFoundError:
        return False
    return True


def only(bill: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Leave in a bill what is of some packages, and what they need of each other."""
    parts = [part for part in bill["components"] if normalised(part["name"]) in names]
    own = bill["metadata"]["component"]["bom-ref"]
    known = {part["bom-ref"] for part in parts} | {own}
    needs = [need for need in bill["dependencies"] if need["ref"] in known]
    for need in needs:
        need["dependsOn"] = [ref for ref in need.get("dependsOn", []) if ref in known]
    return bill | {"components": parts, "dependencies": needs}


if __name__ == "__main__":
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.executable]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible"]
    whole = subprocess.run(command, capture_output=True, check=True).stdout
    bill = only(json.loads(whole), runtime_packages())
    FILE.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n")
    print(f"{FILE.relative_to(ROOT)}: {len(bill['components'])} packages")
