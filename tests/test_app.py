import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_gunicorn_accepts_the_line_of_the_procfile(tmp_path: Path) -> None:
    _, line, _ = (ROOT / "Procfile").read_text().splitlines()
    name, _, command = line.partition(": ")
    assert name == "web"
    shell, script, program, *arguments = command.split()
    assert program == "gunicorn"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S603 - our own program
        [f"/bin/{shell}", script, program, "--check-config", *arguments],
        cwd=ROOT,
        env=os.environ | {"HEMATOVISION_DATA_FOLDER": str(tmp_path), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_application_decodes_in_processes_of_their_own(tmp_path: Path) -> None:
    program = "from app import app, decoder; print(type(decoder).__name__)"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"HEMATOVISION_DATA_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ("DecoderPool" if sys.platform == "linux" else "Here")


def test_procfile_names_a_worker() -> None:
    _, _, line = (ROOT / "Procfile").read_text().splitlines()
    assert line == "worker: sh deploy/platform.sh hematovision worker"


def test_root_file_is_a_few_lines_that_make_the_application() -> None:
    lines = [line for line in (ROOT / "app.py").read_text().splitlines() if line]
    assert len(lines) == 10
    assert lines[-1] == "app = create_app(settings, queue=open_queue(settings), decoder=decoder)"


@pytest.mark.parametrize(("processes", "seconds"), [(1, 75), (2, 0)])
def test_connection_stays_only_where_one_process_answers(
    tmp_path: Path, processes: int, seconds: int
) -> None:
    command = (sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py")
    done = subprocess.run(  # noqa: S603 - our own program
        [*command, "--print-config", "app:app"],
        cwd=ROOT,
        env=os.environ
        | {"HEMATOVISION_DATA_FOLDER": str(tmp_path), "WEB_CONCURRENCY": str(processes)},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [one for one in done.stdout.splitlines() if one.split()[:1] == ["keepalive"]]
    assert line.split()[-1] == str(seconds)


def test_gunicorn_serves_nothing_where_serve_would_not(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    done = subprocess.run(  # noqa: S603 - our own program
        [
            *(sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"),
            *("--bind", f"unix:{tmp_path}/socket", "app:app"),
        ],
        cwd=ROOT,
        env=os.environ | {"HEMATOVISION_DATA_FOLDER": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
