"""Whatever deploys HematoVision speaks of settings, ports, paths and commands that there are."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.deployed import (
    FILES,
    PORT,
    ROOT,
    USER,
    compose,
    dockerfile,
    manifest,
    manifests,
    procfile,
    railway,
    render,
)

from hematovision.cli import main
from hematovision.config import PREFIX, Settings
from hematovision.web.health import blueprint

OF_THE_PROGRAM = {PREFIX + field.name.upper() for field in fields(Settings)}
OF_PLATFORMS = {f"HEMATOVISION_{one}" for one in ("DATA_KEY", "AUDIT_KEY", "ADMIN_PASSWORD")}
"""platform.sh makes files of them."""
LINES = {"dockerCommand", "preDeployCommand", "startCommand"}
"""By which platforms name a command."""
SERVER = "gunicorn --config deploy/gunicorn.conf.py app:app"


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Give every key of a document with what stands under it."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield key, part
            yield from walk(part)
    elif isinstance(value, list):
        for part in value:
            yield from walk(part)


@pytest.mark.parametrize(
    "file", [pytest.param(file, id=str(file.relative_to(ROOT))) for file in FILES]
)
def test_every_variable_is_a_setting(file: Path) -> None:
    used = set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", file.read_text()))
    assert used - OF_THE_PROGRAM - OF_PLATFORMS == set()


def test_settings_that_are_given_are_understood() -> None:
    environments = [service.get("environment", {}) for service in compose()["services"].values()]
    environments.append(manifest("ConfigMap", "hematovision")["data"])
    for group in render()["envVarGroups"]:
        environments.append(
            {one["key"]: one["value"] for one in group["envVars"] if "value" in one}
        )
    for environment in environments:
        given = {name: str(text) for name, text in environment.items() if text is not None}
        in_files = {name for name in given if name.endswith("_URL_FILE")}
        Settings.from_environment({k: v for k, v in given.items() if k not in in_files})


def asked_paths() -> Iterator[str]:
    for _, document in manifests():
        yield from (probe["path"] for key, probe in walk(document) if key == "httpGet")
    yield from (path for key, path in walk(render()) if key == "healthCheckPath")
    yield from (path for key, path in walk(railway()) if key == "healthcheckPath")
    for word, rest in dockerfile()[-1]:
        if word == "HEALTHCHECK":
            yield from re.findall(r"\}(/\w+)'", rest)


def test_every_path_that_is_asked_is_one_of_the_server() -> None:
    asked = list(asked_paths())
    assert len(asked) >= 6
    source = Path(__import__(blueprint.import_name, fromlist=["_"]).__file__).read_text()
    assert set(asked) <= set(
        re.findall(r'@blueprint.get\("(/\w+)"\)\n@public\n@at_any_host', source)
    )


def test_every_port_is_the_servers() -> None:
    last = dict(dockerfile()[-1])
    assert last["EXPOSE"] == str(PORT)
    assert f"HEMATOVISION_PORT={PORT}" in last["ENV"]
    (box,) = manifest("Deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert box["ports"] == [{"name": "http", "containerPort": PORT}]
    assert f"server web:{PORT} resolve" in (ROOT / "deploy/nginx/upstream.conf").read_text()
    doors = (ROOT / "deploy/nginx/hematovision.conf").read_text()
    listened = set(re.findall(r"listen (\d+)", doors))
    published = compose()["services"]["proxy"]["ports"]
    assert {port.split(":")[1] for port in published} == listened


def commands() -> Iterator[tuple[str, list[str]]]:
    """Give every command that is run in the image or beside it, with where it is written."""
    for name, service in compose()["services"].items():
        if service["image"].startswith("hematovision:") and "command" in service:
            yield f"compose {name}", service["command"]
    for file, document in manifests():
        yield from ((file, value) for key, value in walk(document) if key == "command")
    yield from ((f"Procfile {name}", shlex.split(line)) for name, line in procfile().items())
    yield from (("render", shlex.split(line)) for key, line in walk(render()) if key in LINES)
    for name in ("railway.json", "deploy/railway/worker.json"):
        lines = [line for key, line in walk(railway(name)) if key in LINES]
        yield from ((name, shlex.split("".join(line))) for line in lines)


@pytest.mark.parametrize(
    "command",
    [pytest.param(command, id=f"{where}: {command[-1]}") for where, command in commands()],
)
def test_every_command_is_one_that_there_is(command: list[str]) -> None:
    if command[:2] == ["sh", "deploy/platform.sh"]:
        command = command[2:]
    if command[0] == "gunicorn":
        assert " ".join(command) == SERVER
        return
    assert command[0] == "hematovision"
    found: Any = main
    for word in command[1:]:
        if not hasattr(found, "commands"):
            break
        found = found.commands[word]
    if hasattr(found, "commands"):
        return
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in command if word.startswith("--")} <= options


def test_one_user_runs_the_program_everywhere() -> None:
    last = dockerfile()[-1]
    assert dict(last)["USER"] == f"{USER}:{USER}"
    # Whatever stands behind it runs as nobody who could write to the image.
    assert [word for word, _ in last].index("USER") > [word for word, _ in last].index("COPY")
    for service in compose()["services"].values():
        if service["image"].startswith("hematovision:"):
            assert service["user"] == f"{USER}:{USER}"
    for kind, name in (("Deployment", "web"), ("Deployment", "worker"), ("Job", "prepare")):
        pod = manifest(kind, name)["spec"]["template"]["spec"]["securityContext"]
        assert (pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]) == (USER, USER, USER)


def test_one_image_of_one_version_is_named() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version
    named = {service["image"] for service in compose()["services"].values()}
    ours = {name for name in named if "hematovision" in name}
    # What writes ONNX once for Triton is built of the same file.
    assert ours == {f"hematovision{kind}:{version[1]}" for kind in ("", "-export")}
    assert ("ARG", f"VERSION={version[1]}") in dockerfile()[-1]
    (image,) = next(document for file, document in manifests() if file[0] == "k")["images"]
    assert (image["name"], image["newTag"]) == ("hematovision", version[1])
    for _, document in manifests():
        assert {image for key, image in walk(document) if key == "image"} <= {"hematovision"}


def test_every_other_image_has_a_version() -> None:
    for service in compose()["services"].values():
        _, _, tag = service["image"].rpartition(":")
        assert re.match(r"\d", tag), service["image"]
