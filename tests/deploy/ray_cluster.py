"""A Ray of its own that serves a model folder on two replicas; a program, as Ray is noisy.

It writes a line of JSON when it serves, and one in answer to each line that it reads: `replicas`
names those that run, `kill` ends the first of them at once. It ends with its input.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SERVICER = "hematovision.vision.serving_grpc.add_inference_servicer"
ATTEMPTS = 3
"""Ray gives up where its agents need more than 15 seconds to start."""

PATIENCE = "60"
"""Seconds in the place of 5 and 10: on a busy machine Ray Serve would start its proxy anew and
anew, and say that it serves while nobody listens."""

SECONDS = 30
"""So long a request may take, on a busy machine with thirty others: one in a replica that is killed
is lost now and then, unsaid."""


class Cluster(NamedTuple):
    """Where it serves, and the program.

    Attributes:
        http: Port on loopback.
        grpc: Port on loopback.
        token: What it wants to be shown.
        token_file: Holds the token.
        program: Reads commands.
    """

    http: int
    grpc: int
    token: str
    token_file: Path
    program: "subprocess.Popen[str]"

    def tell(self, command: str) -> Any:
        assert self.program.stdin is not None
        self.program.stdin.write(f"{command}\n")
        self.program.stdin.flush()
        return _answer(self.program)


@contextmanager
def ray_cluster(model: Path, folder: Path) -> Iterator[Cluster]:
    """Serve a model folder.

    Args:
        model: The model folder.
        folder: For the token.
    """
    token_file = folder / "token"
    token_file.write_text(token_hex(16) + "\n")
    # Ray's processes may write for a moment after their program has ended.
    with (
        TemporaryFile("w+") as noise,
        TemporaryDirectory(prefix="hematovision-ray-", ignore_cleanup_errors=True) as place,
    ):
        for attempt in range(1, ATTEMPTS + 1):
            program = _start([str(model), str(token_file), place], noise)
            ports = _answer(program)
            if ports is not None:
                break
            noise.seek(0)
            assert attempt < ATTEMPTS, noise.read()[-3000:]
        try:
            yield Cluster(*ports, token_file.read_text().strip(), token_file, program)
        finally:
            _stop(program)


def _start(arguments: list[str], noise: Any) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "src"))),
        # Or it makes one, and keeps it in the home folder.
        "RAY_AUTH_TOKEN": token_hex(16),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": PATIENCE,
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": PATIENCE,
    }
    # Ray starts ten programs of Python, which shall not all compile the same.
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS"):
        environment.pop(name, None)
    return subprocess.Popen(  # noqa: S603 - this very file
        [sys.executable, __file__, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=noise,
        text=True,
    )


def _stop(program: "subprocess.Popen[str]") -> None:
    """End the program with its input; Ray's own processes end with it."""
    try:
        program.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        program.kill()
        program.communicate()
        raise


def _answer(program: "subprocess.Popen[str]") -> Any:
    """Give what the program says next; None if it ends instead."""
    assert program.stdout is not None
    for line in program.stdout:
        if line.startswith("{"):
            return json.loads(line)["answer"]
    program.communicate()
    return None


def _serve(model: str, token_file: str, place: str) -> None:
    import ray
    from deploy.ray_serve import Arguments, deployment
    from ray import serve

    # Ray gives its agents 15 seconds to start; without the dashboard's part there is less to load.
    ray._private.utils.get_dashboard_dependency_error = lambda: ImportError("not wanted")
    http, grpc = _free_port(), _free_port()
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=80 * 2**20,
        log_to_driver=False,
        _temp_dir=place,
        _node_ip_address="127.0.0.1",
    )
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": "127.0.0.1", "port": http, "request_timeout_s": SECONDS},
        grpc_options={
            "port": grpc,
            "grpc_servicer_functions": [SERVICER],
            "request_timeout_s": SECONDS,
        },
    )
    replicas = deployment.options(num_replicas=2, ray_actor_options={"num_cpus": 0.5})
    serve.run(replicas.bind(Arguments(model=model, token_file=token_file)), name="networks")
    _await(http, grpc)
    _say([http, grpc])
    for command in sys.stdin:
        names = _replicas(ray)
        if command.strip() == "kill":
            ray.kill(ray.get_actor(names[0], namespace="serve"))
        _say(names)
    serve.shutdown()
    ray.shutdown()


def _replicas(ray: Any) -> list[str]:
    actors = ray.util.list_named_actors(all_namespaces=True)
    return sorted(one["name"] for one in actors if one["name"].startswith("SERVE_REPLICA"))


def _await(*ports: int) -> None:
    """Wait until somebody listens, for Ray Serve also goes on when its proxy has died."""
    end = time.monotonic() + float(PATIENCE)
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps({"answer": answer}) + "\n")
    sys.stdout.flush()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


if __name__ == "__main__":
    _serve(*sys.argv[1:])
