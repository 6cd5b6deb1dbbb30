"""Takes out of an environment what a server never opens: `python deploy/slim.py ENVIRONMENT`.

The Dockerfile runs it once, after everything is installed and before it is copied into the image.
What goes is listed here; whatever is not listed stays.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LANGUAGES = ("en", "es", "root")
"""Babel knows a thousand; pages speak these."""
SERVICES = ("s3", "sts", "sso", "sso-oidc", "signin")
"""Of Amazon's, those that keep pictures and say who asks."""
UNUSED = (
    "fhir/resources/STU3",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
)
SOURCES = {".a", ".c", ".cpp", ".h", ".pxd", ".pyi", ".pyx"}
"""For compilers and editors."""


def slim(packages: Path) -> None:
    """Take out what a server never opens.

    Args:
        packages: The environment's `site-packages`.
    """
    for path in [*_folders(packages)]:
        shutil.rmtree(path, ignore_errors=True)
    for path in [*_files(packages)]:
        path.unlink()


def strip(packages: Path) -> None:
    """Take the symbols for debuggers out of compiled modules.

    Those with libraries of their own beside them (`numpy.libs`) were edited after they were linked;
    `strip` breaks such.

    Raises:
        subprocess.CalledProcessError: If one is no compiled module.
    """
    own = {folder.stem.lower() for folder in packages.glob("*.libs")} | {"pil"}
    modules = [
        path
        for path in packages.rglob("*.so")
        if not own & {part.lower() for part in path.relative_to(packages).parts[:1]}
        and ".libs" not in path.parent.name
    ]
    if modules:
        command = ["/usr/bin/strip", "--strip-unneeded", *map(str, modules)]
        subprocess.run(command, check=True)  # noqa: S603 - on files that pip wrote


def _folders(packages: Path) -> Iterator[Path]:
    yield from (packages / name for name in UNUSED)
    yield from packages.rglob("tests")
    data = packages / "botocore/data"
    yield from (path for path in data.glob("*/") if path.is_dir() and path.name not in SERVICES)


def _files(packages: Path) -> Iterator[Path]:
    yield from (path for path in packages.rglob("*") if path.suffix in SOURCES and path.is_file())
    for path in packages.glob("babel/locale-data/*.dat"):
        if path.stem.partition("_")[0] not in LANGUAGES:
            yield path


if __name__ == "__main__":
    (site,) = Path(sys.argv[1]).glob("lib/python3*/site-packages")
    slim(site)
    strip(site)
