"""The image, as far as it can be made without Docker: its steps in a clean folder."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import pytest
from tests.deploy.deployed import ROOT, dockerfile

BUILD, LAST = dockerfile()
WORDS = [word for word, _ in LAST]


def load(name: str) -> ModuleType:
    """Load one of the programs of `deploy`, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"deploy/{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


slim = load("slim")


def admits(name: str) -> bool:
    """Tell whether .dockerignore lets a file of the repository be sent to the builder."""
    found = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and line[0] != "#":
            parts = [name, *map(str, Path(name).parents)]
            if any(fnmatch(part, pattern.replace("**/", "*")) for part in parts):
                found = line.startswith("!")
    return found


def copied(instructions: list[tuple[str, str]]) -> list[list[str]]:
    """Give what each COPY of the repository's files copies, and where to."""
    return [rest.split() for word, rest in instructions if word == "COPY" and "--from" not in rest]


def test_image_is_small_closed_and_says_what_it_is() -> None:
    bases = [stage[0][1] for stage in (BUILD, LAST)]
    assert re.fullmatch(r"python:\$\{PYTHON\}-slim-\w+", bases[1])
    assert WORDS[-1] == "CMD"
    last = dict(LAST)
    assert last["CMD"] == '["gunicorn", "--config", "deploy/gunicorn.conf.py", "app:app"]'
    assert last["HEALTHCHECK"].partition("CMD ")[2].startswith('["python", "-c", ')
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)", last["LABEL"]))
    assert {"title", "description", "licenses", "version", "revision", "base"} <= labels
    assert last["VOLUME"] == '["/data"]'


def test_question_of_the_health_check_is_python() -> None:
    code = re.search(r'"-c", "(.*)"\]$', dict(LAST)["HEALTHCHECK"])
    assert code
    compile(code[1].replace('\\"', '"'), "HEALTHCHECK", "exec")


def test_no_secret_and_no_data_can_reach_a_layer() -> None:
    for name in (".env", "secrets/database_url", ".git/config", "docs/sbom.json", "instance/x"):
        assert not admits(name), name
    for name in ("src/hematovision/cli/__init__.py", "app.py", "deploy/slim.py"):
        assert admits(name), name
    assert not re.search("(?i)(password|secret|token)=", (ROOT / "Dockerfile").read_text())


def test_whatever_is_copied_is_there_and_admitted() -> None:
    for instructions in (BUILD, LAST):
        for *sources, _ in copied(list(instructions)):
            for name in sources:
                assert (ROOT / name).exists(), name
                assert admits(name), name


def test_steps_of_the_build_work_in_a_clean_folder(tmp_path: Path) -> None:
    # All steps but one are run as they are: packages of others are not fetched (PIP_NO_DEPS), so
    # those of this environment are looked at behind what was built.
    work, made = tmp_path / "build", tmp_path / "made"
    work.mkdir()
    for word, rest in BUILD:
        if word == "COPY":
            *sources, target = rest.split()
            for name in sources:
                put(ROOT / name, work / target / (name if target == "./" else ""))
        elif word == "RUN":
            run(rest.replace("/opt/hematovision", str(made)), work)
    (site,) = made.glob("lib/python3*/site-packages")
    (tmp_path / "deploy").mkdir()
    for *sources, _ in copied(list(LAST)):
        for name in sources:
            shutil.copy(ROOT / name, tmp_path / name)
    program = "import hematovision, app; print(hematovision.__file__); print(app.app.name)"
    done = subprocess.run(  # noqa: S603 - what was just built
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site), "HEMATOVISION_DATA_FOLDER": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=True,
    )
    file, name = done.stdout.splitlines()
    assert Path(file).is_relative_to(site)
    assert name == "hematovision.web"
    assert (made / "bin/hematovision").read_text().startswith(f"#!{made}/bin/python")
    assert (made / "bin/gunicorn").exists() is False  # of others, so not fetched here


def put(source: Path, target: Path) -> None:
    if source.is_dir():
        unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
        shutil.copytree(source, target, ignore=unwanted)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def run(line: str, folder: Path) -> None:
    """Run a step of the Dockerfile; what installs the program fetches no package of others."""
    alone = {"PIP_NO_DEPS": "1"} if "--python" in line else {}
    path = f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin"
    environment = os.environ | {"PATH": path, "EXTRAS": "server"} | alone
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(  # noqa: S603 - the Dockerfile's own words
        ["/bin/sh", "-euc", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_slimming_takes_what_is_listed_and_nothing_else(tmp_path: Path) -> None:
    gone = [
        "babel/locale-data/de_AT.dat",
        "botocore/data/ec2/2016-11-15/service-2.json.gz",
        "fhir/resources/STU3/patient.py",
        "numpy/_core/tests/test_api.py",
        "numpy/core.pyi",
        "onnxruntime/quantization/quantize.py",
    ]
    kept = [
        "babel/locale-data/es_MX.dat",
        "babel/locale-data/root.dat",
        "botocore/data/endpoints.json",
        "botocore/data/s3/2006-03-01/service-2.json.gz",
        "fhir/resources/R4B/patient.py",
        "hematovision/models/blood_cell/blood_cell.onnx",
        "numpy/_core/api.py",
    ]
    for name in gone + kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    slim.slim(tmp_path)
    left = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert left == set(kept)


def test_nothing_is_stripped_that_was_edited_after_it_was_linked(tmp_path: Path) -> None:
    for name in ("numpy/a.so", "numpy.libs/b.so", "PIL/c.so", "pillow.libs/d.so"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("no module: strip would refuse it")
    slim.strip(tmp_path)
    (tmp_path / "e.so").write_text("no module")
    with pytest.raises(subprocess.CalledProcessError):
        slim.strip(tmp_path)


def test_server_opens_nothing_that_is_taken_out(tmp_path: Path) -> None:
    program = "\n".join(
        (
            "import sys, app, fhir.resources.R4B.bundle, fpdf, openpyxl, redis, s3fs, psycopg",
            "import aiobotocore.session, opentelemetry.sdk.trace, hematovision.exchange.fhir",
            "client = app.app.test_client()",
            "assert client.get('/readyz').status_code == 200",
            "assert client.get('/sign-in?language=es').status_code == 200",
            "import asyncio",
            "async def ask():",
            "    session = aiobotocore.session.get_session()",
            "    async with session.create_client('s3', 'us-east-1') as s3: return s3",
            "asyncio.run(ask())",
            "print(*{m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)})",
        )
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"HEMATOVISION_DATA_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    site = Path(importlib.util.find_spec("numpy").origin).parents[1]  # type: ignore[union-attr, arg-type]
    folders, files = set(slim._folders(site)), set(slim._files(site))
    for name in done.stdout.split():
        opened = Path(name)
        assert opened not in files, name
        assert not folders & set(opened.parents), name
