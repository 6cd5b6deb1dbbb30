"""Several who read in one process, so that one decodes while another multiplies."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from hematovision.jobs import GRACE_SECONDS, StuckError, Worker


@dataclass(slots=True)
class Crew:
    """Workers of one process: they share its networks and decoders, and each has a photo in hand.

    Attributes:
        workers: They share what stops them. The first runs in the thread of whoever runs the crew,
            and hears interrupts.
    """

    workers: Sequence[Worker]
    _came_to_an_end: list[bool] = field(default_factory=list)
    _stuck: list[StuckError] = field(default_factory=list)

    def run(self) -> bool:
        """Read until interrupted, or until the parent is gone.

        Returns:
            Whether all came to an end with what they had in hand; see `Worker.run`.

        Raises:
            StuckError: If one photo took too long; the others end with theirs first.
        """
        first, *others = self.workers
        threads = [
            threading.Thread(target=self._run, args=[worker], name="worker", daemon=True)
            for worker in others
        ]
        for thread in threads:
            thread.start()
        self._run(first)
        first.stop()
        for thread in threads:
            # What it cannot end within its grace it has given back.
            thread.join(GRACE_SECONDS)
        if self._stuck:
            raise self._stuck[0]
        return len(self._came_to_an_end) == len(self.workers) and all(self._came_to_an_end)

    def _run(self, worker: Worker) -> None:
        try:
            self._came_to_an_end.append(worker.run())
        except StuckError as error:
            self._stuck.append(error)
            worker.stop()
