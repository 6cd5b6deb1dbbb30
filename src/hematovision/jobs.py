"""Background work: wakes those who read photos; the database alone knows what waits."""

import logging
import os
import secrets
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hematovision.config import Settings
from hematovision.errors import InferenceAwayError, InferenceWrongError
from hematovision.services import batches
from hematovision.services.batches import LEASE, Desk
from hematovision.services.choosing import find_choice
from hematovision.services.crops import Album, prepare_crops
from hematovision.services.delivering import Courier, deliver_next, forget_told
from hematovision.services.erasing import sweep
from hematovision.services.hands import Hand
from hematovision.services.repeats import forget_old
from hematovision.services.retention import delete_due, find_due
from hematovision.services.rotation import check_key
from hematovision.services.shelf import Shelf
from hematovision.storage.photos import Photo
from hematovision.storage.private import keep_file

NAME = "hematovision"
FILE = "queue.sqlite"
WAKE = b"wake"
MOST_WAKES = 16
"""More need not wait: each lets one worker read until nothing waits."""

SWEEP_SECONDS = 5.0
"""So often a worker looks by itself; no wake that is lost, and no lost worker, costs more."""
POLL_SECONDS = 0.2
BEAT_SECONDS = 1.0
RENEW_SECONDS = LEASE.total_seconds() / 4
GRACE_SECONDS = 5.0
"""So long a worker that is to stop goes on with its photo before it gives it back."""
KEEP_SECONDS = 24 * 60 * 60.0
"""So often a worker deletes what was kept for long enough; at its start first."""
LONGEST_SECONDS = 300.0
"""Whoever reads one photo for longer is stuck."""
CUT_AT_ONCE = 20
"""Photos whose cells are cut out before it is looked whether another waits."""

log = logging.getLogger(__name__)


class QueueUnusableError(Exception):
    """The queue's address cannot be understood, its package is missing, or its file is broken."""


class StuckError(Exception):
    """A worker does not come to an end with a photo."""


