"""What the linters and schemas of their own programs say of the files that deploy HematoVision."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from tests.deploy.deployed import KUBERNETES, ROOT

BIN = Path(sys.executable).parent
SCHEMAS = Path(__file__).parent / "schemas"
VERSION = "1.34"
"""Of Kubernetes: the oldest that is still mended, when this was written."""

LINTERS = [
    pytest.param(["hadolint", "Dockerfile"], id="Dockerfile"),
    pytest.param(
        ["yamllint", "--strict", "compose.yaml", "render.yaml", "deploy/kubernetes"], id="YAML"
    ),
    pytest.param(
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
        id="compose.yaml",
    ),
    pytest.param(
        ["kubernetes-validate", "--strict", "-k", VERSION]
        + [str(file) for file in sorted(KUBERNETES.glob("*.yaml")) if file.name[0] != "k"],
        id="Kubernetes",
    ),
]


@pytest.mark.parametrize("command", LINTERS)
def test_linter_finds_nothing(command: list[str]) -> None:
    program, *arguments = command
    done = subprocess.run(  # noqa: S603 - of our own environment
        [BIN / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        ("render.yaml", "render"),
        ("railway.json", "railway"),
        ("deploy/railway/worker.json", "railway"),
    ],
)
def test_file_of_a_platform_has_the_form_that_it_documents(file: str, schema: str) -> None:
    document = yaml.safe_load((ROOT / file).read_text())
    jsonschema.validate(document, json.loads((SCHEMAS / f"{schema}.json").read_text()))


@pytest.mark.parametrize(
    "script", ["deploy/platform.sh", "deploy/secrets.sh"], ids=["platform", "secrets"]
)
def test_script_is_read_by_a_plain_shell(script: str) -> None:
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-n", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
