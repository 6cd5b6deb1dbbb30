import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_program_that_presses_a_server_starts() -> None:
    # In a process of its own: Locust changes how a process waits.
    said = subprocess.check_output(
        [sys.executable, "-m", "benchmarks.load", "--help"], cwd=ROOT, text=True
    )
    assert "--seconds" in said
