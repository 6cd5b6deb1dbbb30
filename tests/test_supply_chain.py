"""What CI runs beside the tests: known weaknesses, secrets, and the bill of materials."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[1]
BILL = json.loads((ROOT / "docs/sbom.json").read_text())


def program(name: str) -> ModuleType:
    """Load one of the programs of `.ci`, which is no package."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / f".ci/{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


audit, sbom, secret_scan = program("audit"), program("sbom"), program("secret_scan")
SKIPPED = {"name": "a", "skip_reason": "Dependency not found on PyPI"}
SOUND = {"name": "b", "version": "1.0", "vulns": []}
WEAK = {
    "name": "c",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}, {"id": "PYSEC-2"}],
}


@pytest.mark.parametrize(
    ("packages", "words"),
    [
        pytest.param([], "not checked: unreachable (no package could be looked up)", id="none"),
        pytest.param([SKIPPED], "not checked: unreachable (no package", id="a mirror"),
        pytest.param([SOUND], "1 packages checked; 0 weaknesses", id="sound"),
        pytest.param([SOUND, SKIPPED], "1 packages checked, 1 not checked: unreachable", id="some"),
    ],
)
def test_what_was_not_checked_is_said_and_no_failure(
    packages: list[dict[str, object]], words: str
) -> None:
    verdict = audit.read_answer({"dependencies": packages})
    assert words in verdict.words
    assert verdict.findings == []


def test_weakness_is_named_with_what_mends_it() -> None:
    verdict = audit.read_answer({"dependencies": [WEAK, SKIPPED]})
    assert verdict.findings == [
        "c 2.0: PYSEC-1 (mended in 2.1)",
        "c 2.0: PYSEC-2 (mended in no version yet)",
    ]


def test_service_that_is_away_is_no_failure(tmp_path: Path) -> None:
    assert audit.ask(tmp_path / "none").words.startswith("audit: not checked: unreachable")


def test_secret_is_found_unless_it_was_looked_at_before(tmp_path: Path) -> None:
    kind = "password"
    file = tmp_path / "settings.py"
    file.write_text(f'{kind} = "{"T0p" + "-Secret-99"}"\n')
    found = secret_scan.scan([str(file)])
    assert [secret.line_number for secret in secret_scan.new_ones(found, type(found)())] == [1]
    file.write_text(f'\n\n{kind} = "{"T0p" + "-Secret-99"}"\n')
    assert secret_scan.new_ones(secret_scan.scan([str(file)]), found) == []
    file.write_text(f'{kind} = "{"An0ther" + "-Secret"}"\n')
    assert len(secret_scan.new_ones(secret_scan.scan([str(file)]), found)) == 1


def test_files_that_are_read_are_those_that_git_keeps() -> None:
    read = secret_scan.files()
    assert {"src/hematovision/config.py", "Makefile", ".env.example", "docs/cli.md"} <= set(read)
    assert not [name for name in read if name.endswith((".onnx", ".jpg"))]


def test_bill_of_materials_is_what_the_project_needs() -> None:
    listed = {sbom.normalised(part["name"]) for part in BILL["components"]}
    assert listed == sbom.runtime_packages(), "make sbom"
    assert BILL["metadata"]["component"]["name"] == "hematovision"


def test_bill_of_materials_has_the_pinned_versions_and_where_they_are_from() -> None:
    pinned = dict(re.findall(r"^([\w.-]+)==(.+)$", (ROOT / "constraints.txt").read_text(), re.M))
    versions = {sbom.normalised(name): version for name, version in pinned.items()}
    for part in BILL["components"]:
        name = sbom.normalised(part["name"])
        assert part["version"] == versions[name], "make sbom"
        kind, _, purl = part["purl"].partition("/")
        assert (kind, sbom.normalised(purl.partition("@")[0])) == ("pkg:pypi", name)


def test_bill_of_materials_is_sound_and_holds_no_tools() -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(BILL)) is None
    names = {part["name"].lower() for part in BILL["components"]}
    assert not names & {"pytest", "tensorflow-cpu", "gunicorn", "atheris"}
