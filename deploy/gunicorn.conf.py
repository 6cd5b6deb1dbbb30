"""gunicorn, as HematoVision needs it: `gunicorn --config deploy/gunicorn.conf.py app:app`.

It does what `hematovision serve` does, for as many processes as `WEB_CONCURRENCY` says. SIGHUP
takes the settings and the program up anew, and who is being answered is answered to the end.
SIGTERM lets `/readyz` say no for `HEMATOVISION_DRAIN_SECONDS` while everything is still answered,
so that what stands before it sends nobody here any more; then what has begun is answered, and it
ends.
"""

import math
import mmap
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import click

from hematovision.cli.on_record import keep_checkpoints, note_server
from hematovision.cli.serve import threads_for
from hematovision.cli.starting import open_door, prepare, share_numbers
from hematovision.config import Settings
from hematovision.machine import cores
from hematovision.observing.logs import init_logs

WORKERS = int(os.environ.get("WEB_CONCURRENCY") or 1)
if WORKERS > 1:
    # They share the cores, and one more place each: who waits for a disk multiplies nothing.
    os.environ.setdefault("HEMATOVISION_READING_SLOTS", str(math.ceil(cores() / WORKERS) + 1))
_settings = Settings.from_environment()

bind = (
    f"0.0.0.0:{os.environ['PORT']}"
    if os.environ.get("PORT")
    else f"{_settings.host}:{_settings.port}"
)
worker_class = "gthread"
# Of each process: one for each who reads or waits to, and some for pages.
threads = threads_for(_settings)
# Each process loads the application itself: threads of ONNX Runtime, processes that decode and
# connections do not outlast a fork, and only so does SIGHUP take up a new program.
preload_app = False
# A reading may wait half a minute for its turn.
graceful_timeout = 60
# Of one process longer than a load balancer keeps its connections, or it would send a request into
# a closed one. Connections that stay would stay with the process that was first to take them, while
# others are idle: of many, whichever is free takes the next request.
keepalive = 75 if WORKERS == 1 else 0
# The application says itself whom it believes: HEMATOVISION_TRUSTED_PROXY, and nobody else.
forwarded_allow_ips = ""
# The heartbeat is a file, and a disk that is busy must not look like a process that hangs.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Check all that a server needs, before any process is there to answer."""
    init_logs(_settings.log_format)
    server.draining = mmap.mmap(-1, 1)
    try:
        # Before any process keeps a number: each then answers for all.
        share_numbers(_settings)
    except click.ClickException as error:
        sys.exit(f"Error: {error.format_message()}")
    if not _apart(lambda: _check(_settings.reached_at(_hosts(server)))):
        sys.exit(1)


def when_ready(server: Any) -> None:
    """Put the start on record, and say no first when the end comes."""
    _apart(lambda: note_server(_settings, "server.started"))
    stop = server.handle_term

    def drain() -> None:
        server.draining[0] = 1
        server.log.info("Not ready from now on; still answering for %d s", _settings.drain_seconds)
        end = time.monotonic() + _settings.drain_seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        stop()

    server.handle_term = drain


def pre_fork(server: Any, worker: Any) -> None:
    """Hand down what says that the end is near."""
    worker.draining = server.draining


def post_worker_init(worker: Any) -> None:
    """Begin what a process does beside answering."""
    worker.wsgi.extensions["hematovision_draining"] = lambda: bool(worker.draining[0])
    wiring = worker.wsgi.extensions["hematovision"]
    wiring.decoder.warm()
    arguments = (wiring.database, threading.Event())
    threading.Thread(target=keep_checkpoints, args=arguments, daemon=True).start()


def child_exit(server: Any, worker: Any) -> None:
    """Count what a process that ended had in progress no longer."""
    if _settings.metrics_token_file:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """Put the end on record, if it ever began."""
    if hasattr(server, "draining"):
        _apart(lambda: note_server(_settings, "server.stopped"))


def _check(settings: Settings) -> None:
    open_door(settings, to_terminal=False)
    prepare(settings)


def _apart(work: Callable[[], object]) -> bool:
    """Do something in a process of its own; tell whether it came to its end.

    The one that forks all others stays without threads and connections.
    """
    if child := os.fork():
        return os.waitpid(child, 0)[1] == 0
    try:
        work()
    except click.ClickException as error:
        print(f"Error: {error.format_message()}", file=sys.stderr)  # noqa: T201
    except BaseException:
        traceback.print_exc()
    else:
        os._exit(0)
    sys.stderr.flush()
    os._exit(1)


def _hosts(server: Any) -> list[str]:
    """Give where it listens; a socket of this machine has no host."""
    return [one[0] for one in server.cfg.address if isinstance(one, tuple)]
