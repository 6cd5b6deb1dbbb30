"""gunicorn, as HematoVision needs it: `gunicorn --config deploy/gunicorn.conf.py app:app`."""

import os
from typing import Any

from hematovision.cli.serve import threads_for
from hematovision.config import Settings
from hematovision.observing.sharing import FOLDER, share

_settings = Settings.from_environment()

_host = _settings.host.strip("[]")
bind = f"[{_host}]:{_settings.port}" if ":" in _host else f"{_host}:{_settings.port}"
# Which proxies are believed is said by the program itself (web/proxies.py).
forwarded_allow_ips = ""
# Nobody asks for it, and its folder is not there in an image that is read only.
control_socket_disable = True
# Requests in hand may wait 30 seconds to be read, and then are.
graceful_timeout = 60
worker_class = "gthread"
# Of each process: one for each who reads or waits to, and some for pages.
threads = threads_for(_settings)
if _settings.metrics_token_file:
    # Before any process keeps a number: each then answers for all.
    share(_settings.data_folder)


def child_exit(server: Any, worker: Any) -> None:
    """Count what a process that ended had in progress no longer."""
    if os.environ.get(FOLDER):
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
