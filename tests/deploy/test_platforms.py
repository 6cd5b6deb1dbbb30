"""What platforms say under their own names reaches HematoVision under its own."""

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.deployed import ROOT, dockerfile, procfile, railway, render

from hematovision.config import Settings
from hematovision.storage.database import connect

HEX, ANOTHER = "ab" * 32, "cd" * 32
KEYS = {
    "HEMATOVISION_DATA_KEY": HEX,
    "HEMATOVISION_AUDIT_KEY": base64.b64encode(bytes.fromhex(ANOTHER)).decode(),
    "HEMATOVISION_SECRET_KEY": base64.b64encode(bytes.fromhex(HEX)).decode(),
}


def become(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run platform.sh, which becomes a program that says what it was given."""
    program = "import os, sys; print(*sorted(f'{k}={v}' for k, v in os.environ.items()), sep='\\n')"
    return subprocess.run(  # noqa: S603 - our own script
        ["/bin/sh", "deploy/platform.sh", sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def given(**variables: str) -> dict[str, str]:
    done = become(**variables)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_port_and_addresses_are_settings() -> None:
    environment = given(PORT="10000", DATABASE_URL="postgres://u:p@h/d", REDIS_URL="redis://h:1")
    settings = Settings.from_environment(environment)
    assert (settings.host, settings.port) == ("0.0.0.0", 10000)  # noqa: S104
    assert settings.database_url == "postgres://u:p@h/d"
    assert settings.queue_url == "redis://h:1"


def test_nothing_is_made_of_nothing() -> None:
    assert [name for name in given() if name.startswith("HEMATOVISION")] == []


def test_engine_tells_its_maker_nothing() -> None:
    assert given()["ORT_DISABLE_TELEMETRY"] == "1"
    assert "ORT_DISABLE_TELEMETRY=1" in dict(dockerfile()[-1])["ENV"].split()


def test_names_of_its_own_count_more() -> None:
    environment = given(
        DATABASE_URL="postgres://other", HEMATOVISION_DATABASE_URL="postgresql://own"
    )
    assert environment["HEMATOVISION_DATABASE_URL"] == "postgresql://own"


@pytest.mark.parametrize(
    ("variables", "queue"),
    [
        pytest.param({"DYNO": "web.1"}, "rediss://h:2?ssl_cert_reqs=none", id="Heroku"),
        pytest.param({}, "rediss://h:2", id="elsewhere"),
    ],
)
def test_certificate_of_heroku_is_not_asked_who_vouches_for_it(
    variables: dict[str, str], queue: str
) -> None:
    assert given(REDIS_URL="rediss://h:2", **variables)["HEMATOVISION_QUEUE_URL"] == queue


def test_keys_become_private_files_and_are_no_variables_any_more(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    environment = given(HEMATOVISION_KEYS_FOLDER=str(folder), **KEYS)
    assert not set(KEYS) & set(environment)
    assert {file.name: file.read_text() for file in folder.iterdir()} == {
        "data_key": HEX,
        "audit_key": ANOTHER,
        "secret_key": HEX,
    }
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("missing", ["HEMATOVISION_AUDIT_KEY", "HEMATOVISION_SECRET_KEY"])
def test_half_of_the_keys_is_refused(missing: str, tmp_path: Path) -> None:
    some = {name: key for name, key in KEYS.items() if name != missing}
    done = become(HEMATOVISION_KEYS_FOLDER=str(tmp_path), **some)
    assert done.returncode != 0
    assert missing in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(KEYS))
@pytest.mark.parametrize("key", ["####", "ab" * 31, base64.b64encode(b"short").decode()])
def test_key_that_is_none_is_refused_and_none_is_made_in_its_place(
    name: str, key: str, tmp_path: Path
) -> None:
    done = become(HEMATOVISION_KEYS_FOLDER=str(tmp_path), **KEYS | {name: key})
    assert done.returncode != 0
    assert f"{name} holds no 32 bytes" in done.stderr
    assert key not in done.stderr
    assert not (tmp_path / name.removeprefix("HEMATOVISION_").lower()).exists()


@pytest.mark.parametrize(
    "address", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"]
)
def test_every_way_to_write_postgresql_leads_to_its_driver(address: str, tmp_path: Path) -> None:
    database = connect(address, tmp_path)
    assert database.engine.url.drivername == "postgresql+psycopg"
    database.close()


def test_platforms_run_the_same_three_programs() -> None:
    lines = procfile()
    web, worker = railway()["deploy"], railway("deploy/railway/worker.json")["deploy"]
    assert web["startCommand"] == lines["web"]
    assert web["preDeployCommand"] == [lines["release"]]
    assert worker["startCommand"] == lines["worker"]
    services: dict[str, Any] = {service["type"]: service for service in render()["services"]}
    assert services["web"]["dockerCommand"] == lines["web"]
    assert services["web"]["preDeployCommand"] == lines["release"]
    assert services["worker"]["dockerCommand"] == lines["worker"]


def test_render_speaks_of_what_it_makes() -> None:
    blueprint = render()
    databases = {one["name"] for one in blueprint["databases"]}
    services = {(one["type"], one["name"]) for one in blueprint["services"]}
    groups = {one["name"] for one in blueprint["envVarGroups"]}
    for service in blueprint["services"]:
        for variable in service.get("envVars", []):
            if "fromDatabase" in variable:
                assert variable["fromDatabase"]["name"] in databases
            if source := variable.get("fromService"):
                assert (source["type"], source["name"]) in services
            assert variable.get("fromGroup", "hematovision") in groups


def test_heroku_installs_what_a_server_needs_in_the_pinned_versions() -> None:
    lines = [
        line for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] != "#"
    ]
    assert lines == ["-c constraints.txt", ".[server]"]
