"""Every example of the API's chapters runs, from top to bottom, against a real server.

A block ```python is run; where it has prompts (`>>>`), what it prints is compared, and `...`
stands for anything. In a block ```console every command that calls curl is run, and what stands
below it is compared, but for white space. A command below which nothing stands must succeed. All
blocks of a page share their names, and the variables of their shell.
"""

import doctest
import gc
import re
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hematovision.config import PACKAGED_MODEL
from hematovision.drawing.smears import draw_smear

from .serving import Serving, serving

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("docs/api.md", "docs/client.md")
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n?((?:(?!\$ ).*\n?)*)", re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
KEPT = ". ./.variables; {command}\nstatus=$?; export -p > .variables; exit $status"


@dataclass(frozen=True, slots=True)
class Example:
    """A block of a page."""

    language: str
    text: str
    line: int


def examples(page: str) -> Iterator[Example]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        yield Example(found[1], found[2], text.count("\n", 0, found.start()) + 2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, model_folder=str(PACKAGED_MODEL)) as served:
        yield served


@pytest.fixture
def desk(server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a drawn smear, in which the examples run."""
    smear = draw_smear(["neutrophil", "lymphocyte", "monocyte"], seed=7)
    (tmp_path / "smear.jpg").write_bytes(smear.picture)
    (tmp_path / ".variables").touch()
    # Whatever curl meets that is no success ends it.
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    monkeypatch.setenv("CURL_HOME", str(tmp_path))
    monkeypatch.setenv("HEMATOVISION_URL", server.url)
    monkeypatch.setenv("HEMATOVISION_TOKEN", server.token)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_every_example_runs(page: str, desk: Path) -> None:
    found = list(examples(page))
    assert found
    names: dict[str, Any] = {"__name__": "__main__"}
    with warnings.catch_warnings():
        # An example leaves it to the end of its program to close files and connections.
        warnings.simplefilter("ignore", ResourceWarning)
        for example in found:
            run_example(example, names, f"{page}:{example.line}")
        names.clear()
        gc.collect()


def run_example(example: Example, names: dict[str, Any], where: str) -> None:
    if example.language == "console":
        run_commands(example.text, where)
    elif ">>> " in example.text:
        run_session(example, names, where)
    else:
        exec(compile(example.text, where, "exec"), names)  # noqa: S102 - our own page


def run_session(example: Example, names: dict[str, Any], where: str) -> None:
    """Run what follows the prompts, and compare what is printed."""
    session = doctest.DocTestParser().get_doctest(example.text, names, where, where, example.line)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(session, out=said.append, clear_globs=False)
    assert not runner.failures, "".join(said)
    names.update(session.globs)


def run_commands(text: str, where: str) -> None:
    """Run the commands that call curl, and compare what is printed."""
    for found in COMMAND.finditer(text):
        command, wanted = found[1], found[2].strip()
        if "curl" not in command:
            continue
        done = subprocess.run(  # noqa: S603 - our own page
            ["bash", "-a", "-c", KEPT.format(command=command)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        said = f"{where}: {command}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0 or wanted, said
        assert not wanted or is_as_wanted(done.stdout, wanted), said


def is_as_wanted(got: str, wanted: str) -> bool:
    """Compare without white space; `...` stands for anything."""
    pieces = ["".join(piece.split()) for piece in wanted.split("...")]
    pattern = ".*".join(map(re.escape, pieces))
    return re.fullmatch(pattern, "".join(got.split()), re.DOTALL) is not None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$ curl a\n", [("curl a", "")]),
        ("$ curl a\\\n   -d b\n{}\n$ curl c\n", [("curl a\\\n   -d b", "{}"), ("curl c", "")]),
        ("$ curl a\n{\n  1\n}", [("curl a", "{\n  1\n}")]),
    ],
)
def test_commands_are_told_from_what_they_print(text: str, found: list[tuple[str, str]]) -> None:
    assert [(one[1], one[2].strip()) for one in COMMAND.finditer(text)] == found


def test_dots_stand_for_anything() -> None:
    assert is_as_wanted('{"a":1,"b":[2]}\n', '{"a": 1, ...}')
    assert not is_as_wanted('{"a":2}', '{"a": 1}')


def test_every_method_of_the_client_is_documented() -> None:
    from hematovision.client import Client

    page = (ROOT / "docs/client.md").read_text(encoding="utf-8")
    public = {name for name in dir(Client) if not name.startswith("_")}
    assert {name for name in public if f"{name}(" not in page} == set()
