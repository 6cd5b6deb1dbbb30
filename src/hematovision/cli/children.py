"""Workers beside the server: its child processes, started anew when they die."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.2

log = logging.getLogger(__name__)


@contextmanager
def keep_workers(number: int, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Keep workers running meanwhile, and end them afterwards.

    SIGTERM ends the server as Ctrl+C does meanwhile, for it would leave them behind. A server that
    is killed cannot end them: they look for it themselves.

    Args:
        number: How many.
        environment: Theirs; that of this process where it is left out.
    """
    stop = threading.Event()
    keepers = [
        threading.Thread(target=_keep, args=(stop, environment), daemon=True) for _ in range(number)
    ]
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for keeper in keepers:
            keeper.start()
        yield
    finally:
        stop.set()
        for keeper in keepers:
            keeper.join()
        signal.signal(signal.SIGTERM, before)


def worker_command() -> list[str]:
    """Say how a worker is started that ends with this process."""
    return [sys.executable, "-m", "hematovision", "worker", "--parent", str(os.getpid())]


def _keep(stop: threading.Event, environment: Mapping[str, str]) -> None:
    """Keep one worker running; the sooner it dies, the longer until the next is started."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        began = time.monotonic()
        code = _run_one(stop, environment)
        if stop.is_set():
            return
        if time.monotonic() - began > LONGEST_PAUSE:
            pause = FIRST_PAUSE
        log.warning("A worker ended (code %s); another is started in %.0f s", code, pause)
        stop.wait(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _run_one(stop: threading.Event, environment: Mapping[str, str]) -> int | None:
    """Run a worker until it ends by itself or is to stop; give its exit code, if it had any."""
    try:
        # In a group of its own: Ctrl+C reaches the server, which ends its workers.
        child = subprocess.Popen(  # noqa: S603 - our own program
            worker_command(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=dict(environment),
        )
    except OSError as error:
        log.error("No worker can be started: %s", error)
        return None
    while child.poll() is None and not stop.is_set():
        stop.wait(POLL_SECONDS)
    if child.poll() is None:
        _end(child)
    return child.returncode


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Let a worker come to an end with its photo; kill it where it does not."""
    child.terminate()
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
