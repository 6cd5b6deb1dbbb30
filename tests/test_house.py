import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hematovision.cli import main

ROOT = Path(__file__).resolve().parents[1]
COMMANDS_PAGE = (ROOT / "docs/cli.md").read_text()
HEAVY = {"tensorflow", "keras", "ray", "matplotlib", "cv2", "fpdf", "openpyxl", "fhir", "segno"} | {
    "authlib",
    "joserfc",
}


@pytest.mark.parametrize(
    "module", ["hematovision.web", "hematovision.cli", "hematovision.learning.card"]
)
def test_doors_open_without_heavy_libraries(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert module.split(".")[0] in loaded
    assert not HEAVY & loaded


def test_command_line_starts_without_the_engine() -> None:
    program = "import sys, hematovision.cli; print(*sys.modules)"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"onnxruntime", "flask"} & set(done.stdout.split())


def test_client_knows_nothing_of_the_server() -> None:
    program = (
        "import sys, hematovision.client; print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    servers = {"flask", "sqlalchemy", "onnxruntime", "numpy", "PIL", "click", "rich", *HEAVY}
    assert not servers & set(done.stdout.split())


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Walk click's tree; a group without options of its own needs no chapter."""
    if isinstance(command, click.Group):
        for part in command.commands.values():
            yield from commands(part, f"{name} {part.name}")
    else:
        yield name, command


@pytest.mark.parametrize(
    ("name", "command"),
    [pytest.param(*found, id=found[0]) for found in commands(main, "hematovision")],
)
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    chapters = COMMANDS_PAGE.split("\n## ")
    (chapter,) = (text for text in chapters if text.startswith((f"`{name}`", f"`{name} ")))
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert f"`{option}`" in chapter


def test_no_chapter_is_about_a_command_that_is_gone() -> None:
    documented = {text.split("`")[1] for text in COMMANDS_PAGE.split("\n## ")[1:]}
    known = {name for name, _ in commands(main, "hematovision")}
    assert {re.split(r" [A-Z]", text)[0] for text in documented} == known


def test_no_room_is_a_drawer() -> None:
    drawers = {"utils.py", "helpers.py", "common.py"}
    assert not [path for path in (ROOT / "src").rglob("*.py") if path.name in drawers]


def test_no_view_opens_the_database_itself() -> None:
    opens = re.compile(r"\.(?:reading|transaction)\(\)")
    views = sorted((ROOT / "src/hematovision/web").glob("*.py"))
    assert [path.name for path in views if opens.search(path.read_text())] == []


def files_of(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        path = ROOT / "src/hematovision" / room
        yield from [path] if path.suffix else sorted(path.rglob("*.py"))


def test_nobody_who_has_keys_or_database_decodes_pictures_itself() -> None:
    # `vision` decodes where it is told to.
    decodes = re.compile(r"\b(?:decode_image|check_header)\(|\bImage\.open\(")
    files = files_of("services", "web", "storage", "exchange", "jobs.py")
    assert [file.name for file in files if decodes.search(file.read_text())] == []


def test_doors_to_others_say_who_decodes() -> None:
    take_one = {"read_image", "find_picture", "Album", "Record", "Desk", "Tray", "Bench"}
    for file in files_of("web", "jobs.py", "cli/worker.py", "cli/verify.py", "cli/stores.py"):
        text = file.read_text()
        for call in ast.walk(ast.parse(text)):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in take_one:
                assert "decoder" in (ast.get_source_segment(text, call) or ""), file.name
