"""Where the numbers of several processes meet; chosen before anything keeps a number."""

import os
from collections.abc import MutableMapping
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client is told, when it is first imported."""
NAME = "numbers"


def share(data_folder: Path, environment: MutableMapping[str, str] = os.environ) -> Path | None:
    """Let this process and those that it starts keep their numbers in one folder.

    What others left there is thrown away: their processes are gone, or are about to be.

    Args:
        data_folder: Private to the server.
        environment: Of this process; a folder that is set there already stays.

    Returns:
        The folder; None where another was set.

    Raises:
        OSError: If it cannot be made or emptied.
    """
    if environment.get(FOLDER):
        return None
    folder = data_folder.absolute() / NAME
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob("*.db"):
        left.unlink(missing_ok=True)
    environment[FOLDER] = str(folder)
    return folder
