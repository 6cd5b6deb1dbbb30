"""The unit of a single machine."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import skip_or_fail
from tests.deploy.deployed import ROOT

UNIT = ROOT / "deploy/systemd/hematovision.service"
PROGRAM = "/opt/hematovision/bin/hematovision"


def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT)
    return parser["Service"]


def test_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        skip_or_fail("there is no systemd-analyze: apt-get install systemd")
    # Neither the program nor its user are on the machine that looks at the unit.
    text = UNIT.read_text().replace(PROGRAM, "/bin/true").replace("=hematovision\n", "=root\n")
    file = tmp_path / UNIT.name
    file.write_text(text)
    done = subprocess.run(  # noqa: S603
        [program, "verify", file], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("what", ["NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome"])
def test_unit_has_no_more_than_it_needs(what: str) -> None:
    assert service()[what] == "yes"


def test_unit_writes_into_its_own_folder_alone() -> None:
    found = service()
    assert found["ProtectSystem"] == "strict"
    assert found["CapabilityBoundingSet"] == ""
    folder = f"HEMATOVISION_DATA_FOLDER=/var/lib/{found['StateDirectory']}"
    assert found["Environment"].split() == [folder, "ORT_DISABLE_TELEMETRY=1"]
    assert found["ExecStartPre"] == f"{PROGRAM} prepare"
    assert found["ExecStart"].startswith(f"{PROGRAM} serve")
