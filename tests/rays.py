"""A real Ray for tests: two cores, little memory, on loopback, and nothing told to its makers."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIGHT = Path(__file__).parent / "light"
"""Comes before what Ray's processes would import slowly: see the module in it."""
STARTS = 3
"""Ray gives itself half a minute, which a busy machine may need several times."""


@contextmanager
def rays(cores: int = 2) -> Iterator[None]:
    """Start a Ray for as long as it is needed.

    Raises:
        LookupError: If there is none.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(LIGHT), before]))
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError as error:
        raise LookupError("there is no Ray: pip install 'hematovision[scale]'") from error
    try:
        for attempt in range(STARTS):
            try:
                ray.init(
                    "local",
                    num_cpus=cores,
                    include_dashboard=False,
                    object_store_memory=80 * 2**20,
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                )
                break
            except Exception:
                ray.shutdown()
                if attempt == STARTS - 1:
                    raise
        yield
    finally:
        ray.shutdown()
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
