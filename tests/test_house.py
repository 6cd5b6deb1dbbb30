import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import click
import pytest

from hematovision.cli import main

ROOT = Path(__file__).resolve().parents[1]
COMMANDS_PAGE = (ROOT / "docs/cli.md").read_text()
HEAVY = {
    "tensorflow",
    "keras",
    "ray",
    "pyarrow",
    "matplotlib",
    "cv2",
    "fpdf",
    "openpyxl",
    "fhir",
    "segno",
} | {
    "authlib",
    "joserfc",
}
BY_EXTRA = {"traces.py", "watch.py", "jobs.py", "open_inference_grpc.py", "remote_grpc.py"} | {
    "repositories.py",
    "serving_grpc.py",
    "datasets.py",
    "archive_ray.py",
}
BESIDE = ("benchmarks", "fuzzing", "docs", "notebooks")


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
    views = sorted((ROOT / "src/hematovision/web").rglob("*.py"))
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


def imports_of(file: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give the modules that a file imports, each with the names that it takes from it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, tuple(alias.name for alias in node.names)


def declared(*extras: str) -> set[str]:
    """Give the packages that an installation with extras asks for, by normalised name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + [
        line for extra in extras for line in project["optional-dependencies"][extra]
    ]
    # An extra may ask for others of ours.
    own = [re.findall(r"\w+", line)[1:] for line in asked if line.startswith("hematovision[")]
    names = {normalised(re.split(r"[\s<>=;\[]", line)[0]) for line in asked}
    return names.union(*(declared(*extras) for extras in own))


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_imported_is_asked_for() -> None:
    packages = dict(packages_distributions()) | {"keras": ["tensorflow"]}
    usual, all_extras = declared(), declared("train", "scale")
    for file in files_of("."):
        # What has an extra of its own is imported where it is needed.
        asked = all_extras if "learning" in file.parts or file.name in BY_EXTRA else usual
        for module, _ in imports_of(file):
            name = module.partition(".")[0]
            if name != "hematovision" and name not in sys.stdlib_module_names:
                givers = {normalised(one) for one in packages.get(name, [name])}
                assert asked & givers, f"{file.name}: {name}"


def names_of(module: str) -> set[str]:
    """Give the names that a module of ours has, without loading it; a package's parts as well."""
    path = (ROOT / "src").joinpath(*module.split("."))
    parts = {part.stem for part in path.glob("*")}
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.alias):
            names.add(getattr(node, "asname", None) or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names | parts


def test_programs_beside_the_package_import_what_is_there() -> None:
    # Nothing else would notice that something which they need has moved.
    for file in (file for room in BESIDE for file in sorted((ROOT / room).rglob("*.py"))):
        for module, names in imports_of(file):
            if module.partition(".")[0] == "hematovision":
                assert set(names) <= names_of(module), f"{file.name}: {module}"


def test_readme_leads_to_every_page_once() -> None:
    start, contents = (ROOT / "README.md").read_text().split("## Read on")
    listed = Counter(re.findall(r"\]\(((?:docs/)?[\w-]+\.md)\)", contents))
    assert set(listed.values()) == {1}
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages | {"SECURITY.md", "ARCHITECTURE.md"} <= set(listed)
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", start + contents):
        assert (ROOT / link).exists(), link


def test_every_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    told = re.findall(r"^([a-z0-9-]+):.*## \S", makefile, re.MULTILINE)
    assert sorted(told) == sorted(phony.split())
