import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from tests.archives import (
    draw,
    insist_on_each_once,
    insist_on_same_answers,
    rows,
    write_photos,
)
from tests.conftest import SHARED, skip_or_fail
from tests.objects import Objects
from tests.vision.networks import write_tiny_model

from hematovision.cli import archive_progress
from hematovision.cli.archive_progress import shown
from hematovision.cli.tools import Tools
from hematovision.config import PACKAGED_MODEL
from hematovision.exchange.datasets import CELLS_SCHEMA, PHOTOS_SCHEMA
from hematovision.exchange.sources import open_bucket
from hematovision.services.archive_parts import Totals
from hematovision.services.archives import Census

from .conftest import Run

CLASSIFY = (sys.executable, "-m", "hematovision", "classify")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def tools(tools: Tools, model: Path) -> Tools:
    return replace(tools, settings=replace(tools.settings, model_folder=model, max_pixels=10**6))


@contextmanager
def classifying(model: Path, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run the command as somebody would at a terminal."""
    given = {
        "HEMATOVISION_MODEL_FOLDER": str(model),
        "HEMATOVISION_MAX_FILE_BYTES": "100000",
        "HEMATOVISION_MAX_PIXELS": "1000000",
    }
    with subprocess.Popen(  # noqa: S603 - our own program
        [*CLASSIFY, *map(str, words)],
        env=os.environ | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process


def wait_for_parts(output: Path, number: int, process: subprocess.Popen[str]) -> None:
    while len(list(output.glob("cells/*.parquet"))) < number:
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGINT])
def test_every_photo_is_read_once_though_the_run_is_ended_halfway(
    run: Run, model: Path, tmp_path: Path, deadly: signal.Signals
) -> None:
    names = write_photos(tmp_path / "photos", 240)
    output = tmp_path / "dataset"
    words = ("--output", output, "--readers", 2, "--part-photos", 8, tmp_path / "photos")
    with classifying(model, *map(str, words)) as process:
        wait_for_parts(output, 5, process)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(deadly)
        said = process.communicate()[1]
    assert process.returncode == (130 if deadly == signal.SIGINT else -signal.SIGKILL)
    assert ("Stopped. What is written stays:" in said) == (deadly == signal.SIGINT)
    _, alive = psutil.wait_procs(workers, 20)
    assert not alive
    assert not (output / "_summary.json").exists()
    before = len(rows(output, "photos"))
    assert 0 < before < 240
    result = run("classify", *map(str, words))
    assert result.exit_code == 0, result.stderr
    insist_on_each_once(output, names)
    summary = json.loads((output / "_summary.json").read_text())
    assert (summary["photos"], summary["cells"]) == (240, len(rows(output, "cells")))
    assert 240 - before <= summary["this_run"]["photos"] < 240
    assert "240 photos" in result.stdout


def test_bucket_is_read_into_a_bucket(
    run: Run, tools: Tools, store: Objects, tmp_path: Path
) -> None:
    names = write_photos(tmp_path / "photos", 12)
    (tmp_path / "photos" / "torn.png").write_bytes(b"torn")
    bucket = store.make_bucket()
    system, path = open_bucket(bucket)
    system.put(f"{tmp_path}/photos/", f"{path}/in/deep", recursive=True)
    words = ("classify", "-r", "--output", f"{bucket}/out", "--readers", "1", f"{bucket}/in")
    result = run(*words)
    assert result.exit_code == 1
    assert "13 photos, 12 cells. Failed: 1 unsupported_format." in result.stdout
    system.rm(f"{path}/in/deep/torn.png")
    system.put(f"{tmp_path}/photos/0001.png", f"{path}/in/deep/torn.png")
    assert "This run: 0 photos" in run(*words).stdout
    result = run(*words, "--retry-failed")
    assert result.exit_code == 0, result.stderr
    found = {row["photo"] for row in rows(f"{bucket}/out", "photos")}
    expected = {f"{bucket}/in/deep/{Path(name).name}" for name in names}
    assert found == {*expected, f"{bucket}/in/deep/torn.png"}


PAGE = (Path(__file__).resolve().parents[2] / "docs/archives.md").read_text()


def test_examples_of_the_page_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photos(tmp_path / "photos", 3)
    (tmp_path / "photos" / "torn.png").write_bytes(b"torn")
    run("classify", "--output", tmp_path / "cells", "--readers", "1", tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    with_arrow, with_pandas = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(with_arrow, {})  # noqa: S102 - our own page
    assert "'cell_type': 'neutrophil', 'count_all': 2" in capsys.readouterr().out
    if find_spec("pandas"):
        exec(with_pandas, {})  # noqa: S102 - our own page
        assert "unsupported_format" in capsys.readouterr().out


def test_every_column_is_documented() -> None:
    for name in {*CELLS_SCHEMA.names, *PHOTOS_SCHEMA.names}:
        assert f"`{name}`" in PAGE


def test_nothing_is_recorded(run: Run, tools: Tools, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 2)
    run("classify", "--output", tmp_path / "dataset", "--readers", "1", tmp_path / "photos")
    assert not tools.settings.data_folder.exists()


@pytest.mark.real_data
def test_dataset_says_what_json_says(run: Run, tools: Tools, tmp_path: Path) -> None:
    photos = sorted((SHARED / "data/bccd/photos").glob("*.jpg"))[:6]
    if not photos:
        skip_or_fail("the photos of BCCD are not there")
    settings = replace(tools.settings, model_folder=PACKAGED_MODEL, max_file_bytes=10**7)
    real = Tools(settings)
    lines = run("classify", "--json", "--no-record", *photos, tools=real).stdout.splitlines()
    output = tmp_path / "dataset"
    result = run("classify", "--output", output, "--readers", "1", *photos, tools=real)
    assert result.exit_code == 0, result.stderr
    insist_on_same_answers(output, [json.loads(line) for line in lines])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        pytest.param(["--engine", "ray"], "--engine needs --output", id="engine alone"),
        pytest.param(["--readers", "2"], "--readers needs --output", id="readers alone"),
        pytest.param(["--retry-failed"], "--retry-failed needs --output", id="retry alone"),
        pytest.param(["--json", "--output", "out"], "exclude each other", id="two ways"),
        pytest.param(["--readers", "2:1", "--output", "out"], "no smaller", id="fewer at most"),
        pytest.param(["--readers", "0", "--output", "out"], "one at least", id="none"),
        pytest.param(["--readers", "all", "--output", "out"], "a number", id="no number"),
        pytest.param(
            ["--gpus-per-reader", "1", "--output", "out"], "needs --engine ray", id="local GPU"
        ),
        pytest.param(["--output", "out", "-"], "no archive", id="standard input"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(draw(1))
    result = run("classify", *words, "a.png")
    assert result.exit_code == 2
    assert reason in result.stderr
    assert not (tmp_path / "out" / "photos").exists()


def test_interrupted_run_says_how_to_go_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    write_photos(tmp_path / "photos", 1)
    monkeypatch.setattr("hematovision.services.archives.read_archive", interrupt)
    result = run("classify", "--output", tmp_path / "out", tmp_path / "photos")
    assert result.exit_code == 130
    assert "0 photos, 0 cells in this run. The same command goes on." in result.stderr


def test_another_model_is_refused_in_the_same_folder(
    run: Run, tools: Tools, tmp_path: Path
) -> None:
    write_photos(tmp_path / "photos", 1)
    words = ("classify", "--output", tmp_path / "out", "--readers", "1", tmp_path / "photos")
    assert run(*words).exit_code == 0
    other = write_tiny_model(tmp_path / "other", "2.0.0")
    tools = replace(tools, settings=replace(tools.settings, model_folder=other))
    result = run(*words, tools=tools)
    assert result.exit_code == 1
    assert "was begun with model tiny 1.0.0" in result.stderr
    assert "name another folder" in result.stderr


def test_source_that_is_not_there_is_told(run: Run, tmp_path: Path) -> None:
    result = run("classify", "--output", tmp_path / "out", tmp_path / "gone")
    assert (result.exit_code, "no such file" in result.stderr) == (1, True)


@pytest.mark.parametrize(("package", "engine"), [("pyarrow", "local"), ("ray", "ray")])
def test_what_is_not_installed_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, engine: str
) -> None:
    write_photos(tmp_path / "photos", 1)
    for name in [name for name in sys.modules if name.startswith("hematovision.exchange.datasets")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if "hematovision.services.archive" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    result = run("classify", "--engine", engine, "--output", tmp_path / "out", tmp_path / "photos")
    assert result.exit_code == 1
    assert f"needs {package}" in result.stderr
    assert "pip install 'hematovision[scale]'" in result.stderr


def test_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    run, census = Totals(), Census(photos=4)
    with shown(run, census, seconds=0.05):
        run.add(Totals(2, 3))
        time.sleep(0.12)
        census.is_over = True
        time.sleep(0.12)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("2 of 4 or more photos, ")
    assert " cells/s, 0 failed" in first
    assert last.startswith("2 of 4 photos, ")
    assert last.endswith(" left")


def test_terminal_gets_one_line_that_renews_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(archive_progress, "TERMINAL_SECONDS", 0.02)
    with shown(Totals(1, 1), Census(1, is_over=True)):
        time.sleep(0.3)
    assert "1 of 1 photos" in capsys.readouterr().err
