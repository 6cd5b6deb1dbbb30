"""The files by which HematoVision is deployed, read as the programs that they are for read them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
FILES = [
    ROOT / "Dockerfile",
    ROOT / "compose.yaml",
    ROOT / "Procfile",
    ROOT / "render.yaml",
    ROOT / "railway.json",
    *sorted(
        path
        for folder in ("kubernetes", "nginx", "railway", "systemd")
        for path in (ROOT / "deploy" / folder).rglob("*.*")
    ),
    ROOT / "deploy/platform.sh",
    ROOT / "docs/deploy.md",
]
USER = 10001
PORT = 5000
VARIABLE = re.compile(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}")
LINE = re.compile(r"(?:[^\\\n]|\\.|\\\n)+")
"""A line of a Dockerfile, with those that go on after a backslash."""


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in, as Compose does.

    Raises:
        KeyError: If one is missing that must be there.
    """

    def put(found: re.Match[str]) -> str:
        name, kind, word = found.groups()
        if value := variables.get(name):
            return value
        if kind != ":-":
            raise KeyError(name)
        return word or ""

    return VARIABLE.sub(put, text)


def compose(**variables: str) -> dict[str, Any]:
    """Read compose.yaml with variables put in."""
    given = {"HEMATOVISION_TRUSTED_HOSTS": "lab.example"} | variables
    text = "\n".join(
        line
        for line in (ROOT / "compose.yaml").read_text().splitlines()
        if not line.lstrip().startswith("#")
    )
    found: dict[str, Any] = yaml.safe_load(interpolate(text, given))
    return found


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every document for Kubernetes with the name of its file."""
    for file in sorted(KUBERNETES.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            yield file.name, document


def manifest(kind: str, name: str) -> dict[str, Any]:
    """Give the only document of its kind and name that is applied."""
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    (found,) = (
        document
        for file, document in manifests()
        if file in listed and (document["kind"], document["metadata"]["name"]) == (kind, name)
    )
    return found


def render() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "render.yaml").read_text())
    return found


def railway(name: str = "railway.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / name).read_text())
    return found


def procfile() -> dict[str, str]:
    """Give the commands by the names of their processes."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def dockerfile() -> Sequence[Sequence[tuple[str, str]]]:
    """Give the instructions of each stage: what is done, and with what."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    stages: list[list[tuple[str, str]]] = []
    for line in LINE.findall(text):
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stages.append([])
        if stages:
            stages[-1].append((word, rest))
    return stages