class Wakes:
    """Carries wakes from those who send photos to those who read them, through a store of huey's.

    Only the store is used, and nothing that is read from it is run: huey's own consumer would
    unpickle it, look for lost work once a minute, and give no photo back when it is ended.
    A store that cannot be reached is named in the log and left alone for a while; photos are found
    without it.
    """

    def __init__(self, store: Any) -> None:
        """Take a store of `huey.storage`."""
        self._store = store
        self._broken_until = 0.0

    def wake(self) -> None:
        """Wake a worker, unless enough wakes wait already."""
        self._ask(self._add)

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Wait until somebody wakes, `seconds` are over, or `stop` is set."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not stop.is_set():
            if self._ask(self._store.dequeue) is not None:
                return
            stop.wait(POLL_SECONDS)

    def _add(self) -> None:
        if self._store.queue_size() < MOST_WAKES:
            self._store.enqueue(WAKE)

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Ask the store; None where it cannot be reached."""
        if time.monotonic() < self._broken_until:
            return None
        try:
            return question()
        except Exception as error:  # whatever a driver raises: no upload may fail by it
            self._broken_until = time.monotonic() + SWEEP_SECONDS
            log.warning("The queue cannot be used: %s. Workers find photos without it.", error)
            return None


def open_queue(settings: Settings) -> Wakes:
    """Open what wakes workers; whether a server is there shows when it is used.

    Raises:
        QueueUnusableError: If its address cannot be understood, its package is missing, or its file
            is broken.
        OSError: If the data folder cannot be written.
    """
    return Wakes(_redis(settings.queue_url) if settings.queue_url else _file(settings))


def _file(settings: Settings) -> Any:
    from huey.storage import SqliteStorage

    file = settings.data_folder.absolute() / FILE
    keep_file(file)
    try:
        # A wake may be lost, so the disk need not be waited for.
        return SqliteStorage(NAME, str(file), fsync=False, timeout=2)
    except sqlite3.Error as error:
        raise QueueUnusableError(
            f"The queue {file} cannot be used: {error}. Stop HematoVision and delete it; it holds "
            "nothing that is missed."
        ) from error


def _redis(address: str) -> Any:
    try:
        from huey.storage import RedisStorage
        from redis import ConnectionPool

        pool = ConnectionPool.from_url(address, socket_connect_timeout=2, socket_timeout=5)
    except ImportError as error:
        raise QueueUnusableError(
            "HEMATOVISION_QUEUE_URL needs Redis: pip install 'hematovision[server]'"
        ) from error
    except ValueError as error:
        # Never the address itself: it may hold a password.
        raise QueueUnusableError(
            f"HEMATOVISION_QUEUE_URL cannot be used: {error}. It looks like "
            "redis://:password@host:6379/0; empty, it is a file in the data folder."
        ) from error
    return RedisStorage(NAME, connection_pool=pool)


@dataclass(frozen=True, slots=True)
class InHand:
    """A photo that is being read, and since when by `time.monotonic`."""

    photo: Photo
    since: float


def _new_name() -> str:
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(slots=True)
class Worker:
    """Reads what waits, one photo after the other, until it is told to stop.

    A thread of its own reads; the one that runs the worker watches it and renews its lease. Another
    tells webhooks what waits for them, so that no photo waits for another system.

    Attributes:
        desk: Where it reads.
        queue: Wakes it.
        parent: The process that started it and that it ends with, if any.
        clock: Tells the time, UTC.
        name: No other worker is called so.
        shelf: Has the model that reads now, looked at before each photo; without one, the model of
            the desk reads for good.
        courier: Tells webhooks what waits; without one, nobody is told by this worker.
        stopping: Is set when it is to come to an end; several may share one.
    """

    desk: Desk
    queue: Wakes
    parent: int | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    name: str = field(default_factory=_new_name)
    shelf: Shelf | None = None
    courier: Courier | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    _hand: InHand | None = None
    _uncut: dict[int, list[int]] = field(default_factory=dict)
    """Photos that were read, a case; their cells are cut out for people when nothing more waits."""
    _kept: float | None = None

    def run(self) -> bool:
        """Read until interrupted, or until the parent is gone.

        Returns:
            Whether it came to an end with its photo and with what it was telling; otherwise the
            photo was given back, and its threads are not to be waited for.

        Raises:
            StuckError: If one photo took too long. It stays in hand until its lease is over, so
                that its attempts are counted.
        """
        model = self.desk.reader.model
        log.info("Worker %s reads with %s %s", self.name, model.name, model.version)
        thread = threading.Thread(target=self._read, name="reading", daemon=True)
        thread.start()
        telling = threading.Thread(target=self._tell, name="telling", daemon=True)
        telling.start()
        try:
            self._watch()
        except KeyboardInterrupt:
            log.info("Worker %s stops", self.name)
        self.stop()
        end = time.monotonic() + GRACE_SECONDS
        for one in (thread, telling):
            one.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            self._give_back()
        return not thread.is_alive() and not telling.is_alive()

    def stop(self) -> None:
        """Let it come to an end; not to be called by the handler of a signal, which could block."""
        self.stopping.set()

    def _read(self) -> None:
        while not self.stopping.is_set():
            try:
                self._read_all()
                if self._prepare():
                    continue
                while batches.throw_away(self.desk):
                    pass
                self._keep_house()
            except Exception:  # the database may be back at the next sweep
                log.exception("Reading is interrupted; it goes on in %.0f s", SWEEP_SECONDS)
            self.queue.wait(SWEEP_SECONDS, self.stopping)

    def _tell(self) -> None:
        """Tell webhooks what waits; what is interrupted is told again when its lease is over."""
        while self.courier and not self.stopping.is_set():
            try:
                while not self.stopping.is_set() and deliver_next(self.courier, clock=self.clock):
                    pass
            except Exception:  # the database may be back at the next sweep
                log.exception("Telling is interrupted; it goes on in %.0f s", SWEEP_SECONDS)
            self.stopping.wait(SWEEP_SECONDS)

    def _read_all(self) -> None:
        """Read until nothing waits."""
        began, number = time.monotonic(), 0
        while not self.stopping.is_set() and (photo := self._take()):
            try:
                batches.read_photo(self.desk, photo, self.name, clock=self.clock)
            except (InferenceAwayError, InferenceWrongError) as error:
                # What else is to be done goes on meanwhile.
                log.warning("%s Reading goes on in %.0f s", error, SWEEP_SECONDS)
                break
            finally:
                self._hand = None
            if photo.case_id is not None:
                self._uncut.setdefault(photo.case_id, []).append(photo.id)
            number += 1
        if number:
            log.info("Photos read: %d in %.0f s", number, time.monotonic() - began)

    def _prepare(self) -> bool:
        """Cut the cells of some photos of one case; False where all that were read here are cut."""
        if not self._uncut:
            return False
        case_id = next(iter(self._uncut))
        photos = self._uncut.pop(case_id)
        if photos[CUT_AT_ONCE:]:
            self._uncut[case_id] = photos[CUT_AT_ONCE:]
        desk = self.desk
        album = Album(desk.database, desk.files, desk.max_pixels, desk.decoder)
        prepare_crops(album, case_id, photos[:CUT_AT_ONCE])
        return True

    def _take_up(self) -> None:
        """Read with the model that reads now; between two photos, never within one."""
        if self.shelf is None:
            return
        choice = find_choice(self.shelf.database)
        reader, shadow = self.shelf.reader(choice), self.shelf.find_shadow(choice)
        if reader.model != self.desk.reader.model:
            log.info("Reads with %s %s from now on", reader.model.name, reader.model.version)
        self.desk = replace(self.desk, reader=reader, shadow=shadow)

    def _keep_house(self) -> None:
        """Delete what must go, and once a day what was kept for long enough."""
        by = Hand(None, "worker", self.clock())
        sweep(self.desk.database, self.desk.files, by=by)
        forget_old(self.desk.database, now=by.now)
        if self._kept is None or time.monotonic() - self._kept > KEEP_SECONDS:
            due = find_due(self.desk.database, self.desk.policy, now=by.now)
            delete_due(self.desk.database, self.desk.files, due, self.desk.policy, by=by)
            forget_told(self.desk.database, now=by.now)
            self._kept = time.monotonic()

    def _take(self) -> Photo | None:
        self._take_up()
        check_key(self.desk.database, self.desk.files.seal)
        photo = batches.take_next(self.desk.database, self.name, now=self.clock())
        self._hand = InHand(photo, time.monotonic()) if photo else None
        return photo

    def _watch(self) -> None:
        """Keep the photo in hand for as long as it is being read."""
        renewed = time.monotonic()
        while not self.stopping.wait(BEAT_SECONDS):
            if self._is_orphan():
                log.info("Worker %s ends, for the server that started it has ended", self.name)
                return
            now, hand = time.monotonic(), self._hand
            if hand and now - hand.since > LONGEST_SECONDS:
                raise StuckError(
                    f"Photo {hand.photo.id} is being read for {LONGEST_SECONDS:.0f} s; this worker "
                    "is stuck and ends."
                )
            if hand and now - renewed >= RENEW_SECONDS:
                renewed = now
                self._renew(hand.photo)

    def _is_orphan(self) -> bool:
        return self.parent is not None and os.getppid() != self.parent

    def _renew(self, photo: Photo) -> None:
        try:
            batches.hold(self.desk.database, photo, self.name, now=self.clock())
        except Exception:  # the photo is read all the same; perhaps another reads it too
            log.exception("The lease of photo %d could not be renewed", photo.id)

    def _give_back(self) -> None:
        hand = self._hand
        if hand and batches.give_back(self.desk.database, hand.photo, self.name):
            log.info("Photo %d is given back, to be read by another", hand.photo.id)
            self.queue.wake()
