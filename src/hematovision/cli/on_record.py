"""The server on record: its start, its stop, and checkpoints of the audit record meanwhile."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from hematovision import __version__
from hematovision.cli.stores import open_records, terminal
from hematovision.config import Settings

if TYPE_CHECKING:
    from hematovision.storage.database import Database

SECONDS = 60.0

log = logging.getLogger(__name__)


class Stop(Protocol):
    """Whatever tells a thread to stop, such as `threading.Event`."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait; tell whether to stop."""
        ...


@contextmanager
def server_on_record(settings: Settings) -> Iterator[None]:
    """Put start and stop on record, and write a checkpoint at each and every minute between."""
    database, stop = open_records(settings), threading.Event()
    try:
        _note(database, "server.started")
        thread = threading.Thread(target=keep_checkpoints, args=(database, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            _note(database, "server.stopped")
    finally:
        database.close()


def keep_checkpoints(database: "Database", stop: Stop) -> None:
    """Write a checkpoint every minute where there are events since, so that no night hides them."""
    while not stop.wait(SECONDS):
        try:
            database.checkpoint()
        except Exception:
            log.exception("The audit record has no checkpoint")


def note_server(settings: Settings, action: str) -> None:
    """Put on record that a server starts or stops; where that cannot be, it does so all the same.

    Nothing stays open: processes are forked afterwards.
    """
    try:
        database = open_records(settings)
        try:
            _note(database, action)
        finally:
            database.close()
    except Exception:
        log.exception("%s is not on record", action)


def _note(database: "Database", action: str) -> None:
    with database.transaction() as records:
        records.audit.add(terminal().did(action, "server", {"version": __version__}))
    database.checkpoint()
