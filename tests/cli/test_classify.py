import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.inference_servers import http_server, reply
from tests.vision.networks import write_whole_model

from hematovision.cells import NOTICE, CellReader, RgbImage
from hematovision.cli import main
from hematovision.cli.layouts import Csv
from hematovision.cli.tools import Tools
from hematovision.errors import ModelMissingError
from hematovision.exchange.documents import reading_document
from hematovision.exchange.tabular import COLUMNS
from hematovision.services.readings import read_image

from .conftest import Run


@pytest.fixture
def photo_file(tmp_path: Path, jpeg: bytes) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg)
    return path


@pytest.fixture
def folder(tmp_path: Path, jpeg: bytes) -> Path:
    """Two photos, one deeper, and what is left alone."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.JPG", "a.tiff", "deep/c.webp", "._a.jpg", "notes.txt"):
        (folder / name).write_bytes(jpeg)
    (folder / "folder.png").mkdir()
    return folder


def test_table_names_every_cell_and_the_totals(run: Run, photo_file: Path) -> None:
    result = run("classify", photo_file)
    assert result.exit_code == 0
    for word in ("a.jpg", "neutrophil", "95.0%", "unidentified", "monocyte, lymphocyte", NOTICE):
        assert word in result.stdout
    assert "1 photo, 2 cells: 1 neutrophil, 1 unidentified." in result.stdout
    assert result.stderr == ""


def test_json_is_the_document_of_every_door(
    run: Run, photo_file: Path, jpeg: bytes, reader: CellReader
) -> None:
    result = run("classify", "--json", photo_file)
    (line,) = result.stdout.splitlines()
    expected = reading_document(read_image(jpeg, reader=reader).reading)
    assert json.loads(line) == {"path": str(photo_file), **expected}


def test_json_gives_one_line_a_photo_in_the_order_given(run: Run, folder: Path) -> None:
    paths = [folder / "b.JPG", folder / "a.tiff"]
    result = run("classify", "--json", *paths)
    assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == [
        str(path) for path in paths
    ]


def test_csv_gives_a_row_a_cell(run: Run, photo_file: Path) -> None:
    result = run("classify", "--csv", photo_file)
    first, second = csv.DictReader(io.StringIO(result.stdout))
    assert tuple(first) == COLUMNS
    assert (first["cell_type"], second["prediction_set"]) == ("neutrophil", "monocyte lymphocyte")


@pytest.mark.parametrize("options", [[], ["--no-record"]])
def test_photo_is_read_where_the_settings_say(
    run: Run, tools: Tools, tmp_path: Path, photo_file: Path, options: list[str]
) -> None:
    folder = write_whole_model(tmp_path / "remote-model")
    with http_server(folder) as served:
        settings = replace(tools.settings, model_folder=folder, inference_url=served.url)
        remote = replace(tools, settings=settings)
        done = run("classify", "--json", *options, photo_file, tools=remote)
        assert json.loads(done.stdout)["engine"] == "remote"
        served.always = reply(503)
        done = run("classify", "--json", *options, photo_file, tools=remote)
    assert done.exit_code == 1
    assert "does not answer" in done.stderr
    assert done.stdout == ""


def test_photo_without_a_cell_is_an_answer(run: Run, tools: Tools, photo_file: Path) -> None:
    class Nothing:
        model = tools.load_reader(Path()).model

        def read(self, photo: RgbImage, *, explain: bool = False) -> tuple[()]:
            return ()

    empty = replace(tools, load_reader=lambda folder, threads=0: Nothing())
    assert "no white cell found" in run("classify", photo_file, tools=empty).stdout
    assert "1 photo, 0 cells.\n" in run("classify", photo_file, tools=empty).stdout
    assert json.loads(run("classify", "--json", photo_file, tools=empty).stdout)["cells"] == []
    assert len(run("classify", "--csv", photo_file, tools=empty).stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "names"),
    [
        pytest.param([], ["a.tiff", "b.JPG"], id="folder"),
        pytest.param(["--recursive"], ["a.tiff", "b.JPG", "deep/c.webp"], id="recursive"),
        pytest.param(["-r"], ["a.tiff", "b.JPG", "deep/c.webp"], id="recursive, short"),
    ],
)
def test_folder_gives_its_photos_sorted(
    run: Run, folder: Path, options: list[str], names: list[str]
) -> None:
    result = run("classify", "--json", *options, folder)
    assert result.exit_code == 0
    found = [json.loads(line)["path"] for line in result.stdout.splitlines()]
    assert found == [str(folder / name) for name in names]


def test_file_that_is_named_is_read_whatever_its_name(run: Run, folder: Path) -> None:
    assert run("classify", folder / "notes.txt").exit_code == 0


def test_standard_input_is_read(run: Run, jpeg: bytes) -> None:
    result = run("classify", "--json", "-", sent=jpeg)
    assert json.loads(result.stdout)["path"] == "-"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("a.png", b"text", "is not a JPEG", id="wrong content"),
        pytest.param("a.png", b"", "is empty", id="empty"),
        pytest.param("a.jpg", b"\xff" * 100_001, "larger than 0.09537 MB", id="too many bytes"),
        pytest.param("a.svg", b"<svg/>", "is not a JPEG", id="SVG"),
        pytest.param("gone.jpg", None, "No such file", id="missing"),
        pytest.param("a" * 300 + ".jpg", None, "name too long", id="name too long"),
        pytest.param("folder", Path, "no photo in this folder", id="empty folder"),
    ],
)
def test_unreadable_is_reported_and_skipped(
    run: Run, tmp_path: Path, photo_file: Path, name: str, content: object, reason: str
) -> None:
    path = tmp_path / "sent" / name
    path.parent.mkdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
    for options in ([], ["--json"], ["--csv"]):
        result = run("classify", *options, path, photo_file)
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"{path}: ")
        assert reason in line
        assert "a.jpg" in result.stdout
    assert "1 file not read." in run("classify", path, photo_file).stdout
    assert run("classify", path).stdout == ""


def test_folder_that_may_not_be_read_is_reported(run: Run, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    if os.access(closed, os.R_OK):
        closed.rmdir()
        pytest.skip("root reads every folder")
    assert "cannot be read" in run("classify", closed).stderr


def test_too_many_pixels_are_refused(run: Run, tools: Tools, photo_file: Path) -> None:
    small = replace(tools, settings=replace(tools.settings, max_pixels=1000))
    assert "Too large" in run("classify", photo_file, tools=small).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["classify"], id="no path"),
        pytest.param(["classify", "--json", "--csv", "a.jpg"], id="two layouts"),
        pytest.param(["classify", "--yaml", "a.jpg"], id="unknown option"),
        pytest.param(["guess"], id="unknown command"),
    ],
)
def test_bad_usage_exits_with_2(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_without_a_model_nothing_is_answered(run: Run, tools: Tools, photo_file: Path) -> None:
    def missing(folder: Path, *, threads: int = 0) -> CellReader:
        raise ModelMissingError("No model is loaded.")

    for options in ([], ["--json"], ["--csv"]):
        result = run("classify", *options, photo_file, tools=replace(tools, load_reader=missing))
        assert result.exit_code == 1
        assert result.stdout == ""
        assert f"No model is loaded. {ModelMissingError.advice}" in result.stderr


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("[red]x.jpg", "[red]x.jpg", id="markup"),
        pytest.param("[/].jpg", "[/].jpg", id="markup that ends nothing"),
        pytest.param("\x1b[31mred.jpg", r"\x1b[31mred.jpg", id="escape"),
        pytest.param("a\nb\r.jpg", r"a\nb\r.jpg", id="line feed"),
        pytest.param("\u202egpj.exe.jpg", r"\u202egpj.exe.jpg", id="backwards"),
        pytest.param("blutbild-ä-血.jpg", "blutbild-ä-血.jpg", id="unicode"),
    ],
)
def test_hostile_name_stays_a_name(
    run: Run, tmp_path: Path, jpeg: bytes, name: str, shown: str
) -> None:
    good, bad = tmp_path / name, tmp_path / ("bad" + name)
    for path in (good, bad):
        path.parent.mkdir(exist_ok=True)
    good.write_bytes(jpeg)
    bad.write_bytes(b"")
    result = run("classify", good, bad)
    assert result.exit_code == 1
    table = "".join(line.split("  ")[1] for line in result.stdout.splitlines() if "  " in line)
    assert shown in table.replace(" ", "")
    assert ("bad" + shown) in result.stderr
    assert "\x1b" not in result.output
    assert json.loads(run("classify", "--json", good).stdout)["path"] == str(good)


def test_name_that_is_no_text_can_be_printed(run: Run, tmp_path: Path, jpeg: bytes) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")
    Path(path).write_bytes(jpeg)
    assert r"\udcff.jpg" in run("classify", path).stdout.replace("\n", "").replace(" ", "")
    assert json.loads(run("classify", "--json", path).stdout)["path"] == path
    assert "\ufffd.jpg" in run("classify", "--csv", path).stdout


@pytest.mark.parametrize("layout", [[], ["--json"], ["--csv"]])
def test_name_without_signs_in_the_encoding_can_be_printed(
    tools: Tools, tmp_path: Path, jpeg: bytes, layout: list[str]
) -> None:
    for name in (b"/\xff.jpg", "/ä.jpg".encode()):
        path = os.fsdecode(os.fsencode(tmp_path) + name)
        Path(path).write_bytes(jpeg)
        result = CliRunner(charset="ascii").invoke(main, ["classify", *layout, path], obj=tools)
        assert result.exit_code == 0
        assert result.exception is None
        assert result.stdout.isascii()


def test_csv_on_a_terminal_escapes_what_could_steer_it(
    monkeypatch: pytest.MonkeyPatch, jpeg: bytes, reader: CellReader
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    Csv().add("\x1b[31mred.jpg", read_image(jpeg, reader=reader).reading)
    assert r"\x1b[31mred.jpg" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()


def test_empty_path_is_not_the_folder_one_is_in(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for options in ([], ["--recursive"]):
        result = run("classify", *options, "")
        assert result.exit_code == 1
        assert result.stderr == "'': The path is empty. Name a photo or a folder.\n"
        assert result.stdout == ""


def test_program_answers_like_the_runner(tmp_path: Path) -> None:
    environment = os.environ | {
        "HEMATOVISION_MODEL_FOLDER": str(tmp_path),
        "HEMATOVISION_DATA_FOLDER": str(tmp_path / "private"),
    }
    done = subprocess.run(
        [sys.executable, "-c", "from hematovision.cli import main; main()", "classify", "a.jpg"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert str(tmp_path / "bundle.json") in done.stderr


def test_hidden_folders_are_left_alone(run: Run, folder: Path, jpeg: bytes) -> None:
    (folder / ".cache").mkdir()
    (folder / ".cache" / "thumb.jpg").write_bytes(jpeg)
    result = run("classify", "--json", "-r", folder)
    assert ".cache" not in result.stdout


def test_folder_that_cannot_be_searched_is_reported(
    monkeypatch: pytest.MonkeyPatch, run: Run, folder: Path
) -> None:
    def walk(
        top: str, onerror: Callable[[OSError], object]
    ) -> list[tuple[str, list[str], list[str]]]:
        onerror(PermissionError(13, "Permission denied", f"{top}/deep"))
        return [(top, ["deep"], ["b.JPG"])]

    monkeypatch.setattr(os, "walk", walk)
    result = run("classify", "--json", "-r", "--no-record", folder)
    assert result.exit_code == 1
    assert f"{folder}/deep: The folder cannot be read: Permission denied." in result.stderr
    assert "b.JPG" in result.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"], ["--csv"]])
def test_full_disk_is_a_clear_error(photo_file: Path, options: list[str]) -> None:
    program = (
        "import sys\n"
        "from tests.conftest import StubReader\n"
        "from hematovision.cli import main\n"
        "from hematovision.cli.tools import Tools\n"
        "main(sys.argv[1:], obj=Tools(load_reader=lambda folder, threads=0: StubReader()))"
    )
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", program, "classify", "--no-record", *options, str(photo_file)],
            cwd=Path(__file__).resolve().parents[2],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert "The output cannot be written: No space left on device." in done.stderr
    assert "Traceback" not in done.stderr
