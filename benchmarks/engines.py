"""Inference elsewhere: Ray Serve, started by deploy/ray_serve.py for as long as it is needed."""

import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.servers import ROOT, Memory, free_port, started

from hematovision.config import Settings

RAY_SERVE = ROOT / "deploy/ray_serve.py"


class NotThereError(Exception):
    """A case cannot be measured here; says why."""


def insist_on_ray() -> None:
    """Insist that networks can be served by Ray here, and asked for.

    Raises:
        NotThereError: If something for that is missing.
    """
    if not RAY_SERVE.exists():
        raise NotThereError("deploy/ray_serve.py is not there yet")
    if "inference_url" not in Settings.__dataclass_fields__:
        raise NotThereError("HEMATOVISION_INFERENCE_URL is not there yet")
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
        NotThereError: If there is none here.
    """
    insist_on_ray()
    port = free_port()
    # The path of a socket has at most 107 bytes, and Ray's are long.
    with TemporaryDirectory(prefix="ray-") as folder:
        # A cluster of its own, whatever else runs on this machine.
        environment = {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
            "RAY_TMPDIR": folder,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": "120",
        }
        command = [sys.executable, "-m", "benchmarks.ray_cluster", str(model), str(replicas)]
        command.append(str(port))
        with started(command, environment, lambda: is_ready(port)) as process:
            yield (
                {"inference_url": f"http://127.0.0.1:{port}"},
                lambda: Memory.of([process, *process.children(recursive=True)]),
            )


def is_ready(port: int) -> bool:
    """Ask the engine whether it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5) as said:
            return bool(said.status == 200)
    except OSError:
        return False
