"""Fails where a file holds what looks like a secret and is not in `.secrets.baseline`.

The baseline holds a hash of what was looked at and is none: passwords of people who are made for a
test, digests, examples. `python .ci/secret_scan.py --accept` takes in what is there now: look at
each before.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from detect_secrets.core import baseline
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / ".secrets.baseline"
UNREAD = (
    ".h5", ".onnx", ".npz", ".jpg", ".png", ".ttf", ".mo", ".po", ".csv", ".svg",
)  # fmt: skip
"""Pictures, networks, and translations: no place where anybody puts a secret."""
GENERATED = ("src/hematovision/models/", "notebooks/model.ipynb", "docs/sbom.json", BASELINE.name)
"""Digests and pictures as text, written by our own commands."""


def files() -> Sequence[str]:
    """List what git keeps, or would."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = listed.stdout.splitlines()
    return [
        name
        for name in names
        if not name.endswith(UNREAD) and not name.startswith(GENERATED) and (ROOT / name).is_file()
    ]


def scan(names: Iterable[str]) -> SecretsCollection:
    """Look into files."""
    found = SecretsCollection(root=str(ROOT))
    with default_settings():
        for name in names:
            found.scan_file(name)
    return found


def new_ones(found: SecretsCollection, known: SecretsCollection) -> Sequence[PotentialSecret]:
    """Give what is found and not known; where in a file it stands does not count."""
    before = {(name, secret.type, secret.secret_hash) for name, secret in known}
    return [
        secret for name, secret in found if (name, secret.type, secret.secret_hash) not in before
    ]


def accept(found: SecretsCollection) -> None:
    """Write what is there as known, without time and places: nothing changes where nothing does."""
    with default_settings():
        known = baseline.format_for_output(found)
    known.pop("generated_at", None)
    for name, secrets in known["results"].items():
        for secret in secrets:
            secret["filename"] = name
            secret.pop("line_number", None)
    BASELINE.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    found = scan(files())
    if "--accept" in sys.argv:
        accept(found)
        sys.exit(0)
    known = baseline.load(json.loads(BASELINE.read_text()), filename=str(BASELINE))
    for secret in new_ones(found, known):
        print(f"{secret.filename}:{secret.line_number}: {secret.type}")
    sys.exit(1 if new_ones(found, known) else 0)
