"""What a confined process can still do; each test runs a process that tries."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("only Linux confines", allow_module_level=True)

CONFINED = """
import ctypes, os, socket, sys
from hematovision.vision.confinement import confine
held = os.open("/etc/hostname", os.O_RDONLY) if {holds} else None
confine(memory=2**28, files={files})
try:
    {attempt}
except (OSError, MemoryError) as error:
    print(type(error).__name__)
else:
    print("done")
"""


def attempt(what: str, *, files: int = 64, holds: bool = False) -> str:
    program = CONFINED.format(attempt=what, files=files, holds=holds)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr


def landlock() -> int:
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)


@pytest.mark.parametrize(
    ("what", "files"),
    [
        pytest.param("os.open('/etc/passwd', os.O_RDONLY)", 3, id="file"),
        pytest.param("socket.socket()", 3, id="socket"),
        pytest.param("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", 3, id="datagram"),
        pytest.param("os.pipe()", 3, id="pipe"),
        pytest.param("len(bytes(2**29))", 64, id="memory"),
    ],
)
def test_nothing_more_is_opened_or_taken(what: str, files: int) -> None:
    assert attempt(what, files=files) in {"OSError", "MemoryError"}


def test_it_works_on_with_what_it_holds() -> None:
    assert attempt("os.read(held, 1)", holds=True) == "done"
    assert attempt("len(bytes(2**20))") == "done"


@pytest.mark.skipif(landlock() < 1, reason="this system has no Landlock")
@pytest.mark.parametrize(
    "what",
    [
        pytest.param("os.open('/etc/passwd', os.O_RDONLY)", id="read"),
        pytest.param("os.open('/tmp/hematovision-confined', os.O_CREAT | os.O_RDWR)", id="write"),
        pytest.param("os.listdir('/')", id="folder"),
        pytest.param("os.execv('/bin/true', ['true'])", id="program"),
        pytest.param("open(f'/proc/{os.getppid()}/environ').read()", id="secrets of its parent"),
    ],
)
def test_files_are_out_of_reach_even_with_a_number_left(what: str) -> None:
    assert attempt(what) == "PermissionError"
    assert not Path("/tmp/hematovision-confined").exists()  # noqa: S108


@pytest.mark.skipif(landlock() < 4, reason="this system's Landlock knows no network")
def test_other_machines_are_out_of_reach() -> None:
    assert attempt("socket.create_connection(('127.0.0.1', 9))") == "PermissionError"


@pytest.mark.skipif(landlock() < 6, reason="this system's Landlock knows no signals")
def test_its_parent_cannot_be_ended() -> None:
    assert attempt("os.kill(os.getppid(), 0)") == "PermissionError"


def test_powers_of_root_and_further_ones_are_gone() -> None:
    program = (
        "import os, sys\nstatus = open('/proc/self/status')\n"
        "from hematovision.vision.confinement import confine\n"
        "confine(memory=2**28, files=64)\nsys.stdout.write(status.read())"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    said = dict(line.split(":", 1) for line in done.stdout.splitlines())
    assert said["NoNewPrivs"].strip() == "1"
    assert int(said["CapEff"], 16) == int(said["CapPrm"], 16) == 0
