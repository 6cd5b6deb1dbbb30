"""Where requests are counted within one process: the store of `limits` starts a thread for each."""

import time
from threading import Lock

from limits.storage import Storage

SCHEME = "counters"
MOST = 10_000
"""So many are counted before it is looked which of them are over."""


class Counters(Storage):
    """Counters by name, each for a while."""

    STORAGE_SCHEME: list[str] | None = [SCHEME]  # noqa: RUF012 - as `limits` declares it

    def __init__(self, uri: str | None = None, **options: float | str | bool) -> None:
        """Begin with none."""
        super().__init__(uri, wrap_exceptions=False)
        self._lock = Lock()
        self._room = MOST
        self._counted: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """Say how it fails, which it does not."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count on; what is over begins anew, for `expiry` seconds."""
        now = time.time()
        with self._lock:
            if len(self._counted) >= self._room:
                self._counted = {one: has for one, has in self._counted.items() if has[1] > now}
                # Or whoever has many addresses would have each request look through all of them.
                self._room = max(MOST, 2 * len(self._counted))
            number, ends = self._counted.get(key, (0, 0.0))
            if ends <= now:
                number, ends = 0, now + expiry
            self._counted[key] = (number + amount, ends)
        return number + amount

    def get(self, key: str) -> int:
        """Say how much was counted."""
        number, ends = self._counted.get(key, (0, 0.0))
        return number if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """Say when it ends, as `time.time` does; now where nothing is counted."""
        return max(self._counted.get(key, (0, 0.0))[1], time.time())

    def check(self) -> bool:
        """Tell that it can be reached."""
        return True

    def reset(self) -> int:
        """Forget everything; give how much there was."""
        number = len(self._counted)
        self._counted = {}
        return number

    def clear(self, key: str) -> None:
        """Forget one."""
        self._counted.pop(key, None)
