"""What this process may use of its machine: the cores it was given, not all there are."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

QUOTA_V2 = Path("/sys/fs/cgroup/cpu.max")
"""`QUOTA PERIOD` in microseconds, or `max PERIOD`: control groups of version 2, as of Docker."""


def cores(quota: Path = QUOTA_V2) -> int:
    """Say how many cores this process may keep busy, 1 at least.

    It is the number that the scheduler lets it run on, or what its control group grants in a period
    where that is less: who starts a thread for every core of a large machine, of which it was given
    two, waits most of the time.
    """
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    return max(1, min(there, _granted(quota) or there))


def _granted(file: Path) -> int | None:
    """Read how many cores are granted; None where nothing is said that counts."""
    try:
        words: Sequence[str] = file.read_text().split()
        quota, period = map(int, words)
    except (OSError, ValueError):
        return None
    return math.ceil(quota / period) if quota > 0 and period > 0 else None
