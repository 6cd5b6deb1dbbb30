"""Inference elsewhere: Ray Serve, started by deploy/ray_serve.py for as long as it is needed."""

import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import psutil
from benchmarks.servers import ROOT, Memory, free_port, started

ATTEMPTS = 3
"""Ray gives up where its agents need more than 15 seconds to start, as on a busy machine."""


class NotThereError(Exception):
    """A case cannot be measured here; says why."""


def insist_on_ray() -> None:
    """Insist that networks can be served by Ray here.

    Raises:
        NotThereError: If Ray is not installed.
    """
    if find_spec("ray") is None:
        raise NotThereError("Ray is not installed: it comes with hematovision[scale]")


@contextmanager
def ray_engine(
    model: Path, replicas: int
) -> Iterator[tuple[Mapping[str, str], Callable[[], Memory]]]:
    """Start an inference server for as long as it is needed.

    Args:
        model: The model folder that it serves.
        replicas: How many.

    Returns:
        Settings for the web processes, by name, and what weighs the engine.

    Raises:
        NotThereError: If there is none here, or Ray does not start.
    """
    insist_on_ray()
    port = free_port()
    with ExitStack() as stack:
        process = _start(stack, [str(model), str(replicas), str(port)], port)
        yield (
            {"inference_url": f"http://127.0.0.1:{port}"},
            lambda: Memory.of([process, *process.children(recursive=True)]),
        )


def _start(stack: ExitStack, arguments: list[str], port: int) -> psutil.Popen:
    """Start a cluster of its own, whatever else runs on this machine."""
    for _ in range(ATTEMPTS):
        # The path of a socket has at most 107 bytes, and Ray's are long.
        environment = {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
            "RAY_AUTH_TOKEN": token_hex(16),
            "RAY_TMPDIR": stack.enter_context(TemporaryDirectory(prefix="ray-")),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        command = [sys.executable, "-m", "benchmarks.ray_cluster", *arguments]
        try:
            return stack.enter_context(started(command, environment, lambda: is_ready(port)))
        except SystemExit as error:
            reason = str(error).strip().splitlines()[-1]
    raise NotThereError(f"Ray does not start: {reason}")


def is_ready(port: int) -> bool:
    """Ask the engine whether it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5) as said:
            return bool(said.status == 200)
    except OSError:
        return False
